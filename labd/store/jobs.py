"""Jobs in SQL: the changes that the writer runs, and what readers ask.

Every change of a state is one guarded UPDATE; the triggers of labd.store.schema write the event log
and refuse what the table of states does not allow.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from labd.core.errors import JobAlreadyFinal, NotFound
from labd.core.jobs import Job, JobEvent, JobId, JobState, JobType, NewJob, Priority, QcId

COLUMNS = (
    "seq, id, qc_id, job_type, state, shots, circuits, is_timeslot, user_id, submitted_by, error,"
    " created_at_ns, updated_at_ns, started_at_ns, ended_at_ns, cancel_requested_at_ns, priority,"
    " share_tag_s, hold_note, payload_bytes, result_bytes, calibration_set_id"
)
Row = tuple[
    int,
    bytes,
    bytes,
    str,
    str,
    int,
    int,
    int,
    int,
    str,
    str | None,
    int,
    int,
    int | None,
    int | None,
    int | None,
    int,
    float,
    str | None,
    int,
    int,
    bytes | None,
]


def job_of_row(row: Row, queue_position: int | None = None) -> Job:
    """A record from a row of COLUMNS."""
    return Job(
        seq=row[0],
        id=JobId(UUID(bytes=row[1])),
        qc_id=QcId(UUID(bytes=row[2])),
        job_type=JobType(row[3]),
        state=JobState(row[4]),
        shots=row[5],
        circuits=row[6],
        is_timeslot=bool(row[7]),
        user_id=row[8],
        submitted_by=row[9],
        error=row[10],
        created_at_ns=row[11],
        updated_at_ns=row[12],
        started_at_ns=row[13],
        ended_at_ns=row[14],
        cancel_requested_at_ns=row[15],
        priority=Priority(row[16]),
        share_tag_s=row[17],
        hold_note=row[18],
        payload_bytes=row[19],
        result_bytes=row[20],
        calibration_set_id=None if row[21] is None else UUID(bytes=row[21]),
        queue_position=queue_position,
    )


# ---- changes: run by the writer, inside its transaction


def put_quantum_computer(db: sqlite3.Connection, qc_id: QcId, alias: str, name: str) -> None:
    """Know a quantum computer, or its new alias and name."""
    db.execute(
        "INSERT INTO quantum_computers (id, alias, display_name) VALUES (?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE"
        " SET alias = excluded.alias, display_name = excluded.display_name",
        (qc_id.bytes, alias, name),
    )


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be stored. payload None: it lies in a file already."""

    job: NewJob
    payload: bytes | None
    now_ns: int


def insert_jobs(db: sqlite3.Connection, submissions: Sequence[Submission]) -> list[Job]:
    """Store new jobs at the end of their queues, in order, with two statements for all of them."""
    (last_seq,) = db.execute(
        "SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'jobs'"
    ).fetchone()
    queues = {each.job.qc_id: 0 for each in submissions}
    for qc_id in queues:
        (queues[qc_id],) = db.execute(
            "SELECT n_queued FROM quantum_computers WHERE id = ?", (qc_id.bytes,)
        ).fetchone()
    inserted: list[Job] = []
    for seq, each in enumerate(submissions, last_seq + 1):
        inserted.append(_new_job(each, seq, queues[each.job.qc_id]))
        queues[each.job.qc_id] += 1
    _insert_many(
        db,
        "INSERT INTO jobs (seq, id, qc_id, job_type, shots, circuits, is_timeslot, user_id,"
        " submitted_by, payload_bytes, playing_s, kind, priority, created_at_ns, updated_at_ns)",
        [_new_row(job, each.job) for job, each in zip(inserted, submissions, strict=True)],
    )
    _insert_many(
        db,
        "INSERT INTO job_payloads (job_seq, payload)",
        [
            (job.seq, each.payload)
            for job, each in zip(inserted, submissions, strict=True)
            if each.payload is not None
        ],
    )
    return inserted


def _insert_many(
    db: sqlite3.Connection, statement: str, rows: Sequence[tuple[int | float | str | bytes, ...]]
) -> None:
    if rows:
        marks = f"({', '.join('?' * len(rows[0]))})"
        values = ", ".join([marks] * len(rows))
        db.execute(f"{statement} VALUES {values}", [value for row in rows for value in row])


