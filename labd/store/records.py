"""What is done to a stored job beside its life: tags, and deleting it when it is final."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence

from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, NotFound
from labd.core.jobs import TRANSITIONS, Job, JobId
from labd.core.log_fields import about
from labd.store.audit import append
from labd.store.database import Writer
from labd.store.files import StateDirectory
from labd.store.jobs import COLUMNS, find_job, job_of_row

_FINAL = ", ".join(f"'{state}'" for state in TRANSITIONS if state.is_final)

_log = logging.getLogger(__name__)


# ---- changes: run by the writer, inside its transaction


def insert_tags(db: sqlite3.Connection, tagged: Sequence[tuple[Job, Sequence[str]]]) -> None:
    """Give tags to jobs that have none, with one statement for all of them."""
    rows = [(tag, job.created_at_ns, job.seq) for job, tags in tagged for tag in tags]
    if rows:
        marks = ", ".join(["(?, ?, ?)"] * len(rows))
        db.execute(
            f"INSERT INTO job_tags (tag, created_at_ns, job_seq) VALUES {marks}",
            [value for row in rows for value in row],
        )


def set_tags(
    db: sqlite3.Connection, job_id: JobId, tags: Sequence[str], entry: AuditEntry, now_ns: int
) -> Job:
    """Give a job these tags instead of those that it has. Raises NotFound."""
    job = find_job(db, job_id)
    if job is None:
        raise NotFound("job", str(job_id))
    db.execute("DELETE FROM job_tags WHERE job_seq = ?", (job.seq,))
    insert_tags(db, [(job, tags)])
    append(db, [entry], now_ns)
    return job


def delete(db: sqlite3.Connection, job_id: JobId, entry: AuditEntry, now_ns: int) -> Job:
    """Forget a final job: its row, payload and tags; its events stay. Raises NotFound, Conflict."""
    row = db.execute(
        f"DELETE FROM jobs WHERE id = ? AND state IN ({_FINAL}) RETURNING {COLUMNS}",
        (job_id.bytes,),
    ).fetchone()
    if row is None:
        job = find_job(db, job_id)
        if job is None:
            raise NotFound("job", str(job_id))
        raise Conflict(
            f"job {job_id} is {job.state.value}; only a job that has ended can be deleted:"
            " cancel it, then delete it"
        )
    append(db, [entry], now_ns)
    return job_of_row(row)


# ---- questions


def tags_of_jobs(db: sqlite3.Connection, seqs: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
    """The tags of those jobs that have any, sorted."""
    marks = ", ".join("?" * len(seqs))
    found: dict[int, tuple[str, ...]] = {}
    for seq, tag in db.execute(
        f"SELECT job_seq, tag FROM job_tags WHERE job_seq IN ({marks}) ORDER BY job_seq, tag", seqs
    ):
        found[seq] = (*found.get(seq, ()), tag)
    return found


class Records:
    """Tags and deletions, for the daemon."""

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

    def tags(self, job: Job) -> tuple[str, ...]:
        """A job's tags, sorted."""
        return tags_of_jobs(self._reader, [job.seq]).get(job.seq, ())

    async def set_tags(self, job_id: JobId, tags: Sequence[str], entry: AuditEntry) -> Job:
        """Replace a job's tags by these, which are clean. Raises NotFound, Unavailable."""
        return await self._writer.write(
            lambda db: set_tags(db, job_id, tags, entry, self._clock_ns())
        )

    async def delete(self, job_id: JobId, entry: AuditEntry, then: Callable[[Job], None]) -> None:
        """Forget a final job, then remove its files, even if the caller is gone by then.

        What a crash leaves of the files is removed after the next start. A stream that has a file
        open reads it to its end. then: called as soon as the row is gone for good.

        Raises NotFound, Conflict, Unavailable.
        """
        removals: list[asyncio.Future[None]] = []

        def committed(job: Job) -> None:
            loop = asyncio.get_running_loop()
            removals.append(loop.run_in_executor(None, self._remove_files, job.id))
            then(job)

        await self._writer.write(lambda db: delete(db, job_id, entry, self._clock_ns()), committed)
        await asyncio.gather(*removals)

    def _remove_files(self, job_id: JobId) -> None:
        try:
            self._directory.payload_path(job_id).unlink(missing_ok=True)
            self._directory.remove_result(job_id)
        except OSError as error:
            what = "job %s is deleted, its files are not yet: %s"
            _log.error(what, job_id, error, extra=about(job=job_id))
