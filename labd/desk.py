"""The job's life. Everything that changes a job's state goes through this file.

Each deed is one durable change of the record in the store, then one notification; whoever waits
re-reads the record.
"""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left
from dataclasses import replace
from uuid import UUID

from labd.changes import Changes, Topic
from labd.core.errors import ServerStopping
from labd.core.jobs import Job, JobId, JobState, NewJob, QcId
from labd.core.openings import TimeslotRules
from labd.store.jobs import Ending
from labd.store.store import Store
from labd.store.timeslots import Decision

_log = logging.getLogger(__name__)


class Desk:
    """Where jobs are handed in, taken to be run, ended and cancelled."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self.store = store
        self.changes = changes
        self._queues: dict[UUID, tuple[int, array[int]]] = {}
        self._is_stopping = False

    async def submit(self, job: NewJob, payload: bytes) -> Job:
        """Accept a job: durable when this returns. Raises Unavailable.

        What is stored is told to those who wait, even if the caller goes away meanwhile.
        """
        return await self.store.submit(job, payload, self._tell_arrival)

    def _tell_arrival(self, job: Job) -> None:
        self.changes.notify(("arrival", job.qc_id))
        _note(job)

    async def claim_next(self, qc_id: QcId, rules: TimeslotRules) -> Decision:
        """Take the job that may start first to run it. Raises Unavailable."""
        decision = await self.store.timeslots.claim(qc_id, rules)
        if decision.job is not None:
            self._tell(decision.job, ("queue", qc_id))
        return decision

    async def end(self, job_id: JobId, ending: Ending) -> None:
        """Give a running job its final state, once. Raises Unavailable."""
        job = await self.store.end_executing(job_id, ending)
        if job is not None:
            self._tell(job)

    async def cancel(self, job_id: JobId, caller: str) -> Job:
        """Cancel a queued job; ask for the cancelling of a running one.

        Raises NotFound, JobAlreadyFinal, Unavailable.
        """
        return await self.store.cancel(job_id, f"cancelled by {caller}", self._tell_cancel)

    def _tell_cancel(self, job: Job) -> None:
        if job.state is JobState.CANCELLED:
            self._tell(job, ("queue", job.qc_id))
        else:
            self.changes.notify(("job", job.id))

    def _tell(self, job: Job, *others: Topic) -> None:
        self.changes.notify(("job", job.id), *others)
        _note(job)

    def queue_position(self, job: Job) -> int:
        """A queued job's position, read once per change of the queue for all who ask.

        A job that was queued after that reading stands behind all that were in it.
        """
        generation = self.changes.queue_generation(job.qc_id)
        known = self._queues.get(job.qc_id)
        if known is None or known[0] != generation or not known[1] or known[1][-1] < job.seq:
            known = (generation, self.store.queued_seqs(job.qc_id))
            self._queues[job.qc_id] = known
        return bisect_left(known[1], job.seq)

    def with_position(self, job: Job) -> Job:
        """A record with its queue position while it is queued."""
        if job.state is not JobState.IN_QUEUE:
            return job
        return replace(job, queue_position=self.queue_position(job))

    def stop(self) -> None:
        """End all subscriptions; call `raise_if_stopping` after each wait."""
        self._is_stopping = True
        self.changes.notify_all()

    def raise_if_stopping(self) -> None:
        """Raises ServerStopping once labd stops."""
        if self._is_stopping:
            raise ServerStopping


def _note(job: Job) -> None:
    if _log.isEnabledFor(logging.INFO):
        fields = {"JOB_ID": str(job.id), "JOB_STATE": job.state.value}
        _log.info("job %s: %s", job.id, job.state.value, extra=fields)
