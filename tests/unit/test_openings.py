from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.access import Role, User
from labd.core.errors import NoBookedTimeslots, OutlastsTimeslot, TimeslotRequired
from labd.core.jobs import QcId
from labd.core.openings import (
    S_NS,
    Candidate,
    Mode,
    ObstacleKind,
    Situation,
    Slot,
    TimeslotRules,
    chain_end_ns,
    first_to_start,
    next_change_ns,
    openings,
    sees_owner,
    why_not,
    why_refused,
)

ALICE, BOB, CAROL = 1, 2, 3
RULES = TimeslotRules(
    is_required=False, refuses_overrun=False, idle_release_s=100.0, shows_owners=True
)


def slot(user_id: int, start_s: float, end_s: float) -> Slot:
    return Slot(
        id=UUID(int=round(start_s * S_NS) + 1),
        qc_id=QcId(UUID(int=9)),
        user_id=user_id,
        user={ALICE: "alice", BOB: "bob", CAROL: "carol"}[user_id],
        start_ns=round(start_s * S_NS),
        end_ns=round(end_s * S_NS),
        note="",
    )


def at(
    now_s: float,
    *slots: Slot,
    rules: TimeslotRules = RULES,
    mode: Mode = Mode.RUNNING,
    active_s: float | None = None,
) -> Situation:
    return Situation(
        round(now_s * S_NS),
        mode,
        tuple(each for each in slots if each.end_ns > now_s * S_NS),
        rules,
        None if active_s is None else round(active_s * S_NS),
    )


def free(user_id: int, run_s: float = 1.0) -> Candidate:
    return Candidate(user_id, with_timeslot=False, run_p90_s=run_s)


def booked(user_id: int, run_s: float = 1.0) -> Candidate:
    return Candidate(user_id, with_timeslot=True, run_p90_s=run_s)


def starts(job: Candidate, situation: Situation) -> bool:
    return first_to_start(situation, [job]) == 0


# ---- the rules, one by one


def test_without_slots_everything_but_slot_jobs_starts_in_the_order_of_the_queue() -> None:
    queue = [booked(ALICE), free(BOB, 1e9), free(ALICE)]

    assert first_to_start(at(0), queue) == 1


@pytest.mark.parametrize(("mode", "first"), [(Mode.PAUSED, None), (Mode.DRAINING, 0)])
def test_a_paused_machine_starts_nothing_and_a_draining_one_what_waits(
    mode: Mode, first: int | None
) -> None:
    assert first_to_start(at(0, mode=mode), [free(ALICE)]) == first


def test_in_a_slot_its_owner_goes_first_with_slot_jobs_before_others() -> None:
    queue = [free(BOB), free(ALICE), booked(ALICE), booked(BOB)]
    situation = at(10, slot(ALICE, 0, 1000))

    assert first_to_start(situation, queue) == 2
    assert first_to_start(situation, queue[:2]) == 1
    assert first_to_start(situation, queue[:1]) is None


def test_a_slot_without_work_of_its_owner_is_free_time_after_the_release() -> None:
    alice = slot(ALICE, 0, 1000)

    assert not starts(free(BOB), at(99.9, alice))
    assert starts(free(BOB), at(100, alice))
    assert not starts(free(BOB), at(100, alice, active_s=50))
    assert starts(free(BOB), at(150, alice, active_s=50))
    assert not starts(booked(BOB), at(150, alice, active_s=50))


def test_in_a_released_slot_its_owner_still_goes_first() -> None:
    queue = [free(BOB), free(ALICE)]

    assert first_to_start(at(500, slot(ALICE, 0, 1000)), queue) == 1


def test_each_slot_is_released_by_itself() -> None:
    two = (slot(ALICE, 0, 200), slot(ALICE, 200, 400))

    assert starts(free(BOB, 50.0), at(150, *two))
    assert not starts(free(BOB, 51.0), at(150, *two))
    assert not starts(free(BOB), at(200, *two))


def test_a_strangers_job_starts_before_a_slot_only_if_it_ends_before_it() -> None:
    ahead = slot(ALICE, 100, 200)

    assert starts(free(BOB, 100.0), at(0, ahead))
    assert not starts(free(BOB, 100.1), at(0, ahead))


