"""How a job is accepted, for whichever service it comes by: checked, foretold, stored."""

from __future__ import annotations

from labd.core.access import Role
from labd.core.errors import PermissionDenied
from labd.core.jobs import Job, JobType, NewJob, Priority
from labd.identity import Caller
from labd.rpc.intake import Intake
from labd.rpc.laboratory import Laboratory
from labd.wire import iqm_server_pb2 as iqm


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
        del idempotency_key
        computer = self._laboratory.quantum_computer(request.qc_id)
        if priority is Priority.HIGH and caller.user.role is Role.USER:
            raise PermissionDenied(
                caller.user.name, caller.user.role.value, "give a job the priority HIGH"
            )
        job_type = JobType(iqm.JobType.Name(request.type))
        summary = await self._intake.check(computer, job_type, request.payload)
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
            tags=tags,
        )
        return await self._laboratory.desk.submit(job, request.payload)
