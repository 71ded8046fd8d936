"""The guard of one rack as a child process: started, kept, asked, ended.

Only one at a time has a rack's instruments. The guard is asked for safety while the rack has none
of them, and is told which process it has to end before it acts by itself. A guard that a killed
daemon left is still at work: the next one waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from labd.guard.plan import PATIENCE_S, Plan, Unsafe, longest_ramp_s, pack_plan
from labd.left_behind import GUARD_NOTE, GUARD_PATIENCE_S, PLAN_FILE, end_leftover, note_pid
from labd.log_lines import LogFormat
from labd.rack_process import STDERR

BEAT_S = 0.5
SILENCE_S = 10.0
"""A guard that says nothing for so long hangs. It is silent while it acts."""
EXTRA_PATIENCE_S = 2.0
"""How much longer than its own patience an answer is waited for."""
START_PATIENCE_S = 10.0
END_PATIENCE_S = 1.0
FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 1.0
"""Only where one after the other ends without a sign of life: what is on has no guard meanwhile."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GuardCommand:
    """How a guard is started. name: the alias. directory: where its pid is noted. plan: its own.

    log_format: of what it writes on standard error, where that is not the journal's.
    """

    name: str
    directory: Path
    plan: Plan
    log_format: LogFormat = "text"

    def arguments(self, descriptor: int) -> list[str]:
        """The command line; descriptor: the process's end of the socket pair."""
        module = [sys.executable, "-m", "labd.guard", "--fd", str(descriptor)]
        return [*module, "--name", self.name, "--log-format", self.log_format]


