"""iqm.server.Jobs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from labd.audit_trail import entry
from labd.core.errors import NotFound
from labd.core.jobs import Job, JobState
from labd.core.waiting import time_text
from labd.identity import Caller
from labd.rpc import convert
from labd.rpc.acceptance import Acceptance
from labd.rpc.caller import Context
from labd.rpc.chunks import stream_bytes, stream_file
from labd.rpc.follow import follow_job
from labd.rpc.laboratory import Laboratory
from labd.rpc.send_buffer import SEND_BUFFER_BYTES, widen_send_buffer
from labd.wire import iqm_server_pb2 as iqm

PARTIAL_HINT = "what was measured until then is kept: `labctl results --partial`"
_KEEPALIVE = iqm.JobEventV1(keepalive=iqm.Keepalive())


class Jobs:
    """The six methods of the service."""

    def __init__(self, laboratory: Laboratory, acceptance: Acceptance) -> None:
        self._laboratory = laboratory
        self._acceptance = acceptance

    async def submit(
        self, request: iqm.SubmitJobRequestV1, caller: Caller, context: Context
    ) -> iqm.JobV1:
        """Check a payload and queue it; the answer means that it is stored durably."""
        del context
        return self._message(await self._acceptance.submit(request, caller))

    async def get(self, request: iqm.JobLookupV1, caller: Caller, context: Context) -> iqm.JobV1:
        """A job as it stands now."""
        del context
        job = self._laboratory.configured_job(request.id, caller)
        return self._message(self._laboratory.desk.with_position(job))

    async def subscribe(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> AsyncGenerator[iqm.JobEventV1]:
        """A job now and at every change until its end, with keepalives while it is quiet."""
        del context
        job_id = self._laboratory.job(request.id, caller).id
        keepalive_s = self._laboratory.config.server.keepalive_s
        jobs = follow_job(self._laboratory.desk, job_id, keepalive_s)
        async with contextlib.aclosing(jobs):
            async for job in jobs:
                yield _KEEPALIVE if job is None else iqm.JobEventV1(update=self._message(job))

    async def payload(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> AsyncGenerator[bytes]:
        """The payload as it was submitted."""
        del context
        job = self._laboratory.job(request.id, caller)
        payload = self._laboratory.store.payload(job)
        chunk_bytes, meters = self._laboratory.config.server.chunk_bytes, self._laboratory.meters
        if isinstance(payload, bytes):
            chunks = stream_bytes(payload, chunk_bytes)
        elif payload.exists():
            chunks = stream_file(payload, chunk_bytes)
        else:
            raise NotFound("payload of job", str(job.id), self._why_gone(job))
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                meters.streamed("payload", len(chunk))
                yield chunk

    async def results(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> AsyncGenerator[bytes]:
        """The results of a completed job."""
        job = self._laboratory.job(request.id, caller)
        path = self._laboratory.store.result_path(job.id)
        is_there = job.state is JobState.COMPLETED and path.exists()
        if not is_there or self._laboratory.store.keeping.of(job.id).damage:
            raise NotFound("results of job", str(job.id), self._why_no_results(job))
        if path.stat().st_size > SEND_BUFFER_BYTES:
            widen_send_buffer(context.peer())
        chunks = stream_file(path, self._laboratory.config.server.chunk_bytes)
        meters = self._laboratory.meters
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                meters.streamed("results", len(chunk))
                yield chunk

    async def cancel(self, request: iqm.JobLookupV1, caller: Caller, context: Context) -> iqm.JobV1:
        """Cancel a queued job at once; ask for the cancelling of a running one."""
        del context
        job_id = self._laboratory.configured_job(request.id, caller).id
        by = entry(caller, "job.cancel", str(job_id))
        return self._message(await self._laboratory.desk.cancel(job_id, by))

    def _why_no_results(self, job: Job) -> str:
        match job.state:
            case JobState.IN_QUEUE:
                position = self._laboratory.desk.queue_position(job)
                return f"it is queued at position {position}; subscribe and wait for its end"
            case JobState.EXECUTING:
                return "it is executing; subscribe and wait for its end"
            case JobState.COMPLETED:
                return self._why_gone(job)
            case _:
                told = f"it is {job.state.value}: {job.error or 'no reason was given'}"
                is_partial = self._laboratory.store.keeping.of(job.id).is_partial
                return f"{told}; {PARTIAL_HINT}" if is_partial else told

    def _why_gone(self, job: Job) -> str:
        kept = self._laboratory.store.keeping.of(job.id)
        if kept.expired_at_ns is not None:
            return f"retention removed it at {time_text(kept.expired_at_ns, 0)}"
        return kept.damage or "its file is gone"

    def _message(self, job: Job) -> iqm.JobV1:
        return convert.job_message(job, self._laboratory.quantum_computer_message(job.qc_id))
