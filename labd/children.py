"""labd and the simulated rack as child processes: started, awaited, stopped, never left behind.

A child does not outlive the process that started it, even if that is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO

_READY_LIMIT_S = 60.0
_END_LIMIT_S = 20.0
_RACK = "labd_drivers.sim.main:main"
_DAEMON = "labd.cli.daemon:main"


@dataclass(eq=False)
class ChildFailed(Exception):
    """A child that ended, or was not ready in time. log: the end of what it said."""

    name: str
    what: str
    log: str

    def __str__(self) -> str:
        """Which child and why, then the last lines of its log."""
        return f"{self.name} {self.what}" + (f"; its last words:\n{self.log}" if self.log else "")


class Child:
    """A tethered child process, its ready line, and its log.

    last_signal: what it gets when this process dies without stopping it.
    """

    def __init__(
        self,
        name: str,
        target: str,
        arguments: list[str],
        log_path: Path,
        last_signal: signal.Signals,
    ) -> None:
        self.name = name
        self.ready_line = ""
        self._log_path = log_path
        self._lines: SimpleQueue[str] = SimpleQueue()
        tether = [sys.executable, "-m", "labd.cli.tethered", str(os.getpid())]
        tether += [last_signal.name, target]
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [*tether, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                cwd=log_path.parent,
            )
        assert self._process.stdout is not None
        self._reader = Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def _read(self, stdout: IO[str]) -> None:
        with self._log_path.open("a", encoding="utf-8") as log:
            for line in stdout:
                log.write(line)
                log.flush()
                self._lines.put(line.strip())

    def wait_ready(self, start: str) -> None:
        """Wait for the line that starts so. Raises ChildFailed."""
        deadline = time.monotonic() + _READY_LIMIT_S
        while time.monotonic() < deadline:
            with suppress(Empty):
                line = self._lines.get(timeout=0.1)
                if line.startswith(start):
                    self.ready_line = line
                    return
                continue
            self.check()
        raise self._failed(f"was not ready within {_READY_LIMIT_S:g} s")

    def check(self) -> None:
        """Raises ChildFailed if the process has ended."""
        status = self._process.poll()
        if status is not None:
            how = (
                f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
            )
            raise self._failed(f"ended with {how}")

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not. Idempotent."""
        self._process.terminate()
        try:
            self._process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=1.0)

    def _failed(self, what: str) -> ChildFailed:
        last = self._log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        return ChildFailed(self.name, what, "\n".join(last))


@dataclass(frozen=True, slots=True)
class SimulatedRack:
    """A simulated rack that is ready. station: the station file with its addresses.

    control: the port of its control socket.
    """

    child: Child
    station: Path
    control: str


def start_rack(
    children: ExitStack, source: Path, directory: Path, *, seed: int, transport: str
) -> SimulatedRack:
    """The simulated rack of a station's directory on free ports. Raises ChildFailed.

    directory: where its log and the station file with its addresses go.
    """
    station, control = directory / "station.yaml", directory / "control"
    arguments = [str(source), "--ports", "free", "--transport", transport, "--seed", str(seed)]
    arguments += ["--station-out", str(station), "--control-out", str(control)]
    log = directory / "simrack.log"
    rack = Child("the simulated rack", _RACK, arguments, log, signal.SIGKILL)
    children.callback(rack.stop)
    rack.wait_ready("ready")
    port = control.read_text(encoding="utf-8").strip() if control.exists() else ""
    return SimulatedRack(rack, station, port)


def start_daemon(children: ExitStack, directory: Path, config: Path) -> Child:
    """The daemon, ready. Raises ChildFailed."""
    arguments = ["serve", "--config", str(config)]
    daemon = Child("labd", _DAEMON, arguments, directory / "labd.log", signal.SIGTERM)
    children.callback(daemon.stop)
    daemon.wait_ready("labd ready")
    return daemon


def url_of(daemon: Child) -> str:
    """Where a daemon that is ready serves its first quantum computer, for clients here."""
    ready = next(word for word in daemon.ready_line.split() if word.startswith("http://"))
    return ready.replace("127.0.0.1", "localhost")