def _new_row(job: Job, new: NewJob) -> tuple[int | float | str | bytes, ...]:
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
        job.created_at_ns,
        job.updated_at_ns,
    )


def _new_job(submission: Submission, seq: int, queue_position: int) -> Job:
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
        share_tag_s=0.0,
        hold_note=None,
        payload_bytes=job.payload_bytes,
        result_bytes=0,
        calibration_set_id=None,
        queue_position=queue_position,
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """How an executing job ended. timings_s: what the rack measured, by the name of the phase."""

    state: JobState
    error: str | None = None
    timings_s: Mapping[str, float] | None = None


def end_executing(db: sqlite3.Connection, job_id: JobId, ending: Ending, now_ns: int) -> Job | None:
    """Give an EXECUTING job its final state; None when it is not executing (any more)."""
    timings = None if ending.timings_s is None else json.dumps(dict(ending.timings_s))
    row = db.execute(
        "UPDATE jobs SET state = ?, error = ?, updated_at_ns = MAX(?, updated_at_ns),"
        " ended_at_ns = MAX(?, updated_at_ns), timings = ?"
        f" WHERE id = ? AND state = 'EXECUTING' RETURNING {COLUMNS}",
        (ending.state.value, ending.error, now_ns, now_ns, timings, job_id.bytes),
    ).fetchone()
    return None if row is None else job_of_row(row)


def cancel(db: sqlite3.Connection, job_id: JobId, reason: str, now_ns: int) -> Job:
    """Cancel a queued job; note the wish on a running one and leave it EXECUTING.

    Raises NotFound, or JobAlreadyFinal.
    """
    row = db.execute(
        "UPDATE jobs SET state = 'CANCELLED', error = ?, updated_at_ns = MAX(?, updated_at_ns)"
        f" WHERE id = ? AND state = 'IN_QUEUE' RETURNING {COLUMNS}",
        (reason, now_ns, job_id.bytes),
    ).fetchone()
    if row is None:
        row = db.execute(
            "UPDATE jobs SET cancel_requested_at_ns = COALESCE(cancel_requested_at_ns, ?)"
            f" WHERE id = ? AND state = 'EXECUTING' RETURNING {COLUMNS}",
            (now_ns, job_id.bytes),
        ).fetchone()
    if row is None:
        job = find_job(db, job_id)
        if job is None:
            raise NotFound("job", str(job_id))
        raise JobAlreadyFinal(str(job_id), job.state.value)
    return job_of_row(row)


def interrupt_executing(db: sqlite3.Connection, reason: str, now_ns: int) -> tuple[Job, ...]:
    """After a restart: every job that was EXECUTING becomes INTERRUPTED."""
    rows = db.execute(
        "UPDATE jobs SET state = 'INTERRUPTED', error = ?, updated_at_ns = MAX(?, updated_at_ns),"
        f" ended_at_ns = MAX(?, updated_at_ns) WHERE state = 'EXECUTING' RETURNING {COLUMNS}",
        (reason, now_ns, now_ns),
    ).fetchall()
    return tuple(job_of_row(row) for row in rows)


# ---- questions


def find_job(db: sqlite3.Connection, job_id: JobId) -> Job | None:
    """A job's record without its queue position."""
    row = db.execute(f"SELECT {COLUMNS} FROM jobs WHERE id = ?", (job_id.bytes,)).fetchone()
    return None if row is None else job_of_row(row)


def find_job_in_queue(db: sqlite3.Connection, job_id: JobId) -> Job | None:
    """A job's record, with its queue position while it is queued.

    Counts the shorter side of the queue, on an index: half of 10 000 entries take 0.1 ms.
    """
    db.execute("BEGIN")
    try:
        row = db.execute(f"SELECT {COLUMNS} FROM jobs WHERE id = ?", (job_id.bytes,)).fetchone()
        if row is None or row[4] != JobState.IN_QUEUE:
            return None if row is None else job_of_row(row)
        return job_of_row(row, _position(db, row[2], row[0]))
    finally:
        db.execute("COMMIT")


