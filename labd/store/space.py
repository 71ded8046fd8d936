"""Room on the disk: what is free, what is kept in reserve, what running jobs will still take.

The reserve is what labd needs to bring to an end what it has begun: states, events, the audit. A
new payload and a job's result must leave it alone; when space returns nothing has to be mended,
because the disk is asked anew each time.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from uuid import UUID

from labd.core.errors import InvalidPayload, Problem, Unavailable
from labd.core.jobs import JobId
from labd.store.files import StateDirectory

_BLOCK_BYTES = 512
"""The unit of st_blocks."""


@dataclass(frozen=True, slots=True)
class Space:
    """A disk at an instant, in bytes. promised: to jobs that run and have not taken it yet."""

    total_bytes: int
    free_bytes: int
    reserve_bytes: int
    promised_bytes: int

    @property
    def room_bytes(self) -> int:
        """What may still be taken."""
        return max(0, self.free_bytes - self.reserve_bytes - self.promised_bytes)


@dataclass(frozen=True, slots=True)
class Shortage:
    """A job that does not start because its result would not fit."""

    needed_bytes: int
    space: Space

    def __str__(self) -> str:
        """Both numbers and the way out."""
        return (
            f"its result takes {mebibytes(self.needed_bytes)} and labd's disk has room for"
            f" {mebibytes(self.space.room_bytes)}; it starts when there is room: ask an operator to"
            " delete results"
        )


def mebibytes(n_bytes: int) -> str:
    """An amount as people compare it."""
    return f"{n_bytes / 2**20:.1f} MiB"


class Disk:
    """The file system that the state directory lies on."""

    def __init__(self, directory: StateDirectory, reserve_bytes: int) -> None:
        self._directory = directory
        self._reserve_bytes = reserve_bytes

    def space(self, db: sqlite3.Connection) -> Space:
        """As it stands now. db: asked which jobs run. Raises OSError."""
        stat = os.statvfs(self._directory.path)
        return Space(
            total_bytes=stat.f_blocks * stat.f_frsize,
            free_bytes=stat.f_bavail * stat.f_frsize,
            reserve_bytes=self._reserve_bytes,
            promised_bytes=self._promised(db),
        )

    def demand(self, db: sqlite3.Connection, payload_bytes: int, needed_bytes: int) -> None:
        """Whether a job can be stored now, and be run at all.

        Raises Unavailable; InvalidPayload where its result is larger than the disk.
        """
        try:
            space = self.space(db)
        except OSError as error:
            raise Unavailable(f"labd cannot look at its disk ({error}); try again later") from error
        if needed_bytes > max(0, space.total_bytes - space.reserve_bytes):
            what = f"would take {mebibytes(needed_bytes)}; labd's disk has"
            what += f" {mebibytes(space.total_bytes)} in all and {mebibytes(space.reserve_bytes)}"
            raise InvalidPayload((Problem("result", f"{what} of it are kept in reserve"),))
        if payload_bytes > space.room_bytes:
            raise Unavailable(
                f"labd's disk is full: {mebibytes(space.free_bytes)} are free, of which"
                f" {mebibytes(space.reserve_bytes)} are kept in reserve and"
                f" {mebibytes(space.promised_bytes)} are for jobs that run; nothing was stored,"
                " delete results or try again later"
            )

    def _promised(self, db: sqlite3.Connection) -> int:
        rows = db.execute(
            "SELECT id, needed_bytes FROM jobs WHERE state = 'EXECUTING' AND needed_bytes > 0"
        )
        return sum(
            max(0, needed - self._taken(JobId(UUID(bytes=job_id)))) for job_id, needed in rows
        )

    def _taken(self, job_id: JobId) -> int:
        for each in (self._directory.part_path(job_id), self._directory.result_path(job_id)):
            try:
                return each.stat().st_blocks * _BLOCK_BYTES
            except FileNotFoundError:
                continue
        return 0


def shortage(db: sqlite3.Connection, disk: Disk, job_id: JobId) -> Shortage | None:
    """Why a queued job finds no room; None where it does, or is not queued."""
    row = db.execute(
        "SELECT needed_bytes FROM jobs WHERE id = ? AND state = 'IN_QUEUE'", (job_id.bytes,)
    ).fetchone()
    if row is None or row[0] == 0:
        return None
    try:
        space = disk.space(db)
    except OSError:
        return None
    return None if row[0] <= space.room_bytes else Shortage(row[0], space)
