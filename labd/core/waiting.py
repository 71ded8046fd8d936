"""Why a queued job does not run yet: one reason, in a sentence for a tired person.

The reason that would still hold if all the others were gone goes first: the job is held, the
quantum computer is paused, a lease or timeslot is in the way (`why_not` of labd.core.openings, the
same rule by which jobs are claimed), the rack is not ready, other jobs come before. Sentences are
written for the job's owner; whom he may not know is "somebody". Times are UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import assert_never

from labd.core.leases import Lease
from labd.core.openings import S_NS, Candidate, Obstacle, ObstacleKind, Situation, Slot, why_not


class WaitingKind(StrEnum):
    """What a job waits for; the names are those on the wire."""

    JOBS_BEFORE = "JOBS_BEFORE"
    TIMESLOT = "TIMESLOT"
    OWN_TIMESLOT = "OWN_TIMESLOT"
    OUTLASTS = "OUTLASTS"
    JOB_HELD = "JOB_HELD"
    MACHINE_HELD = "MACHINE_HELD"
    RACK = "RACK"
    CALIBRATION = "CALIBRATION"
    STARTING = "STARTING"
    DISK = "DISK"
    LEASE = "LEASE"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The reason. until_ns: when it is over by itself, where that is known."""

    kind: WaitingKind
    sentence: str
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Station:
    """What is known of a quantum computer besides its queue and slots.

    rack_trouble: why its rack takes no job now; None: it does. paused_by, pause_note: who paused it
    and what he said. is_busy: a job runs; is_calibrating: that job is a calibration.
    """

    alias: str
    rack_trouble: str | None
    paused_by: str
    pause_note: str
    is_busy: bool
    is_calibrating: bool


def waiting(
    job: Candidate, hold_note: str | None, n_before: int, situation: Situation, station: Station
) -> Waiting:
    """Why a job waits. n_before: queued jobs that are expected to start before it."""
    obstacle = why_not(job, situation)
    if obstacle is not None:
        return _obstructed(job, hold_note or "", obstacle, situation, station)
    if station.rack_trouble is not None:
        return Waiting(WaitingKind.RACK, station.rack_trouble)
    if station.is_calibrating:
        then = f", then {_before(n_before)}" if n_before else ""
        return Waiting(WaitingKind.CALIBRATION, f"a calibration is running{then}")
    if n_before:
        first = "one job is running and " if station.is_busy else ""
        return Waiting(WaitingKind.JOBS_BEFORE, first + _before(n_before))
    if station.is_busy:
        return Waiting(WaitingKind.JOBS_BEFORE, "the job before it is running")
    return Waiting(WaitingKind.STARTING, "nothing is before it: it starts now")


def _before(n_jobs: int) -> str:
    return "1 job runs before it" if n_jobs == 1 else f"{n_jobs} jobs run before it"


def _obstructed(
    job: Candidate, hold_note: str, obstacle: Obstacle, situation: Situation, station: Station
) -> Waiting:
    match obstacle.kind:
        case ObstacleKind.JOB_HELD:
            return Waiting(WaitingKind.JOB_HELD, f"it is held{_quoted(hold_note)}")
        case ObstacleKind.PAUSED:
            by = f" by {station.paused_by}" if station.paused_by else ""
            sentence = f"{station.alias} is paused{by}{_quoted(station.pause_note)}"
            return Waiting(WaitingKind.MACHINE_HELD, sentence)
        case ObstacleKind.LEASE:
            assert obstacle.lease is not None
            return _by_lease(obstacle.lease, situation, station)
        case ObstacleKind.NO_SLOT:
            sentence = "it runs in a timeslot of its owner only, and there is none ahead"
            return Waiting(WaitingKind.OWN_TIMESLOT, f"{sentence}: ask an admin to book one")
        case (
            ObstacleKind.SLOT
            | ObstacleKind.OWN_SLOT
            | ObstacleKind.OUTLASTS_SLOT
            | ObstacleKind.OUTLASTS_GAP
        ):
            assert obstacle.slot is not None
            return _by_slot(job, obstacle, obstacle.slot, situation, station)
        case _:
            assert_never(obstacle.kind)


def _by_lease(lease: Lease, situation: Situation, station: Station) -> Waiting:
    is_shown = situation.rules.shows_owners
    who, note = (lease.user, lease.note) if is_shown else ("somebody", "")
    end = time_text(lease.until_ns, situation.now_ns)
    sentence = f"{who} has a lease on {station.alias} until {end}{_quoted(note)}"
    return Waiting(WaitingKind.LEASE, sentence, lease.until_ns)


def _by_slot(
    job: Candidate, obstacle: Obstacle, slot: Slot, situation: Situation, station: Station
) -> Waiting:
    now_ns, until_ns = situation.now_ns, obstacle.until_ns
    is_shown = situation.rules.shows_owners or slot.user_id == job.user_id
    who = slot.user if is_shown else "somebody"
    needs = f"it may run for {duration_text(job.run_p90_s)}"
    room = duration_text(max(0.0, obstacle.room_s or 0.0))
    begins = time_text(slot.start_ns, now_ns)
    if obstacle.kind is ObstacleKind.SLOT:
        end = time_text(slot.end_ns if until_ns is None else until_ns, now_ns)
        return Waiting(WaitingKind.TIMESLOT, f"{who} has {station.alias} until {end}", until_ns)
    if obstacle.kind is ObstacleKind.OWN_SLOT:
        sentence = f"it waits for its owner's timeslot, which begins at {begins}"
        return Waiting(WaitingKind.OWN_TIMESLOT, sentence, until_ns)
    if obstacle.kind is ObstacleKind.OUTLASTS_GAP:
        sentence = f"{needs}, and {who} has {station.alias} from {begins} on, in {room}"
        return Waiting(WaitingKind.OUTLASTS, sentence, until_ns)
    has_begun = slot.start_ns <= now_ns
    leaves = f"leaves {room}" if has_begun else f"at {begins} has {room}"
    sentence = f"{needs}, and its owner's timeslot {leaves}"
    if until_ns is not None:
        return Waiting(WaitingKind.OUTLASTS, f"{sentence}: it waits for a later one", until_ns)
    return Waiting(WaitingKind.OUTLASTS, f"{sentence}: book a longer one, or split the job")


def _quoted(note: str) -> str:
    return f': "{note}"' if note else ""


def time_text(at_ns: int, now_ns: int) -> str:
    """An instant to the minute; with its date where that is not today's."""
    at, now = (datetime.fromtimestamp(ns // S_NS, UTC) for ns in (at_ns, now_ns))
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"


def duration_text(seconds: float) -> str:
    """A length of time as people say it: 35 s, 12 min, 2 h 5 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