def _position(db: sqlite3.Connection, qc_id: bytes, seq: int) -> int:
    (n_queued,) = db.execute(
        "SELECT n_queued FROM quantum_computers WHERE id = ?", (qc_id,)
    ).fetchone()
    (n_before,) = db.execute(
        "SELECT COUNT(*) FROM (SELECT 1 FROM jobs"
        " WHERE qc_id = ? AND state = 'IN_QUEUE' AND seq < ? LIMIT ?)",
        (qc_id, seq, n_queued // 2 + 1),
    ).fetchone()
    if n_before <= n_queued // 2:
        return int(n_before)
    (n_after,) = db.execute(
        "SELECT COUNT(*) FROM jobs WHERE qc_id = ? AND state = 'IN_QUEUE' AND seq > ?",
        (qc_id, seq),
    ).fetchone()
    return int(n_queued - 1 - n_after)


def queued_seqs(db: sqlite3.Connection, qc_id: QcId) -> array[int]:
    """The queue as sorted submission numbers: a job's position is its index."""
    rows = db.execute(
        "SELECT seq FROM jobs WHERE qc_id = ? AND state = 'IN_QUEUE' ORDER BY seq", (qc_id.bytes,)
    )
    return array("q", (seq for (seq,) in rows))


def events_after(db: sqlite3.Connection, job_id: JobId, number: int) -> tuple[JobEvent, ...]:
    """A job's log after the event of that number (0: all of it), in order."""
    rows = db.execute(
        "SELECT number, state, at_ns, error FROM job_events WHERE job_id = ? AND number > ?"
        " ORDER BY number",
        (job_id.bytes, number),
    )
    return tuple(
        JobEvent(job_id, number, JobState(state), at_ns, error)
        for number, state, at_ns, error in rows
    )


def job_and_events(
    db: sqlite3.Connection, job_id: JobId, number: int
) -> tuple[Job | None, tuple[JobEvent, ...]]:
    """A job without its queue position, and its log after an event, as of one instant."""
    db.execute("BEGIN")
    try:
        return find_job(db, job_id), events_after(db, job_id, number)
    finally:
        db.execute("COMMIT")


def job_payload(db: sqlite3.Connection, seq: int) -> bytes | None:
    """The payload that lies in the database; None when it is in a file."""
    row = db.execute("SELECT payload FROM job_payloads WHERE job_seq = ?", (seq,)).fetchone()
    return None if row is None else bytes(row[0])


def job_timings_s(db: sqlite3.Connection, job_id: JobId) -> Mapping[str, float]:
    """What the rack measured of a completed job, by phase; empty when it did not."""
    row = db.execute("SELECT timings FROM jobs WHERE id = ?", (job_id.bytes,)).fetchone()
    return {} if row is None or row[0] is None else json.loads(row[0])


def list_jobs(
    db: sqlite3.Connection, *, qc_id: QcId | None, states: Sequence[JobState], limit: int
) -> tuple[Job, ...]:
    """The newest jobs first. No states: all of them; qc_id None: of all quantum computers."""
    wanted = list(states or JobState)
    marks = ", ".join("?" * len(wanted))
    rows = db.execute(
        f"SELECT {COLUMNS} FROM jobs WHERE (? IS NULL OR qc_id = ?) AND state IN ({marks})"
        " ORDER BY seq DESC LIMIT ?",
        (
            None if qc_id is None else qc_id.bytes,
            None if qc_id is None else qc_id.bytes,
            *(state.value for state in wanted),
            limit,
        ),
    )
    return tuple(job_of_row(row) for row in rows)


def ids_with_files(db: sqlite3.Connection) -> tuple[frozenset[str], frozenset[str]]:
    """Job ids that may own a payload file, and those that may own a result file."""
    with_payload = db.execute(
        "SELECT id FROM jobs WHERE seq NOT IN (SELECT job_seq FROM job_payloads)"
    )
    payloads = frozenset(str(UUID(bytes=id)) for (id,) in with_payload)
    with_result = db.execute("SELECT id FROM jobs WHERE state = 'COMPLETED'")
    return payloads, frozenset(str(UUID(bytes=id)) for (id,) in with_result)


def quantum_computer_name(db: sqlite3.Connection, qc_id: QcId) -> tuple[str, str]:
    """Alias and display name, as last configured."""
    alias, name = db.execute(
        "SELECT alias, display_name FROM quantum_computers WHERE id = ?", (qc_id.bytes,)
    ).fetchone()
    return str(alias), str(name)
