"""What labd foresees: how long jobs run, when they start, why they wait.

One estimator and one experience per quantum computer, filled from the store at the start, taught by
every job that starts or ends. A new job's run time is foretold before it is stored, in a look-up;
its start shortly after, together with its neighbours', so that handing in stays quick however long
the queue is. Both are recorded with the job: forecasts are judged by what was said then.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from labd.changes import Changes
from labd.config import QuantumComputer
from labd.core.errors import Unavailable
from labd.core.estimate import Estimator, RunEstimate, remaining
from labd.core.experience import Correction, Crowd, Experience, Outcome, bound_s
from labd.core.forecast import Foreseen, Underway, foresee
from labd.core.jobs import Job, JobId, JobState, JobType, QcId
from labd.core.openings import S_NS, Mode
from labd.core.waiting import Station, Waiting, WaitingKind, waiting
from labd.rack_status import RackState, RackStatus
from labd.store.history import Foretold, History, Queued, Scene
from labd.store.space import Shortage
from labd.supervisor import Supervisor

N_REMEMBERED = 2000
PAUSE_S = 0.2
"""Between two recordings of forecasts."""
SHARE = 1 / 50
"""At most so much of the daemon's time goes into recording forecasts."""
FRESH_S = 1.0
"""So long a view serves while the queue does not change."""
N_SMALL = 200
REUSE = 20
"""That of a longer queue serves REUSE times as long as it took to make, whatever changes."""
RETRY_S = 5.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Estimate:
    """When a queued job starts, and how long it runs. start_*: None where nothing can be said."""

    start_p50_ns: int | None
    start_p90_ns: int | None
    run_p50_s: float
    run_p90_s: float


@dataclass(frozen=True, slots=True)
class _View:
    """A queue as it was foreseen at an instant. places: of the jobs in the queue and in waits."""

    scene: Scene
    station: Station
    corrections: Mapping[Crowd, Correction]
    waits: Sequence[Foreseen | None]
    places: Mapping[JobId, int]
    generation: tuple[int, int]
    made_at_s: float
    cost_s: float

    def serves(self, generation: tuple[int, int], job_id: JobId) -> bool:
        """Whether it may still be shown to one who asks for that job."""
        age_s = time.monotonic() - self.made_at_s
        if len(self.places) > N_SMALL and age_s < REUSE * self.cost_s:
            return True
        return self.generation == generation and age_s < FRESH_S and job_id in self.places


class _Machine:
    """One quantum computer's part."""

    def __init__(
        self,
        computer: QuantumComputer,
        history: History,
        changes: Changes,
        supervisors: Mapping[QcId, Supervisor],
    ) -> None:
        self._computer = computer
        self._history = history
        self._changes = changes
        self._supervisors = supervisors
        self._view: _View | None = None
        past = history.past(computer.id, N_REMEMBERED)
        self.estimator = Estimator(each.run for each in past if each.run is not None)
        self.experience = Experience(each.outcome for each in past if each.outcome is not None)

    def use(self, computer: QuantumComputer) -> None:
        """Foresee for this one, which has the id it had."""
        self._computer = computer
        self._view = None

    def view_of(self, job_id: JobId) -> _View:
        """A view that serves for that job; that of a long queue may not know it yet."""
        generation = self._generation()
        if self._view is None or not self._view.serves(generation, job_id):
            self._view = self.look()
        return self._view

    def _generation(self) -> tuple[int, int]:
        qc_id = self._computer.id
        return self._changes.queue_generation(qc_id), self._changes.arrival_generation(qc_id)

    def look(self) -> _View:
        """The queue as it is foreseen now."""
        started_s = time.monotonic()
        generation = self._generation()
        scene = self._history.scene(self._computer.id, self._computer.timeslots)
        supervisor = self._supervisors[self._computer.id]
        return _View(
            scene=scene,
            station=_station(self._computer.alias, scene, supervisor.status),
            corrections=self.experience.corrections(_pending(scene)),
            waits=_foresee(scene, supervisor),
            places={queued.id: place for place, queued in enumerate(scene.queue)},
            generation=generation,
            made_at_s=started_s,
            cost_s=time.monotonic() - started_s,
        )

    async def keep_record(self) -> None:
        """Record the forecasts of those who came, for ever."""
        with self._changes.watch(("arrival", self._computer.id)) as watch:
            while True:
                try:
                    view = self._view = self.look()
                    await self._record(view)
                except (Unavailable, sqlite3.Error) as error:
                    _log.warning("forecasts are not recorded: %s", error)
                    await asyncio.sleep(RETRY_S)
                    continue
                await asyncio.sleep(max(PAUSE_S, view.cost_s / SHARE))
                await watch.wait()

    async def _record(self, view: _View) -> None:
        """Record first forecasts; let waits that are held up teach nothing."""
        queue = view.scene.queue
        is_paused = view.scene.situation.mode is Mode.PAUSED
        is_held_up = is_paused or view.station.rack_trouble is not None
        void = [
            each.id
            for each in queue
            if each.bound_s is not None and (is_held_up or each.standing.candidate.is_held)
        ]
        if void:
            await self._history.void(void)
        new = [
            _foretold(view, queued, foreseen)
            for queued, foreseen in zip(queue, view.waits, strict=True)
            if foreseen is not None and not queued.is_foretold
        ]
        if new and not is_held_up:
            await self._history.foretell(new)