def test_the_owner_may_run_into_his_slot_but_not_into_the_next_one() -> None:
    slots = (slot(ALICE, 100, 200), slot(ALICE, 300, 400), slot(BOB, 500, 600))

    assert starts(free(ALICE, 500.0), at(0, *slots))
    assert not starts(free(ALICE, 500.1), at(0, *slots))


def test_jobs_of_all_stand_in_one_order_before_a_slot() -> None:
    situation = at(0, slot(ALICE, 100, 200))

    assert first_to_start(situation, [free(BOB), free(ALICE)]) == 0
    assert first_to_start(situation, [free(ALICE), free(BOB)]) == 0
    assert first_to_start(situation, [free(BOB, 101), free(ALICE, 101), free(CAROL)]) == 1


def test_slots_of_one_owner_without_a_gap_are_as_long_as_all_of_them() -> None:
    slots = (slot(ALICE, 0, 100), slot(ALICE, 100, 200), slot(ALICE, 201, 300))

    assert chain_end_ns(slots, slots[0]) == 200 * S_NS
    assert starts(booked(ALICE, 150.0), at(50, *slots))
    assert not starts(booked(ALICE, 150.1), at(50, *slots))


def test_where_slots_are_required_nothing_runs_outside_them() -> None:
    rules = replace(RULES, is_required=True)
    alice = slot(ALICE, 100, 1000)

    assert not starts(free(ALICE), at(0, rules=rules))
    assert not starts(free(ALICE), at(0, alice, rules=rules))
    assert not starts(free(BOB), at(900, alice, rules=rules))
    assert starts(free(ALICE), at(100, alice, rules=rules))
    assert starts(booked(ALICE), at(100, alice, rules=rules))


def test_a_held_job_is_passed_over() -> None:
    held = replace(free(ALICE), is_held=True)

    assert first_to_start(at(0), [held, free(BOB)]) == 1


# ---- why not


@pytest.mark.parametrize(
    ("job", "situation", "kind", "until_s", "room_s"),
    [
        (replace(free(BOB), is_held=True), at(0), ObstacleKind.JOB_HELD, None, None),
        (free(BOB), at(0, mode=Mode.PAUSED), ObstacleKind.PAUSED, None, None),
        (free(BOB), at(10, slot(ALICE, 0, 50)), ObstacleKind.SLOT, 50, 0.0),
        (
            free(BOB),
            at(10, slot(ALICE, 0, 50), slot(ALICE, 50, 80)),
            ObstacleKind.SLOT,
            80,
            0.0,
        ),
        (free(BOB, 11), at(10, slot(ALICE, 20, 50)), ObstacleKind.OUTLASTS_GAP, 50, 10.0),
        (booked(BOB), at(10, slot(ALICE, 20, 50)), ObstacleKind.NO_SLOT, None, None),
        (booked(ALICE), at(10, slot(ALICE, 20, 50)), ObstacleKind.OWN_SLOT, 20, None),
        (booked(ALICE, 31), at(10, slot(ALICE, 20, 50)), ObstacleKind.OUTLASTS_SLOT, None, 30.0),
        (
            booked(ALICE, 31),
            at(30, slot(ALICE, 20, 50), slot(ALICE, 60, 99)),
            ObstacleKind.OUTLASTS_SLOT,
            60,
            20.0,
        ),
        (
            booked(ALICE, 31),
            at(10, slot(ALICE, 20, 50), slot(ALICE, 60, 99)),
            ObstacleKind.OWN_SLOT,
            60,
            None,
        ),
        (free(ALICE, 41), at(10, slot(ALICE, 0, 50)), ObstacleKind.OUTLASTS_SLOT, 50, 40.0),
        (free(ALICE, 199), at(10, slot(ALICE, 0, 200)), ObstacleKind.OUTLASTS_SLOT, 100, 190.0),
        (
            free(BOB),
            at(10, slot(BOB, 20, 50), rules=replace(RULES, is_required=True)),
            ObstacleKind.OWN_SLOT,
            20,
            None,
        ),
    ],
)
def test_the_reason_names_what_is_in_the_way_and_until_when(
    job: Candidate,
    situation: Situation,
    kind: ObstacleKind,
    until_s: float | None,
    room_s: float | None,
) -> None:
    obstacle = why_not(job, situation)

    assert obstacle is not None
    assert (obstacle.kind, obstacle.room_s) == (kind, room_s)
    assert obstacle.until_ns == (None if until_s is None else until_s * S_NS)


