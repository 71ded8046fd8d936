"""The check of a store: the database against itself, against the files, and both against hashes.

Every finding says what is wrong and brings the change that mends it, where there is one. The check
may run beside the work: a job is looked at again before anything is said of it, because it may have
ended, expired or been deleted between the look at its row and the look at its file.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from labd.core import audit as core_audit
from labd.core.audit import AuditLine
from labd.core.jobs import JobId, JobState
from labd.store.audit import PAGE_LINES, Wanted, lines_between
from labd.store.database import open_reader
from labd.store.files import StateDirectory
from labd.store.jobs import fail_queued
from labd.store.keeping import note_damage, note_hash
from labd.store.leftovers import leftovers_found

PAGE_JOBS = 64

Mend = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. mend: run by the writer; None: nothing mends it."""

    object: str
    what: str
    mend: Mend | None = None


@dataclass(slots=True)
class Extent:
    """How much was looked at so far."""

    n_jobs: int = 0
    n_files: int = 0
    n_bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Row:
    seq: int
    id: JobId
    state: JobState
    payload_bytes: int
    payload_sha256: bytes | None
    result_bytes: int
    result_sha256: bytes | None
    is_partial: bool
    is_expired: bool
    damage: str | None
    payload: bytes | None


class Check:
    """One check. Findings come in steps, on any thread, one at a time; None: a step without one.

    arriving: jobs whose payload is being stored. is_quick: sizes only, no file is read whole.
    """

    def __init__(
        self,
        directory: StateDirectory,
        arriving: Container[JobId],
        clock_ns: Callable[[], int],
        *,
        is_quick: bool,
    ) -> None:
        self._clock_ns = clock_ns
        self._directory = directory
        self._arriving = arriving
        self._is_quick = is_quick
        self.extent = Extent()

    def findings(self) -> Iterator[Finding | None]:
        """All of them. Raises sqlite3.Error, OSError where looking itself fails."""
        reader = open_reader(self._directory.database)
        try:
            yield from self._database(reader)
            yield from self._jobs(reader)
            for paths in leftovers_found(self._directory, self._arriving):
                for path in paths:
                    yield _nobodys(path)
                yield None
        finally:
            reader.close()

    # ---- the database against itself

    def _database(self, reader: sqlite3.Connection) -> Iterator[Finding | None]:
        pragma = "quick_check" if self._is_quick else "integrity_check"
        for (what,) in reader.execute(f"PRAGMA {pragma}"):
            if what != "ok":
                yield Finding("labd.db", f"{what}; restore a backup")
        for table, *_ in reader.execute("PRAGMA foreign_key_check").fetchall():
            yield Finding("labd.db", f"a row of {table} refers to nothing; restore a backup")
        yield None
        for alias, n_known, n_real in reader.execute(_QUEUES).fetchall():
            what = f"{n_known} jobs are noted as queued, there are {n_real}"
            yield Finding(alias, what, _count_queues)
        for (name,) in reader.execute(f"SELECT name FROM users WHERE {_USES} <> {_REAL_USES}"):
            what = "what is noted as used is not what his jobs use"
            yield Finding(name, what, _count_uses)
        for (raw_id,) in reader.execute(_EVENTS).fetchall():
            what = "the last of its events does not say its state"
            yield Finding(str(UUID(bytes=raw_id)), what, _event_mender(raw_id))
        yield None
        bad = core_audit.verify(_audit_lines(reader))
        if bad is not None:
            yield Finding("audit", bad.what)

    # ---- jobs

    def _jobs(self, reader: sqlite3.Connection) -> Iterator[Finding | None]:
        last = 0
        while rows := _page(reader, last):
            for row in rows:
                yield from self._job(reader, row)
            last = rows[-1].seq
            yield None

    def _job(self, reader: sqlite3.Connection, row: _Row) -> Iterator[Finding]:
        self.extent.n_jobs += 1
        if row.is_expired or row.state is JobState.EXECUTING:
            return
        findings = [*self._payload(row), *self._result(row)]
        if (findings or row.damage) and _row_again(reader, row.seq) != row:
            return  # it changed meanwhile: whatever was seen belongs to the time before
        yield from findings
        if row.damage and not any(each.mend is not None for each in findings):
            clear: Mend = lambda db: note_damage(db, row.id, None)  # noqa: E731
            yield Finding(str(row.id), f"is whole again; it was noted: {row.damage}", clear)

    def _payload(self, row: _Row) -> Iterator[Finding]:
        try:
            n_bytes, hashed = self._measured(row)
        except OSError as error:
            yield _damaged(row, f"its payload cannot be read: {error.strerror}", self._clock_ns)
            return
        if n_bytes != row.payload_bytes:
            what = f"its payload has {n_bytes} bytes, it was submitted with {row.payload_bytes}"
            yield _damaged(row, what, self._clock_ns)
        elif hashed is not None and row.payload_sha256 is None:
            yield Finding(str(row.id), "its payload has no hash yet", _payload_hasher(row, hashed))
        elif hashed is not None and hashed != row.payload_sha256:
            yield _damaged(
                row, "its payload is not what was submitted: its SHA-256 is another", self._clock_ns
            )

    def _measured(self, row: _Row) -> tuple[int, bytes | None]:
        if row.payload is None:
            return self._file(self._directory.payload_path(row.id))
        hashed = None if self._is_quick else hashlib.sha256(row.payload).digest()
        return len(row.payload), hashed

    def _result(self, row: _Row) -> Iterator[Finding]:
        if row.is_partial:
            path = self._directory.partial_path(row.id)
        elif row.state is JobState.COMPLETED:
            path = self._directory.result_path(row.id)
        else:
            return
        try:
            n_bytes, hashed = self._file(path)
        except OSError as error:
            yield _damaged(row, f"its result cannot be read: {error.strerror}", self._clock_ns)
            return
        if not row.is_partial and row.result_bytes == 0:
            what = f"its result of {n_bytes} bytes is not noted"
            yield Finding(str(row.id), what, _size_noter(row.id, n_bytes, hashed))
        elif not row.is_partial and n_bytes != row.result_bytes:
            yield _damaged(
                row, f"its result has {n_bytes} bytes, it had {row.result_bytes}", self._clock_ns
            )
        elif hashed is not None and row.result_sha256 is None:
            noted = hashed
            record: Mend = lambda db: note_hash(db, row.id, noted)  # noqa: E731
            yield Finding(str(row.id), "its result has no hash yet", record)
        elif hashed is not None and hashed != row.result_sha256:
            yield _damaged(
                row, "its result is not what was measured: its SHA-256 is another", self._clock_ns
            )

    def _file(self, path: Path) -> tuple[int, bytes | None]:
        """Bytes and hash of a file; no hash where the check is quick. Raises OSError."""
        n_bytes = path.stat().st_size
        self.extent.n_files += 1
        self.extent.n_bytes += n_bytes
        return n_bytes, None if self._is_quick else self._directory.file_hash(path)


