"""`Client`: labd from Python. Every call is synchronous and raises `ClientError`.

numpy and all that needs it is imported by the methods that hand out arrays or programs, so that a
program that only asks for jobs starts fast.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from uuid import UUID

import grpc

from labd.client.address import Address, Tls
from labd.client.audit import AuditCalls
from labd.client.calibration_sets import CalibrationCalls
from labd.client.calls import Calls, joined
from labd.client.convert import pack_uuid, uuid_of
from labd.client.errors import JobNotCompleted, NotFound
from labd.client.files import write_whole
from labd.client.follow import follow
from labd.client.machine import MachineCalls
from labd.client.people import PeopleCalls
from labd.client.store import StoreCalls
from labd.client.timeslots import TimeslotCalls
from labd.client.values import Job, Progress, QuantumComputer, Rack, job_of
from labd.client.values_jobs import (
    FlightRecord,
    JobDetails,
    JobFilter,
    JobPage,
    JobSummary,
    details_of,
    flight_of,
    pack_filter,
    summary_of,
)
from labd.core.jobs import JobState, JobType, Priority
from labd.wire import iqm_server_pb2 as wire
from labd.wire import lab_pb2 as lab

if TYPE_CHECKING:
    from labd.client.program import Program
    from labd.client.results import Results
    from labd.client.values_observations import CalibrationSet
    from labd.core.circuit_counts import CircuitCounts

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

    url: ``http(s)://host:port/alias`` or ``unix:/path/labd.sock``. alias: needed with a unix socket
    if the server has several quantum computers. token: sent with every call. tls: what https needs
    beyond the system's certificates. timeout_s: of every call that is no stream. patience_s: how
    long `watch` and `wait` try to reach a silent server.

    Jobs are methods of the client itself; `machine`, `people`, `timeslots`, `calibration_sets`,
    `store` and `audit` hold the rest.
    """

    def __init__(
        self,
        url: str,
        *,
        alias: str = "",
        token: str | None = None,
        tls: Tls | None = None,
        timeout_s: float = 60.0,
        patience_s: float = 60.0,
    ) -> None:
        self._address = Address.parse(url, alias)
        self._channel = _channel(self._address, tls or Tls())
        self._calls = Calls(self._channel, token=token, timeout_s=timeout_s)
        self._patience_s = patience_s
        self._computer: QuantumComputer | None = None
        own = self._calls.own
        self._submit = own("SubmitJob", lab.SubmitJobRequest, lab.JobDetails)
        self._list_jobs = own("ListJobs", lab.ListJobsRequest, lab.ListJobsReply)
        self._flight_record = own("GetFlightRecord", wire.JobLookupV1, lab.FlightRecord)
        self._job_details = own("GetJobDetails", wire.JobLookupV1, lab.JobDetails)
        self._hold = own("HoldJob", lab.HoldJobRequest, lab.JobDetails)
        self._release = own("ReleaseJob", wire.JobLookupV1, lab.JobDetails)
        self._set_priority = own("SetPriority", lab.SetPriorityRequest, lab.JobDetails)
        self._set_tags = own("SetTags", lab.SetTagsRequest, lab.JobDetails)
        self._delete = own("DeleteJob", wire.JobLookupV1, lab.Empty)
        self._progress = self._calls.own_stream("WatchProgress", wire.JobLookupV1, lab.Progress)

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

    # ---- beside jobs

    @cached_property
    def machine(self) -> MachineCalls:
        """The quantum computer: how it stands, pause, drain, resume; who is connected."""
        return MachineCalls(self._calls, self._address.alias)

    @cached_property
    def people(self) -> PeopleCalls:
        """Users, tokens and limits."""
        return PeopleCalls(self._calls)

    @cached_property
    def timeslots(self) -> TimeslotCalls:
        """Timeslots of the quantum computer."""
        return TimeslotCalls(self._calls, self._address.alias)

    @cached_property
    def calibration_sets(self) -> CalibrationCalls:
        """The quantum computer's calibration sets."""
        return CalibrationCalls(self._calls, self._address.alias)

    @cached_property
    def store(self) -> StoreCalls:
        """What labd keeps: partial results, pins, checks, backups."""
        return StoreCalls(self._calls)

    @cached_property
    def audit(self) -> AuditCalls:
        """Who did what to what, when, from where."""
        return AuditCalls(self._calls)

    # ---- quantum computers

    @property
    def alias(self) -> str:
        """The quantum computer that the address names; empty if it names none."""
        return self._address.alias

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
            qc_id=pack_uuid(self.quantum_computer.id), resource_name=name
        )
        return joined(self._calls.resource(lookup))

    def rack(self) -> Rack:
        """What the rack is good for now; jobs wait in the queue until it is ready."""
        about = json.loads(self.resource("about"))["rack"]
        instruments = {one["name"]: one["model"] for one in about["instruments"]}
        return Rack(about["state"], about["what"], instruments)

    def program(self, shots: int, *, averaging_bins: int | None = None) -> Program:
        """An empty program with this quantum computer's grid and latest calibration."""
        from labd.client.program import Program
        from labd.client.tables import Grid

        channels = json.loads(self.resource("channel-properties"))
        program = Program(shots=shots, averaging_bins=averaging_bins, grid=Grid.of(channels))
        program.use(self.calibration())
        return program

    def active_calibration_id(self) -> UUID:
        """The set that is active: the latest one for IQM's clients."""
        lookup = wire.LatestQuantumComputerCalibrationLookupV1(
            qc_id=pack_uuid(self.quantum_computer.id)
        )
        return uuid_of(self._calls.latest_calibration(lookup).id)

    def calibration(self, calibration_id: UUID | None = None) -> CalibrationSet:
        """A calibration set with all its observations; the active one if none is named."""
        from labd.client.values_observations import calibration_of

        return calibration_of(self.calibration_bytes(calibration_id))

    def calibration_bytes(self, calibration_id: UUID | None = None) -> bytes:
        """A calibration set in IQM's JSON, as the server streams it."""
        if calibration_id is None:
            calibration_id = self.active_calibration_id()
        lookup = wire.CalibrationLookupV1(id=pack_uuid(calibration_id))
        return joined(self._calls.calibration_data(lookup))

    # ---- jobs

    def submit(
        self,
        payload: bytes | Program,
        job_type: JobType = JobType.PULSE,
        *,
        tags: Iterable[str] = (),
        priority: Priority = Priority.NORMAL,
        use_timeslot: bool | None = None,
        idempotency_key: str = "",
    ) -> JobSummary:
        """Hand in a job. When this returns, labd has it on disk. Raises InvalidRequest.

        priority: HIGH is for operators to give. use_timeslot: whether it runs in the caller's
        timeslots only; None is what the URL says. idempotency_key: the same key with the same job
        again returns the job that was stored first.
        """
        content = payload if isinstance(payload, bytes) else payload.pack()
        job = wire.SubmitJobRequestV1(
            qc_id=pack_uuid(self.quantum_computer.id),
            type=job_type.value,
            payload=content,
            use_timeslot=self._address.use_timeslot if use_timeslot is None else use_timeslot,
        )
        request = lab.SubmitJobRequest(
            job=job, idempotency_key=idempotency_key, tags=tags, priority=priority.name
        )
        return details_of(self._submit(request)).job

    def job(self, job_id: JobId) -> Job:
        """The job as it is now."""
        return job_of(self._calls.get(_lookup(job_id)))

    def details(self, job_id: JobId) -> JobDetails:
        """All that is known of the job: events, why it waits, when it starts, phase timings."""
        return details_of(self._job_details(_lookup(job_id)))

    def flight_record(self, job_id: JobId) -> FlightRecord:
        """What was said to the instruments in a job that did not complete; empty for others."""
        return flight_of(self._flight_record(_lookup(job_id)))

    def jobs(self, limit: int = 20, *, of_all: bool = False) -> list[JobSummary]:
        """The newest jobs first; of this client's quantum computer, or of all the server's."""
        chosen = JobFilter(alias="" if of_all else self._address.alias)
        return list(itertools.islice(self.search(chosen), limit))

    def search(self, chosen: JobFilter) -> Iterator[JobSummary]:
        """All jobs that the filter lets through, the newest first, asked for page by page."""
        token = ""
        while True:
            page = self.job_page(chosen, page_token=token)
            yield from page.jobs
            token = page.next_page_token
            if not token:
                return

    def job_page(self, chosen: JobFilter, *, limit: int = 0, page_token: str = "") -> JobPage:
        """One page of them. limit: at most so many, 0 is the server's default."""
        reply = self._list_jobs(pack_filter(chosen, limit, page_token))
        return JobPage(tuple(summary_of(each) for each in reply.jobs), reply.next_page_token)

    def cancel(self, job_id: JobId) -> Job:
        """Take a job out of the queue or stop it. Raises NotAllowed once it has ended."""
        return job_of(self._calls.cancel(_lookup(job_id)))

    def hold(self, job_id: JobId, note: str) -> JobDetails:
        """Keep a queued job from starting; it keeps its place. note: why."""
        return details_of(self._hold(lab.HoldJobRequest(id=pack_uuid(job_id), note=note)))

    def release(self, job_id: JobId) -> JobDetails:
        """Undo `hold`."""
        return details_of(self._release(_lookup(job_id)))

    def set_priority(self, job_id: JobId, priority: Priority) -> JobDetails:
        """Move a queued job to another class; HIGH is for operators to give."""
        request = lab.SetPriorityRequest(id=pack_uuid(job_id), priority=priority.name)
        return details_of(self._set_priority(request))

    def set_tags(self, job_id: JobId, tags: Iterable[str]) -> JobDetails:
        """Replace the tags of a job."""
        return details_of(self._set_tags(lab.SetTagsRequest(id=pack_uuid(job_id), tags=tags)))

    def delete(self, job_id: JobId) -> None:
        """Remove a job that has ended, with its payload and results, for ever."""
        self._delete(_lookup(job_id))

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
        for update in self._progress(_lookup(job_id)):
            yield Progress(update.shots_done, update.shots_total)

    # ---- what went in and what came out

    def payload(self, job_id: JobId) -> bytes:
        """The payload as it was submitted."""
        return joined(self._calls.payload(_lookup(job_id)))

    def results(self, job_id: JobId) -> Results:
        """The results as arrays, with their shape read from the payload. Raises JobNotCompleted."""
        from labd.client.results import unpack_results

        self._demand_completed(job_id)
        return unpack_results(self.results_bytes(job_id), self.payload(job_id))

    def circuit_counts(self, job_id: JobId) -> list[CircuitCounts]:
        """How often each bitstring was measured, by circuit. Raises JobNotCompleted, ValueError."""
        from labd.core.circuit_counts import count_circuits

        self._demand_completed(job_id)
        return list(count_circuits(self.results_bytes(job_id)))

    def results_bytes(self, job_id: JobId) -> bytes:
        """The results as the server streams them."""
        return joined(self._calls.results(_lookup(job_id)))

    def results_to_file(self, job_id: JobId, path: Path) -> int:
        """Stream the results to a file, which appears whole or not at all. Returns its bytes."""
        return write_whole(path, (chunk.data for chunk in self._calls.results(_lookup(job_id))))

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


def _channel(address: Address, tls: Tls) -> grpc.Channel:
    if not address.is_secure:
        return grpc.insecure_channel(address.target, _CHANNEL_OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=tls.ca, private_key=tls.key, certificate_chain=tls.certificate
    )
    return grpc.secure_channel(address.target, credentials, _CHANNEL_OPTIONS)


def _lookup(job_id: JobId) -> wire.JobLookupV1:
    return wire.JobLookupV1(id=pack_uuid(job_id))
