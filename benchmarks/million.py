"""A state directory with a million finished jobs, made with a few long statements of SQL.

What a lab has after years: one user submitted every second job, two hundred others the rest; most
jobs COMPLETED, every hundredth FAILED, cancels in bursts, all by one user; tags on all jobs and
tags on few. Everything follows from a job's number, so that every run measures the same.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from benchmarks.daemon_process import QC_ID
from labd.core.access import Role
from labd.core.jobs import QcId
from labd.store.store import Store

N_JOBS = 1_000_000
N_USERS = 200
OLD_QC_ID = QcId(UUID(int=7))
"""One job in 5000 is of a quantum computer that is not configured any more."""
SPAN_NS = 4 * 365 * 86_400_000_000_000
DAY_NS = 86_400_000_000_000

_NUMBERS = "WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers LIMIT :n)"
_JOBS = f"""{_NUMBERS}
INSERT INTO jobs (seq, id, qc_id, job_type, state, shots, circuits, is_timeslot, user_id,
    submitted_by, error, created_at_ns, updated_at_ns, started_at_ns, ended_at_ns, payload_bytes,
    result_bytes, playing_s, kind, run_p50_s, run_p90_s, timings)
SELECT i, uuid7_of(at_ns, i), iif(i % 5000 = 0, :old_qc_id, :qc_id), 'PULSE', state, 1000, 1, 0,
    user_id, 'user' || user_id, iif(state = 'FAILED', 'awg1, while playing: no answer', NULL),
    at_ns, at_ns + 3000000000, at_ns + 1000000000, at_ns + 3000000000, 5600, 65536, 0.5,
    printf('%032x', i % 997), 2.0, 2.5, '{{"compile": 0.02, "load": 0.4, "play": 1.5}}'
FROM (SELECT i, :first_ns + i * :step_ns AS at_ns,
    CASE WHEN i % 50000 < 500 THEN 'CANCELLED' WHEN i % 100 = 0 THEN 'FAILED' ELSE 'COMPLETED' END
        AS state,
    CASE WHEN i % 50000 < 500 THEN 3 WHEN i % 2 = 1 THEN 1 ELSE 2 + i / 2 % :n_others END
        AS user_id FROM numbers)"""
_EVENTS = """INSERT INTO job_events (job_id, number, state, at_ns, error)
SELECT id, number, iif(number = 1, 'IN_QUEUE', iif(number = 2, 'EXECUTING', state)),
    created_at_ns + 1000000000 * (number - 1), NULL
FROM jobs CROSS JOIN (SELECT 1 AS number UNION ALL SELECT 2 UNION ALL SELECT 3)"""
_TAGS = """INSERT INTO job_tags (tag, created_at_ns, job_seq)
SELECT 'nightly', created_at_ns, seq FROM jobs WHERE seq % 2 = 0
UNION ALL SELECT 'rabi', created_at_ns, seq FROM jobs WHERE seq % 3 = 0
UNION ALL SELECT 'thesis', created_at_ns, seq FROM jobs WHERE seq % 100003 = 0"""


def fill(state_dir: Path, n_jobs: int = N_JOBS) -> None:
    """Make a state directory with so many finished jobs, the newest of them a minute old."""
    store = Store.open(state_dir, clock_ns=time.time_ns)
    store.put_quantum_computer(QC_ID, "star5", "star5")
    store.put_quantum_computer(OLD_QC_ID, "old", "An old one")
    store.ensure_local_user(os.getuid(), "user1", Role.ADMIN)
    store.close()
    db = sqlite3.connect(state_dir / "labd.db", isolation_level=None)
    db.create_function("uuid7_of", 2, _uuid7_of, deterministic=True)
    first_ns = time.time_ns() - SPAN_NS - 60_000_000_000
    values = {
        "n": n_jobs,
        "qc_id": QC_ID.bytes,
        "old_qc_id": OLD_QC_ID.bytes,
        "first_ns": first_ns,
        "step_ns": SPAN_NS // n_jobs,
        "n_others": N_USERS - 1,
    }
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -400000")
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO users (id, name, role, created_at_ns) VALUES (?, ?, 'user', ?)",
        [(number, f"user{number}", first_ns) for number in range(2, N_USERS + 1)],
    )
    with _bare(db, "jobs"), _bare(db, "job_tags"):
        db.execute(_JOBS, values)
        db.execute(_EVENTS)
        db.execute(_TAGS)
    db.execute(
        "UPDATE users SET result_bytes ="
        " (SELECT COALESCE(SUM(result_bytes), 0) FROM jobs WHERE user_id = users.id)"
    )
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


@contextlib.contextmanager
def _bare(db: sqlite3.Connection, table: str) -> Iterator[None]:
    """The table without its indices and triggers: they are made again at the end, faster."""
    made = db.execute(
        "SELECT type, name, sql FROM sqlite_master"
        " WHERE tbl_name = ? AND type IN ('index', 'trigger') AND sql IS NOT NULL",
        (table,),
    ).fetchall()
    for kind, name, _ in made:
        db.execute(f"DROP {kind} {name}")
    yield
    for _, _, statement in made:
        db.execute(statement)


def _uuid7_of(at_ns: int, number: int) -> bytes:
    head = ((at_ns // 1_000_000) << 16) | 0x7000 | (number & 0xFFF)
    return head.to_bytes(8, "big") + ((0b10 << 62) | number).to_bytes(8, "big")
