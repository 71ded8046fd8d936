"""What is kept of jobs and for how long: hashes, partial results, pins, retention.

Retention takes payload and results of jobs that are over, never of one that is queued, runs or is
pinned; the record, the events and the audit stay. What it takes is decided in one transaction, and
the files go after it, so that whatever dies in between leaves nothing but leftovers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from labd.core.audit import AuditEntry
from labd.core.errors import NotFound
from labd.core.jobs import Job, JobId, JobState
from labd.core.partial_mask import Mask, read_mask
from labd.store.audit import append
from labd.store.database import Writer, open_reader
from labd.store.files import StateDirectory
from labd.store.jobs import COLUMNS, find_job, job_of_row
from labd.store.salvage import salvage

HASHED_AT_ONCE_BYTES = 4 << 20
"""A result up to this size is hashed before its job ends: that takes 10 ms."""
BATCH = 64
"""Jobs that retention takes in one transaction."""

_log = logging.getLogger(__name__)

_KEPT = "expired_at_ns IS NULL AND state NOT IN ('IN_QUEUE', 'EXECUTING')"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a job. *_sha256 None: not computed yet. damage: empty where none is known."""

    payload_sha256: bytes | None
    result_sha256: bytes | None
    needed_bytes: int
    is_partial: bool
    pin_note: str | None
    pinned_by: str
    expired_at_ns: int | None
    damage: str


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much. None: without end."""

    max_age_ns: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Expired:
    """A job whose payload and results retention took."""

    id: JobId
    n_bytes: int


# ---- changes: run by the writer, inside its transaction


def set_pin(
    db: sqlite3.Connection, job_id: JobId, note: str | None, entry: AuditEntry, now_ns: int
) -> Job:
    """Pin a job, or unpin it (note None). Raises NotFound."""
    pinned_by = None if note is None else entry.user
    row = db.execute(
        f"UPDATE jobs SET pin_note = ?, pinned_by = ? WHERE id = ? RETURNING {COLUMNS}",
        (note, pinned_by, job_id.bytes),
    ).fetchone()
    if row is None:
        raise NotFound("job", str(job_id))
    append(db, [entry], now_ns)
    return job_of_row(row)


def expire(
    db: sqlite3.Connection,
    retention: Retention,
    entry: Callable[[Expired, str], AuditEntry],
    now_ns: int,
) -> tuple[Expired, ...]:
    """Take the oldest jobs that are too old or too much, a batch at most."""
    found = _too_old(db, retention, now_ns)
    why = "age"
    if not found:
        found, why = _too_much(db, retention), "share"
    for each in found:
        db.execute(
            "UPDATE jobs SET expired_at_ns = ?, result_bytes = 0, is_partial = 0 WHERE id = ?",
            (now_ns, each.id.bytes),
        )
        db.execute(
            "DELETE FROM job_payloads WHERE job_seq = (SELECT seq FROM jobs WHERE id = ?)",
            (each.id.bytes,),
        )
    append(db, [entry(each, why) for each in found], now_ns)
    return tuple(found)


def _too_old(db: sqlite3.Connection, retention: Retention, now_ns: int) -> list[Expired]:
    if retention.max_age_ns is None:
        return []
    rows = db.execute(
        f"SELECT id, payload_bytes + result_bytes FROM jobs WHERE {_KEPT} AND pin_note IS NULL"
        " AND updated_at_ns < ? ORDER BY updated_at_ns LIMIT ?",
        (now_ns - retention.max_age_ns, BATCH),
    )
    return [Expired(JobId(UUID(bytes=job_id)), n_bytes) for job_id, n_bytes in rows]


def _too_much(db: sqlite3.Connection, retention: Retention) -> list[Expired]:
    if retention.max_bytes is None:
        return []
    excess = kept_bytes(db) - retention.max_bytes
    found: list[Expired] = []
    rows = db.execute(
        f"SELECT id, payload_bytes + result_bytes FROM jobs WHERE {_KEPT} AND pin_note IS NULL"
        " ORDER BY updated_at_ns LIMIT ?",
        (BATCH,),
    )
    for job_id, n_bytes in rows:
        if excess <= 0:
            break
        found.append(Expired(JobId(UUID(bytes=job_id)), n_bytes))
        excess -= n_bytes
    return found


# ---- questions


def kept_bytes(db: sqlite3.Connection) -> int:
    """Payloads and results of jobs that are over."""
    (n_bytes,) = db.execute(
        f"SELECT COALESCE(SUM(payload_bytes + result_bytes), 0) FROM jobs WHERE {_KEPT}"
    ).fetchone()
    return int(n_bytes)


def kept_of(db: sqlite3.Connection, job_id: JobId) -> Kept:
    """What is kept of a job. Raises NotFound."""
    row = db.execute(
        "SELECT payload_sha256, result_sha256, needed_bytes, is_partial, pin_note, pinned_by,"
        " expired_at_ns, damage FROM jobs WHERE id = ?",
        (job_id.bytes,),
    ).fetchone()
    if row is None:
        raise NotFound("job", str(job_id))
    payload, result, needed, is_partial, note, by, expired_ns, damage = row
    return Kept(payload, result, needed, bool(is_partial), note, by or "", expired_ns, damage or "")


class Keeping:
    """What is kept, for the daemon."""

    def __init__(
        self,
        writer: Writer,
        reader: sqlite3.Connection,
        clock_ns: Callable[[], int],
        directory: StateDirectory,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock_ns = clock_ns
        self._directory = directory

    def of(self, job_id: JobId) -> Kept:
        """As `kept_of` above."""
        return kept_of(self._reader, job_id)

    def partial(self, job_id: JobId) -> tuple[Path, Mask]:
        """A partial result and its mask. Raises NotFound."""
        if not self.of(job_id).is_partial:
            raise NotFound("partial results of job", str(job_id), "nothing was measured of it")
        try:
            mask = read_mask(self._directory.mask_path(job_id).read_bytes())
        except (OSError, ValueError) as error:
            raise NotFound("partial results of job", str(job_id), str(error)) from error
        return self._directory.partial_path(job_id), mask

    async def set_pin(self, job_id: JobId, note: str | None, entry: AuditEntry) -> Job:
        """As `set_pin` above. Raises NotFound, Unavailable."""
        return await self._writer.write(
            lambda db: set_pin(db, job_id, note, entry, self._clock_ns())
        )

    async def expire(
        self, retention: Retention, entry: Callable[[Expired, str], AuditEntry]
    ) -> tuple[Expired, ...]:
        """Take a batch of what is too old or too much, and its files. Raises Unavailable."""
        if not await asyncio.to_thread(self._is_any_due, retention):
            return ()
        found = await self._writer.write(lambda db: expire(db, retention, entry, self._clock_ns()))
        await asyncio.to_thread(self._remove_files, found)
        return found

    def _is_any_due(self, retention: Retention) -> bool:
        """On a connection of its own: of a million jobs the sum takes a good part of a second."""
        with contextlib.closing(open_reader(self._directory.database)) as db:
            is_too_old = bool(_too_old(db, retention, self._clock_ns()))
            return is_too_old or bool(_too_much(db, retention))

    def _remove_files(self, found: Sequence[Expired]) -> None:
        for each in found:
            try:
                self._directory.payload_path(each.id).unlink(missing_ok=True)
                self._directory.remove_result(each.id)
            except OSError as error:
                _log.error("job %s has expired, its files are not gone yet: %s", each.id, error)

    # ---- after a start, and after large results

    async def salvage_all(self) -> int:
        """Keep what was measured of jobs whose end nobody saw; how many. Raises Unavailable."""
        n_salvaged = 0
        for log in await asyncio.to_thread(self._part_logs):
            job_id = JobId(UUID(log.name.split(".", 1)[0]))
            job = find_job(self._reader, job_id)
            if job is None or job.state in (
                JobState.IN_QUEUE,
                JobState.EXECUTING,
                JobState.COMPLETED,
            ):
                continue
            try:
                n_bytes = await asyncio.to_thread(salvage, self._directory, job_id)
            except OSError as error:
                _log.error("job %s: what was measured cannot be kept: %s", job_id, error)
                continue
            if n_bytes:
                await self._writer.write(
                    lambda db, n_bytes=n_bytes, job_id=job_id: _note_partial(db, job_id, n_bytes)  # type: ignore[misc]
                )
                n_salvaged += 1
        return n_salvaged

    def _part_logs(self) -> list[Path]:
        return sorted(self._directory.results.glob("*-*-*-*-*.bin.part-log"))

    async def hash_all(self) -> int:
        """Hash results that have no hash yet; how many. Raises Unavailable."""
        rows = self._reader.execute(
            "SELECT id, is_partial FROM jobs WHERE result_sha256 IS NULL AND result_bytes > 0"
            " AND damage IS NULL ORDER BY seq DESC LIMIT ?",
            (BATCH,),
        ).fetchall()
        n_hashed = 0
        for raw_id, is_partial in rows:
            job_id = JobId(UUID(bytes=raw_id))
            path = self._directory.partial_path if is_partial else self._directory.result_path
            try:
                hashed = await asyncio.to_thread(self._directory.file_hash, path(job_id))
            except OSError as error:
                _log.error("job %s: its result cannot be hashed: %s", job_id, error)
                what = f"its result cannot be read: {error.strerror or error}"
                await self._writer.write(
                    lambda db, what=what, job_id=job_id: note_damage(db, job_id, what)  # type: ignore[misc]
                )
                continue
            await self._writer.write(
                lambda db, hashed=hashed, job_id=job_id: note_hash(db, job_id, hashed)  # type: ignore[misc]
            )
            n_hashed += 1
        return n_hashed


def _note_partial(db: sqlite3.Connection, job_id: JobId, n_bytes: int) -> None:
    db.execute(
        "UPDATE jobs SET is_partial = 1, result_bytes = ? WHERE id = ? AND expired_at_ns IS NULL",
        (n_bytes, job_id.bytes),
    )


def note_hash(db: sqlite3.Connection, job_id: JobId, hashed: bytes) -> None:
    """Record the hash of a result that has none."""
    db.execute(
        "UPDATE jobs SET result_sha256 = ? WHERE id = ? AND result_sha256 IS NULL"
        " AND result_bytes > 0",
        (hashed, job_id.bytes),
    )


def note_damage(db: sqlite3.Connection, job_id: JobId, what: str | None) -> None:
    """Record what is wrong with a job's files; None: nothing any more."""
    db.execute("UPDATE jobs SET damage = ? WHERE id = ?", (what, job_id.bytes))
