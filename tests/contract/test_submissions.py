"""What is accepted and what is refused, decided in the transaction that stores it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest

from labd.core.access import Role
from labd.core.audit import AuditEntry
from labd.core.errors import (
    IdempotencyKeyReused,
    NoBookedTimeslots,
    NotFound,
    OutlastsTimeslot,
    QuotaExceeded,
    TimeslotRequired,
    Unavailable,
)
from labd.core.jobs import Job, JobState, JobType, NewJob, Priority, QcId
from labd.core.limits import LimitName, Source
from labd.core.openings import Mode, TimeslotRules
from labd.store.jobs import Ending
from labd.store.store import MAX_PAYLOAD_IN_ROW_BYTES, Store
from labd.store.submissions import IdempotencyKey, Terms
from labd.store.timeslots import Booking

pytestmark = pytest.mark.anyio

QC = QcId(UUID(int=1))
OTHER = QcId(UUID(int=2))
S_NS = 1_000_000_000
FREE = TimeslotRules(False, False, 0.0, True)
BY = AuditEntry("root", "uid 0", "unix, pid 1", "limit.set", "")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    now_ns = 1_800_000_000 * S_NS

    def __call__(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += round(seconds * S_NS)


@dataclass
class Lab:
    """A store with alice, a user, and bob, an operator; what the configuration says can be set."""

    store: Store
    clock: Clock
    terms: Terms

    def configure(self, **limits: float) -> None:
        self.terms = replace(self.terms, limits={Role.USER: limits})

    async def submit(
        self,
        user: str = "alice",
        *,
        run_s: float = 1.0,
        shots: int = 10,
        payload: bytes = b"payload",
        qc_id: QcId = QC,
        is_timeslot: bool = False,
        key: IdempotencyKey | None = None,
    ) -> Job:
        job = NewJob(
            id=self.store.new_job_id(),
            qc_id=qc_id,
            job_type=JobType.PULSE,
            shots=shots,
            circuits=2,
            is_timeslot=is_timeslot,
            user_id={"alice": 1, "bob": 2}[user],
            submitted_by=user,
            payload_bytes=len(payload),
            playing_s=run_s,
            kind="",
            priority=Priority.NORMAL,
            run_p50_s=run_s,
            run_p90_s=2 * run_s,
        )
        entry = AuditEntry(user, "uid 1", "unix, pid 1", "job.submit", str(job.id))
        return await self.store.submit(job, payload, self.terms, entry=entry, key=key)

    async def run(self, seconds: float, qc_id: QcId = QC) -> None:
        job = (await self.store.timeslots.claim(qc_id, FREE)).job
        assert job is not None
        self.clock.pass_s(seconds)
        await self.store.end_executing(job.id, Ending(JobState.FAILED, "no"))

    async def set(self, whose: str | Role, name: LimitName, value: float | None) -> None:
        await self.store.limits.put(whose, name, value, BY)

    async def book(self, user: str, begin_s: float, end_s: float) -> None:
        now_ns = self.clock.now_ns
        wish = Booking(QC, user, now_ns + round(begin_s * S_NS), now_ns + round(end_s * S_NS), "")
        await self.store.timeslots.book(
            wish, replace(BY, action="timeslot.book"), lambda slot: None
        )

    def used(self, name: LimitName) -> float:
        return self.store.limits.standing("alice", self.terms.limits).used[name]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    clock = Clock()
    store = Store.open(tmp_path, clock_ns=clock)
    store.put_quantum_computer(QC, "star5", "Star")
    store.put_quantum_computer(OTHER, "other", "Other")
    assert store.ensure_local_user(101, "alice", Role.USER).id == 1
    assert store.ensure_local_user(102, "bob", Role.OPERATOR).id == 2
    yield Lab(store, clock, Terms("star5", {}, FREE))
    store.close()


async def test_a_full_queue_refuses_and_says_limit_use_and_when_it_frees(lab: Lab) -> None:
    lab.configure(queued_jobs=2)
    first = await lab.submit()
    await lab.submit(qc_id=OTHER)

    with pytest.raises(QuotaExceeded) as caught:
        await lab.submit()

    assert str(caught.value) == (
        "alice has used 2 of 2 queued_jobs and asks for 1 more;"
        " a place frees when one of them ends or is cancelled"
    )
    await lab.store.cancel(first.id, "why")
    await lab.submit()


async def test_a_place_frees_when_a_job_ends_not_when_it_starts(lab: Lab) -> None:
    lab.configure(queued_jobs=1)
    await lab.submit()
    started = (await lab.store.timeslots.claim(QC, FREE)).job
    assert started is not None

    with pytest.raises(QuotaExceeded):
        await lab.submit()
    await lab.store.end_executing(started.id, Ending(JobState.INTERRUPTED, "no"))

    assert (await lab.submit()).queue_position == 0


@pytest.mark.parametrize("already", [0, 3])
async def test_fifty_at_once_never_exceed_the_limit_by_one(lab: Lab, already: int) -> None:
    lab.configure(queued_jobs=20)
    for _ in range(already):
        await lab.submit()
    gate = threading.Event()
    blocker = asyncio.ensure_future(lab.store._writer.write(lambda db: gate.wait(5)))
    waiting = [asyncio.ensure_future(lab.submit()) for _ in range(50)]
    await asyncio.sleep(0)
    gate.set()

    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert await blocker is True
    accepted = [answer for answer in answers if isinstance(answer, Job)]
    assert len(accepted) == 20 - already
    assert [job.queue_position for job in accepted] == list(range(already, 20))
    assert sum(isinstance(answer, QuotaExceeded) for answer in answers) == 30 + already
    assert lab.used(LimitName.QUEUED_JOBS) == 20
    lines = lab.store._reader.execute("SELECT COUNT(*) FROM audit").fetchone()[0]
    assert lines == 20


@pytest.mark.parametrize(
    ("name", "limit", "sentence"),
    [
        (LimitName.QUEUED_PAYLOAD_BYTES, 20, "used 14 of 20 queued_payload_bytes and asks for 7"),
        (LimitName.QUEUED_SHOTS, 59, "used 40 of 59 queued_shots and asks for 20 more"),
        (LimitName.RUN_S_PER_DAY, 2.5, "used 2 of 2.5 run_s_per_day and asks for 1 more"),
    ],
)
async def test_every_limit_is_counted_over_the_users_jobs(
    lab: Lab, name: LimitName, limit: float, sentence: str
) -> None:
    await lab.set("alice", name, limit)
    await lab.submit()
    await lab.submit()

    with pytest.raises(QuotaExceeded, match=sentence):
        await lab.submit()

    await lab.submit("bob")
    await lab.set("alice", name, None)
    await lab.submit()


async def test_a_job_that_is_larger_than_the_limit_is_told_so(lab: Lab) -> None:
    lab.configure(queued_shots=100)

    with pytest.raises(QuotaExceeded, match="a single job may not be larger than that"):
        await lab.submit(shots=1000)


async def test_run_time_frees_as_runs_fall_out_of_the_last_24_hours(lab: Lab) -> None:
    lab.configure(run_s_per_day=100.0)
    await lab.submit(run_s=10.0)
    await lab.run(60.0)
    lab.clock.pass_s(3600.0)
    await lab.submit(run_s=10.0)
    await lab.run(38.0)

    with pytest.raises(QuotaExceeded, match=r"used 98 of 100 .* asks for 10 more") as caught:
        await lab.submit(run_s=10.0)

    freed_s = 24 * 3600 - 38.0 - 3600.0 - 60.0 + 8.0
    lab.clock.pass_s(freed_s - 1.0)
    with pytest.raises(QuotaExceeded, match=r"it frees at 2027-01-16 08:00:08 UTC as runs"):
        await lab.submit(run_s=10.0)
    assert "it frees at 2027-01-16 08:00:08 UTC" in str(caught.value)
    lab.clock.pass_s(1.0)
    await lab.submit(run_s=10.0)


async def test_only_the_part_of_a_run_that_lies_within_the_day_counts(lab: Lab) -> None:
    await lab.submit()
    await lab.run(100.0)

    lab.clock.pass_s(24 * 3600 - 30.0)

    assert lab.used(LimitName.RUN_S_PER_DAY) == 30.0


async def test_a_run_that_labd_interrupted_is_not_counted(lab: Lab) -> None:
    await lab.submit()
    assert (await lab.store.timeslots.claim(QC, FREE)).job is not None
    lab.clock.pass_s(50_000.0)
    lab.store.recover()

    assert lab.used(LimitName.RUN_S_PER_DAY) == 0


async def test_results_on_disk_are_freed_by_deleting_them(lab: Lab) -> None:
    lab.configure(result_bytes=1000)
    job = await lab.submit()
    await lab.store.timeslots.claim(QC, FREE)
    lab.store.result_path(job.id).write_bytes(bytes(1000))
    await lab.store.end_executing(job.id, Ending(JobState.COMPLETED))

    with pytest.raises(QuotaExceeded) as caught:
        await lab.submit()

    assert str(caught.value) == (
        "alice has used 1000 of 1000 result_bytes; delete results with `labctl delete`"
    )
    await lab.store.records.delete(job.id, replace(BY, action="job.delete"), lambda job: None)
    await lab.submit()


async def test_limits_are_set_for_users_and_roles_and_taken_back(lab: Lab) -> None:
    lab.configure(queued_jobs=9)
    name = LimitName.QUEUED_JOBS

    def holds() -> tuple[float | None, Source]:
        bound = lab.store.limits.standing("alice", lab.terms.limits).bounds[name]
        return bound.value, bound.source

    assert holds() == (9, Source.CONFIG)
    await lab.set(Role.USER, name, 8)
    assert holds() == (8, Source.ROLE)
    await lab.set("alice", name, 0)
    assert holds() == (0, Source.USER)
    with pytest.raises(QuotaExceeded):
        await lab.submit()
    await lab.store.limits.unset("alice", name, BY)
    assert holds() == (8, Source.ROLE)
    assert lab.store.limits.of_role(Role.USER, lab.terms.limits)[name].value == 8
    with pytest.raises(NotFound, match="user eve not found"):
        await lab.set("eve", name, 1)
    lines = lab.store._reader.execute("SELECT object, details FROM audit").fetchall()
    assert lines[1] == ("user alice", '{"name": "queued_jobs", "value": 0}')
    assert len(lines) == 3


async def test_a_machine_that_is_drained_accepts_nothing_and_says_why(lab: Lab) -> None:
    def told(record: object) -> None:
        del record

    await lab.store.queue.set_mode(QC, Mode.DRAINING, "warming up", BY, told)

    with pytest.raises(Unavailable, match=r"star5 is being drained .*: warming up"):
        await lab.submit()

    await lab.store.queue.set_mode(QC, Mode.PAUSED, "a minute", BY, told)
    await lab.submit()


async def test_use_timeslot_needs_an_active_or_upcoming_slot_of_ones_own(lab: Lab) -> None:
    await lab.book("bob", 0.0, 60.0)

    with pytest.raises(NoBookedTimeslots, match="alice has no active or upcoming timeslot"):
        await lab.submit(is_timeslot=True)

    await lab.book("alice", 600.0, 660.0)
    await lab.submit(is_timeslot=True)
    lab.clock.pass_s(660.0)
    with pytest.raises(NoBookedTimeslots):
        await lab.submit(is_timeslot=True)


async def test_where_timeslots_are_required_a_job_without_one_is_refused(lab: Lab) -> None:
    lab.terms = replace(lab.terms, timeslots=TimeslotRules(True, False, 0.0, True))
    await lab.book("alice", 600.0, 660.0)

    with pytest.raises(TimeslotRequired, match="/star5:timeslot"):
        await lab.submit()

    await lab.submit(is_timeslot=True)


async def test_a_job_that_would_outlast_its_slots_waits_or_is_refused(lab: Lab) -> None:
    await lab.book("alice", 600.0, 660.0)
    await lab.submit(is_timeslot=True, run_s=31.0)
    lab.terms = replace(lab.terms, timeslots=TimeslotRules(False, True, 0.0, True))

    with pytest.raises(OutlastsTimeslot, match=r"runs about 62 s and the longest .* is 60 s"):
        await lab.submit(is_timeslot=True, run_s=31.0)

    await lab.submit(is_timeslot=True, run_s=29.0)


async def test_the_same_key_gives_the_same_job_also_when_the_quota_is_used_up(lab: Lab) -> None:
    lab.configure(queued_jobs=1)
    key = IdempotencyKey("k", b"h" * 32)
    large = bytes(MAX_PAYLOAD_IN_ROW_BYTES + 1)

    together = await asyncio.gather(*(lab.submit(payload=large, key=key) for _ in range(5)))
    later = await lab.submit(payload=large, key=key)

    assert {job.id for job in together} == {later.id}
    assert len(list(lab.store.directory.payloads.iterdir())) == 1
    assert lab.used(LimitName.QUEUED_JOBS) == 1
    with pytest.raises(IdempotencyKeyReused, match=str(later.id)):
        await lab.submit(key=IdempotencyKey("k", b"other"))
    await lab.submit("bob", key=key)


async def test_a_refused_job_leaves_nothing_behind(lab: Lab) -> None:
    lab.configure(queued_jobs=0)

    with pytest.raises(QuotaExceeded):
        await lab.submit(payload=bytes(MAX_PAYLOAD_IN_ROW_BYTES + 1))

    assert list(lab.store.directory.payloads.iterdir()) == []
    assert lab.store._reader.execute("SELECT COUNT(*) FROM audit").fetchone()[0] == 0
    assert lab.store.arriving == set()


async def test_a_job_is_stored_with_its_line_in_the_audit_or_not_at_all(lab: Lab) -> None:
    job = await lab.submit()

    rows = lab.store._reader.execute("SELECT user, action, object FROM audit").fetchall()

    assert rows == [("alice", "job.submit", str(job.id))]
