from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from store_support import QC, RULES, Clock

from labd.core.access import Role
from labd.core.errors import JobAlreadyFinal, NotFound, Unavailable
from labd.core.jobs import TRANSITIONS, Job, JobId, JobState, JobType, NewJob, Priority, QcId
from labd.store import jobs as sql
from labd.store.calibrations import CalibrationSet
from labd.store.files import StateDirectoryInUse
from labd.store.jobs import Ending
from labd.store.search import NEWEST, Conditions
from labd.store.store import LABD_STOPPED, MAX_PAYLOAD_IN_ROW_BYTES, Store

pytestmark = pytest.mark.anyio

OTHER = QcId(UUID(int=2))


def open_store(path: Path) -> Store:
    store = Store.open(path, clock_ns=Clock())
    store.put_quantum_computer(QC, "star5", "Star")
    store.put_quantum_computer(OTHER, "other", "Other")
    assert store.ensure_local_user(7, "alice", Role.USER).id == 1
    return store


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def new_job(store: Store, qc_id: QcId = QC) -> NewJob:
    return NewJob(
        id=store.new_job_id(),
        qc_id=qc_id,
        job_type=JobType.PULSE,
        shots=100,
        circuits=2,
        is_timeslot=False,
        user_id=1,
        submitted_by="alice",
        payload_bytes=7,
        playing_s=0.5,
        kind="bell",
        priority=Priority.NORMAL,
    )


async def submit(store: Store, payload: bytes = b"payload", qc_id: QcId = QC) -> Job:
    return await store.submit(new_job(store, qc_id), payload)


async def claim(store: Store, qc_id: QcId = QC) -> Job | None:
    return (await store.timeslots.claim(qc_id, RULES)).job


async def listed(store: Store) -> list[JobId]:
    """All jobs, the newest first."""
    page = await store.search.page(Conditions(), NEWEST, 1000)
    return [job.id for job, _ in page.jobs]


