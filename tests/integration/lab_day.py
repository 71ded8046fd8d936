"""A day of a lab in simulated time: the real store, desk and services; the rack is a duration.

What happens is drawn from a seed: ten users hand in a thousand jobs with and without slots, some
against their limits; slots are booked, moved and cancelled; jobs are cancelled, held and raised;
the machine is paused and drained; labd is killed and started again. Time goes from event to event.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from labd.audit_trail import AuditTrail
from labd.changes import Changes
from labd.circuit_stations import CircuitStations
from labd.config import Config, read_config
from labd.core.access import Role, User, reach
from labd.core.errors import Refusal
from labd.core.jobs import Job, JobState, QcId
from labd.desk import Desk
from labd.foresight import Foresight
from labd.guard_process import Guard, GuardCommand
from labd.identity import Caller
from labd.rack_process import RackCommand
from labd.rack_status import RackState, RackStatus
from labd.rpc.acceptance import Acceptance
from labd.rpc.intake import Intake
from labd.rpc.jobs import Jobs
from labd.rpc.lab_jobs import LabJobs
from labd.rpc.lab_limits import LabLimits
from labd.rpc.lab_machine import LabMachine
from labd.rpc.lab_timeslots import LabTimeslots
from labd.rpc.laboratory import Laboratory
from labd.store.jobs import Ending
from labd.store.store import Store
from labd.supervisor import Supervisor
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2 as lab
from labd.wire import sweep_pb2

ROOT = Path(__file__).parents[2]
BELL = (ROOT / "tests" / "data" / "payloads" / "bell.sweep.bin").read_bytes()
MIDNIGHT_NS = 1_774_738_800 * 10**9  # the night in which Europe's clocks go forward
HOUR_S, MINUTE_S, SECOND_NS = 3600.0, 60.0, 10**9
USERS = tuple(f"user{i}" for i in range(10))
QUEUED_JOBS = 12
IDLE_RELEASE_S = 600.0


class _Context:
    """What a method may ask of a call; nobody is at the other end."""

    def peer(self) -> str:
        return ""

    def invocation_metadata(self) -> None:
        return None


CONTEXT = _Context()


@dataclass
class Clock:
    now_ns: int = MIDNIGHT_NS

    def __call__(self) -> int:
        return self.now_ns


class OpenLab:
    """labd from one start to the next kill, without processes and sockets."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._clock = clock
        self.store = Store.open(config.server.state_dir, clock_ns=clock)
        (computer,) = config.quantum_computers
        self.store.put_quantum_computer(computer.id, computer.alias, computer.display_name)
        self.computer = computer
        self.interrupted = self.store.recover()
        self.trail = AuditTrail(self.store.audit, clock)
        self.trail.begin("simulated")
        changes = Changes()
        supervisors: dict[QcId, Supervisor] = {}
        self.foresight = Foresight(
            (computer,), self.store.history, changes, supervisors, self.store.shortage
        )
        self.desk = Desk(self.store, changes, self.foresight.note)
        directory = self.store.directory.run
        command = RackCommand(
            computer.alias,
            computer.station_path,
            computer.wiring_path,
            computer.chip_path,
            0,
            directory,
        )
        guard = Guard(GuardCommand(computer.alias, directory, ()))
        supervisor = Supervisor(self.desk, command, guard, computer.id, computer.timeslots)
        supervisor.status = RackStatus(RackState.READY)
        supervisors[computer.id] = supervisor
        self.intake = Intake(config.limits, CircuitStations(self.store.calibration_sets))
        laboratory = Laboratory(config, self.desk, supervisors, self.foresight)
        acceptance = Acceptance(laboratory, self.intake)
        self.jobs = Jobs(laboratory, acceptance)
        self.lab_jobs = LabJobs(laboratory, acceptance)
        self.limits = LabLimits(laboratory)
        self.machine = LabMachine(laboratory)
        self.timeslots = LabTimeslots(laboratory)
        self.foresight.start()

    async def close(self) -> None:
        await self.foresight.stop()
        self.intake.close()
        self.store.close()


@dataclass
class Running:
    job: Job
    ends_ns: int
    ending: JobState