class Guard:
    """The keeper of one guard process. is_safe: every output was, and no rack since then."""

    def __init__(self, command: GuardCommand) -> None:
        self.is_safe = False
        self._command = command
        self._pid_watched: int | None = None
        self._process: _GuardProcess | None = None
        self._is_running = asyncio.Event()
        self._has_served = False
        self._why = "it is being started"
        self._task: asyncio.Task[None] | None = None

    @property
    def _patience_s(self) -> float:
        return PATIENCE_S + longest_ramp_s(self._command.plan) + EXTRA_PATIENCE_S

    def start(self) -> None:
        """Begin keeping a process, once an earlier daemon's guard has done its work."""
        self._task = asyncio.create_task(self._keep(), name=f"guard-{self._command.name}")

    def use(self, plan: Plan) -> None:
        """Guard these outputs from now on."""
        self._command = replace(self._command, plan=plan)
        self._write_plan()
        if self._process is not None:
            self._process.tell(f"plan {pack_plan(plan)}")

    def watch(self, pid: int) -> None:
        """The instruments are that process's from now on."""
        self._pid_watched = pid
        self.is_safe = False
        if self._process is not None:
            self._process.tell(f"watch {pid}")

    async def make_safe(self) -> tuple[Unsafe, ...]:
        """Bring every output to its safe value; nobody else may have the instruments.

        Returns the instruments that are not known to be safe: none, all are.
        """
        self._pid_watched = None
        for _ in range(2):
            try:
                await asyncio.wait_for(self._is_running.wait(), START_PATIENCE_S)
            except TimeoutError:
                break
            process = self._process
            problems = None if process is None else await process.make_safe(self._patience_s)
            if problems is not None:
                self.is_safe = not problems
                return problems
        return (Unsafe("", f"the guard process does not serve: {self._why}", is_absent=False),)

    async def stop(self) -> None:
        """End the process; whether it has anything left to do was decided before. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _write_plan(self) -> None:
        plan = self._command.directory / PLAN_FILE
        try:
            plan.with_suffix(".part").write_text(pack_plan(self._command.plan), encoding="utf-8")
            plan.with_suffix(".part").rename(plan)
        except OSError as error:
            _log.error("guard %s: its plan is not written down: %s", self._command.name, error)

    async def _keep(self) -> None:
        self._write_plan()
        note = self._command.directory / GUARD_NOTE
        if await asyncio.to_thread(end_leftover, note, GUARD_PATIENCE_S):
            _log.warning("guard %s: killed one of an earlier labd", self._command.name)
        backoff_s = FIRST_BACKOFF_S
        while True:
            self._has_served = False
            try:
                self._why = await self._run_one(note)
            except OSError as error:
                self._why = f"it cannot be started: {error}"
            _log.error("guard %s: %s", self._command.name, self._why)
            if self._has_served:
                backoff_s = FIRST_BACKOFF_S
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    def _standing(self) -> list[str]:
        """What a guard has to know from its birth."""
        watched = [] if self._pid_watched is None else [f"watch {self._pid_watched}"]
        return [f"plan {pack_plan(self._command.plan)}", *watched]

    async def _run_one(self, note: Path) -> str:
        told = self._standing()
        process = await _GuardProcess.start(self._command, note, told)
        for line in self._standing():
            if line not in told:
                process.tell(line)
        self._process = process
        self._is_running.set()
        try:
            await process.lives()
        finally:
            self._has_served = process.has_served
            self._is_running.clear()
            self._process = None
            why = await process.end()
        return why


class _GuardProcess:
    """A running guard, and the lines to and from it. has_served: it has given a sign of life."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self.has_served = False
        self._heard = time.monotonic()
        self._n_asked = 0
        self._answers: dict[int, asyncio.Future[tuple[Unsafe, ...] | None]] = {}

    @classmethod
    async def start(cls, command: GuardCommand, note: Path, first: Iterable[str]) -> _GuardProcess:
        """first: lines that wait for it before it lives, should the daemon die at this moment."""
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.writelines(line.encode() + b"\n" for line in first)
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command.arguments(theirs.fileno()),
                    cwd=command.directory,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=STDERR,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError:
                writer.close()
                raise
        try:
            note_pid(note, process.pid)
        except OSError as error:  # outputs without a guard are worse than a guard without a note
            _log.error("guard %s: its pid is not written down: %s", command.name, error)
        return cls(process, reader, writer)

    def tell(self, line: str) -> None:
        if not self._writer.is_closing():
            self._writer.write(line.encode() + b"\n")

    async def make_safe(self, patience_s: float) -> tuple[Unsafe, ...] | None:
        """The problems; None if the process died or was killed because it did not answer."""
        self._n_asked += 1
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[Unsafe, ...] | None] = loop.create_future()
        self._answers[self._n_asked] = answer
        self.tell(f"safe {self._n_asked}")
        try:
            return await asyncio.wait_for(answer, patience_s)
        except TimeoutError:
            self._kill()
            return None

    async def lives(self) -> None:
        """Until it lets go of its end of the socket."""
        beating = asyncio.create_task(self._beat())
        try:
            with contextlib.suppress(ConnectionError):
                while line := await self._reader.readline():
                    self.has_served, self._heard = True, time.monotonic()
                    if line.startswith(b"{"):
                        told = json.loads(line)
                        unsafe = tuple(Unsafe(**each) for each in told["unsafe"])
                        self._answer(told["asked"], unsafe)
        finally:
            beating.cancel()

    def _answer(self, asked: int, problems: tuple[Unsafe, ...] | None) -> None:
        answer = self._answers.pop(asked, None)
        if answer is not None and not answer.done():
            answer.set_result(problems)

    async def _beat(self) -> None:
        while True:
            self.tell("beat")
            await asyncio.sleep(BEAT_S)
            if not self._answers and time.monotonic() > self._heard + SILENCE_S:
                self._kill()

    async def end(self) -> str:
        """It may go; it is made to where it does not. Says how it ended."""
        for asked in list(self._answers):
            self._answer(asked, None)
        if self._process.returncode is None:
            self.tell("end")
            try:
                await asyncio.wait_for(self._process.wait(), END_PATIENCE_S)
            except TimeoutError:
                self._kill()
                await self._process.wait()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        return f"the process ended with status {self._process.returncode}"

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
