"""The store as a whole, told at the price of a few look-ups, however many jobs it has."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from labd.core.jobs import JobState, QcId
from labd.core.openings import Mode
from labd.store.database import open_reader


@dataclass(frozen=True, slots=True)
class Queue:
    """One quantum computer's. jobs: by state. oldest_ns: when its eldest queued job came."""

    mode: Mode
    n_queued: int
    oldest_ns: int | None
    jobs: Mapping[JobState, int]


@dataclass(frozen=True, slots=True)
class StoreVitals:
    """n_submitted: ever. free_bytes: of the database file, for its next rows; *_bytes: of files."""

    queues: Mapping[QcId, Queue]
    n_submitted: int
    database_bytes: int
    wal_bytes: int
    free_bytes: int


class Vitals:
    """Reads them on a connection of its own; any thread may ask."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._reader = open_reader(database)
        self._lock = threading.Lock()

    def read(self) -> StoreVitals:
        """As of one instant. Raises sqlite3.Error."""
        with self._lock:
            self._reader.execute("BEGIN")
            try:
                return self._read(self._reader)
            finally:
                self._reader.execute("COMMIT")

    def _read(self, db: sqlite3.Connection) -> StoreVitals:
        counts: dict[bytes, dict[JobState, int]] = {}
        for qc_id, state, n_jobs in db.execute("SELECT qc_id, state, n_jobs FROM job_counts"):
            counts.setdefault(qc_id, {})[JobState(state)] = n_jobs
        machines = db.execute(
            "SELECT id, mode, n_queued, (SELECT MIN(created_at_ns) FROM jobs"
            " INDEXED BY jobs_queued_since WHERE qc_id = quantum_computers.id"
            " AND state = 'IN_QUEUE') FROM quantum_computers"
        )
        queues = {
            QcId(UUID(bytes=qc_id)): Queue(Mode(mode), n_queued, oldest_ns, counts.get(qc_id, {}))
            for qc_id, mode, n_queued, oldest_ns in machines
        }
        submitted = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'jobs'").fetchone()
        (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
        (n_free,) = db.execute("PRAGMA freelist_count").fetchone()
        return StoreVitals(
            queues,
            0 if submitted is None else submitted[0],
            _size(self._database),
            _size(self._database.with_name(f"{self._database.name}-wal")),
            page_bytes * n_free,
        )

    def close(self) -> None:
        """Close the connection, after the reading that is under way. Idempotent."""
        with self._lock:
            self._reader.close()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
