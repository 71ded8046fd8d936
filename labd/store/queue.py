"""The queue in SQL: its order (labd.core.queue_order), who starts, who is held, the machine's mode.

Functions with `db` are run by the writer inside its transaction, or read.
"""

from __future__ import annotations

import itertools
import sqlite3
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from labd.core.access import Role
from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, NotFound, PermissionDenied
from labd.core.jobs import Job, JobId, JobState, Priority, QcId
from labd.core.openings import Mode, Opening
from labd.core.queue_order import SortKey, sort_key
from labd.store import audit
from labd.store.database import Writer
from labd.store.jobs import COLUMNS, find_job, job_of_row
from labd.store.shares import Accounts, advance_clock, settle

_ORDER = "priority DESC, share_tag_s, seq"


def claim(
    db: sqlite3.Connection,
    qc_id: QcId,
    openings: Sequence[Opening],
    now_ns: int,
    room_bytes: int,
) -> Job | None:
    """Make EXECUTING the first job of the first tier of openings that has one; None if none has.

    room_bytes: jobs whose result takes more are passed over. To be called in the transaction that
    read what the openings follow from.
    """
    for _, tier in itertools.groupby(openings, key=lambda opening: opening.tier):
        firsts = [_first(db, qc_id, opening, now_ns, room_bytes) for opening in tier]
        found = [first for first in firsts if first is not None]
        if found:
            _, _, seq = min(found)
            return _start(db, seq, now_ns)
    return None


def _first(
    db: sqlite3.Connection, qc_id: QcId, opening: Opening, now_ns: int, room_bytes: int
) -> SortKey | None:
    """The place of the first job of an opening; the same jobs as `Opening.admits`, if they fit."""
    conditions = ["qc_id = ?", "state = 'IN_QUEUE'", "hold_note IS NULL", "is_timeslot = ?"]
    conditions.append("needed_bytes <= ?")
    values: list[bytes | int | float] = [qc_id.bytes, int(opening.with_timeslot), room_bytes]
    if opening.user_id is not None:
        conditions.append("user_id = ?")
        values.append(opening.user_id)
    if opening.except_user_id is not None:
        conditions.append("user_id <> ?")
        values.append(opening.except_user_id)
    max_run_s = opening.max_run_s(now_ns)
    if max_run_s is not None:
        conditions.append("run_p90_s <= ?")
        values.append(max_run_s)
    row = db.execute(
        f"SELECT priority, share_tag_s, seq FROM jobs WHERE {' AND '.join(conditions)}"
        f" ORDER BY {_ORDER} LIMIT 1",
        values,
    ).fetchone()
    return None if row is None else sort_key(Priority(row[0]), row[1], row[2])


def _start(db: sqlite3.Connection, seq: int, now_ns: int) -> Job:
    row = db.execute(
        "UPDATE jobs SET state = 'EXECUTING', updated_at_ns = MAX(?, updated_at_ns),"
        " started_at_ns = MAX(?, updated_at_ns),"
        " calibration_set_id = COALESCE(calibration_set_id, (SELECT set_id FROM"
        " calibration_activations WHERE qc_id = jobs.qc_id ORDER BY seq DESC LIMIT 1))"
        f" WHERE seq = ? AND state = 'IN_QUEUE' RETURNING {COLUMNS}",
        (now_ns, now_ns, seq),
    ).fetchone()
    job = job_of_row(row)
    advance_clock(db, job)
    return job


def is_any_too_large(db: sqlite3.Connection, qc_id: QcId, room_bytes: int) -> bool:
    """Whether a queued job was passed over for want of room."""
    (found,) = db.execute(
        "SELECT EXISTS (SELECT 1 FROM jobs WHERE qc_id = ? AND state = 'IN_QUEUE'"
        " AND needed_bytes > ?)",
        (qc_id.bytes, room_bytes),
    ).fetchone()
    return bool(found)


def hold_all(db: sqlite3.Connection, note: str) -> int:
    """Hold every job that is queued and not held; how many."""
    return db.execute(
        "UPDATE jobs SET hold_note = ?, hold_role = ? WHERE state = 'IN_QUEUE'"
        " AND hold_note IS NULL",
        (note, Role.OPERATOR.value),
    ).rowcount


# ---- positions


_HIGHER = "priority > :priority"
_LOWER = "priority < :priority"
_SAME_BEFORE = "priority = :priority AND (share_tag_s, seq) < (:tag, :seq)"
_SAME_AFTER = "priority = :priority AND (share_tag_s, seq) > (:tag, :seq)"


def n_before(db: sqlite3.Connection, qc_id: QcId, key: SortKey, n_queued: int) -> int:
    """How many of n_queued jobs stand before a place, the one at the place itself not counted.

    Both sides are counted on the index, up to where one is known to be the shorter: half of 10 000
    entries take 0.5 ms.
    """
    most = n_queued // 2 + 1
    before = _count(db, qc_id, key, (_HIGHER, _SAME_BEFORE), most)
    if before < most:
        return before
    (is_there,) = db.execute(
        "SELECT COUNT(*) FROM jobs WHERE seq = ? AND state = 'IN_QUEUE'", (key[2],)
    ).fetchone()
    return n_queued - int(is_there) - _count(db, qc_id, key, (_LOWER, _SAME_AFTER), n_queued)