class Foresight:
    """Estimates, forecasts and reasons for all quantum computers.

    supervisors: keepers of the racks by id; they may be filled in after the making.
    """

    def __init__(
        self,
        computers: Sequence[QuantumComputer],
        history: History,
        changes: Changes,
        supervisors: Mapping[QcId, Supervisor],
        shortage: Callable[[JobId], Shortage | None],
    ) -> None:
        """shortage: why a queued job finds no room on the disk."""
        self._shortage = shortage
        self._history = history
        self._machines = {
            computer.id: _Machine(computer, history, changes, supervisors) for computer in computers
        }
        self._tasks: list[asyncio.Task[None]] = []

    def use(self, computers: Sequence[QuantumComputer]) -> None:
        """Their timeslots may be shared by other rules now."""
        for computer in computers:
            self._machines[computer.id].use(computer)

    def start(self) -> None:
        """Begin recording forecasts."""
        self._tasks = [
            asyncio.create_task(machine.keep_record(), name="foresight")
            for machine in self._machines.values()
        ]

    async def stop(self) -> None:
        """End it. Idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def run(self, qc_id: QcId, kind: str, playing_s: float, job_type: JobType) -> RunEstimate:
        """How long a job that is handed in now is expected to run."""
        return self._machines[qc_id].estimator.run(kind, playing_s, job_type)

    def note(self, job: Job) -> None:
        """Learn from a job that started or ended just now."""
        machine = self._machines.get(job.qc_id)
        if machine is None or job.state is JobState.IN_QUEUE:
            return
        past = self._history.past_of(job.id)
        if job.state is JobState.EXECUTING or job.started_at_ns is None:
            if past.outcome is not None:
                machine.experience.learn(past.outcome)
        elif past.run is not None:
            machine.estimator.learn(past.run)

    def waiting(self, job: Job) -> Waiting | None:
        """Why a queued job waits; None when it does not (any more)."""
        found = self._find(job)
        if found is None:
            return None
        view, queued, foreseen = found
        candidate = replace(queued.standing.candidate, is_held=job.hold_note is not None)
        n_before = 0 if foreseen is None else foreseen.n_before
        reason = waiting(candidate, job.hold_note, n_before, view.scene.situation, view.station)
        if reason.kind in (WaitingKind.STARTING, WaitingKind.JOBS_BEFORE):
            shortage = self._shortage(job.id)
            if shortage is not None:
                return Waiting(WaitingKind.DISK, str(shortage))
        return reason

    def estimate(self, job: Job) -> Estimate | None:
        """When a queued job starts and how long it runs; None when it is not queued (any more)."""
        found = self._find(job)
        if found is None:
            return None
        view, queued, foreseen = found
        run = queued.standing.run
        is_stuck = view.station.rack_trouble is not None or job.hold_note is not None
        if foreseen is None or is_stuck:
            return Estimate(None, None, run.p50_s, run.p90_s)
        p50_ns, p90_ns = _starts_ns(view, queued, foreseen)
        return Estimate(p50_ns, p90_ns, run.p50_s, run.p90_s)

    def _find(self, job: Job) -> tuple[_View, Queued, Foreseen | None] | None:
        machine = self._machines.get(job.qc_id)
        if machine is None or job.state is not JobState.IN_QUEUE:
            return None
        view = machine.view_of(job.id)
        place = view.places.get(job.id)
        return None if place is None else (view, view.scene.queue[place], view.waits[place])


def _station(alias: str, scene: Scene, rack: RackStatus) -> Station:
    running = scene.running
    return Station(
        alias=alias,
        rack_trouble=_trouble(alias, rack),
        paused_by=scene.machine.by,
        pause_note=scene.machine.note,
        is_busy=running is not None,
        is_calibrating=running is not None and running.is_calibration,
    )


def _trouble(alias: str, rack: RackStatus) -> str | None:
    match rack.state:
        case RackState.READY:
            return None
        case RackState.STARTING:
            return f"the instruments of {alias} are being opened"
        case RackState.UNAVAILABLE:
            return rack.what or f"the instruments of {alias} are not available"
        case RackState.DEAD:
            return f"the rack of {alias} is being started again: {rack.what}"
        case _:
            assert_never(rack.state)


def _pending(scene: Scene) -> list[Outcome]:
    """The waits that go on, the eldest first."""
    now_ns = scene.situation.now_ns
    return [
        Outcome(
            each.crowd,
            each.standing.candidate.user_id,
            each.bound_s,
            (now_ns - each.created_ns) / S_NS,
            has_started=False,
        )
        for each in sorted(scene.queue, key=lambda each: each.created_ns)
        if each.bound_s is not None
    ]


def _foresee(scene: Scene, supervisor: Supervisor) -> tuple[Foreseen | None, ...]:
    queue = [each.standing for each in scene.queue]
    return foresee(scene.situation, _underway(scene, supervisor), queue)


def _underway(scene: Scene, supervisor: Supervisor) -> Underway | None:
    running = scene.running
    if running is None:
        return None
    elapsed_s = (scene.situation.now_ns - running.started_ns) / S_NS
    done, total = supervisor.progress(running.id)
    return Underway(
        running.user_id, remaining(running.run, elapsed_s, done / total if total else 0.0)
    )


def _starts_ns(view: _View, queued: Queued, foreseen: Foreseen) -> tuple[int, int]:
    """p50 and p90 of a start."""
    now_ns = view.scene.situation.now_ns
    p50_s, p90_s = view.corrections[queued.crowd].waits_s(foreseen)
    return now_ns + round(p50_s * S_NS), now_ns + round(p90_s * S_NS)


def _foretold(view: _View, queued: Queued, foreseen: Foreseen) -> Foretold:
    p50_ns, p90_ns = _starts_ns(view, queued, foreseen)
    waited_s = max(0.0, (view.scene.situation.now_ns - queued.created_ns) / S_NS)
    return Foretold(queued.id, p50_ns, p90_ns, waited_s + bound_s(foreseen))