# ---- at the door


def test_a_slot_job_needs_a_slot_that_runs_or_comes() -> None:
    refusal = why_refused(booked(BOB), at(10, slot(ALICE, 0, 50)), user="bob", alias="star5")

    assert isinstance(refusal, NoBookedTimeslots)
    assert "bob has no active or upcoming timeslot on star5" in str(refusal)
    assert why_refused(booked(ALICE), at(10, slot(ALICE, 20, 50)), user="", alias="") is None
    assert why_refused(free(BOB), at(10), user="", alias="") is None


def test_a_job_without_slot_is_refused_where_slots_are_required() -> None:
    situation = at(10, slot(ALICE, 0, 50), rules=replace(RULES, is_required=True))

    assert isinstance(why_refused(free(ALICE), situation, user="", alias="s"), TimeslotRequired)
    assert why_refused(booked(ALICE), situation, user="", alias="") is None


def test_a_job_longer_than_every_slot_is_refused_or_waits_by_configuration() -> None:
    slots = (slot(ALICE, 0, 50), slot(ALICE, 60, 90), slot(ALICE, 90, 130))
    refusing = at(10, *slots, rules=replace(RULES, refuses_overrun=True))

    refusal = why_refused(booked(ALICE, 71), refusing, user="", alias="")

    assert isinstance(refusal, OutlastsTimeslot)
    assert (refusal.run_s, refusal.longest_s) == (71, 70)
    assert why_refused(booked(ALICE, 70), refusing, user="", alias="") is None
    assert why_refused(booked(ALICE, 71), at(10, *slots), user="", alias="") is None


@pytest.mark.parametrize(
    ("viewer", "is_seen"),
    [
        (User(ALICE, "alice", Role.USER), True),
        (User(BOB, "bob", Role.USER), False),
        (User(BOB, "bob", Role.OPERATOR), True),
        (User(BOB, "bob", Role.ADMIN), True),
    ],
)
def test_hidden_owners_are_seen_by_themselves_and_by_those_who_run_the_lab(
    viewer: User, is_seen: bool
) -> None:
    alice = slot(ALICE, 0, 1)

    assert sees_owner(viewer, alice, replace(RULES, shows_owners=False)) is is_seen
    assert sees_owner(viewer, alice, RULES)


# ---- properties

USERS = st.sampled_from([ALICE, BOB, CAROL])
RUNS_S = st.one_of(st.integers(1, 60).map(float), st.floats(0.001, 500))
JOBS = st.builds(Candidate, USERS, st.booleans(), RUNS_S, st.booleans())


@st.composite
def calendars(draw: st.DrawFn) -> tuple[Slot, ...]:
    """Slots in order, some without a gap to the one before."""
    end_s, slots = draw(st.integers(0, 50)), []
    for _ in range(draw(st.integers(0, 6))):
        start_s = end_s + draw(st.sampled_from([0, 0, 1, 10, 70]))
        end_s = start_s + draw(st.integers(1, 80))
        slots.append(slot(draw(USERS), start_s, end_s))
    return tuple(slots)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    slots = draw(calendars())
    now_s = draw(st.one_of(st.integers(0, 400).map(float), st.floats(0, 400)))
    rules = TimeslotRules(
        is_required=draw(st.sampled_from([False, False, True])),
        refuses_overrun=draw(st.booleans()),
        idle_release_s=draw(st.sampled_from([0.0, 5.0, 20.0, 1000.0])),
        shows_owners=True,
    )
    situation = at(now_s, *slots, rules=rules, mode=draw(st.sampled_from(list(Mode))))
    current = situation.current
    if current is None or draw(st.booleans()):
        return situation
    active_ns = draw(st.integers(current.start_ns, situation.now_ns))
    return replace(situation, owner_active_ns=active_ns)