def _count(
    db: sqlite3.Connection, qc_id: QcId, key: SortKey, sides: Sequence[str], most: int
) -> int:
    n = 0
    for side in sides:
        (counted,) = db.execute(
            "SELECT COUNT(*) FROM (SELECT 1 FROM jobs"
            f" WHERE qc_id = :qc AND state = 'IN_QUEUE' AND {side} LIMIT :most)",
            {
                "qc": qc_id.bytes,
                "priority": -key[0],
                "tag": key[1],
                "seq": key[2],
                "most": most - n,
            },
        ).fetchone()
        n += counted
    return n


def position(db: sqlite3.Connection, job: Job) -> int:
    """How many jobs stand before a queued one. To be called as of the instant of the record."""
    (n_queued,) = db.execute(
        "SELECT n_queued FROM quantum_computers WHERE id = ?", (job.qc_id.bytes,)
    ).fetchone()
    return n_before(db, job.qc_id, sort_key(job.priority, job.share_tag_s, job.seq), n_queued)


def find_job_in_queue(db: sqlite3.Connection, job_id: JobId) -> Job | None:
    """A job's record, with its queue position while it is queued, as of one instant."""
    db.execute("BEGIN")
    try:
        job = find_job(db, job_id)
        if job is None or job.state is not JobState.IN_QUEUE:
            return job
        return replace(job, queue_position=position(db, job))
    finally:
        db.execute("COMMIT")


def queued_seqs(db: sqlite3.Connection, qc_id: QcId) -> array[int]:
    """The queue as numbers of its jobs, in order: a job's position is the index of its number."""
    rows = db.execute(
        f"SELECT seq FROM jobs WHERE qc_id = ? AND state = 'IN_QUEUE' ORDER BY {_ORDER}",
        (qc_id.bytes,),
    )
    return array("q", (seq for (seq,) in rows))


# ---- holding, priorities; `by` tells who does it, its object and details are filled in


def hold(
    db: sqlite3.Connection, job_id: JobId, note: str, role: Role, by: AuditEntry, now_ns: int
) -> Job:
    """Let a queued job keep its place and not start; a held one gets the new note.

    role: of the one who holds it. Raises NotFound, Conflict, PermissionDenied (an operator holds
    it).
    """
    job = _queued(db, job_id, "held")
    _check_holder(db, job, role, by, "hold anew")
    by = replace(by, object=str(job_id), details={"note": note})
    return _change(db, job, {"hold_note": note, "hold_role": role.value}, by, now_ns)


def release(db: sqlite3.Connection, job_id: JobId, role: Role, by: AuditEntry, now_ns: int) -> Job:
    """Let a held job start when it is its turn.

    Raises NotFound, Conflict (it is not held), PermissionDenied (an operator holds it).
    """
    job = _queued(db, job_id, "released")
    if job.hold_note is None:
        raise Conflict(f"job {job_id} is not held")
    _check_holder(db, job, role, by, "release")
    by = replace(by, object=str(job_id), details={"note": job.hold_note})
    return _change(db, job, {"hold_note": None, "hold_role": None}, by, now_ns)


def set_priority(
    db: sqlite3.Connection,
    job_id: JobId,
    priority: Priority,
    role: Role,
    by: AuditEntry,
    now_ns: int,
) -> Job:
    """Put a queued job into another class, where it stands as if it were handed in now.

    Raises NotFound, Conflict, PermissionDenied (HIGH, by a user).
    """
    check_priority(priority, role, by.user)
    job = _queued(db, job_id, "given another priority")
    if job.priority is priority:
        return job
    settle(db, job)
    (run_s,) = db.execute("SELECT run_p50_s FROM jobs WHERE seq = ?", (job.seq,)).fetchone()
    accounts = Accounts(db)
    tag_s = accounts.place(
        job.qc_id, priority, job.user_id, run_s=run_s or 0.0, is_timeslot=job.is_timeslot
    )
    accounts.write()
    details = {"priority": priority.name, "before": job.priority.name}
    by = replace(by, object=str(job_id), details=details)
    return _change(db, job, {"priority": int(priority), "share_tag_s": tag_s}, by, now_ns)


def check_priority(priority: Priority, role: Role, user: str) -> None:
    """Raises PermissionDenied where the role does not give jobs that priority."""
    if priority is Priority.HIGH and role is Role.USER:
        raise PermissionDenied(user, role.value, "give a job the priority HIGH")


def _queued(db: sqlite3.Connection, job_id: JobId, done: str) -> Job:
    job = find_job(db, job_id)
    if job is None:
        raise NotFound("job", str(job_id))
    if job.state is not JobState.IN_QUEUE:
        raise Conflict(f"job {job_id} is {job.state.value}; only a job in the queue can be {done}")
    return job