# ---- what is asked

_COLUMNS = (
    "seq, id, state, jobs.payload_bytes, payload_sha256, result_bytes, result_sha256, is_partial,"
    " expired_at_ns IS NOT NULL, damage, payload"
)
_FROM = f"SELECT {_COLUMNS} FROM jobs LEFT JOIN job_payloads ON job_seq = seq"

_QUEUES = """SELECT alias, n_queued, real FROM (SELECT alias, n_queued, (SELECT COUNT(*) FROM jobs
    WHERE qc_id = quantum_computers.id AND state = 'IN_QUEUE') AS real FROM quantum_computers)
    WHERE n_queued <> real"""
_COUNT_QUEUES = """UPDATE quantum_computers SET n_queued = (SELECT COUNT(*) FROM jobs
    WHERE qc_id = quantum_computers.id AND state = 'IN_QUEUE')"""
_USES = "(n_queued, queued_payload_bytes, queued_shots, queued_run_ms, result_bytes)"
_OPEN = "(jobs.state IN ('IN_QUEUE', 'EXECUTING'))"
_REAL_USES = f"""(SELECT COALESCE(SUM({_OPEN}), 0),
    COALESCE(SUM({_OPEN} * jobs.payload_bytes), 0),
    COALESCE(SUM({_OPEN} * jobs.shots * MAX(jobs.circuits, 1)), 0),
    COALESCE(SUM({_OPEN} * CAST(ROUND(1000 * COALESCE(jobs.run_p50_s, 0)) AS INTEGER)), 0),
    COALESCE(SUM(jobs.result_bytes), 0) FROM jobs WHERE jobs.user_id = users.id)"""