class Day:
    """The script and its state."""

    def __init__(self, folder: Path, seed: int, n_jobs: int) -> None:
        self._random = random.Random(seed)
        self._config = _config(folder)
        self.database = self._config.server.state_dir / "labd.db"
        self._clock = Clock()
        self._n_jobs = n_jobs
        self._agenda: list[tuple[int, int, Callable[[], Awaitable[None]]]] = []
        self._count = itertools.count()
        self._running: Running | None = None
        self._lab: OpenLab
        self._users: dict[str, User] = {}
        self._known: list[tuple[str, iqm.JobV1]] = []
        self._slots: list[tuple[str, lab.Timeslot]] = []
        self.refused: Counter[str] = Counter()
        self.done: Counter[str] = Counter()

    # ---- the run

    async def run(self) -> None:
        """From midnight until everything has ended."""
        self._lab = OpenLab(self._config, self._clock)
        self._enrol()
        self._plan()
        while self._agenda:
            at_ns, _, act = heapq.heappop(self._agenda)
            self._clock.now_ns = max(self._clock.now_ns, at_ns)
            await act()
            await self._claim()
        await self._lab.close()

    def _at(self, at_ns: int, act: Callable[[], Awaitable[None]]) -> None:
        heapq.heappush(self._agenda, (at_ns, next(self._count), act))

    def _hour(self, hour: float) -> int:
        return MIDNIGHT_NS + round(hour * HOUR_S * SECOND_NS)

    async def _claim(self) -> None:
        """As the supervisor does: again after every event, and when time changes something."""
        if self._running is not None:
            return
        decision = await self._lab.desk.claim_next(
            self._lab.computer.id, self._lab.computer.timeslots
        )
        if decision.job is None:
            if decision.next_change_ns is not None:
                self._at(decision.next_change_ns, self._nothing)
            return
        run_s = self._run_s(decision.job)
        ending = JobState.FAILED if self._random.random() < 0.02 else JobState.COMPLETED
        ends_ns = self._clock.now_ns + round(run_s * SECOND_NS)
        running = Running(decision.job, ends_ns, ending)
        self._running = running
        self._at(ends_ns, lambda: self._end(running))

    async def _nothing(self) -> None:
        """Time has passed."""

    def _run_s(self, job: Job) -> float:
        payload = self._lab.store.payload(job)
        assert isinstance(payload, bytes)
        task = sweep_pb2.SweepTaskRequest.FromString(payload)
        usual_s = float(task.queue_name.rpartition(" ")[2])
        return usual_s * self._random.lognormvariate(0.0, 0.1)

    async def _end(self, running: Running) -> None:
        if self._running is not running:
            return
        self._running = None
        record = self._lab.store.job_record(running.job.id)
        assert record is not None
        if record.cancel_requested_at_ns is not None:
            ending = Ending(JobState.CANCELLED, "cancelled while it was executing")
        elif running.ending is JobState.FAILED:
            ending = Ending(JobState.FAILED, "awg1, while playing: it caught fire")
        else:
            self._lab.store.result_path(running.job.id).write_bytes(bytes(1000))
            ending = Ending(JobState.COMPLETED, timings_s={"run": 1.0})
        await self._lab.desk.end(running.job.id, ending)
        self.done[ending.state.value] += 1

    # ---- the script

    def _enrol(self) -> None:
        for index, name in enumerate(("root", "operator", *USERS)):
            role = {"root": Role.ADMIN, "operator": Role.OPERATOR}.get(name, Role.USER)
            self._users[name] = self._lab.store.ensure_local_user(index, name, role)

    def _plan(self) -> None:
        draw = self._random
        for owner, start, end in [
            ("user0", 2.0, 3.5),
            ("user1", 3.5, 4.0),
            ("user1", 4.0, 5.0),
            ("user2", 8.0, 10.0),
            ("user3", 12.0, 13.0),
            ("user4", 15.0, 18.0),
            ("user5", 17.0, 19.0),
            ("user5", 19.0, 20.0),
        ]:
            self._at(self._hour(draw.uniform(0.0, 1.5)), self._booking(owner, start, end))
        self._at(self._hour(8.9), self._cut_slot_short)
        self._at(self._hour(11.0), self._move_slot)
        for hour, act in [
            (6.0, self._machine("PauseMachine", "helium is topped up")),
            (6.5, self._machine("ResumeMachine", "")),
            (10.5, self._machine("DrainMachine", "a new AWG")),
            (11.2, self._machine("ResumeMachine", "")),
            (14.0, self._kill),
            (21.0, self._kill),
        ]:
            self._at(self._hour(hour), act)
        for number in range(self._n_jobs):
            burst = draw.choice([0.2, 1.0, 2.5, 4.2, 7.0, 8.2, 9.5, 12.1, 15.5, 16.0, 19.2, 21.5])
            hour = burst + draw.expovariate(1 / 0.4) if draw.random() < 0.5 else draw.uniform(0, 23)
            user = draw.choice((*USERS, "user0", "user0", "user1", "operator"))
            self._at(self._hour(hour), self._submission(user, number))
        for _ in range(self._n_jobs // 12):
            self._at(self._hour(draw.uniform(0.5, 23)), self._cancel_one)
        for _ in range(self._n_jobs // 40):
            self._at(self._hour(draw.uniform(0.5, 22)), self._hold_one)
            self._at(self._hour(draw.uniform(0.5, 22)), self._raise_one)

    def _submission(self, user: str, number: int) -> Callable[[], Awaitable[None]]:
        kind_s = self._random.choice([5.0, 20.0, 60.0, 60.0, 180.0])
        with_slot = self._random.random() < 0.15
        priority = "LOW" if self._random.random() < 0.1 else "NORMAL"

        async def act() -> None:
            task = sweep_pb2.SweepTaskRequest.FromString(BELL)
            task.queue_name = f"simulated {kind_s}"
            request = lab.SubmitJobRequest(
                job=iqm.SubmitJobRequestV1(
                    qc_id=iqm.Uuid(raw=self._lab.computer.id.bytes),
                    type=iqm.PULSE,
                    payload=task.SerializeToString(),
                    use_timeslot=with_slot,
                ),
                idempotency_key=f"job {number}",
                tags=[f"kind {kind_s:g}"],
                priority=priority,
            )
            caller = self._caller(user, "labd.v1.Lab/SubmitJob")
            with self._refusals():
                details = await self._lab.lab_jobs.submit(request, caller, CONTEXT)
                self._known.append((user, details.summary.job))

        return act

    def _booking(self, owner: str, start: float, end: float) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            request = lab.BookTimeslotRequest(
                user=owner, start=_stamp(self._hour(start)), end=_stamp(self._hour(end))
            )
            caller = self._caller("root", "labd.v1.Lab/BookTimeslot")
            with self._refusals():
                slot = await self._lab.timeslots.book(request, caller, CONTEXT)
                self._slots.append((owner, slot))

        return act

    async def _cut_slot_short(self) -> None:
        """user2 needs no more of his slot."""
        slot = next(slot for owner, slot in self._slots if owner == "user2")
        caller = self._caller("user2", "labd.v1.Lab/CancelTimeslot")
        with self._refusals():
            await self._lab.timeslots.cancel(lab.CancelTimeslotRequest(id=slot.id), caller, CONTEXT)

    async def _move_slot(self) -> None:
        """user3 begins later."""
        slot = next(slot for owner, slot in self._slots if owner == "user3")
        request = lab.ChangeTimeslotRequest(id=slot.id, start=_stamp(self._hour(12.25)))
        caller = self._caller("root", "labd.v1.Lab/ChangeTimeslot")
        with self._refusals():
            await self._lab.timeslots.change(request, caller, CONTEXT)

    def _machine(self, method: str, note: str) -> Callable[[], Awaitable[None]]:
        async def act() -> None:
            name = method.removesuffix("Machine").lower()
            caller = self._caller("operator", f"labd.v1.Lab/{method}")
            request = lab.MachineRequest(alias="star5", note=note)
            await getattr(self._lab.machine, name)(request, caller, CONTEXT)

        return act

    async def _kill(self) -> None:
        """labd dies and comes back: what ran is INTERRUPTED, the queue goes on."""
        await self._lab.close()
        self._running = None
        self._clock.now_ns += 2 * SECOND_NS
        self._lab = OpenLab(self._config, self._clock)
        self.done["INTERRUPTED"] += len(self._lab.interrupted)

    async def _cancel_one(self) -> None:
        if self._known:
            user, job = self._random.choice(self._known[-60:])
            caller = self._caller(user, "iqm.server.Jobs/CancelJobV1")
            with self._refusals():
                cancelled = await self._lab.jobs.cancel(iqm.JobLookupV1(id=job.id), caller, CONTEXT)
                if cancelled.status == iqm.CANCELLED:
                    self.done["CANCELLED"] += 1

    async def _hold_one(self) -> None:
        if self._known:
            user, job = self._random.choice(self._known[-20:])
            caller = self._caller(user, "labd.v1.Lab/HoldJob")
            with self._refusals():
                await self._lab.lab_jobs.hold(
                    lab.HoldJobRequest(id=job.id, note="wait"), caller, CONTEXT
                )
                after_ns = round(self._random.uniform(1, 60) * MINUTE_S * SECOND_NS)
                self._at(self._clock.now_ns + after_ns, lambda: self._release(user, job))

    async def _release(self, user: str, job: iqm.JobV1) -> None:
        caller = self._caller(user, "labd.v1.Lab/ReleaseJob")
        with self._refusals():
            await self._lab.lab_jobs.release(iqm.JobLookupV1(id=job.id), caller, CONTEXT)

    async def _raise_one(self) -> None:
        if self._known:
            _, job = self._random.choice(self._known[-20:])
            caller = self._caller("operator", "labd.v1.Lab/SetPriority")
            with self._refusals():
                await self._lab.lab_jobs.set_priority(
                    lab.SetPriorityRequest(id=job.id, priority=lab.HIGH), caller, CONTEXT
                )

    # ---- helpers

    def _caller(self, name: str, method: str) -> Caller:
        user = self._users[name]
        return Caller(user, f"uid {user.id}", "simulated", reach(method, user.role))

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except Refusal as refusal:
            self.refused[refusal.error_code] += 1


def _stamp(at_ns: int) -> Timestamp:
    return Timestamp(seconds=at_ns // SECOND_NS)


def _config(folder: Path) -> Config:
    """The shipped configuration with a limit and in a folder of its own."""
    import shutil

    path = Path(shutil.copytree(ROOT / "config", folder / "config")) / "labd.toml"
    text = path.read_text().replace("#queued_jobs = 1000 ", f"queued_jobs = {QUEUED_JOBS} ")
    path.write_text(text)
    return read_config(path, state_dir=folder / "state")