def _check_holder(db: sqlite3.Connection, job: Job, role: Role, by: AuditEntry, doing: str) -> None:
    """What an operator holds, no user releases."""
    (holder,) = db.execute("SELECT hold_role FROM jobs WHERE seq = ?", (job.seq,)).fetchone()
    if role is Role.USER and holder not in (None, Role.USER):
        what = f"{doing} job {job.id}, which an operator holds: {job.hold_note}"
        raise PermissionDenied(by.user, role.value, what)


def _change(
    db: sqlite3.Connection,
    job: Job,
    values: Mapping[str, str | int | float | None],
    by: AuditEntry,
    now_ns: int,
) -> Job:
    assignments = ", ".join(f"{column} = ?" for column in values)
    row = db.execute(
        f"UPDATE jobs SET {assignments} WHERE seq = ? RETURNING {COLUMNS}",
        (*values.values(), job.seq),
    ).fetchone()
    audit.append(db, (by,), now_ns)
    return job_of_row(row)


# ---- the machine


@dataclass(frozen=True, slots=True)
class MachineRecord:
    """What a quantum computer was told, by whom and when; None: never. n_queued: jobs that wait."""

    qc_id: QcId
    mode: Mode
    note: str
    by: str
    since_ns: int | None
    n_queued: int


def machine(db: sqlite3.Connection, qc_id: QcId) -> MachineRecord:
    """A quantum computer's record. Raises NotFound."""
    row = db.execute(
        "SELECT mode, mode_note, mode_by, mode_since_ns, n_queued FROM quantum_computers"
        " WHERE id = ?",
        (qc_id.bytes,),
    ).fetchone()
    if row is None:
        raise NotFound("quantum computer", str(qc_id))
    return MachineRecord(qc_id, Mode(row[0]), *row[1:])


def set_mode(
    db: sqlite3.Connection, qc_id: QcId, mode: Mode, note: str, by: AuditEntry, now_ns: int
) -> MachineRecord:
    """Pause, drain or resume a quantum computer; it stays so over restarts."""
    db.execute(
        "UPDATE quantum_computers SET mode = ?, mode_note = ?, mode_by = ?, mode_since_ns = ?"
        " WHERE id = ?",
        (mode.value, note, by.user, now_ns, qc_id.bytes),
    )
    (alias,) = db.execute(
        "SELECT alias FROM quantum_computers WHERE id = ?", (qc_id.bytes,)
    ).fetchone()
    audit.append(db, (replace(by, object=str(alias), details={"note": note}),), now_ns)
    return machine(db, qc_id)


def running_job(db: sqlite3.Connection, qc_id: QcId) -> JobId | None:
    """The job that a quantum computer executes."""
    row = db.execute(
        "SELECT id FROM jobs WHERE qc_id = ? AND state = 'EXECUTING'", (qc_id.bytes,)
    ).fetchone()
    return None if row is None else JobId(UUID(bytes=row[0]))


class Queue:
    """The queues as the daemon works with them. Changes raise Unavailable besides what they say."""

    def __init__(
        self, writer: Writer, reader: sqlite3.Connection, clock_ns: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock_ns = clock_ns

    async def hold(
        self, job_id: JobId, note: str, role: Role, by: AuditEntry, then: Callable[[Job], None]
    ) -> Job:
        """As `hold` above. then: called once it is durable, even if the caller is gone."""
        return await self._writer.write(
            lambda db: hold(db, job_id, note, role, by, self._clock_ns()), then
        )

    async def release(
        self, job_id: JobId, role: Role, by: AuditEntry, then: Callable[[Job], None]
    ) -> Job:
        """As `release` above; then: as in `hold`."""
        return await self._writer.write(
            lambda db: release(db, job_id, role, by, self._clock_ns()), then
        )

    async def set_priority(
        self,
        job_id: JobId,
        priority: Priority,
        role: Role,
        by: AuditEntry,
        then: Callable[[Job], None],
    ) -> Job:
        """As `set_priority` above; then: as in `hold`."""
        return await self._writer.write(
            lambda db: set_priority(db, job_id, priority, role, by, self._clock_ns()), then
        )

    async def set_mode(
        self,
        qc_id: QcId,
        mode: Mode,
        note: str,
        by: AuditEntry,
        then: Callable[[MachineRecord], None],
    ) -> MachineRecord:
        """As `set_mode` above; then: as in `hold`."""
        return await self._writer.write(
            lambda db: set_mode(db, qc_id, mode, note, by, self._clock_ns()), then
        )

    def machine(self, qc_id: QcId) -> MachineRecord:
        """A quantum computer's record. Raises NotFound."""
        return machine(self._reader, qc_id)

    def running_job(self, qc_id: QcId) -> JobId | None:
        """The job that a quantum computer executes."""
        return running_job(self._reader, qc_id)

    def find_job(self, job_id: JobId) -> Job | None:
        """A job's record, with its queue position while it is queued."""
        return find_job_in_queue(self._reader, job_id)

    def position(self, job: Job) -> int:
        """How many jobs stand before a queued one."""
        self._reader.execute("BEGIN")
        try:
            return position(self._reader, job)
        finally:
            self._reader.execute("COMMIT")

    def seqs(self, qc_id: QcId) -> array[int]:
        """As `queued_seqs` above."""
        return queued_seqs(self._reader, qc_id)
