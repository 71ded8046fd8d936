"""The job's life as a table, and the values that describe a job.

IN_QUEUE -> EXECUTING | CANCELLED | FAILED.
EXECUTING -> COMPLETED | FAILED | CANCELLED | INTERRUPTED.
The other four states are final. The database holds the same table in a trigger (labd.store.schema).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NewType
from uuid import UUID

JobId = NewType("JobId", UUID)
QcId = NewType("QcId", UUID)

_RANDOM_BITS = 74
_RANDOM_MASK = (1 << _RANDOM_BITS) - 1


class JobState(StrEnum):
    """IQM's names of a job's states."""

    IN_QUEUE = "IN_QUEUE"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return not TRANSITIONS[self]


class Priority(IntEnum):
    """Classes of jobs: a higher one runs first."""

    LOW = 1
    NORMAL = 2
    HIGH = 3


class JobType(StrEnum):
    """IQM's names of what a payload is."""

    CIRCUIT = "CIRCUIT"
    PULSE = "PULSE"


TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.IN_QUEUE: frozenset({JobState.EXECUTING, JobState.CANCELLED, JobState.FAILED}),
    JobState.EXECUTING: frozenset(
        {JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED}
    ),
    JobState.COMPLETED: frozenset(),
    JobState.CANCELLED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.INTERRUPTED: frozenset(),
}


def can_become(old: JobState, new: JobState) -> bool:
    """Whether a job in `old` may change to `new`."""
    return new in TRANSITIONS[old]


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that was accepted and is not stored yet.

    shots, circuits: what the payload asks for. user_id, submitted_by: whose it is, by the
    store's key and by name. playing_s: its compiled duration; kind: equal for jobs that are
    expected to run equally long. run_p50_s, run_p90_s: how long it is expected to run
    (labd.core.estimate). calibration_set_id: the set it asks for; None: the one that is active when
    it starts. needed_bytes: what its result will take, as far as it is known. payload_sha256: empty
    where it was not computed.
    """

    id: JobId
    qc_id: QcId
    job_type: JobType
    shots: int
    circuits: int
    is_timeslot: bool
    user_id: int
    submitted_by: str
    payload_bytes: int
    playing_s: float
    kind: str
    priority: Priority
    run_p50_s: float = 1.0
    run_p90_s: float = 1.0
    calibration_set_id: UUID | None = None
    tags: tuple[str, ...] = ()
    needed_bytes: int = 0
    payload_sha256: bytes = b""


@dataclass(frozen=True, slots=True)
class Job:
    """A job's record as it stands in the store.

    seq: order of submission, over all quantum computers.
    queue_position: jobs before it in its queue; 0 runs next; None where it is not
        IN_QUEUE, or was not asked for.
    user_id, submitted_by: whose it is.
    error: why it is FAILED, CANCELLED or INTERRUPTED. Instants are nanoseconds since 1970, UTC.
    cancel_requested_at_ns: when a running job was asked to stop.
    share_tag_s: its place among jobs of its priority (labd.core.queue_order).
    hold_note: why it is held while queued; None: it is not.
    calibration_set_id: the set it was started with: the one it asked for, or the active one.
    """

    id: JobId
    seq: int
    qc_id: QcId
    job_type: JobType
    state: JobState
    shots: int
    circuits: int
    is_timeslot: bool
    user_id: int
    submitted_by: str
    error: str | None
    created_at_ns: int
    updated_at_ns: int
    started_at_ns: int | None
    ended_at_ns: int | None
    cancel_requested_at_ns: int | None
    priority: Priority
    share_tag_s: float
    hold_note: str | None
    payload_bytes: int
    result_bytes: int
    calibration_set_id: UUID | None
    queue_position: int | None = None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line of the append-only log: the job entered `state`, with a reason or none.

    number: counts the job's events from 1.
    """

    job_id: JobId
    number: int
    state: JobState
    at_ns: int
    error: str | None


def uuid7(now_ms: int, random_bits: int, last: UUID | None) -> UUID:
    """The UUIDv7 of an instant, greater than `last` (RFC 9562, section 6.2, method 2).

    now_ms: milliseconds since 1970. random_bits: 74 random bits. Where the clock has not moved on,
    or went back, the last one's random field counts up and its instant stays.
    """
    stamp, tail = now_ms, random_bits & _RANDOM_MASK
    if last is not None and (last.int >> 80) >= now_ms:
        stamp = last.int >> 80
        tail = (((last.int >> 64) & 0xFFF) << 62) | (last.int & ((1 << 62) - 1))
        tail += 1 + (random_bits & 0xFFFF)
        if tail > _RANDOM_MASK:
            stamp, tail = stamp + 1, random_bits & _RANDOM_MASK
    return UUID(
        int=(stamp << 80)
        | (0x7 << 76)
        | ((tail >> 62) << 64)
        | (0b10 << 62)
        | (tail & ((1 << 62) - 1))
    )
