"""Jobs as both generations of circuit clients handle them over HTTP: the same as over gRPC.

They come in by the same door (labd.rpc.acceptance), are seen by the same people, and end by the
same desk; here is only what the two generations have in common.
"""

from __future__ import annotations

import asyncio
import mmap
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from labd.audit_trail import entry, job_deletion
from labd.chip_files import Json, JsonObject
from labd.config import QuantumComputer
from labd.core.circuit_counts import count_circuits
from labd.core.errors import NotFound
from labd.core.jobs import Job, JobState, JobType
from labd.identity import Caller
from labd.payloads.circuit_request import read_request
from labd.rpc.acceptance import Acceptance
from labd.rpc.laboratory import Laboratory
from labd.web.door import body_of, streamed_file
from labd.wire import iqm_server_pb2 as iqm

JSON = "application/json"
PROTOBUF = "application/protobuf"


class CircuitJobs:
    """Handed in, looked at, fetched, cancelled, deleted."""

    def __init__(self, laboratory: Laboratory, acceptance: Acceptance) -> None:
        self.laboratory = laboratory
        self._acceptance = acceptance

    async def submit(
        self, request: Request, computer: QuantumComputer, caller: Caller, *, use_timeslot: bool
    ) -> Job:
        """A circuit job, durably queued. Raises as `Acceptance.submit`."""
        payload = await body_of(request, self.laboratory.config.limits.payload_bytes)
        asked = iqm.SubmitJobRequestV1(
            qc_id=iqm.Uuid(raw=computer.id.bytes),
            type=iqm.CIRCUIT,
            payload=payload,
            use_timeslot=use_timeslot,
        )
        return await self._acceptance.submit(asked, caller)

    def job(self, request: Request, caller: Caller) -> Job:
        """The job that the path names, if the caller may see it. Raises NotFound."""
        text = request.path_params["job_id"]
        return self.laboratory.job(iqm.Uuid(str=text), caller)

    def circuit_job(self, request: Request, caller: Caller) -> Job:
        """As `job`; raises NotFound for a pulse job too."""
        job = self.job(request, caller)
        if job.job_type is not JobType.CIRCUIT:
            raise NotFound("circuits of job", str(job.id), "it is a pulse job")
        return job

    async def payload(self, job: Job) -> JsonObject:
        """A circuit job's request. Raises NotFound."""
        stored = self.laboratory.store.payload(job)

        def read() -> JsonObject:
            return read_request(stored if isinstance(stored, bytes) else stored.read_bytes())

        try:
            return await asyncio.to_thread(read)
        except FileNotFoundError:
            raise NotFound("payload of job", str(job.id), "its file is gone") from None

    def result(self, job: Job) -> Response:
        """A job's result as it lies on the disk. Raises NotFound while there is none."""
        media_type = JSON if job.job_type is JobType.CIRCUIT else PROTOBUF
        count = partial(self.laboratory.meters.streamed, "results")
        try:
            return streamed_file(self._result_path(job), media_type, count)
        except FileNotFoundError:
            raise self._no_result(job) from None

    async def counts(self, job: Job) -> list[Json]:
        """Counts of every circuit. Raises NotFound while there is no result."""
        path = self._result_path(job)
        try:
            return await asyncio.to_thread(_counts_in, path)
        except FileNotFoundError:
            raise self._no_result(job) from None

    def _result_path(self, job: Job) -> Path:
        if job.state is not JobState.COMPLETED:
            raise self._no_result(job)
        return self.laboratory.store.result_path(job.id)

    def _no_result(self, job: Job) -> NotFound:
        match job.state:
            case JobState.COMPLETED:
                why = "their file is gone"
            case JobState.IN_QUEUE | JobState.EXECUTING:
                why = f"it is {job.state.value}; wait for its end"
            case _:
                why = f"it is {job.state.value}: {job.error or 'no reason was given'}"
        return NotFound("results of job", str(job.id), why)

    async def cancel(self, job: Job, caller: Caller) -> Job:
        """Cancel a queued job, ask for the end of a running one. Raises JobAlreadyFinal."""
        by = entry(caller, "job.cancel", str(job.id))
        return await self.laboratory.desk.cancel(job.id, by)

    async def delete(self, job: Job, caller: Caller) -> None:
        """Forget a job; a queued one is cancelled first. Raises Conflict while it runs."""
        if job.state is JobState.IN_QUEUE:
            job = await self.cancel(job, caller)
        await self.laboratory.desk.delete(job.id, job_deletion(caller, job))


def _counts_in(path: Path) -> list[Json]:
    with path.open("rb") as file:
        # Never closed by hand: arrays may still look into it when an error goes up.
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return [
        {"measurement_keys": [*each.keys], "counts": dict(each.counts)}
        for each in count_circuits(data)
    ]