def raw(store: Store) -> sqlite3.Connection:
    connection = sqlite3.connect(store.directory.database, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


async def test_a_submitted_job_is_there_as_it_was_given(store: Store) -> None:
    job = await submit(store)

    found = store.job(job.id)

    assert found == job
    assert (found.state, found.queue_position) == (JobState.IN_QUEUE, 0)
    assert (found.shots, found.circuits, found.is_timeslot) == (100, 2, False)
    assert (found.submitted_by, found.error) == ("alice", None)
    assert store.payload(found) == b"payload"


async def test_what_was_answered_is_seen_by_another_process(store: Store) -> None:
    job = await submit(store)

    rows = raw(store).execute("SELECT id, state FROM jobs").fetchall()

    assert rows == [(job.id.bytes, "IN_QUEUE")]


def test_the_database_is_durable_on_power_loss(tmp_path: Path) -> None:
    store = open_store(tmp_path)

    def ask(db: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert store._writer.call(ask) == ["wal", 2, 1]
    assert (tmp_path / "labd.db").stat().st_mode & 0o777 == 0o600
    store.close()


async def test_jobs_of_one_queue_are_claimed_in_order_of_submission(store: Store) -> None:
    submitted = [await submit(store) for _ in range(3)]
    await submit(store, qc_id=OTHER)

    claimed = []
    for _ in range(3):
        job = await claim(store)
        assert job is not None
        claimed.append(job)
        await store.end_executing(job.id, Ending(JobState.FAILED, "no"))

    assert [job.id for job in claimed] == [job.id for job in submitted]
    assert all(job.state is JobState.EXECUTING for job in claimed)
    assert await claim(store) is None


async def test_a_second_executing_job_is_refused_by_the_database(store: Store) -> None:
    await submit(store)
    await submit(store)
    await claim(store)

    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        await claim(store)


async def test_two_quantum_computers_execute_at_once(store: Store) -> None:
    await submit(store)
    await submit(store, qc_id=OTHER)

    first, second = await claim(store), await claim(store, OTHER)

    assert first is not None
    assert second is not None


async def test_every_change_of_state_stands_in_the_log_once_and_in_order(store: Store) -> None:
    job = await submit(store)
    await claim(store)
    await store.end_executing(job.id, Ending(JobState.FAILED, "awg1 is mute"))
    await store.end_executing(job.id, Ending(JobState.COMPLETED))

    events = store.events_after(job.id, 0)

    assert [(event.state.value, event.error) for event in events] == [
        ("IN_QUEUE", None),
        ("EXECUTING", None),
        ("FAILED", "awg1 is mute"),
    ]
    assert [event.at_ns for event in events] == sorted(event.at_ns for event in events)
    assert store.events_after(job.id, events[1].number) == events[2:]


async def test_a_job_ends_once(store: Store) -> None:
    job = await submit(store)
    await claim(store)
    timings_s = {"play": 0.5}

    first = await store.end_executing(job.id, Ending(JobState.COMPLETED, None, timings_s))
    second = await store.end_executing(job.id, Ending(JobState.INTERRUPTED, "late"))

    assert first is not None
    assert (first.state, second) == (JobState.COMPLETED, None)
    assert store.job(job.id).state is JobState.COMPLETED
    assert store.timings_s(job.id) == timings_s


@pytest.mark.parametrize("old", list(JobState))
@pytest.mark.parametrize("new", list(JobState))
async def test_the_database_holds_the_table_of_states(
    store: Store, old: JobState, new: JobState
) -> None:
    await submit(store)
    db = raw(store)
    for step in (JobState.EXECUTING, old):
        if old is not JobState.IN_QUEUE and step in TRANSITIONS[state_in(db)]:
            db.execute("UPDATE jobs SET state = ?", (step.value,))
    is_allowed = new in TRANSITIONS[old]

    try:
        db.execute("UPDATE jobs SET state = ?", (new.value,))
        was_allowed = True
    except sqlite3.IntegrityError:
        was_allowed = False

    assert was_allowed == is_allowed
    assert state_in(db) is (new if is_allowed else old)


def state_in(db: sqlite3.Connection) -> JobState:
    return JobState(db.execute("SELECT state FROM jobs").fetchone()[0])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job_events SET state = 'FAILED'",
        "DELETE FROM job_events",
        "UPDATE calibration_sets SET is_valid = 0",
        "DELETE FROM calibration_sets",
        "INSERT INTO jobs (id, qc_id, job_type, state, shots, circuits, is_timeslot, submitted_by,"
        " created_at_ns, updated_at_ns) VALUES (randomblob(16), (SELECT id FROM quantum_computers),"
        " 'PULSE', 'LOST', 1, 1, 0, '', 0, 0)",
        "UPDATE jobs SET qc_id = randomblob(16)",
    ],
)
async def test_the_database_refuses_what_the_rules_forbid(store: Store, statement: str) -> None:
    await submit(store)
    store.calibration_sets.put_first(CalibrationSet(uuid4(), QC, 5, "chip", True, 0), "{}", ())

    with pytest.raises(sqlite3.IntegrityError):
        raw(store).execute(statement)


async def test_cancelling_a_queued_job_moves_the_others_up(store: Store) -> None:
    first, second, third = [await submit(store) for _ in range(3)]

    cancelled = await store.cancel(second.id, "cancelled by uid 7")

    assert (cancelled.state, cancelled.error) == (JobState.CANCELLED, "cancelled by uid 7")
    assert store.job(first.id).queue_position == 0
    assert store.job(third.id).queue_position == 1
    assert store.job(second.id).queue_position is None


async def test_cancelling_a_running_job_notes_the_wish(store: Store) -> None:
    job = await submit(store)
    await claim(store)

    answer = await store.cancel(job.id, "why")

    assert answer.state is JobState.EXECUTING
    assert answer.cancel_requested_at_ns is not None
    assert (await store.cancel(job.id, "again")).cancel_requested_at_ns == (
        answer.cancel_requested_at_ns
    )


