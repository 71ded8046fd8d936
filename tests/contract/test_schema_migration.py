"""A database of labd's first schema becomes today's, with all that was in it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlite_utils import Database

from labd.core.jobs import JobId, JobState, QcId
from labd.store import schema
from labd.store.store import Store

QC, FIRST, SECOND = QcId(uuid4()), uuid4(), uuid4()
QUEUED, DONE = JobId(uuid4()), JobId(uuid4())


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A state directory as the first labd left it."""
    db = sqlite3.connect(tmp_path / "labd.db", isolation_level=None)
    schema._MIGRATIONS.apply(Database(db), stop_before="m002_users_and_order")
    db.execute(
        "INSERT INTO quantum_computers (id, alias, display_name) VALUES (?, 'q', 'Q')", (QC.bytes,)
    )
    for number, set_id in enumerate((FIRST, SECOND), 1):
        db.execute(
            "INSERT INTO calibration_sets"
            " (id, qc_id, created_at_ns, dut_label, is_valid, observations)"
            " VALUES (?, ?, ?, 'chip', 1, ?)",
            (set_id.bytes, QC.bytes, number, '{"a": {"value": 1}, "b": {"value": 2}}'),
        )
    for job_id, caller, state in ((QUEUED, "uid 1234", "IN_QUEUE"), (DONE, "nobody", "COMPLETED")):
        db.execute(
            "INSERT INTO jobs (id, qc_id, job_type, state, shots, circuits, is_timeslot,"
            " submitted_by, created_at_ns, updated_at_ns)"
            " VALUES (?, ?, 'PULSE', ?, 100, 2, 0, ?, 5, 5)",
            (job_id.bytes, QC.bytes, state, caller),
        )
        db.execute(
            "INSERT INTO job_payloads (job_seq, payload)"
            " SELECT seq, x'0102' FROM jobs WHERE id = ?",
            (job_id.bytes,),
        )
    db.close()
    return tmp_path


@pytest.fixture
def store(old: Path) -> Iterator[Store]:
    opened = Store.open(old, clock_ns=time.time_ns)
    yield opened
    opened.close()


def test_the_set_that_was_the_latest_is_the_active_one(store: Store) -> None:
    active = store.calibration_sets.active(QC)

    assert active is not None
    assert active.id == SECOND
    assert active.n_observations == 2
    assert store.calibration_sets.get(FIRST).n_observations == 2


def test_sets_are_immutable_again(store: Store, old: Path) -> None:
    db = sqlite3.connect(old / "labd.db")

    with pytest.raises(sqlite3.IntegrityError, match="immutable"):
        db.execute("UPDATE calibration_sets SET n_observations = 3")
    db.close()


def test_jobs_belong_to_users_who_have_used_what_they_hold(store: Store, old: Path) -> None:
    db = sqlite3.connect(old / "labd.db")
    users = db.execute(
        "SELECT name, uid, n_queued, queued_payload_bytes, queued_shots FROM users ORDER BY name"
    ).fetchall()
    db.close()

    assert users == [("anonymous", None, 0, 0, 0), ("uid1234", 1234, 1, 2, 200)]
    queued, done = store.job_record(QUEUED), store.job_record(DONE)
    assert queued is not None
    assert done is not None
    assert (queued.submitted_by, done.submitted_by) == ("uid1234", "anonymous")
    assert isinstance(queued.id, UUID)


# ---- from every schema that was released

RELEASED = {"m001": "m002_users_and_order", "m002": "m003_keeping"}
"""A schema -> the step after it."""
JOB_STATES = ("IN_QUEUE", "EXECUTING", "COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED")


def released(path: Path, schema_name: str) -> dict[JobState, JobId]:
    """A state directory as that labd left it, with a job in every state, and its result."""
    db = sqlite3.connect(path / "labd.db", isolation_level=None)
    schema._MIGRATIONS.apply(Database(db), stop_before=RELEASED[schema_name])
    db.execute(
        "INSERT INTO quantum_computers (id, alias, display_name) VALUES (?, 'q', 'Q')", (QC.bytes,)
    )
    columns, values = "submitted_by", "'uid 1234'"
    if schema_name != "m001":
        db.execute("INSERT INTO users (name, role, created_at_ns) VALUES ('ann', 'user', 1)")
        columns, values = "submitted_by, user_id, payload_bytes", "'ann', 1, 2"
    jobs = {JobState(state): JobId(uuid4()) for state in JOB_STATES}
    for state, job_id in jobs.items():
        db.execute(
            f"INSERT INTO jobs (id, qc_id, job_type, state, shots, circuits, is_timeslot,"
            f" created_at_ns, updated_at_ns, {columns})"
            f" VALUES (?, ?, 'PULSE', ?, 100, 2, 0, 5, 5, {values})",
            (job_id.bytes, QC.bytes, state.value),
        )
        db.execute(
            "INSERT INTO job_payloads (job_seq, payload)"
            " SELECT seq, x'0102' FROM jobs WHERE id = ?",
            (job_id.bytes,),
        )
    db.close()
    (path / "results").mkdir()
    (path / "results" / f"{jobs[JobState.COMPLETED]}.bin").write_bytes(b"result")
    return jobs


@pytest.mark.parametrize("schema_name", RELEASED)
def test_every_released_schema_comes_forward_with_all_that_was_in_it(
    tmp_path: Path, schema_name: str
) -> None:
    jobs = released(tmp_path, schema_name)

    store = Store.open(tmp_path, clock_ns=time.time_ns)
    try:
        interrupted = store.recover()
        found = {state: store.job_record(job_id) for state, job_id in jobs.items()}
        for _ in range(2):
            for finding in store.check(is_quick=False).findings():
                assert finding is None or store.mend_blocking(finding), finding
        left = [each for each in store.check(is_quick=False).findings() if each is not None]
        kept = store.keeping.of(jobs[JobState.COMPLETED])
    finally:
        store.close()

    assert [job.id for job in interrupted] == [jobs[JobState.EXECUTING]]
    states = {state: job.state for state, job in found.items() if job is not None}
    assert states == {state: state for state in jobs} | {JobState.EXECUTING: JobState.INTERRUPTED}
    assert left == []
    assert kept.payload_sha256 is not None
    assert kept.result_sha256 is not None


def test_a_newer_labds_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    Store.open(tmp_path, clock_ns=time.time_ns).close()
    db = sqlite3.connect(tmp_path / "labd.db", isolation_level=None)
    db.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('labd', 'm999_tomorrow', 'then')"
    )
    before = db.execute("SELECT sql FROM sqlite_master").fetchall()

    with pytest.raises(sqlite3.DatabaseError, match=r"newer labd \(m999_tomorrow\): use that"):
        Store.open(tmp_path, clock_ns=time.time_ns)

    assert db.execute("SELECT sql FROM sqlite_master").fetchall() == before
    db.close()
