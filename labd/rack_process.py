"""A rack worker as a child process: its command line, its socket, its end.

The child ends by itself when its socket ends, so a daemon that is killed leaves none behind; a
child that hangs in a driver at that moment is found by its pid file and killed by the next daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import select
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labd.core.budget import Care
from labd.core.flight import BOARD_BYTES, MEMORY_BYTES, Call, calls, used_bytes
from labd.left_behind import RACK_NOTE, note_pid, state_of
from labd.log_lines import LogFormat
from labd.rack import messages as rack

TERM_PATIENCE_S = 2.0
STDERR = 2
"""What a driver prints is no part of what labd says on stdout."""
CRASHES = frozenset(
    {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGSYS}
)
"""Signals that a process brings upon itself; another one was sent by somebody."""
_READ_BYTES = 65536


@dataclass(frozen=True, slots=True)
class RackCommand:
    """How a rack process is started, and how its jobs are looked after.

    name: the alias. directory: its working directory, its own. module: what `python -m` runs.
    memory_bytes: of its data at most; 0: any.
    """

    name: str
    station: Path
    wiring: Path
    chip: Path
    max_result_bytes: int
    directory: Path
    module: str = "labd.rack"
    log_format: LogFormat = "text"
    memory_bytes: int = 0
    care: Care = field(default_factory=Care)

    def arguments(self, descriptor: int, flight: int) -> list[str]:
        """The command line. descriptor: the process's end of the socket pair; flight: memory."""
        return [
            *(sys.executable, "-m", self.module, "--fd", str(descriptor)),
            *("--flight-fd", str(flight), "--name", self.name),
            *("--station", str(self.station), "--wiring", str(self.wiring)),
            *("--chip", str(self.chip), "--max-result-bytes", str(self.max_result_bytes)),
            *("--log-format", self.log_format, "--memory-bytes", str(self.memory_bytes)),
        ]


class RackProcess:
    """A running child and the messages to and from it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        board: mmap.mmap,
    ) -> None:
        self._process = process
        self._board = board
        self._reader = reader
        self._writer = writer
        self.is_gone = False

    @classmethod
    async def start(cls, command: RackCommand) -> RackProcess:
        """Start the child in its directory and note its pid there. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs, _memory() as flight:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command.arguments(theirs.fileno(), flight),
                    cwd=command.directory,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=STDERR,
                    pass_fds=[theirs.fileno(), flight],
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
            board = mmap.mmap(flight, MEMORY_BYTES, prot=mmap.PROT_READ)
        try:
            note_pid(command.directory / RACK_NOTE, process.pid)
        except OSError:  # the next labd could not end it
            ours.close()
            process.kill()
            await process.wait()
            raise
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer, board)

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def flight(self) -> bytes:
        """What the child has noted of its talk with instruments so far (labd.core.flight)."""
        return self._board[: used_bytes(self._board)]

    def calls(self) -> tuple[Call, ...]:
        """Which instruments it is talking to now, or was last."""
        return calls(self._board)

    def last_words(self) -> str:
        """What it wrote when it crashed: where, in each of its threads. Usually nothing."""
        written = self._board[BOARD_BYTES:]
        return written[: written.find(b"\0")].decode("utf-8", "replace")

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has stopped it (SIGSTOP), so that it cannot answer."""
        return state_of(self.pid) in ("T", "t")

    @property
    def is_crashed(self) -> bool:
        """Whether it ended by itself: by a fault in its code, or by leaving."""
        status = self._process.returncode
        return status is not None and (status >= 0 or -status in CRASHES)

    def has_hung_up(self) -> bool:
        """Whether the child's end of the socket is closed, also if nobody has been told yet."""
        descriptor = self._writer.get_extra_info("socket").fileno()
        if descriptor < 0:
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLRDHUP)
        return bool(poll.poll(0))

    def send(self, message: rack.ToRack) -> None:
        """Tell the child something; a child that is gone hears nothing."""
        if not self._writer.is_closing():
            self._writer.write(rack.pack_message(message))

    async def received(self) -> AsyncIterator[rack.Message]:
        """What the child says, until it closes its end. Raises BadMessage on anything else."""
        messages = rack.MessageReader()
        with contextlib.suppress(ConnectionError):
            while chunk := await self._reader.read(_READ_BYTES):
                for message in messages.feed(chunk):
                    yield message

    def kill(self) -> None:
        """SIGKILL: from now on it takes no job."""
        self.is_gone = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def is_dead(self, patience_s: float) -> bool:
        """Wait so long for its end, whoever brings it about."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._process.wait()), patience_s)
        return self._process.returncode is not None

    async def ended(self, patience_s: float) -> str:
        """Wait so long for the child's end, then SIGTERM, then SIGKILL; says how it ended."""
        for step, limit_s in ((None, patience_s), (signal.SIGTERM, TERM_PATIENCE_S)):
            if step is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.send_signal(step)
            try:
                await asyncio.wait_for(self._process.wait(), limit_s)
                break
            except TimeoutError:
                continue
        else:
            self.kill()
            await self._process.wait()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        status = self._process.returncode
        assert status is not None
        return exit_sentence(status)


@contextlib.contextmanager
def _memory() -> Iterator[int]:
    """A descriptor of memory for a child to write into and for us to read."""
    descriptor = os.memfd_create("labd-flight")
    try:
        os.ftruncate(descriptor, MEMORY_BYTES)
        yield descriptor
    finally:
        os.close(descriptor)


def exit_sentence(status: int) -> str:
    """How a process ended, from its return code as subprocess gives it."""
    if status >= 0:
        return f"the rack process ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unknown"
    return f"the rack process was ended by signal {-status} ({name})"
