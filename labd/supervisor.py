"""One rack process per quantum computer: started, watched, given jobs, stopped, killed, replaced.

A rack gets its instruments from the guard, which has made every output safe, and they go back to
the guard when the process ends or lets go of them after trouble. When the rack may have them again
is decided by how its instruments are (labd.core.health), which is remembered here: the supervisor
outlives its processes. Jobs are labd.job_runner's; what a process ran when it ended becomes FAILED
where it crashed or hung, INTERRUPTED where somebody ended it; the next jobs wait for the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Final, TypeVar

from labd import pulse
from labd.core.blame import overdue, overdue_text
from labd.core.flight import Call
from labd.core.health import LONGEST_QUARANTINE_S, S_NS, HealthBook, retry_sentence
from labd.core.jobs import JobId, JobState, QcId
from labd.core.log_fields import about
from labd.core.openings import TimeslotRules
from labd.desk import Desk
from labd.guard.plan import Plan, Unsafe
from labd.guard_process import Guard
from labd.job_runner import JobRunner
from labd.left_behind import RACK_NOTE, RACK_PATIENCE_S, end_leftover
from labd.pulse import Pulse
from labd.rack import messages as rack
from labd.rack.last_settings import LAST_SETTINGS_FILE
from labd.rack_process import RackCommand, RackProcess
from labd.rack_status import RackState, RackStatus
from labd.store.jobs import Ending

STOP_PATIENCE_S: Final = 8.0
"""For making the instruments safe and closing them."""
HURRY_PATIENCE_S: Final = 0.5
STOP_LIMIT_S: Final = 60.0
FIRST_BACKOFF_S: Final = 0.2
LONGEST_BACKOFF_S: Final = 30.0
SAFE_RETRY_S: Final = 0.5
HEALTHY_S: Final = 30.0
"""A process that lived so long, or completed a job, earns its successor a start without delay."""
OVERDUE_S: Final = 10.0
"""A driver that has not come back so long after its time-out hangs; sooner, where a station's
patience with jobs is less."""
HANG_UP_PATIENCE_S: Final = 2.0
"""For the end of a process that says nothing any more."""
OPENING_LIMIT_S = 180.0
"""For opening and setting up all instruments, once they are granted; longer than the rack's own."""

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Supervisor:
    """The keeper of one rack process. instruments: the names of its station's."""

    def __init__(
        self,
        desk: Desk,
        command: RackCommand,
        guard: Guard,
        qc_id: QcId,
        rules: TimeslotRules,
        instruments: Sequence[str] = (),
        told: Callable[[str, RackStatus], None] | None = None,
    ) -> None:
        """told: of the alias and every status that is set."""
        self._told = told
        self._health = HealthBook(instruments)
        self.status = RackStatus(RackState.STARTING, health=self._health.conditions)
        self.has_reported = asyncio.Event()
        """Set once it is known what the rack is good for."""
        self._desk = desk
        self._command = command
        self._guard = guard
        self._fields = about(qc=command.name)
        self._qc_id = qc_id
        self._runner = JobRunner(desk, qc_id, command, rules, self._blame)
        self._process: RackProcess | None = None
        self._known: tuple[rack.Instrument, ...] = ()
        self._pulse = Pulse()
        self._verdict = ""
        self._is_hanging = False
        self._granted_s: float | None = None
        self._unsafe: tuple[Unsafe, ...] = ()
        self._n_vain_openings = 0
        self._has_served = False
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

    @property
    def process(self) -> RackProcess | None:
        """The process that is kept now, if there is one."""
        return self._process

    def use(
        self,
        command: RackCommand,
        plan: Plan,
        rules: TimeslotRules,
        instruments: Sequence[str],
        *,
        is_rack_changed: bool,
    ) -> None:
        """Share by these rules from now on; with other files, open the rack again once it idles."""
        self._command = command
        if is_rack_changed:
            self._guard.use(plan)
            self._health.use(instruments)
            self._known = ()
        self._is_outdated = self._is_outdated or is_rack_changed
        self._runner.use(command, rules)

    def progress(self, job_id: JobId) -> tuple[int, int]:
        """Shots done and shots in total of a job; (0, 0) when it does not run now."""
        return self._runner.progress(job_id)

    async def stop(self, grace_s: float, hurry: asyncio.Event) -> None:
        """End the running job or interrupt it after the grace, then end the process. Idempotent.

        hurry: when it is set, nothing is waited for any longer than the instruments need.
        """
        self._stopping.set()
        self._runner.stop()
        if self._task is None:
            return
        await _first_of(self._runner.idle(), hurry, grace_s)
        if self._runner.running is not None:
            self._runner.running.end(
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
        await self._runner.stopped()
        if not self._guard.is_safe:
            await self._make_safe()
        await self._guard.stop()

    # ---- how the rack is

    def _set_status(self, state: RackState, what: str = "") -> None:
        """Tell those who ask why and when jobs start, too."""
        instruments = self._known if state is RackState.READY else ()
        self.status = RackStatus(state, what, instruments, self._health.conditions)
        if state is not RackState.STARTING:
            self.has_reported.set()
        if self._told is not None:
            self._told(self._command.name, self.status)
        self._desk.changes.notify(("arrival", self._qc_id))

    def _refresh(self) -> None:
        """Show how the instruments are now."""
        self.status = RackStatus(
            self.status.state, self.status.what, self.status.instruments, self._health.conditions
        )

    def _blame(self, instrument: str, what: str) -> None:
        fields = about(qc=self._command.name, instrument=instrument)
        _log.error("rack %s: %s: %s", self._command.name, instrument, what, extra=fields)
        self._health.faulted(instrument, what, time.time_ns())
        self._refresh()

    # ---- the process

    async def _keep(self) -> None:
        note = self._command.directory / RACK_NOTE
        if await asyncio.to_thread(end_leftover, note, RACK_PATIENCE_S):
            what = "rack %s: killed a process of an earlier labd"
            _log.warning(what, self._command.name, extra=self._fields)
        has_forgotten = False
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                if not has_forgotten:
                    # What holds after a start is the safe values; people may have changed what
                    # stands behind.
                    (self._command.directory / LAST_SETTINGS_FILE).unlink(missing_ok=True)
                    has_forgotten = True
                why = await self._run_one()
            except OSError as error:
                why = f"the rack process cannot be started: {error}"
            if self._stopping.is_set():
                break
            if self._is_outdated:
                continue
            self._set_status(RackState.DEAD, why)
            _log.error("rack %s: %s", self._command.name, why, extra=self._fields)
            if self._has_served or time.monotonic() - started > HEALTHY_S:
                backoff_s = FIRST_BACKOFF_S
            await self._pause(backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    async def _pause(self, seconds: float) -> None:
        """Between two processes. What is not safe yet does not wait for the next one."""
        until = time.monotonic() + seconds
        while not self._stopping.is_set() and (left_s := until - time.monotonic()) > 0:
            if not self._guard.is_safe:
                left_s = min(left_s, SAFE_RETRY_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), left_s)
            if not self._guard.is_safe:
                await self._make_safe()

    async def _run_one(self) -> str:
        """One process from start to end, with its jobs; returns how it ended."""
        self._set_status(RackState.STARTING)
        self._is_outdated = False
        process = await RackProcess.start(self._command)
        self._process = process
        self._pulse, self._verdict, self._is_hanging = Pulse(), "", False
        self._granted_s, self._n_vain_openings = None, 0
        self._has_served = False
        work = asyncio.create_task(self._run_jobs(process))
        feeling = asyncio.create_task(self._feel_pulse(process))
        self._granting = asyncio.create_task(self._grant(process))
        has_stopped = False
        try:
            async for message in process.received():
                self._pulse.heard()
                self._take(message)
                has_stopped = has_stopped or isinstance(message, rack.Stopped)
        except rack.BadMessage as error:
            _log.error("rack %s: %s", self._command.name, error, extra=self._fields)
            self._condemn(process, f"the rack process spoke nonsense ({error})", is_hanging=True)
        feeling.cancel()
        if not (has_stopped or self._verdict or await process.is_dead(HANG_UP_PATIENCE_S)):
            self._condemn(process, "the rack process hung up", is_hanging=not process.is_stopped)
        ended = await process.ended(STOP_PATIENCE_S)
        if words := process.last_words():
            _log.error("rack %s: its last words\n%s", self._command.name, words, extra=self._fields)
        why = f"{self._verdict} and was killed" if self._verdict else ended
        is_own_fault = self._is_hanging or (process.is_crashed and not self._verdict)
        self._pulse, self._granted_s = Pulse(), None
        self._process = None
        self._runner.process_ended(process, why, is_own_fault=is_own_fault)
        await _ended(self._granting)
        safe = asyncio.create_task(self._make_safe())
        await work
        await safe
        return why

    async def _run_jobs(self, process: RackProcess) -> None:
        await self._runner.run_jobs(
            process,
            lambda: self.status.state is RackState.READY,
            lambda: self._is_outdated,
        )
        if self._is_outdated and not process.is_gone and not self._stopping.is_set():
            self._set_status(RackState.STARTING)
            process.send(rack.Shutdown())

    def _condemn(self, process: RackProcess, verdict: str, *, is_hanging: bool) -> None:
        """Kill it. is_hanging: by its own fault."""
        _log.error("rack %s: %s", self._command.name, verdict, extra=self._fields)
        self._verdict, self._is_hanging = verdict, is_hanging
        process.kill()

    async def _feel_pulse(self, process: RackProcess) -> None:
        """Ask for signs of life; a process that gives none any more is killed.

        So is one that is at opening its instruments for ever, or at talking to one of them. If that
        does not end it either, systemd's watchdog is not fed any longer (is_alive).
        """
        felt, late = self._pulse, frozenset[Call]()
        while not felt.is_silent:
            process.send(rack.Ping())
            await asyncio.sleep(pulse.PING_EVERY_S)
            felt.turn()
            late = self._condemn_if_late(process, late)
            granted_s = self._granted_s
            if granted_s is not None and time.monotonic() > granted_s + OPENING_LIMIT_S:
                verdict = f"the rack process did not open its instruments in {OPENING_LIMIT_S:g} s"
                self._condemn(process, verdict, is_hanging=True)
                return
        verdict = f"the rack process gave no sign of life for {felt.silence_s:g} s"
        self._condemn(process, verdict, is_hanging=not process.is_stopped)

    def _condemn_if_late(self, process: RackProcess, before: frozenset[Call]) -> frozenset[Call]:
        """Kill it if a driver has not come back since the last look; gives what is seen now."""
        now_ns = time.monotonic_ns()
        margin_s = min(OVERDUE_S, self._command.care.patience_s)
        late = frozenset(overdue(process.calls(), now_ns, margin_s))
        hanging = sorted(late & before, key=lambda call: call.entered_ns)
        if hanging and not (process.is_stopped or process.is_gone):
            self._condemn(process, overdue_text(hanging[0], now_ns), is_hanging=True)
        return late

    async def _grant(self, process: RackProcess) -> None:
        """Give the instruments to the rack, once all are safe and may be tried again."""
        n_vain = self._n_vain_openings
        while unsafe := await self._make_safe():
            n_vain += 1
            for each in unsafe:
                self._note_unsafe(each)
            told = "; ".join(map(str, unsafe))
            self._set_status(RackState.UNAVAILABLE, f"not every output is known to be safe: {told}")
            await self._wait_to_retry(n_vain)
        if n_vain or self._health.retry_ns > time.time_ns():
            await self._wait_to_retry(n_vain)
        self._guard.watch(process.pid)
        self._granted_s = time.monotonic()
        process.send(rack.Granted(self._known))

    def _note_unsafe(self, one: Unsafe) -> None:
        if one.is_absent:
            self._health.unreachable(one.instrument, one.what, time.time_ns())
        elif one.instrument:
            self._health.faulted(one.instrument, one.what, time.time_ns())

    async def _wait_to_retry(self, n_vain: int) -> None:
        """As long as instruments are to be left alone; n_vain tells, where it is none's fault."""
        now_ns = time.time_ns()
        wait_s = (self._health.retry_ns - now_ns) / S_NS
        if not self._health.retry_ns:
            wait_s = min(FIRST_BACKOFF_S * 2 ** min(n_vain, 16), LONGEST_BACKOFF_S)
        sentence = retry_sentence(self._health.conditions, now_ns)
        if self.status.state is RackState.UNAVAILABLE and sentence:
            self._set_status(RackState.UNAVAILABLE, sentence)
        await asyncio.sleep(min(max(wait_s, 0.0), LONGEST_QUARANTINE_S))

    async def _make_safe(self) -> tuple[Unsafe, ...]:
        """Have the guard do it, while no rack has the instruments; what is not safe."""
        unsafe = await self._guard.make_safe()
        for each in unsafe:
            if each not in self._unsafe:  # a rack that is off is tried for days
                what = "rack %s: not known to be safe: %s"
                fields = about(qc=self._command.name, instrument=each.instrument)
                _log.error(what, self._command.name, each, extra=fields)
        self._unsafe = unsafe
        return unsafe

    def _take(self, message: rack.Message) -> None:
        match message:
            case rack.Ready(instruments):
                self._granted_s, self._n_vain_openings = None, 0
                self._known = instruments
                self._health.opened(time.time_ns())
                self._set_status(RackState.READY)
                _log.info("rack %s: ready", self._command.name, extra=self._fields)
                self._runner.wake()
            case rack.Unavailable(what):
                if (self.status.state, self.status.what) != (RackState.UNAVAILABLE, what):
                    _log.warning("rack %s: %s", self._command.name, what, extra=self._fields)
                self._set_status(RackState.UNAVAILABLE, what)
            case rack.Released():
                if self._granted_s is not None:
                    self._granted_s = None
                    self._n_vain_openings += 1
                if self._process is not None:
                    self._granting = asyncio.create_task(self._grant(self._process))
            case rack.Faulted(instrument, what, is_absent):
                note = self._health.unreachable if is_absent else self._health.faulted
                note(instrument, what, time.time_ns())
                self._refresh()
            case rack.Probed(signs):
                before = self._health.states
                self._health.probed(signs, time.time_ns())
                self._refresh()
                if self._health.states != before:
                    self._desk.changes.notify(("arrival", self._qc_id))
            case rack.Completed():
                self._has_served = True
                self._health.served()
                self._runner.take(message)
            case _:
                self._runner.take(message)


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
