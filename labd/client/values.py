"""What the client hands out of jobs and racks: frozen values made from the wire's messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from labd.client.convert import instant_of, uuid_of
from labd.core.jobs import JobState, JobType
from labd.wire import iqm_server_pb2 as wire

_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class QuantumComputer:
    """One quantum computer that the server offers; `alias` is the last part of its URL."""

    id: UUID
    alias: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Rack:
    """The rack behind a quantum computer. state: ready, starting, unavailable or dead.

    what: why it is not ready, as a sentence. instruments: name and model of those that are open.
    """

    state: str
    what: str
    instruments: Mapping[str, str]

    def __str__(self) -> str:
        """State and the beginning of the reason, in a line or three."""
        what = f"{self.what[:_LONGEST_REASON]}…" if len(self.what) > _LONGEST_REASON else self.what
        return f"{self.state}: {what}" if what else self.state


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the server last told it.

    shots, circuits: for a pulse job the playlist's repeats and segments. queue_position: 0 runs
    next; None once the job has left the queue. error: why it did not complete, empty otherwise.
    """

    id: UUID
    job_type: JobType
    status: JobState
    alias: str
    shots: int
    circuits: int
    created_at: datetime
    updated_at: datetime
    execution_started_at: datetime | None = None
    execution_ended_at: datetime | None = None
    queue_position: int | None = None
    error: str = ""

    @property
    def execution_s(self) -> float | None:
        """Seconds from the start to the end of execution; None until both are known."""
        if self.execution_started_at is None or self.execution_ended_at is None:
            return None
        return (self.execution_ended_at - self.execution_started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the playing of a job has come: playlist repeats over all soft-sweep spots."""

    shots_done: int
    shots_total: int


def job_of(message: wire.JobV1) -> Job:
    """The frozen value of a job message."""
    return Job(
        id=uuid_of(message.id),
        job_type=JobType(wire.JobType.Name(message.type)),
        status=JobState(wire.JobStatus.Name(message.status)),
        alias=message.quantum_computer.alias,
        shots=message.input.shots,
        circuits=message.input.circuits,
        created_at=instant_of(message.created_at),
        updated_at=instant_of(message.updated_at),
        execution_started_at=instant_of(message.execution_started_at)
        if message.HasField("execution_started_at")
        else None,
        execution_ended_at=instant_of(message.execution_ended_at)
        if message.HasField("execution_ended_at")
        else None,
        queue_position=message.queue_position if message.HasField("queue_position") else None,
        error=message.error,
    )