async def test_a_late_cancel_leaves_a_finished_job_alone(store: Store) -> None:
    job = await submit(store)
    await claim(store)
    await store.end_executing(job.id, Ending(JobState.FAILED, "no"))

    with pytest.raises(JobAlreadyFinal, match="already FAILED"):
        await store.cancel(job.id, "late")

    assert store.job(job.id).error == "no"


async def test_an_unknown_job_is_not_found(store: Store) -> None:
    unknown = JobId(uuid4())

    with pytest.raises(NotFound, match=r"job .* not found"):
        await store.cancel(unknown, "why")
    with pytest.raises(NotFound, match=str(unknown)):
        store.job(unknown)


async def test_one_refused_change_does_not_harm_the_others_of_its_group(store: Store) -> None:
    gate = threading.Event()
    blocker = asyncio.ensure_future(store._writer.write(lambda db: gate.wait(5)))
    same = new_job(store)
    waiting = [
        asyncio.ensure_future(store.submit(job, b"x"))
        for job in (new_job(store), same, same, new_job(store))
    ]
    await asyncio.sleep(0)
    gate.set()

    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert await blocker is True
    assert [type(answer) for answer in answers] == [Job, Job, sqlite3.IntegrityError, Job]
    assert len(await listed(store)) == 3


async def test_many_submits_share_a_commit(store: Store) -> None:
    before = (store.directory.path / "labd.db-wal").stat().st_size
    await asyncio.gather(*(submit(store) for _ in range(200)))
    together = (store.directory.path / "labd.db-wal").stat().st_size - before

    db = raw(store)
    frames_alone = 7 * 4096
    assert db.execute("SELECT COUNT(*) FROM jobs").fetchone() == (200,)
    assert together < 200 * frames_alone


async def test_a_full_disk_refuses_and_leaves_nothing_half_done(store: Store) -> None:
    def fill(db: sqlite3.Connection) -> None:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages + 8}")

    store._writer.call(fill)
    submits = [submit(store, b"x" * 5000) for _ in range(20)]
    answers = [await asyncio.gather(each, return_exceptions=True) for each in submits]
    accepted = [answer for (answer,) in answers if isinstance(answer, Job)]
    (refusal, *_) = [answer for (answer,) in answers if isinstance(answer, Unavailable)]
    store._writer.call(lambda db: db.execute("PRAGMA max_page_count = 100000"))

    assert "cannot store anything now" in str(refusal)
    assert "nothing was changed" in str(refusal)
    assert await listed(store) == [job.id for job in reversed(accepted)]
    assert (await submit(store)).queue_position == len(accepted)


async def test_a_large_payload_is_a_file_and_a_small_one_is_not(store: Store) -> None:
    large, small = b"L" * (MAX_PAYLOAD_IN_ROW_BYTES + 1), b"S" * MAX_PAYLOAD_IN_ROW_BYTES

    first, second = await submit(store, large), await submit(store, small)

    path = store.payload(first)
    assert isinstance(path, Path)
    assert path.read_bytes() == large
    assert store.payload(second) == small
    assert [each.name for each in store.directory.payloads.iterdir()] == [f"{first.id}.bin"]


async def test_a_large_payload_that_cannot_be_written_is_refused(store: Store) -> None:
    store.directory.payloads.rmdir()

    with pytest.raises(Unavailable, match="No such file"):
        await submit(store, b"L" * (MAX_PAYLOAD_IN_ROW_BYTES + 1))

    assert await listed(store) == []


async def test_positions_among_ten_thousand_jobs_are_right_and_cheap(store: Store) -> None:
    queued = await asyncio.gather(*(submit(store, b"") for _ in range(10_000)))
    await store.cancel(queued[10].id, "why")

    started = time.perf_counter()
    positions = [store.job(queued[n].id).queue_position for n in (0, 9, 11, 5000, 9989, 9999)]
    elapsed_s = time.perf_counter() - started

    assert positions == [0, 9, 10, 4999, 9988, 9998]
    assert list(store.queue.seqs(QC)) == sorted(
        job.seq for job in queued if job.id != queued[10].id
    )
    assert elapsed_s / len(positions) < 0.02


