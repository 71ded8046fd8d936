"""A stopped labd's database: backed up, then brought to today's schema."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from labd.store.database import open_database
from labd.store.files import StateDirectory, fsync_directory
from labd.store.schema import migrate, pending

BACKUPS = "backups"
S_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Migrated:
    """backup: None where there was no database. steps: those that were taken."""

    backup: Path | None
    steps: tuple[str, ...]

    def __str__(self) -> str:
        """One line for the operator."""
        if self.backup is None:
            return "there is no database yet"
        steps = ", ".join(self.steps) or "none was needed"
        return f"backup {self.backup}; steps: {steps}"


def migrate_state(path: Path, now_ns: int) -> Migrated:
    """Back up and migrate the database of a state directory in which no labd works.

    Each step is one transaction: where one fails, the database is as the step before left it.
    Raises StateDirectoryInUse, OSError, sqlite3.Error.
    """
    directory = StateDirectory(path)
    if not directory.database.exists():
        return Migrated(None, ())
    directory.open()
    try:
        with contextlib.closing(open_database(directory.database)) as connection:
            backup = _back_up(connection, path / BACKUPS, now_ns)
            steps = pending(connection)
            migrate(connection)
            return Migrated(backup, steps)
    finally:
        directory.close()


def _back_up(connection: sqlite3.Connection, folder: Path, now_ns: int) -> Path:
    """A copy that is whole and on the disk when this returns."""
    folder.mkdir(mode=0o700, exist_ok=True)
    stamp = datetime.fromtimestamp(now_ns // S_NS, UTC).strftime("%Y%m%dT%H%M%SZ")
    copy = folder / f"labd-{stamp}.db"
    part = copy.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        with contextlib.closing(sqlite3.connect(part)) as target:
            connection.backup(target)
        descriptor = os.open(part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.rename(copy)
    except (OSError, sqlite3.Error):  # half a copy would take the room that was missing
        part.unlink(missing_ok=True)
        raise
    fsync_directory(folder)
    return copy
