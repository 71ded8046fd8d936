"""One rack process per quantum computer: started, watched, given jobs, stopped, killed, replaced.

A rack gets its instruments from the guard, which has made every output safe, and they go back to
the guard when the process ends or lets go of them after trouble.
A job is claimed only for a rack that is ready; until then it waits in the queue. Which one starts
is decided anew whenever queue, slots or mode change, and when the clock reaches the instant from
which on the last decision is void (labd.core.openings). What a process ran when it ended becomes
INTERRUPTED with the way it ended; the next jobs wait for the next process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from labd import pulse
from labd.changes import Watch
from labd.core.errors import Unavailable
from labd.core.flight import FlightRecord, exchanges, record_of
from labd.core.jobs import Job, JobId, JobState, JobType, QcId
from labd.core.log_fields import about
from labd.core.openings import S_NS, TimeslotRules
from labd.desk import Desk
from labd.guard.plan import Plan
from labd.guard_process import Guard
from labd.pulse import Pulse
from labd.rack import messages as rack
from labd.rack_process import PID_FILE, RackCommand, RackProcess, end_leftover
from labd.store.jobs import Ending
from labd.store.timeslots import Decision

CANCEL_PATIENCE_S = 5.0
STOP_PATIENCE_S = 8.0
"""For making the instruments safe and closing them."""
HURRY_PATIENCE_S = 0.5
STOP_LIMIT_S = 60.0
FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 30.0
HEALTHY_S = 30.0
"""A process that lived so long earns its successor a start without delay."""
STORAGE_RETRY_S = 1.0
CLOCK_STEP_S = 1.0
"""The clock is looked at so often while it decides: a slot is an appointment by the clock on the
wall, which may be set."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class RackState(StrEnum):
    """What a rack process is good for now."""

    STARTING = "starting"
    READY = "ready"
    UNAVAILABLE = "unavailable"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class RackStatus:
    """A rack as the daemon knows it. what: why it is not ready, as a sentence."""

    state: RackState
    what: str = ""
    instruments: tuple[rack.Instrument, ...] = ()


class _Running:
    """The job that the rack runs now, and the end that it will have."""

    def __init__(self, job: Job, watch: Watch) -> None:
        self.job = job
        self.is_cancel_sent = False
        self.shots_done = 0
        self.shots_total = 0
        self.ending: Ending | None = None
        self._watch = watch

    def end(self, ending: Ending) -> None:
        """The first end counts."""
        if self.ending is None:
            self.ending = ending
            self._watch.wake()


