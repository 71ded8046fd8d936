"""labd.v1.Lab: what IQM's API does not have, for labctl."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from labd.core.jobs import Job
from labd.identity import Caller
from labd.rpc import convert
from labd.rpc.caller import Context
from labd.rpc.laboratory import Laboratory
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

DEFAULT_LIMIT = 50
MOST = 1000


class LabJobs:
    """The methods of the service that concern jobs."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory

    async def list_jobs(
        self, request: lab_pb2.ListJobsRequest, caller: Caller, context: Context
    ) -> lab_pb2.ListJobsReply:
        """The newest jobs first, with queue positions."""
        del context
        qc_id = self._laboratory.by_alias(request.alias).id if request.alias else None
        limit = min(request.limit or DEFAULT_LIMIT, MOST)
        desk = self._laboratory.desk
        jobs = desk.store.list_jobs(qc_id=qc_id, states=(), limit=limit)
        jobs = tuple(job for job in jobs if caller.reaches(job.user_id))
        return lab_pb2.ListJobsReply(jobs=[self._summary(desk.with_position(job)) for job in jobs])

    def _summary(self, job: Job) -> lab_pb2.JobSummary:
        computer = self._laboratory.quantum_computer_message(job.qc_id)
        return lab_pb2.JobSummary(
            job=convert.job_message(job, computer),
            user=job.submitted_by,
            priority=lab_pb2.Priority.Name(job.priority.value),
            use_timeslot=job.is_timeslot,
            hold_note=job.hold_note,
        )

    async def watch_progress(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> AsyncGenerator[lab_pb2.Progress]:
        """Shots done now, then at every change, until the job's end."""
        del context
        job = self._laboratory.job(request.id, caller)
        job_id, desk = job.id, self._laboratory.desk
        last: tuple[int, int] | None = None
        with desk.changes.watch(("job", job_id), ("progress", job_id)) as watch:
            while True:
                record = desk.store.job_record(job_id)
                supervisor = self._laboratory.supervisors.get(job.qc_id)
                now = (0, 0) if supervisor is None else supervisor.progress(job_id)
                if last is None or (now != last and now[1] > 0):
                    last = now
                    yield lab_pb2.Progress(shots_done=now[0], shots_total=now[1])
                if record is None or record.state.is_final:
                    return
                await watch.wait()
                desk.raise_if_stopping()
