"""The queue played forward by the rule of the claim."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.estimate import RunEstimate
from labd.core.forecast import Foreseen, Standing, Underway, foresee
from labd.core.jobs import QcId
from labd.core.openings import (
    S_NS,
    Candidate,
    Mode,
    Situation,
    Slot,
    TimeslotRules,
    first_to_start,
    next_change_ns,
)

QC = QcId(UUID(int=1))
NOW_NS = 1_800_000_000 * S_NS
RULES = TimeslotRules(
    is_required=False, refuses_overrun=False, idle_release_s=60.0, shows_owners=True
)


def standing(
    run_s: float = 10.0, user: int = 1, *, with_timeslot: bool = False, is_held: bool = False
) -> Standing:
    return Standing(Candidate(user, with_timeslot, run_s, is_held), RunEstimate(run_s, run_s))


def slot(user: int, start_s: float, end_s: float) -> Slot:
    start_ns, end_ns = (NOW_NS + round(at_s * S_NS) for at_s in (start_s, end_s))
    return Slot(UUID(int=round(start_s)), QC, user, f"user{user}", start_ns, end_ns, "")


def situation(*slots: Slot, mode: Mode = Mode.RUNNING) -> Situation:
    return Situation(NOW_NS, mode, slots, RULES)


def waits_s(waits: tuple[Foreseen | None, ...]) -> list[float | None]:
    return [None if each is None else round(each.wait_s, 6) for each in waits]


def test_jobs_wait_for_what_runs_and_for_those_before_them() -> None:
    underway = Underway(9, RunEstimate(4.0, 4.0))

    waits = foresee(situation(), underway, [standing(10.0), standing(3.0), standing(1.0)])

    assert waits_s(waits) == [4.0, 14.0, 17.0]
    assert [each.n_before for each in waits if each] == [0, 1, 2]


def test_the_uncertainty_of_those_before_adds_up() -> None:
    unsure = Standing(Candidate(1, False, 20.0), RunEstimate(10.0, 20.0))

    waits = foresee(situation(), None, [unsure, unsure, unsure])

    spreads = [each.spread_s for each in waits if each]
    assert spreads[0] == 0.0
    assert spreads[2] == pytest.approx(spreads[1] * 2**0.5)


def test_of_a_paused_machine_and_of_a_held_job_nothing_is_said() -> None:
    assert foresee(situation(mode=Mode.PAUSED), None, [standing()]) == (None,)

    waits = foresee(situation(), None, [standing(is_held=True), standing()])

    assert waits_s(waits) == [None, 0.0]


def test_a_job_for_a_timeslot_waits_for_it_and_the_others_go_around_it() -> None:
    queue = [standing(30.0, 1), standing(100.0, 2), standing(5.0, 3, with_timeslot=True)]

    waits = foresee(situation(slot(3, 60, 600)), None, queue)

    assert waits_s(waits) == [0.0, 125.0, 60.0]


def test_a_job_for_a_timeslot_without_one_is_not_foretold() -> None:
    waits = foresee(situation(), None, [standing(with_timeslot=True), standing()])

    assert waits_s(waits) == [None, 0.0]


def naive(seen: Situation, underway: Underway | None, queue: list[Standing]) -> list[float | None]:
    """The same by the rule itself, asked anew at every step."""
    starts: list[float | None] = [None] * len(queue)
    left = list(range(len(queue)))
    now_ns = seen.now_ns
    active_ns: dict[int, int] = {}
    if underway is not None:
        now_ns += round(underway.left.mean_s * S_NS)
        active_ns[underway.user_id] = now_ns
    while left:
        slots = tuple(each for each in seen.slots if each.end_ns > now_ns)
        now = replace(seen, now_ns=now_ns, slots=slots)
        if now.current is not None:
            now = replace(now, owner_active_ns=active_ns.get(now.current.user_id))
        first = first_to_start(now, [queue[index].candidate for index in left])
        if first is None:
            change_ns = next_change_ns(now)
            if change_ns is None:
                break
            now_ns = max(change_ns, now_ns + 1)
            continue
        index = left.pop(first)
        starts[index] = round((now_ns - seen.now_ns) / S_NS, 6)
        now_ns += round(queue[index].run.mean_s * S_NS)
        active_ns[queue[index].candidate.user_id] = now_ns
    return starts


@given(
    st.lists(
        st.builds(
            standing,
            st.sampled_from((1.0, 7.0, 40.0, 200.0)),
            st.integers(1, 4),
            with_timeslot=st.booleans(),
            is_held=st.sampled_from((False, False, False, True)),
        ),
        max_size=25,
    ),
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 90), st.integers(5, 200)), max_size=5),
    st.sampled_from((None, Underway(2, RunEstimate(13.0, 13.0)))),
)
def test_starts_are_those_that_the_rule_of_the_claim_leads_to(
    queue: list[Standing], gaps: list[tuple[int, int, int]], underway: Underway | None
) -> None:
    slots, at_s = [], 0.0
    for user, gap_s, length_s in gaps:
        slots.append(slot(user, at_s + gap_s, at_s + gap_s + length_s))
        at_s += gap_s + length_s

    waits = foresee(situation(*slots), underway, queue)

    assert waits_s(waits) == naive(situation(*slots), underway, queue)
