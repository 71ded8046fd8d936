"""How a job is accepted, for whichever service it comes by: checked, foretold, stored."""

from __future__ import annotations

import asyncio
import hashlib

from labd.audit_trail import entry
from labd.core.audit import AuditEntry
from labd.core.idempotency import check_key, request_hash
from labd.core.jobs import Job, JobType, NewJob, Priority
from labd.identity import Caller
from labd.rpc.intake import Intake
from labd.rpc.laboratory import Laboratory
from labd.store.queue import check_priority
from labd.store.submissions import IdempotencyKey, Terms
from labd.wire import iqm_server_pb2 as iqm

HASHED_IN_PLACE_BYTES = 1 << 20
"""Takes a millisecond at most."""


class Acceptance:
    """The one way in."""

    def __init__(self, laboratory: Laboratory, intake: Intake) -> None:
        self._laboratory = laboratory
        self._intake = intake

    async def submit(
        self,
        request: iqm.SubmitJobRequestV1,
        caller: Caller,
        *,
        tags: tuple[str, ...] = (),
        priority: Priority = Priority.NORMAL,
        idempotency_key: str = "",
    ) -> Job:
        """Check a job and queue it, with its queue position; it is durable when this returns.

        tags: as they are to be stored. idempotency_key: the same key with the same request, by the
        same user, returns the job that was stored first, as it stands now; empty: none.

        Raises NotFound, InvalidArgument, JobTypeNotSupported, InvalidPayload, PermissionDenied,
        NoBookedTimeslots, TimeslotRequired, OutlastsTimeslot, QuotaExceeded, IdempotencyKeyReused,
        Unavailable.
        """
        computer = self._laboratory.quantum_computer(request.qc_id)
        check_priority(priority, caller.user.role, caller.user.name)
        job_type = JobType(iqm.JobType.Name(request.type))
        summary = await self._intake.check(computer, job_type, request.payload)
        run = self._laboratory.foresight.run(computer.id, summary.kind, summary.playing_s, job_type)
        hashed = await _payload_hash(request.payload)
        job = NewJob(
            id=self._laboratory.store.new_job_id(),
            qc_id=computer.id,
            job_type=job_type,
            shots=summary.shots,
            circuits=summary.circuits,
            is_timeslot=request.use_timeslot,
            user_id=caller.user.id,
            submitted_by=caller.user.name,
            payload_bytes=len(request.payload),
            playing_s=summary.playing_s,
            kind=summary.kind,
            priority=priority,
            run_p50_s=run.p50_s,
            run_p90_s=run.p90_s,
            calibration_set_id=summary.calibration_set_id,
            tags=tags,
            needed_bytes=summary.result_bytes,
            payload_sha256=hashed,
        )
        return await self._laboratory.desk.submit(
            job,
            request.payload,
            Terms(computer.alias, self._laboratory.config.limits.per_role, computer.timeslots),
            entry=_entry(caller, job, computer.alias, hashed),
            key=_key(idempotency_key, job, hashed),
        )


async def _payload_hash(payload: bytes) -> bytes:
    """SHA-256; a large payload's is made in a thread."""
    if len(payload) <= HASHED_IN_PLACE_BYTES:
        return hashlib.sha256(payload).digest()
    return await asyncio.to_thread(lambda: hashlib.sha256(payload).digest())


def _entry(caller: Caller, job: NewJob, alias: str, payload_hash: bytes) -> AuditEntry:
    return entry(
        caller,
        "job.submit",
        str(job.id),
        alias=alias,
        type=job.job_type.value,
        shots=job.shots,
        circuits=job.circuits,
        use_timeslot=job.is_timeslot,
        priority=job.priority.name,
        payload_sha256=payload_hash.hex(),
        run_p90_s=round(job.run_p90_s, 6),
    )


def _key(key: str, job: NewJob, payload_hash: bytes) -> IdempotencyKey | None:
    """The same request: the same payload for the same quantum computer, submitted alike."""
    if not key:
        return None
    check_key(key)
    how = (job.job_type.value, job.is_timeslot, int(job.priority), job.tags)
    return IdempotencyKey(key, request_hash([payload_hash, job.qc_id.bytes, repr(how).encode()]))
