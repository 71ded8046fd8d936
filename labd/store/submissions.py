"""New jobs in SQL: accepted or refused, placed and stored, together with their neighbours.

All that a job is accepted upon is read in the transaction that stores it: its user's limits, the
quantum computer's mode, its timeslots, the queue. A refusal is an answer, no exception, so that the
neighbours are not stored twice.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from labd.core.audit import AuditEntry
from labd.core.errors import (
    IdempotencyKeyReused,
    InvalidArgument,
    NotFound,
    QuotaExceeded,
    Refusal,
    Unavailable,
)
from labd.core.jobs import Job, JobId, JobState, NewJob, Priority, QcId
from labd.core.limits import LimitName, added, asked_by_job, exceeded, is_limited
from labd.core.openings import Candidate, Mode, Situation, TimeslotRules, why_refused
from labd.core.queue_order import SortKey, sort_key
from labd.store import audit
from labd.store.jobs import find_job
from labd.store.limits import PerRole, Standing, standing, when_free
from labd.store.queue import n_before
from labd.store.records import insert_tags
from labd.store.shares import Accounts
from labd.store.timeslots import slots_near

Value = int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration says about who is accepted. alias: of the quantum computer."""

    alias: str
    limits: PerRole
    timeslots: TimeslotRules


UNCONDITIONAL = Terms("", {}, TimeslotRules(False, False, 0.0, True))
"""No limits, no slots demanded."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key of the job's user. request_hash: equal for what counts as the same request."""

    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be stored. payload None: it lies in a file already."""

    job: NewJob
    payload: bytes | None
    now_ns: int
    terms: Terms
    entry: AuditEntry | None = None
    key: IdempotencyKey | None = None


def insert_jobs(db: sqlite3.Connection, submissions: Sequence[Submission]) -> list[Job | Refusal]:
    """Store new jobs, one after the other by what they see, with few statements for all of them.

    Each answer is the job with its queue position, or why it is refused; where its idempotency key
    was used before, the job that was stored then.
    """
    door = _Door(db)
    answers = [door.take(each) for each in submissions]
    door.write()
    return answers


@dataclass(slots=True)
class _Queue:
    """A quantum computer's queue as it stood, and what is put into it now."""

    n_queued: int
    mode: Mode
    note: str
    last: SortKey | None
    new: list[SortKey] = field(default_factory=list)


