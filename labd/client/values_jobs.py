"""What labd tells of jobs beyond IQM's API: whose, why they wait, when they start."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from labd.client.convert import instant_of, pack_instant, uuid_of
from labd.client.values import Job, job_of
from labd.client.values_store import Keeping, keeping_of
from labd.core.jobs import JobState, Priority
from labd.core.waiting import WaitingKind
from labd.wire import lab_pb2 as lab


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a queued job does not run yet, as a sentence for people. until: where it is known.

    kind: None where the server has one that this client does not know.
    """

    kind: WaitingKind | None
    sentence: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a queued job starts and how long it runs, learnt from similar jobs.

    p50: even odds; p90: nine times in ten. The starts are None where nothing can be said.
    """

    start_p50: datetime | None
    start_p90: datetime | None
    run_p50_s: float
    run_p90_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary(Job):
    """A job with what IQM's API does not tell.

    hold_note: set while the job is held. waiting, estimate: while it is queued.
    """

    user: str
    tags: tuple[str, ...]
    priority: Priority
    use_timeslot: bool
    hold_note: str | None
    waiting: Waiting | None
    estimate: Estimate | None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, the newest first. next_page_token: of the page after this one; empty on the last."""

    jobs: tuple[JobSummary, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A change of a job's state."""

    state: JobState
    at: datetime
    error: str


@dataclass(frozen=True, slots=True)
class JobDetails:
    """All that is known of a job.

    timings_s: what the rack measured, by phase. calibration_set_id: the set that was active when it
    started.
    """

    job: JobSummary
    events: tuple[JobEvent, ...]
    timings_s: Mapping[str, float]
    payload_bytes: int
    result_bytes: int
    calibration_set_id: UUID | None
    keeping: Keeping


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message to an instrument and what came back, n_times in a row, from `at` to `last_at`.

    sent, received: their beginnings, escaped; *_bytes: their lengths. took_s: from the sending to
    the end of the answer, 0 where there was none. error: what VISA said, empty where all went well.
    """

    instrument: str
    at: datetime
    last_at: datetime
    n_times: int
    sent: str
    sent_bytes: int
    received: str
    received_bytes: int
    took_s: float
    error: str


@dataclass(frozen=True, slots=True)
class FlightRecord:
    """The last exchanges of a job that did not complete, in order.

    n_left_out: how many before them found no room.
    """

    exchanges: tuple[Exchange, ...]
    n_left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are listed: all conditions hold together, an empty one holds always.

    alias: of a quantum computer. created_from: inclusive; created_until: exclusive. tags: the job
    has all of them.
    """

    alias: str = ""
    states: tuple[JobState, ...] = ()
    user: str = ""
    job_type: str = ""
    tags: tuple[str, ...] = ()
    created_from: datetime | None = None
    created_until: datetime | None = None


def summary_of(message: lab.JobSummary) -> JobSummary:
    """The frozen value of a summary."""
    job = job_of(message.job)
    waiting, estimate = message.waiting, message.estimate
    return JobSummary(
        id=job.id,
        job_type=job.job_type,
        status=job.status,
        alias=job.alias,
        shots=job.shots,
        circuits=job.circuits,
        created_at=job.created_at,
        updated_at=job.updated_at,
        execution_started_at=job.execution_started_at,
        execution_ended_at=job.execution_ended_at,
        queue_position=job.queue_position,
        error=job.error,
        user=message.user,
        tags=tuple(message.tags),
        priority=Priority(message.priority or Priority.NORMAL),
        use_timeslot=message.use_timeslot,
        hold_note=message.hold_note if message.HasField("hold_note") else None,
        waiting=waiting_of(waiting) if message.HasField("waiting") else None,
        estimate=estimate_of(estimate) if message.HasField("estimate") else None,
    )


def details_of(message: lab.JobDetails) -> JobDetails:
    """The frozen value of a job's details."""
    summary, has_set = message.summary, message.HasField("calibration_set_id")
    if message.HasField("waiting"):
        summary.waiting.CopyFrom(message.waiting)
    if message.HasField("estimate"):
        summary.estimate.CopyFrom(message.estimate)
    return JobDetails(
        job=summary_of(summary),
        events=tuple(
            JobEvent(JobState(event.state), instant_of(event.at), event.error)
            for event in message.events
        ),
        timings_s=dict(message.timings_s),
        payload_bytes=message.payload_bytes,
        result_bytes=message.result_bytes,
        calibration_set_id=uuid_of(message.calibration_set_id) if has_set else None,
        keeping=keeping_of(message.keeping),
    )


def flight_of(message: lab.FlightRecord) -> FlightRecord:
    """The frozen value of a flight record."""
    return FlightRecord(
        tuple(
            Exchange(
                one.instrument,
                instant_of(one.at),
                instant_of(one.last_at),
                one.n_times,
                one.sent,
                one.sent_bytes,
                one.received,
                one.received_bytes,
                one.took_s,
                one.error,
            )
            for one in message.exchanges
        ),
        message.n_left_out,
    )


def waiting_of(message: lab.Waiting) -> Waiting:
    """The frozen value of a reason."""
    kind: WaitingKind | None = None
    with suppress(ValueError):
        kind = WaitingKind(lab.Waiting.Kind.Name(message.kind))
    return Waiting(kind, message.sentence, _maybe(message.until, message.HasField("until")))


def estimate_of(message: lab.Estimate) -> Estimate:
    """The frozen value of an estimate."""
    return Estimate(
        start_p50=_maybe(message.start_p50, message.HasField("start_p50")),
        start_p90=_maybe(message.start_p90, message.HasField("start_p90")),
        run_p50_s=message.run_p50_s,
        run_p90_s=message.run_p90_s,
    )


def pack_filter(chosen: JobFilter, limit: int, page_token: str) -> lab.ListJobsRequest:
    """A page's request."""
    return lab.ListJobsRequest(
        limit=limit,
        alias=chosen.alias,
        states=[state.value for state in chosen.states],
        user=chosen.user,
        type=chosen.job_type,
        tags=chosen.tags,
        created_from=pack_instant(chosen.created_from),
        created_until=pack_instant(chosen.created_until),
        page_token=page_token,
    )


def _maybe(stamp: Timestamp, is_set: bool) -> datetime | None:
    return instant_of(stamp) if is_set else None