async def test_ids_grow_with_submission(store: Store) -> None:
    ids = [(await submit(store)).id for _ in range(50)]

    assert ids == sorted(ids)
    assert {each.version for each in ids} == {7}


async def test_after_a_restart_the_running_job_is_interrupted_and_the_queue_stands(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path)
    running, second, third = [await submit(store) for _ in range(3)]
    await claim(store)
    store.close()

    again = open_store(tmp_path)
    interrupted = again.recover()

    assert [job.id for job in interrupted] == [running.id]
    assert again.job(running.id).error == LABD_STOPPED
    assert again.job(running.id).ended_at_ns is not None
    assert (again.job(second.id).queue_position, again.job(third.id).queue_position) == (0, 1)
    claimed = await claim(again)
    assert claimed is not None
    assert claimed.id == second.id
    again.close()


async def test_after_a_restart_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    large = await submit(store, b"L" * (MAX_PAYLOAD_IN_ROW_BYTES + 1))
    await claim(store)
    store.result_path(large.id).write_bytes(b"result")
    await store.end_executing(large.id, Ending(JobState.COMPLETED))
    running = await submit(store)
    await claim(store)
    store.result_path(running.id).write_bytes(b"renamed, never recorded")
    (store.directory.results / f"{running.id}.bin.part").write_bytes(b"half")
    (store.directory.payloads / f"{uuid4()}.bin").write_bytes(b"no row speaks of it")
    (store.directory.payloads / "x.part").write_bytes(b"half")
    store.close()

    again = open_store(tmp_path)
    again.recover()
    removed = [name for step in again.leftovers_removed() for name in step]

    assert len(removed) == 4
    assert [path.name for path in again.directory.payloads.iterdir()] == [f"{large.id}.bin"]
    assert [path.name for path in again.directory.results.iterdir()] == [f"{large.id}.bin"]
    again.close()


async def test_a_job_that_does_not_complete_keeps_no_result(store: Store) -> None:
    job = await submit(store)
    await claim(store)
    store.result_path(job.id).with_suffix(".bin.part").write_bytes(b"half")

    await store.end_executing(job.id, Ending(JobState.CANCELLED, "asked"))

    assert list(store.directory.results.iterdir()) == []


def test_a_second_store_is_refused_with_the_first_ones_pid(tmp_path: Path, store: Store) -> None:
    with pytest.raises(StateDirectoryInUse, match=r"another labd \(pid \d+\) is using"):
        Store.open(tmp_path, clock_ns=time.time_ns)


def test_the_database_is_migrated_once(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    open_store(tmp_path).close()

    db = sqlite3.connect(tmp_path / "labd.db")
    names = [name for (name,) in db.execute("SELECT name FROM _sqlite_migrations")]

    assert names == [
        "m001_jobs_and_calibrations",
        "m002_users_and_order",
        "m003_keeping",
        "m004_telling",
        "m005_leases",
    ]


def test_the_store_leaves_pandas_out(tmp_path: Path) -> None:
    code = (
        "import sys; import labd.store.store; assert 'sqlite_utils' in sys.modules;"
        "print('pandas' in sys.modules); import pandas"
    )

    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert shown == "False\n"


async def test_a_caller_who_goes_away_does_not_end_the_writer(store: Store) -> None:
    gate = threading.Event()
    blocker = asyncio.ensure_future(store._writer.write(lambda db: gate.wait(5)))
    task = asyncio.ensure_future(submit(store))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()

    job = await submit(store)

    assert await blocker is True
    assert store.job(job.id).queue_position == 1


def test_deleted_jobs_leave_the_queue_and_stay_in_the_log(store: Store) -> None:
    job = asyncio.run(submit(store))
    after = asyncio.run(submit(store))

    raw(store).execute("DELETE FROM jobs WHERE id = ?", (job.id.bytes,))

    assert store.job_record(job.id) is None
    assert store.job(after.id).queue_position == 0
    assert len(store.events_after(job.id, 0)) == 1
    assert sql.job_payload(store._reader, job.seq) is None
