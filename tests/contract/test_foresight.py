"""Foresight over a real store and desk; the rack is only said to be ready or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from labd.changes import Changes
from labd.config import QuantumComputer, read_config
from labd.core.access import Role
from labd.core.audit import Action, AuditEntry
from labd.core.jobs import Job, JobState, JobType, NewJob, Priority, QcId
from labd.core.openings import S_NS, Mode
from labd.core.waiting import WaitingKind
from labd.desk import Desk
from labd.foresight import Foresight
from labd.guard_process import Guard, GuardCommand
from labd.rack_process import RackCommand
from labd.rack_status import RackState, RackStatus
from labd.store.jobs import Ending
from labd.store.store import Store
from labd.store.submissions import UNCONDITIONAL
from labd.store.timeslots import Booking
from labd.supervisor import Supervisor

pytestmark = pytest.mark.anyio

CONFIG = Path(__file__).parents[2] / "config" / "labd.toml"


class Clock:
    """Stands, unless it is moved."""

    def __init__(self) -> None:
        self.now_ns = 1_800_014_400 * S_NS  # noon

    def __call__(self) -> int:
        self.now_ns += 1000
        return self.now_ns

    def move(self, seconds: float) -> None:
        self.now_ns += round(seconds * S_NS)


@dataclass
class Lab:
    store: Store
    clock: Clock
    computer: QuantumComputer
    changes: Changes
    supervisor: Supervisor
    desk: Desk
    foresight: Foresight

    async def submit(self, kind: str = "bell", *, tags: tuple[str, ...] = ()) -> Job:
        run = self.foresight.run(self.computer.id, kind, 2.0, JobType.PULSE)
        job = NewJob(
            id=self.store.new_job_id(),
            qc_id=self.computer.id,
            job_type=JobType.PULSE,
            shots=1,
            circuits=1,
            is_timeslot=False,
            user_id=1,
            submitted_by="alice",
            payload_bytes=1,
            playing_s=2.0,
            kind=kind,
            priority=Priority.NORMAL,
            run_p50_s=run.p50_s,
            run_p90_s=run.p90_s,
            tags=tags,
        )
        return await self.desk.submit(job, b"p", UNCONDITIONAL)

    async def start(self) -> Job:
        job = (await self.desk.claim_next(self.computer.id, self.computer.timeslots)).job
        assert job is not None
        return job

    async def run(self, seconds: float) -> Job:
        job = await self.start()
        self.clock.move(seconds)
        await self.desk.end(job.id, Ending(JobState.COMPLETED))
        return job

    def set_rack(self, status: RackStatus) -> None:
        self.supervisor.status = status
        self.changes.notify(("arrival", self.computer.id))


def by(action: Action) -> AuditEntry:
    return AuditEntry("bob", "uid 8", "unix", action, "", {})


def open_lab(folder: Path, store: Store, clock: Clock) -> Lab:
    computer = read_config(CONFIG).quantum_computers[0]
    store.put_quantum_computer(computer.id, computer.alias, "Star")
    store.ensure_local_user(7, "alice", Role.USER)
    store.ensure_local_user(8, "bob", Role.OPERATOR)
    changes = Changes()
    supervisors: dict[QcId, Supervisor] = {}
    foresight = Foresight((computer,), store.history, changes, supervisors, store.shortage)
    desk = Desk(store, changes, foresight.note)
    command = RackCommand(computer.alias, folder, folder, folder, 1, folder)
    guard = Guard(GuardCommand(computer.alias, folder, ()))
    supervisor = Supervisor(desk, command, guard, computer.id, computer.timeslots)
    supervisor.status = RackStatus(RackState.READY)
    supervisors[computer.id] = supervisor
    return Lab(store, clock, computer, changes, supervisor, desk, foresight)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    clock = Clock()
    store = Store.open(tmp_path, clock_ns=clock)
    opened = open_lab(tmp_path, store, clock)
    yield opened
    await opened.foresight.stop()
    store.close()


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not become so within 10 s")


async def test_run_times_are_learnt_and_known_again_after_a_restart(
    lab: Lab, tmp_path: Path
) -> None:
    for _ in range(3):
        await lab.submit()
        await lab.run(40.0)

    learnt = lab.foresight.run(lab.computer.id, "bell", 2.0, JobType.PULSE)
    again = open_lab(tmp_path, lab.store, lab.clock)

    assert learnt.p50_s == pytest.approx(40.0, rel=0.01)
    assert again.foresight.run(lab.computer.id, "bell", 2.0, JobType.PULSE) == learnt


async def test_a_job_is_foretold_by_those_before_it(lab: Lab) -> None:
    await lab.submit()
    await lab.run(40.0)
    jobs = [await lab.submit() for _ in range(3)]
    await lab.start()

    waiting = lab.foresight.waiting(jobs[2])
    first, second = (lab.foresight.estimate(job) for job in jobs[1:])

    assert waiting is not None
    assert waiting.sentence == "one job is running and 1 job runs before it"
    assert first is not None
    assert second is not None
    assert first.start_p50_ns is not None
    assert first.start_p90_ns is not None
    assert second.start_p50_ns is not None
    assert lab.clock.now_ns < first.start_p50_ns < second.start_p50_ns
    assert first.start_p50_ns < first.start_p90_ns
    assert first.run_p50_s == pytest.approx(40.0, rel=0.01)


async def test_of_a_job_that_runs_nothing_is_said(lab: Lab) -> None:
    await lab.submit()
    job = await lab.start()

    assert lab.foresight.waiting(job) is None
    assert lab.foresight.estimate(job) is None


async def test_starts_are_recorded_soon_after_the_jobs_come(lab: Lab) -> None:
    lab.foresight.start()
    jobs = [await lab.submit() for _ in range(3)]

    def recorded() -> list[bool]:
        scene = lab.store.history.scene(lab.computer.id, lab.computer.timeslots)
        return [each.is_foretold and each.bound_s is not None for each in scene.queue]

    await until(lambda: recorded() == [True] * len(jobs))


async def test_a_wait_teaches_also_after_a_restart(lab: Lab, tmp_path: Path) -> None:
    lab.foresight.start()
    await lab.submit()
    await lab.start()
    job = await lab.submit()
    await until(lambda: lab.store.history.scene(
        lab.computer.id, lab.computer.timeslots).queue[0].is_foretold)  # fmt: skip
    lab.clock.move(100.0)

    await lab.desk.cancel(job.id, by("job.cancel"))
    outcome = lab.store.history.past_of(job.id).outcome

    assert outcome is not None
    assert outcome.waited_s == pytest.approx(100.0, abs=0.01)
    assert not outcome.has_started
    past = lab.store.history.past(lab.computer.id, 10)
    assert [each.outcome for each in past if each.outcome] == [outcome]


async def test_a_pause_is_the_reason_at_once_and_its_waits_teach_nothing(lab: Lab) -> None:
    lab.foresight.start()
    job = await lab.submit()
    await lab.submit()
    scene = lab.store.history.scene
    await until(lambda: all(
        each.bound_s for each in scene(lab.computer.id, lab.computer.timeslots).queue))  # fmt: skip
    before = lab.foresight.waiting(job)

    await lab.desk.set_mode(lab.computer.id, Mode.PAUSED, "cooling down", by("machine.pause"))
    waiting, estimate = lab.foresight.waiting(job), lab.foresight.estimate(job)
    await until(lambda: not any(
        each.bound_s for each in scene(lab.computer.id, lab.computer.timeslots).queue))  # fmt: skip

    assert before is not None
    assert before.kind is WaitingKind.STARTING
    assert waiting is not None
    assert waiting.sentence == 'star5 is paused by bob: "cooling down"'
    assert estimate is not None
    assert estimate.start_p90_ns is None
    assert estimate.run_p90_s > 0


async def test_what_the_rack_says_is_the_reason(lab: Lab) -> None:
    job = await lab.submit()

    lab.set_rack(RackStatus(RackState.UNAVAILABLE, "awg1 does not answer"))
    waiting, estimate = lab.foresight.waiting(job), lab.foresight.estimate(job)
    lab.set_rack(RackStatus(RackState.READY))
    after = lab.foresight.waiting(job)

    assert waiting is not None
    assert (waiting.kind, waiting.sentence) == (WaitingKind.RACK, "awg1 does not answer")
    assert estimate is not None
    assert estimate.start_p50_ns is None
    assert after is not None
    assert after.kind is WaitingKind.STARTING


async def test_a_held_job_is_not_foretold(lab: Lab) -> None:
    job = await lab.submit()

    held = await lab.desk.hold(job.id, "not yet", Role.USER, by("job.hold"))
    waiting, estimate = lab.foresight.waiting(held), lab.foresight.estimate(held)

    assert waiting is not None
    assert waiting.sentence == 'it is held: "not yet"'
    assert estimate is not None
    assert estimate.start_p50_ns is None


async def test_a_slot_that_is_booked_is_the_reason_at_once(lab: Lab) -> None:
    job = await lab.submit()
    start_ns = lab.clock.now_ns
    slot = Booking(lab.computer.id, "bob", start_ns, start_ns + 7200 * S_NS, "")

    await lab.store.timeslots.book(slot, by("timeslot.book"))
    lab.changes.notify(("arrival", lab.computer.id))
    waiting, estimate = lab.foresight.waiting(job), lab.foresight.estimate(job)

    assert waiting is not None
    assert waiting.sentence == "bob has star5 until 14:00 UTC"
    assert estimate is not None
    assert estimate.start_p50_ns is not None
    assert estimate.start_p50_ns > start_ns + 300 * S_NS  # the slot is released some time


async def test_a_job_with_the_tag_of_a_calibration_is_named(lab: Lab) -> None:
    await lab.submit(tags=("calibration",))
    job = await lab.submit()
    await lab.start()

    waiting = lab.foresight.waiting(job)

    assert waiting is not None
    assert waiting.kind is WaitingKind.CALIBRATION


async def test_jobs_of_a_machine_that_is_gone_are_left_alone(lab: Lab) -> None:
    job = await lab.submit()
    stranger = replace(job, qc_id=QcId(job.id))

    assert lab.foresight.waiting(stranger) is None
    lab.foresight.note(replace(stranger, state=JobState.COMPLETED))
