"""The store at a glance: right after everything that happens to jobs, and cheap with many."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_support import QC
from test_store import claim, open_store, submit

from labd.core.audit import AuditEntry
from labd.core.flight import Exchange, FlightRecord
from labd.core.jobs import JobState
from labd.store.jobs import Ending
from labd.store.store import Store

pytestmark = pytest.mark.anyio

BY = AuditEntry("alice", "uid 7", "unix", "job.delete", "", {})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def counted(store: Store) -> dict[JobState, int]:
    """What the table of jobs says, the slow way."""
    with sqlite3.connect(store.directory.database) as db:
        rows = db.execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall()
    return {JobState(state): n_jobs for state, n_jobs in rows}


def told(store: Store) -> dict[JobState, int]:
    jobs = store.vitals.read().queues[QC].jobs
    return {state: n_jobs for state, n_jobs in jobs.items() if n_jobs}


async def test_jobs_are_counted_through_their_lives(store: Store) -> None:
    jobs = [await submit(store) for _ in range(5)]
    assert told(store) == counted(store) == {JobState.IN_QUEUE: 5}

    running = await claim(store)
    assert running is not None
    assert told(store) == counted(store)

    await store.end_executing(running.id, Ending(JobState.FAILED, "x"))
    await store.cancel(jobs[-1].id, "no")
    assert told(store) == counted(store)

    await store.records.delete(jobs[-1].id, BY, lambda job: None)
    assert told(store) == counted(store) == {JobState.IN_QUEUE: 3, JobState.FAILED: 1}
    assert store.vitals.read().n_submitted == 5


async def test_the_eldest_of_the_queue_is_known(store: Store) -> None:
    assert store.vitals.read().queues[QC].oldest_ns is None
    first = await submit(store)
    await submit(store)

    queue = store.vitals.read().queues[QC]

    assert (queue.n_queued, queue.oldest_ns) == (2, first.created_at_ns)


async def test_an_older_labds_jobs_are_counted(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for _ in range(3):
        await submit(store)
    store.close()
    with sqlite3.connect(tmp_path / "labd.db") as db:
        for trigger in ("jobs_counted", "jobs_counted_anew", "jobs_counted_out"):
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute("DROP TABLE job_counts")
        db.execute("DROP TABLE job_flights")
        db.execute("DROP INDEX jobs_queued_since")
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm004_telling'")

    store = open_store(tmp_path)

    assert told(store) == {JobState.IN_QUEUE: 3}
    store.close()


async def test_a_glance_at_many_jobs_costs_no_more_than_at_few(store: Store) -> None:
    await submit(store)
    store.close()
    with sqlite3.connect(store.directory.database) as db:
        _copies(db, 100_000)
    store = open_store(store.directory.path)

    took_s = []
    for _ in range(20):
        started = time.perf_counter()
        vitals = store.vitals.read()
        took_s.append(time.perf_counter() - started)

    assert vitals.queues[QC].jobs[JobState.IN_QUEUE] == 100_001
    assert sorted(took_s)[len(took_s) // 2] < 0.002
    store.close()


def _copies(db: sqlite3.Connection, n_jobs: int) -> None:
    columns = [
        row[1] for row in db.execute("PRAGMA table_info(jobs)") if row[1] not in ("seq", "id")
    ]
    names = ", ".join(columns)
    db.execute(
        f"INSERT INTO jobs (id, {names}) WITH RECURSIVE n (n) AS"
        f" (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?)"
        f" SELECT randomblob(16), {names} FROM n, (SELECT * FROM jobs LIMIT 1)",
        (n_jobs,),
    )


async def test_a_flight_record_is_stored_with_the_end_and_deleted_with_the_job(
    store: Store,
) -> None:
    record = FlightRecord((Exchange("awg1", 1, 2, 1, "*RST", 4, "", 0, 0.0, "gone"),), 3)
    await submit(store)
    job = await claim(store)
    assert job is not None

    await store.end_executing(job.id, Ending(JobState.FAILED, "x", flight=record))

    assert store.flight(job) == record
    await store.records.delete(job.id, BY, lambda job: None)
    with sqlite3.connect(store.directory.database) as db:
        assert db.execute("SELECT COUNT(*) FROM job_flights").fetchone() == (0,)


async def test_commits_are_told_with_their_time_and_size(tmp_path: Path) -> None:
    commits: list[tuple[float, int]] = []
    store = Store.open(
        tmp_path,
        clock_ns=time.time_ns,
        on_commit=lambda seconds, n_changes: commits.append((seconds, n_changes)),
    )

    store.put_quantum_computer(QC, "star5", "Star")

    store.close()
    assert Counter(n_changes for _, n_changes in commits) == {1: 1}
    assert 0 < commits[0][0] < 10