class Supervisor:
    """The keeper of one rack process."""

    def __init__(
        self,
        desk: Desk,
        command: RackCommand,
        guard: Guard,
        qc_id: QcId,
        rules: TimeslotRules,
        told: Callable[[str, RackStatus], None] | None = None,
    ) -> None:
        """told: of the alias and every status that is set."""
        self._told = told
        self.status = RackStatus(RackState.STARTING)
        self.has_reported = asyncio.Event()
        """Set once it is known what the rack is good for."""
        self._desk = desk
        self._command = command
        self._guard = guard
        self._fields = about(qc=command.name)
        self._qc_id = qc_id
        self._rules = rules
        self._work = desk.changes.watch(("arrival", qc_id))
        self._running: _Running | None = None
        self._process: RackProcess | None = None
        self._pulse = Pulse()
        self._is_outdated = False
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._granting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin keeping a process."""
        self._guard.start()
        self._task = asyncio.create_task(self._keep(), name=f"rack-{self._command.name}")

    @property
    def is_alive(self) -> bool:
        """Whether the process answers, or its successor is being seen to."""
        is_kept = self._task is None or not self._task.done() or self._stopping.is_set()
        return is_kept and self._pulse.is_alive

    def use(
        self, command: RackCommand, plan: Plan, rules: TimeslotRules, *, is_rack_changed: bool
    ) -> None:
        """Share by these rules from now on; with other files, open the rack again once it idles."""
        self._command, self._rules = command, rules
        if is_rack_changed:
            self._guard.use(plan)
        self._is_outdated = self._is_outdated or is_rack_changed
        self._work.wake()

    def progress(self, job_id: JobId) -> tuple[int, int]:
        """Shots done and shots in total of a job; (0, 0) when it does not run now."""
        running = self._running
        if running is None or running.job.id != job_id:
            return 0, 0
        return running.shots_done, running.shots_total

    @property
    def process(self) -> RackProcess | None:
        """The process that is kept now, if there is one."""
        return self._process

    async def stop(self, grace_s: float, hurry: asyncio.Event) -> None:
        """End the running job or interrupt it after the grace, then end the process. Idempotent.

        hurry: when it is set, nothing is waited for any longer than the instruments need.
        """
        self._stopping.set()
        self._work.wake()
        if self._task is None:
            return
        await _first_of(self._idle(), hurry, grace_s)
        if self._running is not None:
            self._running.end(
                Ending(
                    JobState.INTERRUPTED,
                    f"labd was stopped; it waits {grace_s:g} s for a job",
                    is_rack_busy=True,
                )
            )
        process = self._process
        if process is not None:
            process.send(rack.Shutdown())
            await _first_of(process.ended(STOP_PATIENCE_S), hurry, STOP_LIMIT_S)
            await process.ended(HURRY_PATIENCE_S)
        await self._task
        if not self._guard.is_safe:
            await self._make_safe()
        await self._guard.stop()

    async def _idle(self) -> None:
        while self._running is not None:
            with self._desk.changes.watch(("job", self._running.job.id)) as watch:
                await watch.wait()

    def _set_status(self, status: RackStatus) -> None:
        """Tell those who ask why and when jobs start, too."""
        self.status = status
        if status.state is not RackState.STARTING:
            self.has_reported.set()
        if self._told is not None:
            self._told(self._command.name, status)
        self._desk.changes.notify(("arrival", self._qc_id))

    # ---- the process

    async def _keep(self) -> None:
        note = self._command.directory / PID_FILE
        if await asyncio.to_thread(end_leftover, note):
            what = "rack %s: killed a process of an earlier labd"
            _log.warning(what, self._command.name, extra=self._fields)
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                why = await self._run_one()
            except OSError as error:
                why = f"the rack process cannot be started: {error}"
            if self._stopping.is_set():
                break
            if self._is_outdated:
                continue
            self._set_status(RackStatus(RackState.DEAD, why))
            _log.error("rack %s: %s", self._command.name, why, extra=self._fields)
            if time.monotonic() - started > HEALTHY_S:
                backoff_s = FIRST_BACKOFF_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    async def _run_one(self) -> str:
        """One process from start to end, with its jobs; returns how it ended."""
        self._set_status(RackStatus(RackState.STARTING))
        self._is_outdated = False
        process = await RackProcess.start(self._command)
        self._process = process
        self._pulse = Pulse()
        work = asyncio.create_task(self._run_jobs(process))
        feeling = asyncio.create_task(self._feel_pulse(process))
        self._granting = asyncio.create_task(self._grant(process))
        patience_s = 0.5
        try:
            async for message in process.received():
                self._pulse.heard()
                self._take(message)
                if isinstance(message, rack.Stopped):
                    patience_s = STOP_PATIENCE_S
        except rack.BadMessage as error:
            _log.error("rack %s: %s", self._command.name, error, extra=self._fields)
            process.kill()
        feeling.cancel()
        ended = await process.ended(patience_s)
        why = f"{self._silence()} and was killed" if self._pulse.is_silent else ended
        self._pulse = Pulse()
        self._process = None
        process.is_gone = True
        if self._running is not None:
            self._running.end(Ending(JobState.INTERRUPTED, f"{why} while the job was executing"))
        self._work.wake()
        await _ended(self._granting)
        safe = asyncio.create_task(self._make_safe())
        await work
        await safe
        return why

    async def _feel_pulse(self, process: RackProcess) -> None:
        """Ask for signs of life; a process that gives none any more is killed.

        If that does not end it either, systemd's watchdog is not fed any longer (is_alive).
        """
        felt = self._pulse
        while not felt.is_silent:
            process.send(rack.Ping())
            await asyncio.sleep(pulse.PING_EVERY_S)
            felt.turn()
        _log.error("rack %s: %s", self._command.name, self._silence())
        process.kill()

    def _silence(self) -> str:
        return f"the rack process gave no sign of life for {self._pulse.silence_s:g} s"

    async def _grant(self, process: RackProcess) -> None:
        """Give the instruments to the rack, once every output is safe."""
        backoff_s = FIRST_BACKOFF_S
        while problems := await self._make_safe():
            what = f"not every output is known to be safe: {'; '.join(problems)}"
            self._set_status(RackStatus(RackState.UNAVAILABLE, what))
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)
        self._guard.watch(process.pid)
        process.send(rack.Granted())

    async def _make_safe(self) -> tuple[str, ...]:
        """Have the guard do it, while no rack has the instruments; what is not safe."""
        problems = await self._guard.make_safe()
        for problem in problems:
            _log.error("rack %s: not known to be safe: %s", self._command.name, problem)
        return problems

    def _take(self, message: rack.Message) -> None:
        match message:
            case rack.Ready(instruments):
                self._set_status(RackStatus(RackState.READY, "", instruments))
                _log.info("rack %s: ready", self._command.name, extra=self._fields)
                self._work.wake()
            case rack.Unavailable(what):
                status = RackStatus(RackState.UNAVAILABLE, what)
                if status != self.status:
                    _log.warning("rack %s: %s", self._command.name, what, extra=self._fields)
                self._set_status(status)
            case rack.Released():
                if self._process is not None:
                    self._granting = asyncio.create_task(self._grant(self._process))
            case rack.Progress(job_id, done, total):
                running = self._running
                if running is not None and str(running.job.id) == job_id:
                    running.shots_done, running.shots_total = done, total
                    self._desk.changes.notify(("progress", running.job.id))
            case rack.Completed(job_id, timings_s):
                self._end(job_id, Ending(JobState.COMPLETED, timings_s=timings_s))
            case rack.Failed(job_id, error):
                self._end(job_id, Ending(JobState.FAILED, error))
            case rack.Cancelled(job_id):
                self._end(job_id, self._given_up())
            case _:
                pass

    def _given_up(self) -> Ending:
        if self._running is not None and self._running.is_cancel_sent:
            return Ending(JobState.CANCELLED, "cancelled while it was executing")
        return Ending(JobState.INTERRUPTED, "labd was stopped while the job was executing")

    def _end(self, job_id: str, ending: Ending) -> None:
        running = self._running
        if running is None or str(running.job.id) != job_id:
            fields = about(job=job_id, qc=self._command.name)
            what = "rack %s: spoke of job %s, not running"
            _log.warning(what, self._command.name, job_id, extra=fields)
            return
        result = self._desk.store.result_path(running.job.id)
        if ending.state is JobState.COMPLETED and not result.exists():
            ending = Ending(JobState.FAILED, "the rack finished the job but left no result")
        running.end(ending)

    # ---- jobs

    async def _run_jobs(self, process: RackProcess) -> None:
        with self._work as work:
            while not process.is_gone and not self._stopping.is_set():
                if self._is_outdated:
                    self._set_status(RackStatus(RackState.STARTING))
                    process.send(rack.Shutdown())
                    return
                decision = None
                if self.status.state is RackState.READY and not process.has_hung_up():
                    decision = await self._claim()
                if decision is None:
                    await work.wait()
                elif decision.job is None:
                    await until_due(work, decision, time.time_ns)
                else:
                    await self._run_job(process, decision.job)

    async def _claim(self) -> Decision | None:
        try:
            return await self._desk.claim_next(self._qc_id, self._rules)
        except Unavailable:
            asyncio.get_running_loop().call_later(STORAGE_RETRY_S, self._work.wake)
            return None

    async def _run_job(self, process: RackProcess, job: Job) -> None:
        with self._desk.changes.watch(("job", job.id)) as watch:
            running = _Running(job, watch)
            self._running = running
            began_ns = time.monotonic_ns()
            if process.is_gone:
                running.end(Ending(JobState.INTERRUPTED, "the rack process ended before the job"))
            try:
                process.send(self._order(job))
            except (OSError, sqlite3.Error) as error:
                running.end(Ending(JobState.FAILED, f"the payload cannot be read: {error}"))
            ending = await self._ending_of(process, running, watch)
        if ending.state is not JobState.COMPLETED:
            ending = replace(ending, flight=await asyncio.to_thread(_flight, process, began_ns))
        await self._record(job, ending)
        self._running = None
        self._desk.changes.notify(("progress", job.id), ("job", job.id))

    def _order(self, job: Job) -> rack.Run:
        payload = self._desk.store.payload(job)
        if isinstance(payload, bytes):
            path = self._command.directory / "payload.bin"
            path.write_bytes(payload)
        else:
            path = payload
        return rack.Run(
            str(job.id),
            str(path),
            str(self._desk.store.result_path(job.id)),
            job.job_type.value,
            self._calibration_path(job),
        )

    def _calibration_path(self, job: Job) -> str:
        """The document of a circuit job's set, written where the rack can read it."""
        if job.job_type is not JobType.CIRCUIT or job.calibration_set_id is None:
            return ""
        path = self._command.directory / "calibration.json"
        observations = self._desk.store.calibration_sets.observations(job.calibration_set_id)
        path.write_text(f'{{"observations": {observations}}}', encoding="utf-8")
        return str(path)

    async def _ending_of(self, process: RackProcess, running: _Running, watch: Watch) -> Ending:
        """How the job ended, with a cancel passed on to the rack and enforced."""
        deadline = None
        while running.ending is None:
            if deadline is None and self._is_cancel_wanted(running, watch):
                running.is_cancel_sent = True
                process.send(rack.Cancel(str(running.job.id)))
                deadline = time.monotonic() + CANCEL_PATIENCE_S
            await watch.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if deadline is not None and time.monotonic() >= deadline and running.ending is None:
                process.kill()
                what = f"cancelled; the rack did not answer for {CANCEL_PATIENCE_S:g} s"
                running.end(Ending(JobState.CANCELLED, f"{what} and its process was killed"))
        return running.ending

    def _is_cancel_wanted(self, running: _Running, watch: Watch) -> bool:
        try:
            record = self._desk.store.job_record(running.job.id)
        except sqlite3.Error as error:
            _log.error("job %s: its record cannot be read: %s", running.job.id, error)
            asyncio.get_running_loop().call_later(STORAGE_RETRY_S, watch.wake)
            return False
        return record is None or record.cancel_requested_at_ns is not None

    async def _record(self, job: Job, ending: Ending) -> None:
        """Write the end down; where the storage refuses, again until it does not."""
        while True:
            try:
                await self._desk.end(job.id, ending)
            except Unavailable as error:
                fields = about(job=job.id, qc=self._command.name, user=job.submitted_by)
                _log.error("job %s: its end is not recorded yet: %s", job.id, error, extra=fields)
                if self._stopping.is_set():
                    return
                await asyncio.sleep(STORAGE_RETRY_S)
            else:
                return


def _flight(process: RackProcess, began_ns: int) -> FlightRecord | None:
    """What was said to the instruments from that instant of the monotonic clock on."""
    found = exchanges(process.flight(), began_ns)
    return record_of(found, time.time_ns() - time.monotonic_ns()) if found else None


async def until_due(work: Watch, decision: Decision, clock_ns: Callable[[], int]) -> None:
    """Wait for news, or until the clock alone has changed what may start."""
    due_ns = decision.next_change_ns
    while due_ns is None or decision.at_ns <= clock_ns() < due_ns:
        left_s = None if due_ns is None else max(0.0, (due_ns - clock_ns()) / S_NS)
        if await work.wait(None if left_s is None else min(left_s, CLOCK_STEP_S)):
            return


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel it, and wait until it is over."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _first_of(work: Coroutine[None, None, T], hurry: asyncio.Event, limit_s: float) -> None:
    """Wait until the work is done, or the hurry is set, or the time is over."""
    tasks = {asyncio.ensure_future(work), asyncio.ensure_future(hurry.wait())}
    _, pending = await asyncio.wait(tasks, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


def private_directory(run: Path, alias: str) -> Path:
    """The working directory of a quantum computer's rack process, made if need be."""
    path = run / alias
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
