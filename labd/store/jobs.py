"""Jobs in SQL: the changes that the writer runs, and what readers ask.

Every change of a state is one guarded UPDATE; the triggers of labd.store.schema write the event log
and refuse what the table of states does not allow.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from labd.core.audit import AuditEntry
from labd.core.errors import JobAlreadyFinal, NotFound
from labd.core.flight import FlightRecord, pack_record, unpack_record
from labd.core.jobs import Job, JobEvent, JobId, JobState, JobType, Priority, QcId
from labd.store import audit
from labd.store.shares import settle

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
class Ending:
    """How an executing job ended.

    timings_s: what the rack measured, by the name of the phase. is_rack_busy: the rack may still be
    writing a result, which nobody waits for. flight: what was said to the instruments meanwhile, of
    a job that did not complete.
    """

    state: JobState
    error: str | None = None
    timings_s: Mapping[str, float] | None = None
    is_rack_busy: bool = False
    flight: FlightRecord | None = None


@dataclass(frozen=True, slots=True)
class StoredResult:
    """What there is of a result on the disk. sha256 None: not computed yet."""

    n_bytes: int
    sha256: bytes | None
    is_partial: bool


NO_RESULT = StoredResult(0, None, is_partial=False)


def end_executing(
    db: sqlite3.Connection, job_id: JobId, ending: Ending, result: StoredResult, now_ns: int
) -> Job | None:
    """Give an EXECUTING job its final state; None when it is not executing (any more)."""
    timings = None if ending.timings_s is None else json.dumps(dict(ending.timings_s))
    row = db.execute(
        "UPDATE jobs SET state = ?, error = ?, updated_at_ns = MAX(?, updated_at_ns),"
        " ended_at_ns = MAX(?, updated_at_ns), timings = ?, result_bytes = ?, result_sha256 = ?,"
        f" is_partial = ? WHERE id = ? AND state = 'EXECUTING' RETURNING {COLUMNS}",
        (
            *(ending.state.value, ending.error, now_ns, now_ns, timings),
            *(result.n_bytes, result.sha256, int(result.is_partial), job_id.bytes),
        ),
    ).fetchone()
    if row is None:
        return None
    job = job_of_row(row)
    settle(db, job)
    if ending.flight is not None:
        db.execute(
            "INSERT INTO job_flights (job_seq, record) VALUES (?, ?)",
            (job.seq, pack_record(ending.flight)),
        )
    return job


def begin_again(db: sqlite3.Connection, job_id: JobId, what: str, now_ns: int) -> None:
    """Log that an executing job is executed once more. what: why."""
    db.execute(
        "INSERT INTO job_events (job_id, number, state, at_ns, error)"
        " SELECT jobs.id, MAX(number) + 1, jobs.state, MAX(?, MAX(job_events.at_ns)), ?"
        " FROM jobs JOIN job_events ON job_events.job_id = jobs.id"
        " WHERE jobs.id = ? AND jobs.state = 'EXECUTING' GROUP BY jobs.id",
        (now_ns, what, job_id.bytes),
    )


def cancel(
    db: sqlite3.Connection, job_id: JobId, reason: str, by: AuditEntry | None, now_ns: int
) -> Job:
    """Cancel a queued job; note the wish on a running one and leave it EXECUTING.

    by: who cancels it, for the audit. Raises NotFound, or JobAlreadyFinal.
    """
    row = db.execute(
        "UPDATE jobs SET state = 'CANCELLED', error = ?, updated_at_ns = MAX(?, updated_at_ns)"
        f" WHERE id = ? AND state = 'IN_QUEUE' RETURNING {COLUMNS}",
        (reason, now_ns, job_id.bytes),
    ).fetchone()
    if row is not None:
        settle(db, job_of_row(row))
    else:
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
    if by is not None:
        audit.append(db, (by,), now_ns)
    return job_of_row(row)


def fail_queued(db: sqlite3.Connection, job_id: JobId, error: str, now_ns: int) -> None:
    """Make a queued job FAILED; another one stays as it is."""
    row = db.execute(
        "UPDATE jobs SET state = 'FAILED', error = ?, updated_at_ns = MAX(?, updated_at_ns)"
        f" WHERE id = ? AND state = 'IN_QUEUE' RETURNING {COLUMNS}",
        (error, now_ns, job_id.bytes),
    ).fetchone()
    if row is not None:
        settle(db, job_of_row(row))


def interrupt_executing(db: sqlite3.Connection, reason: str, now_ns: int) -> tuple[Job, ...]:
    """After a restart: every job that was EXECUTING becomes INTERRUPTED."""
    rows = db.execute(
        "UPDATE jobs SET state = 'INTERRUPTED', error = ?, updated_at_ns = MAX(?, updated_at_ns),"
        f" ended_at_ns = MAX(?, updated_at_ns) WHERE state = 'EXECUTING' RETURNING {COLUMNS}",
        (reason, now_ns, now_ns),
    ).fetchall()
    interrupted = tuple(job_of_row(row) for row in rows)
    for job in interrupted:
        settle(db, job)
    return interrupted


# ---- questions


def find_job(db: sqlite3.Connection, job_id: JobId) -> Job | None:
    """A job's record without its queue position."""
    row = db.execute(f"SELECT {COLUMNS} FROM jobs WHERE id = ?", (job_id.bytes,)).fetchone()
    return None if row is None else job_of_row(row)


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


def job_flight(db: sqlite3.Connection, seq: int) -> FlightRecord | None:
    """What was said to the instruments in a job that did not complete; None where nothing was."""
    row = db.execute("SELECT record FROM job_flights WHERE job_seq = ?", (seq,)).fetchone()
    return None if row is None else unpack_record(row[0])


def quantum_computer_name(db: sqlite3.Connection, qc_id: QcId) -> tuple[str, str]:
    """Alias and display name, as last configured."""
    alias, name = db.execute(
        "SELECT alias, display_name FROM quantum_computers WHERE id = ?", (qc_id.bytes,)
    ).fetchone()
    return str(alias), str(name)