class _Door:
    """What one transaction accepts. Everything is read once for all."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._accounts = Accounts(db)
        self._queues: dict[QcId, _Queue] = {}
        self._standings: dict[int, Standing] = {}
        self._keys: dict[tuple[int, str], tuple[bytes, Job]] = {}
        self._accepted: list[tuple[Submission, Job]] = []
        self._seq = 0

    def take(self, submission: Submission) -> Job | Refusal:
        repeated = self._repeated(submission)
        if repeated is not None:
            return repeated
        refusal = self._refusal(submission)
        if refusal is not None:
            return refusal
        job = self._placed(submission)
        self._accepted.append((submission, job))
        if submission.key is not None:
            hashed = submission.key.request_hash
            self._keys[job.user_id, submission.key.key] = (hashed, job)
        return job

    # ---- checks

    def _repeated(self, submission: Submission) -> Job | Refusal | None:
        """The job that has the idempotency key already."""
        key, user_id = submission.key, submission.job.user_id
        if key is None:
            return None
        found = self._keys.get((user_id, key.key))
        if found is not None:
            hashed, job = found
            return job if hashed == key.request_hash else _reused(key, job.id)
        row = self._db.execute(
            "SELECT request_hash, job_id FROM idempotency_keys WHERE user_id = ? AND key = ?",
            (user_id, key.key),
        ).fetchone()
        if row is None:
            return None
        job_id = JobId(UUID(bytes=row[1]))
        if row[0] != key.request_hash:
            return _reused(key, job_id)
        stored = find_job(self._db, job_id)
        if stored is None:
            return NotFound("job", str(job_id), "it had this idempotency key and was deleted")
        return stored

    def _refusal(self, submission: Submission) -> Refusal | None:
        queue, terms = self._queue(submission.job.qc_id), submission.terms
        if queue.mode is Mode.DRAINING:
            note = f": {queue.note}" if queue.note else ""
            return Unavailable(f"{terms.alias} is being drained and accepts no jobs now{note}")
        return self._timeslot_refusal(submission) or self._quota_refusal(submission)

    def _timeslot_refusal(self, submission: Submission) -> Refusal | None:
        job, terms = submission.job, submission.terms
        if not (job.is_timeslot or terms.timeslots.is_required):
            return None
        candidate = Candidate(job.user_id, job.is_timeslot, job.run_p90_s)
        slots = slots_near(self._db, job.qc_id, submission.now_ns)
        situation = Situation(submission.now_ns, Mode.RUNNING, slots, terms.timeslots)
        return why_refused(candidate, situation, user=job.submitted_by, alias=terms.alias)

    def _quota_refusal(self, submission: Submission) -> Refusal | None:
        job, now_ns = submission.job, submission.now_ns
        stand = self._standings.get(job.user_id)
        if stand is None:
            stand = standing(self._db, job.user_id, submission.terms.limits, now_ns)
        if stand is None:
            return InvalidArgument("user", f"{job.submitted_by} is no user any more")
        self._standings[job.user_id] = stand
        if not is_limited(stand.bounds):
            return None
        asked = asked_by_job(
            payload_bytes=job.payload_bytes,
            shots=job.shots,
            circuits=job.circuits,
            run_s=job.run_p50_s,
        )
        name = exceeded(stand.bounds, stand.used, asked)
        if name is not None:
            return _quota_exceeded(self._db, stand, name, asked[name], now_ns)
        self._standings[job.user_id] = replace(stand, used=added(stand.used, asked))
        return None

    # ---- placing

    def _queue(self, qc_id: QcId) -> _Queue:
        known = self._queues.get(qc_id)
        if known is None:
            row = self._db.execute(_QUEUE, {"qc": qc_id.bytes}).fetchone()
            last = None if row[3] is None else sort_key(Priority(row[3]), row[4], row[5])
            known = self._queues[qc_id] = _Queue(row[0], Mode(row[1]), row[2], last)
            self._seq = max(self._seq, row[6])
        return known

    def _placed(self, submission: Submission) -> Job:
        new = submission.job
        self._seq += 1
        tag_s = self._accounts.place(
            new.qc_id,
            new.priority,
            new.user_id,
            run_s=new.run_p50_s,
            is_timeslot=new.is_timeslot,
        )
        queue, key = self._queue(new.qc_id), sort_key(new.priority, tag_s, self._seq)
        position = bisect_left(queue.new, key)
        if queue.last is None or queue.last < key:
            position += queue.n_queued
        else:
            position += n_before(self._db, new.qc_id, key, queue.n_queued)
        insort(queue.new, key)
        return _job(submission, self._seq, tag_s, position)

    # ---- storing

    def write(self) -> None:
        """Store what was accepted."""
        accepted = self._accepted
        if not accepted:
            return
        _insert_many(self._db, _INSERT_JOBS, [_row(job, each.job) for each, job in accepted])
        payloads: list[tuple[Value, ...]] = [
            (job.seq, each.payload) for each, job in accepted if each.payload is not None
        ]
        _insert_many(self._db, "INSERT INTO job_payloads (job_seq, payload)", payloads)
        insert_tags(self._db, [(job, each.job.tags) for each, job in accepted])
        keys: list[tuple[Value, ...]] = [
            (user_id, key, job.id.bytes, hashed, job.created_at_ns)
            for (user_id, key), (hashed, job) in self._keys.items()
        ]
        _insert_many(self._db, _INSERT_KEYS, keys)
        self._accounts.write()
        entries = [each.entry for each, _ in accepted if each.entry is not None]
        audit.append(self._db, entries, accepted[0][0].now_ns)


def _reused(key: IdempotencyKey, job_id: JobId) -> Refusal:
    return IdempotencyKeyReused(key.key, str(job_id))


def _quota_exceeded(
    db: sqlite3.Connection, stand: Standing, name: LimitName, asked: float, now_ns: int
) -> Refusal:
    return QuotaExceeded(
        name=name.value,
        user=stand.user.name,
        limit=stand.bounds[name].value or 0.0,
        used=stand.used[name],
        asked=asked,
        frees=when_free(db, stand, name, asked, now_ns),
    )


# ---- rows

_QUEUE = """SELECT n_queued, mode, mode_note, last.priority, last.share_tag_s, last.seq,
    (SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'jobs')
    FROM quantum_computers LEFT JOIN (SELECT priority, share_tag_s, seq FROM jobs
        WHERE qc_id = :qc AND state = 'IN_QUEUE'
        ORDER BY priority, share_tag_s DESC, seq DESC LIMIT 1) AS last
    WHERE id = :qc"""
"""How a queue stands, its last job, and the last number that any job has."""
_JOB_COLUMNS = (
    "seq, id, qc_id, job_type, shots, circuits, is_timeslot, user_id, submitted_by, payload_bytes,"
    " playing_s, kind, priority, share_tag_s, run_p50_s, run_p90_s, calibration_set_id,"
    " created_at_ns, updated_at_ns, needed_bytes, payload_sha256"
)
_INSERT_JOBS = f"INSERT INTO jobs ({_JOB_COLUMNS})"
_INSERT_KEYS = "INSERT INTO idempotency_keys (user_id, key, job_id, request_hash, at_ns)"


def _row(job: Job, new: NewJob) -> tuple[Value, ...]:
    return (
        job.seq,
        job.id.bytes,
        job.qc_id.bytes,
        job.job_type.value,
        job.shots,
        job.circuits,
        int(job.is_timeslot),
        job.user_id,
        job.submitted_by,
        job.payload_bytes,
        new.playing_s,
        new.kind,
        int(job.priority),
        job.share_tag_s,
        new.run_p50_s,
        new.run_p90_s,
        None if new.calibration_set_id is None else new.calibration_set_id.bytes,
        job.created_at_ns,
        job.updated_at_ns,
        new.needed_bytes,
        new.payload_sha256 or None,
    )


def _job(submission: Submission, seq: int, tag_s: float, queue_position: int) -> Job:
    job = submission.job
    return Job(
        id=job.id,
        seq=seq,
        qc_id=job.qc_id,
        job_type=job.job_type,
        state=JobState.IN_QUEUE,
        shots=job.shots,
        circuits=job.circuits,
        is_timeslot=job.is_timeslot,
        user_id=job.user_id,
        submitted_by=job.submitted_by,
        error=None,
        created_at_ns=submission.now_ns,
        updated_at_ns=submission.now_ns,
        started_at_ns=None,
        ended_at_ns=None,
        cancel_requested_at_ns=None,
        priority=job.priority,
        share_tag_s=tag_s,
        hold_note=None,
        payload_bytes=job.payload_bytes,
        result_bytes=0,
        calibration_set_id=job.calibration_set_id,
        queue_position=queue_position,
    )


def _insert_many(db: sqlite3.Connection, statement: str, rows: Sequence[tuple[Value, ...]]) -> None:
    if rows:
        marks = f"({', '.join('?' * len(rows[0]))})"
        values = ", ".join([marks] * len(rows))
        db.execute(f"{statement} VALUES {values}", [value for row in rows for value in row])