def end_ns(job: Candidate, situation: Situation) -> float:
    return situation.now_ns + job.run_p90_s * S_NS


ROUNDING_NS = 1000
"""Instants in ns divided by 1e9 are seconds with this error at most."""


@given(situations(), st.lists(JOBS, max_size=8))
def test_no_strangers_job_starts_in_a_slot_before_its_release(
    situation: Situation, queue: Sequence[Candidate]
) -> None:
    first = first_to_start(situation, queue)

    current, release_ns = situation.current, situation.release_ns
    if first is not None and current is not None and release_ns is not None:
        is_owners = queue[first].user_id == current.user_id
        assert is_owners or situation.now_ns >= release_ns


@given(situations(), st.lists(JOBS, max_size=8))
def test_a_slot_job_starts_in_a_slot_of_its_owner_alone_and_ends_in_it(
    situation: Situation, queue: Sequence[Candidate]
) -> None:
    first = first_to_start(situation, queue)

    if first is not None and queue[first].with_timeslot:
        current = situation.current
        assert current is not None
        assert current.user_id == queue[first].user_id
        chain_ns = chain_end_ns(situation.slots, current)
        assert end_ns(queue[first], situation) <= chain_ns + ROUNDING_NS


@given(situations(), st.lists(JOBS, max_size=8))
def test_nothing_starts_that_would_last_into_somebody_elses_slot(
    situation: Situation, queue: Sequence[Candidate]
) -> None:
    first = first_to_start(situation, queue)

    if first is not None:
        job = queue[first]
        for ahead in situation.ahead:
            if ahead.user_id != job.user_id:
                assert end_ns(job, situation) <= ahead.start_ns + ROUNDING_NS


@given(situations(), st.lists(JOBS, max_size=8))
def test_in_his_slot_nobody_goes_before_what_its_owner_can_run_in_it(
    situation: Situation, queue: Sequence[Candidate]
) -> None:
    first = first_to_start(situation, queue)

    current = situation.current
    if first is not None and current is not None and queue[first].user_id != current.user_id:
        chain_ns = chain_end_ns(situation.slots, current)
        own = [job for job in queue if job.user_id == current.user_id]
        assert not any(
            starts(job, situation) and end_ns(job, situation) <= chain_ns - ROUNDING_NS
            for job in own
        )


@given(situations(), JOBS)
def test_a_job_has_no_reason_exactly_if_it_would_start(
    situation: Situation, job: Candidate
) -> None:
    assert (why_not(job, situation) is None) == starts(job, situation)


@given(situations(), st.lists(JOBS, max_size=8))
def test_the_first_that_has_no_reason_starts_in_free_time(
    situation: Situation, queue: Sequence[Candidate]
) -> None:
    first = first_to_start(situation, queue)

    ready = [index for index, job in enumerate(queue) if why_not(job, situation) is None]
    assert (first is None) == (not ready)
    if situation.current is None and ready:
        assert first == ready[0]


@given(situations(), st.floats(0, 1, exclude_max=True))
def test_the_openings_stay_the_same_until_the_next_change(
    situation: Situation, share: float
) -> None:
    due_ns = next_change_ns(situation)
    left_ns = (due_ns if due_ns is not None else situation.now_ns + 10**15) - situation.now_ns
    assert left_ns > 0

    later = replace(situation, now_ns=situation.now_ns + int(left_ns * share))
    over = tuple(each for each in later.slots if each.end_ns > later.now_ns)

    assert openings(later) == openings(situation)
    assert openings(replace(later, slots=over)) == openings(situation)
    assert next_change_ns(later) == due_ns


@given(situations(), JOBS)
def test_what_time_alone_ends_is_another_obstacle_at_the_instant_it_names(
    situation: Situation, job: Candidate
) -> None:
    obstacle = why_not(job, situation)

    if obstacle is not None and obstacle.until_ns is not None:
        assert obstacle.until_ns > situation.now_ns
        assert why_not(job, replace(situation, now_ns=obstacle.until_ns)) != obstacle
