"""Why a job waits: one reason, never at odds with the claim."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.jobs import QcId
from labd.core.openings import (
    S_NS,
    Candidate,
    Mode,
    Situation,
    Slot,
    TimeslotRules,
    openings,
)
from labd.core.waiting import Station, Waiting, WaitingKind, duration_text, time_text, waiting

QC = QcId(UUID(int=1))
NOON_NS = 1_800_014_400 * S_NS  # 2027-01-15 12:00 UTC
HOUR_S = 3600
RULES = TimeslotRules(
    is_required=False, refuses_overrun=False, idle_release_s=600.0, shows_owners=True
)
STATION = Station(
    alias="star5",
    rack_trouble=None,
    paused_by="",
    pause_note="",
    is_busy=False,
    is_calibrating=False,
)
JOB = Candidate(1, with_timeslot=False, run_p90_s=30.0)


def slot(user: int, name: str, start_s: float, end_s: float) -> Slot:
    start_ns, end_ns = (NOON_NS + round(at_s * S_NS) for at_s in (start_s, end_s))
    return Slot(UUID(int=user), QC, user, name, start_ns, end_ns, "")


def why(
    job: Candidate = JOB,
    *slots: Slot,
    hold_note: str | None = None,
    n_before: int = 0,
    mode: Mode = Mode.RUNNING,
    rules: TimeslotRules = RULES,
    station: Station = STATION,
) -> Waiting:
    situation = Situation(NOON_NS, mode, slots, rules)
    return waiting(job, hold_note, n_before, situation, station)


@pytest.mark.parametrize(
    ("n_before", "is_busy", "sentence"),
    [
        (0, True, "the job before it is running"),
        (1, False, "1 job runs before it"),
        (3, False, "3 jobs run before it"),
        (1, True, "one job is running and 1 job runs before it"),
        (3, True, "one job is running and 3 jobs run before it"),
    ],
)
def test_jobs_before_it_are_counted(n_before: int, is_busy: bool, sentence: str) -> None:
    found = why(n_before=n_before, station=replace(STATION, is_busy=is_busy))

    assert found == Waiting(WaitingKind.JOBS_BEFORE, sentence)


def test_with_nothing_before_it_a_job_starts() -> None:
    assert why().kind is WaitingKind.STARTING


def test_a_held_job_says_so_whatever_else_is_in_the_way() -> None:
    found = why(
        replace(JOB, is_held=True),
        slot(2, "alice", -60, HOUR_S),
        hold_note="wait for me",
        mode=Mode.PAUSED,
    )

    assert found == Waiting(WaitingKind.JOB_HELD, 'it is held: "wait for me"')


def test_a_paused_machine_names_who_paused_it_and_why() -> None:
    station = replace(STATION, paused_by="bob", pause_note="cooling down")

    found = why(mode=Mode.PAUSED, station=station)

    assert found == Waiting(WaitingKind.MACHINE_HELD, 'star5 is paused by bob: "cooling down"')


def test_a_slot_of_somebody_else_is_named_with_its_end() -> None:
    found = why(JOB, slot(2, "alice", -60, 2 * HOUR_S))

    assert found.kind is WaitingKind.TIMESLOT
    assert found.sentence == "alice has star5 until 14:00 UTC"
    assert found.until_ns == NOON_NS + 2 * HOUR_S * S_NS


def test_where_owners_are_hidden_a_slot_is_somebodys() -> None:
    found = why(
        JOB, slot(2, "alice", -60, 2 * HOUR_S), rules=replace(RULES, shows_owners=False)
    )  # fmt: skip

    assert found.sentence == "somebody has star5 until 14:00 UTC"


def test_a_job_for_a_timeslot_says_when_it_begins() -> None:
    job = replace(JOB, with_timeslot=True)

    found = why(job, slot(1, "carol", HOUR_S, 2 * HOUR_S))

    assert found.kind is WaitingKind.OWN_TIMESLOT
    assert found.sentence == "it waits for its owner's timeslot, which begins at 13:00 UTC"
    assert found.until_ns == NOON_NS + HOUR_S * S_NS


def test_a_job_for_a_timeslot_without_one_says_what_to_do() -> None:
    found = why(replace(JOB, with_timeslot=True))

    assert found.kind is WaitingKind.OWN_TIMESLOT
    assert found.sentence.endswith("there is none ahead: ask an admin to book one")


def test_a_job_that_would_run_into_a_slot_says_how_long_there_is_room() -> None:
    found = why(replace(JOB, run_p90_s=1200.0), slot(2, "alice", 600, HOUR_S))

    assert found.kind is WaitingKind.OUTLASTS
    assert (
        found.sentence == "it may run for 20 min, and alice has star5 from 12:10 UTC on, in 10 min"
    )
    assert found.until_ns == NOON_NS + HOUR_S * S_NS


def test_a_job_that_outlasts_its_slot_says_what_to_do() -> None:
    job = replace(JOB, with_timeslot=True, run_p90_s=2 * HOUR_S)

    found = why(job, slot(1, "carol", -60, HOUR_S))

    assert found.kind is WaitingKind.OUTLASTS
    assert found.sentence == (
        "it may run for 2 h, and its owner's timeslot leaves 1 h:"
        " book a longer one, or split the job"
    )


def test_an_instrument_that_does_not_answer_goes_before_other_jobs() -> None:
    station = replace(STATION, rack_trouble="awg1 does not answer", is_busy=True)

    found = why(n_before=4, station=station)

    assert found == Waiting(WaitingKind.RACK, "awg1 does not answer")


def test_a_calibration_that_runs_is_named() -> None:
    station = replace(STATION, is_busy=True, is_calibrating=True)

    found = why(n_before=2, station=station)

    assert found.kind is WaitingKind.CALIBRATION
    assert found.sentence == "a calibration is running, then 2 jobs run before it"


def test_times_carry_their_date_on_other_days() -> None:
    assert time_text(NOON_NS, NOON_NS) == "12:00 UTC"
    assert time_text(NOON_NS + 86_400 * S_NS, NOON_NS) == "2027-01-16 12:00 UTC"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (35, "35 s"), (720, "12 min"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@given(
    user=st.integers(1, 3),
    with_timeslot=st.booleans(),
    is_held=st.booleans(),
    run_s=st.sampled_from((1.0, 500.0, 5000.0)),
    starts_s=st.lists(st.integers(-4, 20), max_size=4, unique=True),
    owners=st.lists(st.integers(1, 3), min_size=4, max_size=4),
    mode=st.sampled_from(Mode),
    is_required=st.booleans(),
)
def test_only_a_job_that_the_claim_would_take_is_said_to_start(
    user: int,
    with_timeslot: bool,
    is_held: bool,
    run_s: float,
    starts_s: list[int],
    owners: list[int],
    mode: Mode,
    is_required: bool,
) -> None:
    job = Candidate(user, with_timeslot, run_s, is_held)
    slots = [
        slot(owner, f"user{owner}", 400 * start, 400 * start + 400)
        for owner, start in zip(owners, sorted(starts_s), strict=False)
    ]
    slots = [each for each in slots if each.end_ns > NOON_NS]
    situation = Situation(NOON_NS, mode, tuple(slots), replace(RULES, is_required=is_required))
    is_taken = any(opening.admits(job, NOON_NS) for opening in openings(situation))

    found = waiting(job, "held" if is_held else None, 0, situation, STATION)

    assert (found.kind is WaitingKind.STARTING) == is_taken
    assert found.sentence
