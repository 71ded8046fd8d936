from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labd.core.limits import (
    DAY_NS,
    Bound,
    LimitName,
    Run,
    Source,
    added,
    asked_by_job,
    effective,
    exceeded,
    frees,
    frees_at_ns,
)

NOW_NS = 1_800_000_000_000_000_000
S_NS = 1_000_000_000
NOTHING = dict.fromkeys(LimitName, 0.0)
JOBS = LimitName.QUEUED_JOBS


def test_a_users_own_value_goes_before_his_roles_and_that_before_the_configurations() -> None:
    bounds = effective(
        {JOBS: 3},
        {JOBS: 5, LimitName.QUEUED_SHOTS: None},
        {"queued_jobs": 7, "queued_shots": 100, "run_s_per_day": 60},
    )

    assert bounds[JOBS] == Bound(3, Source.USER)
    assert bounds[LimitName.QUEUED_SHOTS] == Bound(None, Source.ROLE)
    assert bounds[LimitName.RUN_S_PER_DAY] == Bound(60, Source.CONFIG)
    assert bounds[LimitName.RESULT_BYTES] == Bound(None, Source.CONFIG)


def test_an_unlimited_user_is_not_bound_by_his_role() -> None:
    bounds = effective({JOBS: None}, {JOBS: 1}, {})

    assert exceeded(bounds, {**NOTHING, JOBS: 1000}, _job()) is None


@given(st.sampled_from(LimitName), st.integers(0, 50), st.integers(0, 50))
def test_what_is_used_never_goes_beyond_the_limit(
    name: LimitName, limit: int, already: int
) -> None:
    bounds = effective({name: limit}, {}, {})
    asked = _job(payload_bytes=1, shots=1, circuits=1, run_s=1.0)
    used = added(NOTHING, {name: already})

    while (hit := exceeded(bounds, used, asked)) is None and used[name] < 200:
        used = added(used, asked)
        if name is LimitName.RESULT_BYTES:
            used = added(used, {name: 1})

    assert hit is name
    assert used[name] == max(already, limit)


def _job(
    *, payload_bytes: int = 0, shots: int = 0, circuits: int = 0, run_s: float = 0.0
) -> dict[LimitName, float]:
    return dict(
        asked_by_job(payload_bytes=payload_bytes, shots=shots, circuits=circuits, run_s=run_s)
    )


def test_shots_count_once_per_circuit_and_without_circuits_once() -> None:
    assert _job(shots=100, circuits=3)[LimitName.QUEUED_SHOTS] == 300
    assert _job(shots=100, circuits=0)[LimitName.QUEUED_SHOTS] == 100


def ran_s(runs: list[Run], now_ns: int) -> float:
    since_ns = now_ns - DAY_NS
    return sum(max(0, run.ended_ns - max(run.started_ns, since_ns)) for run in runs) / S_NS


RUNS = st.lists(
    st.builds(
        lambda ago_s, run_s: Run(
            NOW_NS - (ago_s + run_s) * S_NS // 10, NOW_NS - ago_s * S_NS // 10
        ),
        st.integers(0, 900_000),
        st.integers(0, 50_000),
    ),
    max_size=12,
)


@given(RUNS, st.integers(1, 400_000))
def test_room_is_promised_for_the_first_instant_at_which_there_is_room(
    runs: list[Run], excess_ds: int
) -> None:
    before_s = ran_s(runs, NOW_NS)
    excess_s = excess_ds / 10

    at_ns = frees_at_ns(runs, excess_s, NOW_NS)

    if at_ns is None:
        assert excess_s > before_s - 1e-6
    else:
        assert before_s - ran_s(runs, at_ns) >= excess_s - 1e-6
        assert before_s - ran_s(runs, at_ns - 1000) < excess_s
        assert at_ns > NOW_NS


def test_a_refusal_says_when_there_is_room_again() -> None:
    at_ns = 1_795_400_000 * S_NS - 1
    run, jobs = LimitName.RUN_S_PER_DAY, LimitName.QUEUED_JOBS

    assert frees(jobs, limit=5, asked=1, run_frees_ns=None) == (
        "a place frees when one of them ends or is cancelled"
    )
    assert frees(run, limit=5, asked=1, run_frees_ns=at_ns) == (
        "it frees at 2026-11-23 02:13:20 UTC as runs fall out of the last 24 hours"
    )
    assert "cancelled" in frees(run, limit=5, asked=1, run_frees_ns=None)
    assert "labctl delete" in frees(LimitName.RESULT_BYTES, limit=5, asked=0, run_frees_ns=None)
    assert "split it" in frees(LimitName.QUEUED_SHOTS, limit=5, asked=6, run_frees_ns=None)
