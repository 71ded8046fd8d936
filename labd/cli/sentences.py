"""What labctl says in a line: why a job waits, what has become of it, how the machine stands."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from labd.cli.times import shown_instant
from labd.client import Estimate, JobState, JobSummary, Machine, Mode, User, Waiting, WaitingKind

ORDINARY = (WaitingKind.JOBS_BEFORE, WaitingKind.STARTING)
"""Reasons that a place in the queue tells as well."""
_NEAR_S = 120.0
_MODES = {
    Mode.RUNNING: "accepts and starts jobs",
    Mode.PAUSED: "accepts jobs and starts none",
    Mode.DRAINING: "accepts no jobs, and works off its queue",
}


def why(job: JobSummary, zone: tzinfo) -> list[str]:
    """The reason for which a job does not run, and when it will; or what it does instead."""
    now = datetime.now(UTC)
    if job.status is JobState.EXECUTING:
        since = job.execution_started_at or job.updated_at
        return [f"it runs, for {duration((now - since).total_seconds())} so far"]
    if job.status.is_final:
        tail = f": {job.error}" if job.error else ""
        at = shown_instant(job.execution_ended_at or job.updated_at, zone=zone, now=now)
        return [f"it is {job.status} since {at}{tail}"]
    lines = [reason(job.waiting, zone) if job.waiting else line(job)]
    if job.estimate is not None:
        lines += expectation(job.estimate, zone)
    return lines


def reason(waiting: Waiting, zone: tzinfo) -> str:
    """The server's sentence, whose times are UTC, with its end in the user's zone."""
    now = datetime.now(UTC)
    if waiting.until is None or not waiting.until.astimezone(zone).utcoffset():
        return waiting.sentence
    return f"{waiting.sentence} (until {shown_instant(waiting.until, zone=zone, now=now)})"


def expectation(estimate: Estimate, zone: tzinfo) -> list[str]:
    """When a job starts and how long it runs, as far as that can be said."""
    lines: list[str] = []
    if estimate.start_p50 is not None and estimate.start_p90 is not None:
        early, late = _moment(estimate.start_p50, zone), _moment(estimate.start_p90, zone)
        lines.append(f"it starts about {early}, in nine of ten cases before {late}")
    lines.append(
        f"it runs for about {duration(estimate.run_p50_s)},"
        f" in nine of ten cases less than {duration(estimate.run_p90_s)}"
    )
    return lines


def line(job: JobSummary) -> str:
    """What has become of a job."""
    words = [f"{job.id} is {job.status}"]
    if job.queue_position is not None and job.hold_note is None:
        words.append(place(job.queue_position))
    if job.hold_note is not None:
        words.append(f"held: {job.hold_note}" if job.hold_note else "held")
    words.append(f"priority {job.priority.name.lower()}")
    if job.tags:
        words.append(f"tags {' '.join(job.tags)}")
    return ", ".join(words)


def outlook(job: JobSummary, zone: tzinfo) -> str:
    """A waiting job in a line: what is in its way, or its place and when it starts."""
    if job.waiting is not None and job.waiting.kind not in ORDINARY:
        return f"queued: {reason(job.waiting, zone)}"
    words = ["queued" if job.queue_position is None else f"queued, {place(job.queue_position)}"]
    if job.estimate is not None and job.estimate.start_p50 is not None:
        words.append(f"starts about {_moment(job.estimate.start_p50, zone)}")
    return ", ".join(words)


def place(position: int) -> str:
    """A queue position in words."""
    return "runs next" if position == 0 else f"{position} ahead"


def mode(machine: Machine) -> str:
    """What the quantum computer does with jobs now."""
    tail = f": {machine.note}" if machine.note else ""
    return f"{machine.alias} is {machine.mode}, {_MODES[machine.mode]}{tail}"


def user(found: User) -> str:
    """A user and how he gets in."""
    words = [found.name, found.role.value]
    if found.uid is not None:
        words.append(f"local account {found.uid}")
    if not found.is_enabled:
        words.append("disabled")
    return ", ".join(words + ([found.note] if found.note else []))


def _moment(instant: datetime, zone: tzinfo) -> str:
    """A foretold instant, no finer than it is known: to the minute unless it is near."""
    now = datetime.now(UTC)
    is_near = abs((instant - now).total_seconds()) < _NEAR_S
    shown = instant.replace(microsecond=0) if is_near else instant.replace(second=0, microsecond=0)
    return shown_instant(shown, zone=zone, now=now)


def duration(seconds: float) -> str:
    """A length of time in the units that it has."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours / 24:.1f} days"
