"""Run times learnt from runs: nearest source first, and bounds that hold."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.estimate import (
    Estimator,
    FinishedRun,
    RunEstimate,
    fit,
    prior_run_s,
    remaining,
    upper,
)
from labd.core.jobs import JobType

PULSE = JobType.PULSE


def ran(kind: str, playing_s: float, run_s: float) -> FinishedRun:
    return FinishedRun(kind, PULSE, playing_s, run_s)


def test_before_anything_has_run_the_prior_speaks_with_a_wide_bound() -> None:
    run = Estimator().run("bell", 2.0, PULSE)

    assert run.p50_s == prior_run_s(2.0)
    assert run.p90_s >= 5 * run.p50_s


def test_one_run_of_the_same_kind_counts_more_than_any_prior() -> None:
    estimator = Estimator([ran("bell", 2.0, 30.0)])

    run = estimator.run("bell", 2.0, PULSE)

    assert run.p50_s == 30.0
    assert 30.0 < run.p90_s < 60.0


def test_a_kind_that_is_not_known_is_scaled_by_its_playing_time() -> None:
    estimator = Estimator(
        [ran(f"kind {number}", playing_s, 1.0 + 2.0 * playing_s)
         for number, playing_s in enumerate((1.0, 3.0, 5.0, 8.0, 2.0, 13.0, 21.0, 4.0) * 3)]
    )  # fmt: skip

    run = estimator.run("never seen", 10.0, PULSE)

    assert run.p50_s == pytest.approx(21.0, rel=0.02)
    assert run.p90_s == pytest.approx(21.0, rel=0.05)


def test_types_of_jobs_have_lines_of_their_own() -> None:
    estimator = Estimator()
    for playing_s in (1.0, 2.0, 4.0, 8.0) * 6:
        estimator.learn(FinishedRun("", PULSE, playing_s, 2.0 * playing_s))
        estimator.learn(FinishedRun("", JobType.CIRCUIT, playing_s, 7.0 * playing_s))

    runs = [estimator.run("", 5.0, job_type) for job_type in (PULSE, JobType.CIRCUIT)]

    assert [run.p50_s for run in runs] == pytest.approx([10.0, 35.0], rel=0.02)


def test_a_kind_that_changes_its_ways_is_followed() -> None:
    estimator = Estimator([ran("bell", 1.0, 2.0) for _ in range(100)])
    for _ in range(40):
        estimator.learn(ran("bell", 1.0, 9.0))

    assert estimator.run("bell", 1.0, PULSE).p50_s == 9.0


def test_the_bound_of_few_values_is_none() -> None:
    assert upper(list(range(8)), 0.9) is None
    assert upper(list(range(9)), 0.9) == 8


@pytest.mark.parametrize("seed", range(4))
def test_nine_of_ten_runs_end_within_p90_and_half_within_p50(seed: int) -> None:
    chance = random.Random(seed)
    estimator = Estimator()
    within_p50, within_p90 = [], []
    kinds = {f"kind {n}": (chance.lognormvariate(1.0, 1.0), chance.choice((0.05, 0.3)))
             for n in range(60)}  # fmt: skip

    for _ in range(1500):
        kind = chance.choice(list(kinds))
        playing_s, noise = kinds[kind]
        run = estimator.run(kind, playing_s, PULSE)
        run_s = (0.7 + 1.4 * playing_s) * chance.lognormvariate(0.0, noise)
        within_p50.append(run_s <= run.p50_s)
        within_p90.append(run_s <= run.p90_s)
        estimator.learn(ran(kind, playing_s, run_s))

    assert 0.44 < statistics.mean(within_p50) < 0.56
    assert 0.89 < statistics.mean(within_p90) < 0.96


@given(
    st.lists(
        st.tuples(st.floats(0, 1e4), st.floats(1e-3, 1e5)), min_size=1, max_size=40
    )
)  # fmt: skip
def test_whatever_has_run_an_estimate_is_positive_and_in_order(
    runs: list[tuple[float, float]],
) -> None:
    estimator = Estimator([ran("k", playing_s, run_s) for playing_s, run_s in runs])

    for kind in ("k", "other"):
        run = estimator.run(kind, 3.0, PULSE)
        assert 0 < run.p50_s <= run.p90_s


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(1e-3, 1e5)), min_size=1, max_size=40))
def test_a_line_never_falls_and_never_begins_below_nothing(
    points: list[tuple[float, float]],
) -> None:
    offset_s, slope = fit(points)

    assert offset_s >= 0
    assert slope >= 0


def test_a_line_is_found_among_runs_of_every_length() -> None:
    chance = random.Random(1)
    points = [(p, (3 + 2 * p) * chance.lognormvariate(0, 0.05)) for p in (0.1, 1, 10, 100) * 30]

    offset_s, slope = fit(points)

    assert offset_s == pytest.approx(3, rel=0.1)
    assert slope == pytest.approx(2, rel=0.1)


def test_what_is_left_of_a_run_shrinks_at_first_and_grows_when_it_is_overdue() -> None:
    run = RunEstimate(10.0, 14.0)

    lefts = [remaining(run, elapsed_s, 0.0).p50_s for elapsed_s in (0.0, 5.0, 9.0)]
    overdue = [remaining(run, elapsed_s, 0.0).p50_s for elapsed_s in (30.0, 60.0, 600.0)]

    assert lefts == sorted(lefts, reverse=True)
    assert overdue == sorted(overdue)
    assert lefts[0] == 10.0


def test_what_the_rack_has_done_outweighs_what_was_expected() -> None:
    run = RunEstimate(10.0, 14.0)

    left = remaining(run, elapsed_s=60.0, fraction_done=0.9)

    assert left.p50_s == pytest.approx(60 / 9, rel=0.2)
