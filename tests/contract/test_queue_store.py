"""The queue in the database against the same queue sorted in memory."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from labd.core.access import Role
from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, NotFound, PermissionDenied
from labd.core.jobs import Job, JobId, JobState, JobType, NewJob, Priority, QcId
from labd.core.openings import Mode, TimeslotRules
from labd.core.queue_order import sort_key
from labd.store.jobs import Ending
from labd.store.queue import n_before
from labd.store.store import Store

pytestmark = pytest.mark.anyio

QC = QcId(UUID(int=1))
FREE = TimeslotRules(False, False, 0.0, True)
BY = AuditEntry("alice", "uid 7", "unix, pid 1", "job.hold", "")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    now_ns = 1_800_000_000_000_000_000

    def __call__(self) -> int:
        self.now_ns += 1000
        return self.now_ns


@dataclass
class Queue:
    """A store with three users, and short ways to use it."""

    store: Store
    users: list[int]
    told: list[Job] = field(default_factory=list)

    async def submit(
        self,
        user: int = 0,
        run_s: float = 1.0,
        priority: Priority = Priority.NORMAL,
        payload_bytes: int = 1,
    ) -> Job:
        job = NewJob(
            id=self.store.new_job_id(),
            qc_id=QC,
            job_type=JobType.PULSE,
            shots=10,
            circuits=2,
            is_timeslot=False,
            user_id=self.users[user],
            submitted_by=f"user{user}",
            payload_bytes=payload_bytes,
            playing_s=run_s,
            kind="",
            priority=priority,
            run_p50_s=run_s,
            run_p90_s=run_s,
        )
        return await self.store.submit(job, b"x" * payload_bytes)

    async def claim(self) -> Job | None:
        return (await self.store.timeslots.claim(QC, FREE)).job

    async def finish(self, job: Job, state: JobState = JobState.FAILED) -> None:
        assert await self.store.end_executing(job.id, Ending(state, "no")) is not None

    async def hold(self, job: Job, role: Role, note: str = "wait") -> Job:
        return await self.store.queue.hold(job.id, note, role, BY, self.told.append)

    async def release(self, job: Job, role: Role) -> Job:
        return await self.store.queue.release(job.id, role, BY, self.told.append)

    async def put(self, job: Job, priority: Priority, role: Role = Role.OPERATOR) -> Job:
        return await self.store.queue.set_priority(job.id, priority, role, BY, self.told.append)

    @property
    def db(self) -> sqlite3.Connection:
        return self.store._reader

    def sorted(self) -> list[bytes]:
        rows = self.db.execute(
            "SELECT id, priority, share_tag_s, seq FROM jobs WHERE state = 'IN_QUEUE'"
        ).fetchall()
        rows.sort(key=lambda row: sort_key(Priority(row[1]), row[2], row[3]))
        return [row[0] for row in rows]

    def position(self, job: Job) -> int | None:
        return self.store.job(job.id).queue_position


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    store = Store.open(tmp_path, clock_ns=Clock())
    store.put_quantum_computer(QC, "star5", "Star")
    users = [store.ensure_local_user(100 + n, f"user{n}", Role.USER).id for n in range(3)]
    yield Queue(store, users)
    store.close()


@pytest.mark.parametrize("seed", range(4))
async def test_the_database_keeps_the_order_through_everything(queue: Queue, seed: int) -> None:
    rng = random.Random(seed)
    held: set[bytes] = set()
    for _ in range(120):
        waiting = queue.sorted()
        match rng.choice(("submit", "submit", "submit", "claim", "cancel", "put", "hold")):
            case "submit":
                job = await queue.submit(
                    rng.randrange(3), rng.choice((0.1, 1.0, 20.0)), rng.choice(list(Priority))
                )
                assert queue.sorted().index(job.id.bytes) == job.queue_position
            case "claim":
                claimed = await queue.claim()
                startable = [each for each in waiting if each not in held]
                assert (None if claimed is None else claimed.id.bytes) == next(
                    iter(startable), None
                )
                if claimed is not None:
                    await queue.finish(claimed)
            case "cancel" if waiting:
                await queue.store.cancel(JobId(UUID(bytes=rng.choice(waiting))), "why")
            case "put" if waiting:
                job_id = JobId(UUID(bytes=rng.choice(waiting)))
                await queue.put(queue.store.job(job_id), rng.choice(list(Priority)))
            case "hold" if waiting:
                job_id = JobId(UUID(bytes=rng.choice(waiting)))
                await queue.hold(queue.store.job(job_id), Role.USER)
                held.add(job_id.bytes)

    waiting = queue.sorted()
    seqs = list(queue.store.queue.seqs(QC))
    for place, id in enumerate(waiting):
        job = queue.store.job(JobId(UUID(bytes=id)))
        assert job.queue_position == place
        assert seqs[place] == job.seq
    assert _counted(queue.db) == _recounted(queue.db)


def _counted(db: sqlite3.Connection) -> list[tuple[int, ...]]:
    return db.execute(
        "SELECT id, n_queued, queued_payload_bytes, queued_shots, queued_run_ms FROM users"
    ).fetchall()


def _recounted(db: sqlite3.Connection) -> list[tuple[int, ...]]:
    return db.execute(
        "SELECT users.id, COUNT(jobs.id), COALESCE(SUM(payload_bytes), 0),"
        " COALESCE(SUM(shots * circuits), 0),"
        " COALESCE(SUM(CAST(ROUND(1000 * run_p50_s) AS INTEGER)), 0)"
        " FROM users LEFT JOIN jobs ON user_id = users.id AND state IN ('IN_QUEUE', 'EXECUTING')"
        " GROUP BY users.id"
    ).fetchall()


async def test_users_take_turns_and_a_newcomer_does_not_wait_for_a_backlog(queue: Queue) -> None:
    backlog = [await queue.submit(0) for _ in range(20)]
    newcomer = await queue.submit(1)

    assert newcomer.queue_position == 1
    assert queue.position(backlog[0]) == 0
    assert queue.position(backlog[1]) == 2


async def test_a_position_is_counted_from_either_side(queue: Queue) -> None:
    jobs = [await queue.submit(0) for _ in range(31)]

    positions = [
        n_before(queue.db, QC, sort_key(job.priority, job.share_tag_s, job.seq), 31) for job in jobs
    ]

    assert positions == list(range(31))


@pytest.mark.parametrize(
    "condition",
    [
        "priority > 2",
        "priority < 2",
        "priority = 2 AND (share_tag_s, seq) < (1.5, 7)",
        "priority = 2 AND (share_tag_s, seq) > (1.5, 7)",
    ],
)
async def test_positions_and_claims_go_by_the_index(queue: Queue, condition: str) -> None:
    plans = [
        queue.db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()[-1][3]
        for statement in (
            "SELECT 1 FROM jobs WHERE qc_id = x'01' AND state = 'IN_QUEUE'"
            f" AND {condition} LIMIT 5",
            "SELECT seq FROM jobs WHERE qc_id = x'01' AND state = 'IN_QUEUE' AND hold_note IS NULL"
            " ORDER BY priority DESC, share_tag_s, seq LIMIT 1",
            "SELECT seq FROM jobs WHERE qc_id = x'01' AND state = 'IN_QUEUE'"
            " ORDER BY priority, share_tag_s DESC, seq DESC LIMIT 1",
        )
    ]

    assert all("USING" in plan and "jobs_queued" in plan for plan in plans)
    assert "priority" in plans[0]
    assert ("share_tag_s" in plans[0]) == ("share_tag_s" in condition)


async def test_a_held_job_keeps_its_place_and_is_passed_over(queue: Queue) -> None:
    first, second = await queue.submit(), await queue.submit()

    held = await queue.hold(first, Role.USER, "not yet")
    claimed = await queue.claim()

    assert held.hold_note == "not yet"
    assert claimed is not None
    assert claimed.id == second.id
    assert queue.position(first) == 0
    await queue.finish(claimed)
    assert (await queue.release(first, Role.USER)).hold_note is None
    again = await queue.claim()
    assert again is not None
    assert again.id == first.id


async def test_what_an_operator_holds_only_operators_release(queue: Queue) -> None:
    job = await queue.submit()
    await queue.hold(job, Role.OPERATOR, "ask me first")

    with pytest.raises(PermissionDenied, match="an operator holds: ask me first"):
        await queue.release(job, Role.USER)
    with pytest.raises(PermissionDenied, match="hold anew"):
        await queue.hold(job, Role.USER, "mine")

    assert (await queue.release(job, Role.ADMIN)).hold_note is None
    with pytest.raises(Conflict, match="is not held"):
        await queue.release(job, Role.ADMIN)


async def test_only_queued_jobs_are_held_and_moved(queue: Queue) -> None:
    job = await queue.submit()
    await queue.claim()

    with pytest.raises(Conflict, match="is EXECUTING; only a job in the queue can be held"):
        await queue.hold(job, Role.USER)
    with pytest.raises(Conflict, match="another priority"):
        await queue.put(job, Priority.LOW)
    with pytest.raises(NotFound):
        await queue.store.queue.hold(JobId(uuid4()), "x", Role.USER, BY, queue.told.append)


async def test_a_job_of_another_class_stands_there_as_if_it_came_now(queue: Queue) -> None:
    others = [await queue.submit(1) for _ in range(5)]
    low = await queue.submit(0, priority=Priority.LOW)
    high = await queue.put(await queue.submit(2), Priority.HIGH)

    raised = await queue.put(low, Priority.NORMAL, Role.USER)

    assert queue.position(high) == 0
    assert queue.position(raised) == 2
    assert queue.position(others[1]) == 3
    with pytest.raises(PermissionDenied, match="the priority HIGH"):
        await queue.put(low, Priority.HIGH, Role.USER)


async def test_cancelled_jobs_cost_no_share(queue: Queue) -> None:
    for job in [await queue.submit(0, run_s=100.0) for _ in range(10)]:
        await queue.store.cancel(job.id, "a mistake")
    for _ in range(3):
        await queue.submit(1)

    assert (await queue.submit(0)).queue_position == 1


async def test_modes_stay_over_a_restart_and_decide_what_starts(
    queue: Queue, tmp_path: Path
) -> None:
    job = await queue.submit()
    paused = await queue.store.queue.set_mode(
        QC, Mode.PAUSED, "fixing awg3", BY, lambda record: None
    )
    assert await queue.claim() is None
    queue.store.close()

    again = Store.open(tmp_path, clock_ns=Clock())
    record = again.queue.machine(QC)
    assert (record.mode, record.note, record.by, record.n_queued) == (
        Mode.PAUSED,
        "fixing awg3",
        "alice",
        1,
    )
    assert record == paused
    await again.queue.set_mode(QC, Mode.DRAINING, "", BY, lambda record: None)
    claimed = (await again.timeslots.claim(QC, FREE)).job
    again.close()

    assert claimed is not None
    assert claimed.id == job.id


async def test_every_deed_has_its_line_in_the_audit(queue: Queue) -> None:
    job = await queue.submit()
    await queue.hold(job, Role.USER, "later")
    await queue.put(job, Priority.LOW)

    rows = queue.db.execute("SELECT object, details FROM audit ORDER BY number").fetchall()

    assert rows == [
        (str(job.id), '{"note": "later"}'),
        (str(job.id), '{"before": "NORMAL", "priority": "LOW"}'),
    ]
    assert [each.id for each in queue.told] == [job.id, job.id]


async def test_the_size_of_a_result_is_its_users_until_the_job_is_deleted(queue: Queue) -> None:
    job = await queue.submit()
    await queue.claim()
    queue.store.result_path(job.id).write_bytes(b"r" * 1234)
    ended = await queue.store.end_executing(job.id, Ending(JobState.COMPLETED))
    assert ended is not None

    def used() -> int:
        return int(queue.db.execute("SELECT SUM(result_bytes) FROM users").fetchone()[0])

    assert (ended.result_bytes, used()) == (1234, 1234)
    queue.store._writer.call(lambda db: db.execute("DELETE FROM jobs").rowcount)
    assert used() == 0