_COUNT_USES = f"UPDATE users SET {_USES} = {_REAL_USES}"
_EVENTS = """SELECT id FROM jobs WHERE state IS NOT (SELECT state FROM job_events
    WHERE job_id = id ORDER BY number DESC LIMIT 1)"""


def _page(reader: sqlite3.Connection, after: int) -> list[_Row]:
    rows = reader.execute(f"{_FROM} WHERE seq > ? ORDER BY seq LIMIT ?", (after, PAGE_JOBS))
    return [_row(*row) for row in rows]


def _row_again(reader: sqlite3.Connection, seq: int) -> _Row | None:
    row = reader.execute(f"{_FROM} WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else _row(*row)


def _row(
    seq: int,
    raw_id: bytes,
    state: str,
    payload_bytes: int,
    payload_sha256: bytes | None,
    result_bytes: int,
    result_sha256: bytes | None,
    is_partial: int,
    is_expired: int,
    damage: str | None,
    payload: bytes | None,
) -> _Row:
    return _Row(
        seq,
        JobId(UUID(bytes=raw_id)),
        JobState(state),
        payload_bytes,
        payload_sha256,
        result_bytes,
        result_sha256,
        bool(is_partial),
        bool(is_expired),
        damage,
        payload,
    )


def _audit_lines(reader: sqlite3.Connection) -> Iterator[AuditLine]:
    first = 1
    while lines := lines_between(reader, first, first + PAGE_LINES - 1, Wanted()):
        yield from lines
        first += PAGE_LINES


# ---- what mends


def _damaged(row: _Row, what: str, now_ns: Callable[[], int]) -> Finding:
    """A job in the queue cannot run any more; of one that is over the damage is noted."""

    def mend(db: sqlite3.Connection) -> None:
        note_damage(db, row.id, what)
        error = f"a check of labd's disk found that {what}; submit the job again"
        fail_queued(db, row.id, error, now_ns())

    return Finding(str(row.id), what, None if row.damage == what else mend)


def _count_queues(db: sqlite3.Connection) -> None:
    db.execute(_COUNT_QUEUES)


def _count_uses(db: sqlite3.Connection) -> None:
    db.execute(_COUNT_USES)


def _payload_hasher(row: _Row, hashed: bytes) -> Mend:
    def mend(db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE jobs SET payload_sha256 = ? WHERE id = ? AND payload_sha256 IS NULL",
            (hashed, row.id.bytes),
        )

    return mend


def _size_noter(job_id: JobId, n_bytes: int, hashed: bytes | None) -> Mend:
    def mend(db: sqlite3.Connection) -> None:
        db.execute(
            "UPDATE jobs SET result_bytes = ?, result_sha256 = ? WHERE id = ?"
            " AND result_bytes = 0 AND expired_at_ns IS NULL",
            (n_bytes, hashed, job_id.bytes),
        )

    return mend


def _event_mender(raw_id: bytes) -> Mend:
    def mend(db: sqlite3.Connection) -> None:
        db.execute(
            "INSERT INTO job_events (job_id, number, state, at_ns, error)"
            " SELECT id, 1 + COALESCE((SELECT MAX(number) FROM job_events WHERE job_id = id), 0),"
            " state, updated_at_ns, error FROM jobs WHERE id = ?",
            (raw_id,),
        )

    return mend


def _nobodys(path: Path) -> Finding:
    def mend(_: sqlite3.Connection) -> None:
        path.unlink(missing_ok=True)

    return Finding(f"{path.parent.name}/{path.name}", "belongs to no job", mend)
