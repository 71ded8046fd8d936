"""`Client`: labd's jobs from Python. Every call is synchronous and raises `ClientError`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import grpc

from labd.client.address import Address
from labd.client.calls import Calls, joined
from labd.client.errors import JobNotCompleted, NotFound
from labd.client.follow import follow
from labd.client.program import Program
from labd.client.results import Results, unpack_results
from labd.client.tables import Grid
from labd.client.values import (
    CalibrationSet,
    Job,
    Progress,
    QuantumComputer,
    Rack,
    calibration_of,
    job_of,
    uuid_of,
)
from labd.core.jobs import JobState, JobType
from labd.wire import iqm_server_pb2 as wire
from labd.wire import lab_pb2 as lab

_CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
)

JobId = UUID | str


class Client:
    """A connection to one quantum computer of a labd server.

    url: ``http://host:port/alias`` or ``unix:/path/labd.sock``. alias: needed with a unix socket if
    the server has several quantum computers. token: sent with every call. timeout_s: of every call
    that is no stream. patience_s: how long `watch` and `wait` try to reach a silent server.
    """

    def __init__(
        self,
        url: str,
        *,
        alias: str = "",
        token: str | None = None,
        timeout_s: float = 60.0,
        patience_s: float = 60.0,
    ) -> None:
        self._address = Address.parse(url, alias)
        self._channel = (
            grpc.secure_channel(
                self._address.target, grpc.ssl_channel_credentials(), _CHANNEL_OPTIONS
            )
            if self._address.is_secure
            else grpc.insecure_channel(self._address.target, _CHANNEL_OPTIONS)
        )
        self._calls = Calls(self._channel, token=token, timeout_s=timeout_s)
        self._patience_s = patience_s
        self._computer: QuantumComputer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._channel.close()

    # ---- quantum computers

    def quantum_computers(self) -> list[QuantumComputer]:
        """All that the server offers."""
        reply = self._calls.list_computers(wire.ListQuantumComputerFiltersV1())
        return [
            QuantumComputer(uuid_of(item.id), item.alias, item.display_name) for item in reply.items
        ]

    @property
    def quantum_computer(self) -> QuantumComputer:
        """The one that this client's address names (asked for once). Raises NotFound."""
        if self._computer is None:
            self._computer = _choose(self.quantum_computers(), self._address.alias)
        return self._computer

    def resource(self, name: str) -> bytes:
        """A resource as the server streams it, such as ``channel-properties`` or ``settings``."""
        lookup = wire.QuantumComputerResourceLookupV1(
            qc_id=_wire_uuid(self.quantum_computer.id), resource_name=name
        )
        return joined(self._calls.resource(lookup))

    def rack(self) -> Rack:
        """What the rack is good for now; jobs wait in the queue until it is ready."""
        about = json.loads(self.resource("about"))["rack"]
        instruments = {one["name"]: one["model"] for one in about["instruments"]}
        return Rack(about["state"], about["what"], instruments)

    def program(self, shots: int, *, averaging_bins: int | None = None) -> Program:
        """An empty program with this quantum computer's grid and latest calibration."""
        channels = json.loads(self.resource("channel-properties"))
        program = Program(shots=shots, averaging_bins=averaging_bins, grid=Grid.of(channels))
        program.use(self.calibration())
        return program

    def calibration(self, calibration_id: UUID | None = None) -> CalibrationSet:
        """A calibration set with all its observations; the latest one if none is named."""
        if calibration_id is None:
            latest = self._calls.latest_calibration(
                wire.LatestQuantumComputerCalibrationLookupV1(
                    qc_id=_wire_uuid(self.quantum_computer.id)
                )
            )
            calibration_id = uuid_of(latest.id)
        lookup = wire.CalibrationLookupV1(id=_wire_uuid(calibration_id))
        return calibration_of(joined(self._calls.calibration_data(lookup)))

    # ---- jobs

    def submit(self, payload: bytes | Program, job_type: JobType = JobType.PULSE) -> Job:
        """Hand in a job. When this returns, labd has it on disk. Raises InvalidRequest."""
        content = payload.pack() if isinstance(payload, Program) else payload
        request = wire.SubmitJobRequestV1(
            qc_id=_wire_uuid(self.quantum_computer.id),
            type=job_type.value,
            payload=content,
            use_timeslot=self._address.use_timeslot,
        )
        return job_of(self._calls.submit(request))

    def job(self, job_id: JobId) -> Job:
        """The job as it is now."""
        return job_of(self._calls.get(_lookup(job_id)))

    def jobs(self, limit: int = 20, *, of_all: bool = False) -> list[Job]:
        """The newest jobs first; of this client's quantum computer, or of all the server's."""
        alias = "" if of_all else self.quantum_computer.alias
        reply = self._calls.list_jobs(lab.ListJobsRequest(limit=limit, alias=alias))
        return [job_of(summary.job) for summary in reply.jobs]

    def cancel(self, job_id: JobId) -> Job:
        """Take a job out of the queue or stop it. Raises NotAllowed once it has ended."""
        return job_of(self._calls.cancel(_lookup(job_id)))

    def watch(self, job_id: JobId) -> Iterator[Job]:
        """The job as it is now, then every change once and in order; ends after the final state.

        Survives a restart of the server: subscribes again, with growing pauses, until the server
        has been silent for `patience_s`.
        """
        return follow(self._calls, _lookup(job_id), patience_s=self._patience_s)

    def wait(self, job_id: JobId, timeout_s: float | None = None) -> Job:
        """The job once it has ended, in whatever final state. Raises WaitTimeout."""
        updates = follow(
            self._calls, _lookup(job_id), patience_s=self._patience_s, timeout_s=timeout_s
        )
        *_, last = updates
        return last

    def progress(self, job_id: JobId) -> Iterator[Progress]:
        """Shots done, now and at every change, until the job ends."""
        for update in self._calls.progress(_lookup(job_id)):
            yield Progress(update.shots_done, update.shots_total)

    # ---- what went in and what came out

    def payload(self, job_id: JobId) -> bytes:
        """The payload as it was submitted."""
        return joined(self._calls.payload(_lookup(job_id)))

    def results(self, job_id: JobId) -> Results:
        """The results as arrays, with their shape read from the payload. Raises JobNotCompleted."""
        self._demand_completed(job_id)
        return unpack_results(self.results_bytes(job_id), self.payload(job_id))

    def results_bytes(self, job_id: JobId) -> bytes:
        """The results as the server streams them."""
        return joined(self._calls.results(_lookup(job_id)))

    def results_to_file(self, job_id: JobId, path: Path) -> int:
        """Stream the results to a file, which appears whole or not at all. Returns its bytes."""
        return _write_whole(path, (chunk.data for chunk in self._calls.results(_lookup(job_id))))

    def _demand_completed(self, job_id: JobId) -> None:
        job = self.job(job_id)
        if job.status is not JobState.COMPLETED:
            raise JobNotCompleted(str(job.id), job.status, job.error)


def _choose(computers: list[QuantumComputer], alias: str) -> QuantumComputer:
    """The one with this alias; with no alias, the only one."""
    matching = [computer for computer in computers if alias in ("", computer.alias)]
    if len(matching) == 1:
        return matching[0]
    offered = ", ".join(computer.alias for computer in computers) or "none"
    wanted = f"quantum computer {alias!r} not found" if alias else "name a quantum computer"
    raise NotFound(f"{wanted}; the server offers: {offered}", "NOT_FOUND", "not_found")


def _write_whole(path: Path, pieces: Iterable[bytes]) -> int:
    part = path.with_name(path.name + ".part")
    written = 0
    try:
        with part.open("wb") as file:
            for piece in pieces:
                written += file.write(piece)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return written


def _lookup(job_id: JobId) -> wire.JobLookupV1:
    identity = job_id if isinstance(job_id, UUID) else UUID(job_id)
    return wire.JobLookupV1(id=_wire_uuid(identity))


def _wire_uuid(identity: UUID) -> wire.Uuid:
    return wire.Uuid(raw=identity.bytes)
