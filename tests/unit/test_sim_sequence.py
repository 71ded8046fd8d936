"""Steps in time: passes, trigger waits, and the pieces that come out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from labd_drivers.sim.awg_sequence import (
    END,
    INFINITE,
    NEXT,
    NotPlayable,
    Run,
    Step,
    StepList,
    Timing,
    follow,
    lead,
    timings_of,
)
from labd_drivers.sim.awg_waveform import SHORTEST_GAP_SAMPLES, Waveform
from labd_drivers.sim.frames import plan_frames


def timings(*steps: tuple[int, int, str, int]) -> tuple[Timing, ...]:
    """Steps as (n_samples, repeat, wait, goto)."""
    listed = [Step(repeat=repeat, wait_input=wait, goto=goto) for _, repeat, wait, goto in steps]
    return timings_of(StepList(1, listed), [length for length, *_ in steps])


def test_a_leader_passes_once_through_its_loop_without_expanding_repeats() -> None:
    passed = lead(timings((100, 1, "OFF", NEXT), (10, 1_000_000, "OFF", NEXT), (50, 2, "OFF", 1)))

    assert passed.runs == (Run(0, 0, 1), Run(1, 100, 1_000_000), Run(2, 10_000_100, 2))
    assert (passed.duration_samples, passed.is_looping) == (10_000_200, True)


def test_a_leader_without_goto_at_its_end_plays_once() -> None:
    assert not lead(timings((100, 1, "OFF", NEXT))).is_looping
    assert not lead(timings((100, 1, "OFF", END), (100, 1, "OFF", 1))).is_looping


def test_a_first_step_that_repeats_for_ever_is_the_loop() -> None:
    passed = lead(timings((100, INFINITE, "OFF", NEXT), (50, 1, "OFF", NEXT)))

    assert (passed.duration_samples, passed.is_looping) == (100, True)


@pytest.mark.parametrize(
    "steps",
    [
        [(10, 1, "OFF", NEXT), (10, INFINITE, "OFF", 1)],
        [(10, 1, "OFF", NEXT), (10, 1, "OFF", NEXT), (10, 1, "OFF", 2)],
    ],
)
def test_loops_that_do_not_come_back_to_the_first_step_are_refused(
    steps: list[tuple[int, int, str, int]],
) -> None:
    with pytest.raises(NotPlayable):
        lead(timings(*steps))


def test_a_follower_starts_its_latency_after_the_trigger() -> None:
    passed = follow(timings((100, 2, "ATRigger", NEXT), (50, 1, "OFF", 1)), [0], 1000, 30)

    assert passed.runs == (Run(0, 30, 2), Run(1, 230, 1))
    assert (passed.duration_samples, passed.n_passes) == (1000, 1)


def test_a_follower_takes_one_trigger_for_each_step_that_waits() -> None:
    passed = follow(
        timings((100, 1, "ATRigger", NEXT), (100, 1, "ATRigger", 1)), [0, 400], 1000, 10
    )

    assert [run.start_samples for run in passed.runs] == [10, 410]


def test_a_follower_that_is_still_playing_misses_the_next_trigger() -> None:
    passed = follow(timings((1000, 1, "ATRigger", 1)), [0], 1000, 480)

    assert passed.runs == (Run(0, 480, 1),)
    assert (passed.duration_samples, passed.n_passes) == (2000, 2)


def test_a_follower_that_needs_two_passes_is_given_two() -> None:
    passed = follow(timings((10, 1, "ATRigger", NEXT), (10, 1, "ATRigger", 1)), [0], 100, 5)

    assert [run.start_samples for run in passed.runs] == [5, 105]
    assert passed.n_passes == 2


def test_a_follower_that_always_plays_across_the_end_of_the_pass_is_refused() -> None:
    with pytest.raises(NotPlayable, match="not back"):
        follow(timings((10, 1, "ATRigger", 1)), [700], 1000, 300)


def test_a_follower_that_ends_is_refused() -> None:
    with pytest.raises(NotPlayable, match="first pass only"):
        follow(timings((10, 1, "ATRigger", NEXT)), [0], 100, 5)


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=5),
    triggers=st.sets(st.integers(0, 999), min_size=1, max_size=5),
    latency=st.integers(0, 300),
)
def test_a_follower_never_overlaps_itself_and_ends_waiting(
    lengths: list[int], triggers: set[int], latency: int
) -> None:
    steps = [(length, 1, "ATRigger", NEXT) for length in lengths[:-1]]
    steps.append((lengths[-1], 1, "ATRigger", 1))

    try:
        passed = follow(timings(*steps), sorted(triggers), 1000, latency)
    except NotPlayable:
        reject()

    ends = [0]
    for run in passed.runs:
        assert run.start_samples >= ends[-1]
        assert (run.start_samples - latency) % 1000 in triggers
        ends.append(run.start_samples + lengths[run.step])
    assert len(passed.runs) % len(lengths) == 0
    assert ends[-1] <= passed.duration_samples == 1000 * passed.n_passes


# ---- waveforms


_levels = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.5, -1.0, 1.0, 1e-9]), st.integers(1, 150)),
    min_size=1,
    max_size=8,
)


@given(_levels, st.sampled_from([12, 14, 16]))
def test_stretches_hold_all_that_is_not_zero(levels: list[tuple[float, int]], n_bits: int) -> None:
    samples = np.concatenate([np.full(n, level, np.float32) for level, n in levels])

    stretches = Waveform(samples).stretches(0.5, n_bits)

    line = np.zeros(len(samples))
    for stretch in stretches:
        assert stretch.volts[0] != 0
        assert stretch.volts[-1] != 0
        assert not stretch.volts.flags.writeable
        line[stretch.start_samples : stretch.start_samples + len(stretch.volts)] += stretch.volts
    assert np.abs(line - 0.25 * samples).max() <= 0.5 / 2**n_bits
    gaps = [
        later.start_samples - earlier.start_samples - len(earlier.volts)
        for earlier, later in pairwise(stretches)
    ]
    assert all(gap >= SHORTEST_GAP_SAMPLES for gap in gaps)


def test_equal_stretches_have_equal_digests() -> None:
    pulse = np.linspace(0.1, 1, 40, dtype=np.float32)
    samples = np.concatenate([pulse, np.zeros(100, np.float32), pulse])

    first, second = Waveform(samples).stretches(0.5, 14)

    assert first.digest == second.digest
    assert first.digest != Waveform(samples).stretches(0.4, 14)[0].digest


def test_a_waveform_that_was_played_is_not_written_over() -> None:
    waveform = Waveform(np.zeros(500, np.float32)).with_samples(0, np.ones(3, np.float32))
    (before,) = waveform.stretches(0.5, 14)

    changed = waveform.with_samples(2, np.zeros(3, np.float32))

    assert len(before.volts) == 3
    assert len(changed.stretches(0.5, 14)[0].volts) == 2
    assert waveform.stretches(0.5, 14)[0] is before


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_marker_edges_rebuild_the_marker(values: list[int]) -> None:
    waveform = Waveform(np.zeros(len(values), np.float32), np.array(values, np.uint8))

    for marker in (1, 2, 3):
        edges = waveform.edges(marker)
        level, rebuilt = edges.first, []
        for at in range(len(values)):
            level = (level or at in edges.rises_samples) and at not in edges.falls_samples
            rebuilt.append(level)
        assert rebuilt == [bool(value >> (marker - 1) & 1) for value in values]
        assert edges.last == rebuilt[-1]


# ---- frames


def test_frame_k_is_trigger_k_over_all_shots() -> None:
    plan = plan_frames([0, 500], 1000, n_frames=5, dead_samples=400, is_looping=True)

    assert plan.picks.tolist() == [0, 1, 2, 3, 4]
    assert plan.n_shots == 3
    assert plan.chosen(2, 1).tolist() == [0]


def test_triggers_during_a_record_are_lost() -> None:
    plan = plan_frames([0, 100, 500], 1000, n_frames=4, dead_samples=400, is_looping=True)

    assert plan.picks.tolist() == [0, 2, 3, 5]


def test_a_sequence_that_ends_gives_no_more_frames_than_its_triggers() -> None:
    plan = plan_frames([0, 500], 1000, n_frames=5, dead_samples=400, is_looping=False)

    assert plan.n_frames == 2


def test_without_triggers_there_are_no_frames() -> None:
    plan = plan_frames([], 1000, n_frames=5, dead_samples=400, is_looping=True)

    assert (plan.n_frames, plan.n_shots) == (0, 0)


@given(
    triggers=st.sets(st.integers(0, 999), min_size=1, max_size=6),
    dead=st.integers(1, 2500),
    n_frames=st.integers(1, 20),
)
def test_taken_triggers_are_apart_by_the_dead_time(
    triggers: set[int], dead: int, n_frames: int
) -> None:
    listed = sorted(triggers)

    plan = plan_frames(listed, 1000, n_frames=n_frames, dead_samples=dead, is_looping=True)

    times = [1000 * (pick // len(listed)) + listed[pick % len(listed)] for pick in plan.picks]
    assert len(times) == n_frames
    assert all(later - earlier >= dead for earlier, later in pairwise(times))
