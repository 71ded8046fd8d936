"""The job's life. Everything that changes a job's state goes through this file.

Each deed is one durable change of the record in the store, then one notification; whoever waits
re-reads the record.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from labd.changes import Changes, Topic
from labd.core.access import Role
from labd.core.audit import AuditEntry
from labd.core.errors import ServerStopping
from labd.core.jobs import Job, JobId, JobState, NewJob, Priority, QcId
from labd.core.log_fields import about
from labd.core.openings import Mode, TimeslotRules
from labd.store.jobs import Ending
from labd.store.queue import MachineRecord
from labd.store.store import Store
from labd.store.submissions import IdempotencyKey, Terms
from labd.store.timeslots import Decision

MOST_ASKED_SINGLY = 8
"""Counting so many positions costs less than reading a long queue."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Order:
    """A queue as it was read: number of a job -> its position. generation, n_calls: of Changes."""

    generation: int
    n_calls: int
    positions: Mapping[int, int]


class Desk:
    """Where jobs are handed in, taken to be run, ended and cancelled."""

    def __init__(
        self, store: Store, changes: Changes, learn: Callable[[Job], None] | None = None
    ) -> None:
        """learn: told of every job that starts, ends or is cancelled."""
        self._learn = learn
        self.store = store
        self.changes = changes
        self._orders: dict[UUID, _Order] = {}
        self._aliases: dict[QcId, str] = {}
        self._is_stopping = False

    async def submit(
        self,
        job: NewJob,
        payload: bytes,
        terms: Terms,
        *,
        entry: AuditEntry | None = None,
        key: IdempotencyKey | None = None,
    ) -> Job:
        """Accept a job: durable when this returns. Raises as `Store.submit`.

        What is stored is told to those who wait, even if the caller goes away meanwhile. The answer
        has a queue position, also where the key's first job is returned.
        """
        stored = await self.store.submit(
            job, payload, terms, entry=entry, key=key, then=self._tell_arrival
        )
        return stored if stored.id == job.id else self.with_position(stored)

    def _tell_arrival(self, job: Job) -> None:
        self.changes.notify(("arrival", job.qc_id), ("queue", job.qc_id))
        self._note(job)

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

    async def begin_again(self, job_id: JobId, what: str) -> None:
        """Log that a running job is executed once more. Raises Unavailable."""
        await self.store.begin_again(job_id, what)
        self.changes.notify(("job", job_id))
        _log.warning("job %s: executed once more: %s", job_id, what, extra=about(job=job_id))

    async def cancel(self, job_id: JobId, by: AuditEntry) -> Job:
        """Cancel a queued job; ask for the cancelling of a running one.

        Raises NotFound, JobAlreadyFinal, Unavailable.
        """
        reason = f"cancelled by {by.user}"
        return await self.store.cancel(job_id, reason, entry=by, then=self._tell_cancel)

    def _tell_cancel(self, job: Job) -> None:
        if job.state is JobState.CANCELLED:
            self._tell(job, ("queue", job.qc_id))
        else:
            self.changes.notify(("job", job.id))

    async def delete(self, job_id: JobId, by: AuditEntry) -> None:
        """Forget a job that has ended. Raises NotFound, Conflict, Unavailable."""
        await self.store.records.delete(job_id, by, self._tell_deleted)

    def _tell_deleted(self, job: Job) -> None:
        self.changes.notify(("job", job.id))

    def _tell(self, job: Job, *others: Topic) -> None:
        self.changes.notify(("job", job.id), *others)
        if self._learn is not None:
            self._learn(job)
        self._note(job)

    def _note(self, job: Job) -> None:
        if not _log.isEnabledFor(logging.INFO):
            return
        state = job.state.value
        fields = about(job=job.id, state=state, qc=self._alias(job.qc_id), user=job.submitted_by)
        why = f": {job.error}" if job.error else ""
        _log.info("job %s: %s%s", job.id, state, why, extra=fields)

    def _alias(self, qc_id: QcId) -> str:
        """Read once: an alias changes with a restart."""
        alias = self._aliases.get(qc_id)
        if alias is None:
            alias, _ = self.store.quantum_computer_name(qc_id)
            self._aliases[qc_id] = alias
        return alias

    # ---- held jobs, priorities, the machine; `by`: its object and details are filled in

    async def hold(self, job_id: JobId, note: str, role: Role, by: AuditEntry) -> Job:
        """Let a queued job wait. Raises NotFound, Conflict, PermissionDenied, Unavailable."""
        job = await self.store.queue.hold(job_id, note, role, by, self._tell_queued)
        return self.with_position(job)

    async def release(self, job_id: JobId, role: Role, by: AuditEntry) -> Job:
        """Let a held job go on. Raises NotFound, Conflict, PermissionDenied, Unavailable."""
        job = await self.store.queue.release(job_id, role, by, self._tell_queued)
        return self.with_position(job)

    async def set_priority(
        self, job_id: JobId, priority: Priority, role: Role, by: AuditEntry
    ) -> Job:
        """Move a queued job to another class.

        Raises NotFound, Conflict, PermissionDenied, Unavailable.
        """
        job = await self.store.queue.set_priority(job_id, priority, role, by, self._tell_queued)
        return self.with_position(job)

    def _tell_queued(self, job: Job) -> None:
        self.changes.notify(("job", job.id), ("arrival", job.qc_id), ("queue", job.qc_id))

    async def set_mode(self, qc_id: QcId, mode: Mode, note: str, by: AuditEntry) -> MachineRecord:
        """Pause, drain or resume a quantum computer. Raises Unavailable."""
        return await self.store.queue.set_mode(
            qc_id, mode, note, by, lambda _: self.changes.notify(("arrival", qc_id))
        )

    # ---- positions

    def queue_position(self, job: Job) -> int:
        """A queued job's position now."""
        known = self._orders.get(job.qc_id)
        if known is not None and known.generation == self.changes.queue_generation(job.qc_id):
            position = known.positions.get(job.seq)
            if position is not None:
                return position
        return self.store.queue.position(job)

    def told_position(self, job: Job) -> int:
        """A queued job's position when its queue's watchers were woken last: read once for all."""
        n_calls = self.changes.n_queue_calls(job.qc_id)
        known = self._orders.get(job.qc_id)
        if known is None or known.n_calls != n_calls:
            known = self._read_order(job.qc_id)
        position = known.positions.get(job.seq)
        return self.queue_position(job) if position is None else position

    def with_position(self, job: Job) -> Job:
        """A record with its queue position while it is queued."""
        if job.state is not JobState.IN_QUEUE:
            return job
        return replace(job, queue_position=self.queue_position(job))

    def with_positions(self, jobs: Sequence[Job]) -> list[Job]:
        """Records with their queue positions; where many are queued, their queue is read once."""
        n_queued = Counter(job.qc_id for job in jobs if job.state is JobState.IN_QUEUE)
        for qc_id, n_asked in n_queued.items():
            known = self._orders.get(qc_id)
            is_known = known is not None and known.generation == self.changes.queue_generation(
                qc_id
            )
            if n_asked > MOST_ASKED_SINGLY and not is_known:
                self._read_order(qc_id)
        return [self.with_position(job) for job in jobs]

    def _read_order(self, qc_id: QcId) -> _Order:
        seqs = self.store.queue.seqs(qc_id)
        order = self._orders[qc_id] = _Order(
            self.changes.queue_generation(qc_id),
            self.changes.n_queue_calls(qc_id),
            {seq: position for position, seq in enumerate(seqs)},
        )
        return order

    def stop(self) -> None:
        """End all subscriptions; call `raise_if_stopping` after each wait."""
        self._is_stopping = True
        self.changes.notify_all()

    def raise_if_stopping(self) -> None:
        """Raises ServerStopping once labd stops."""
        if self._is_stopping:
            raise ServerStopping
