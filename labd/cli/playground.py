"""`labd playground`: a whole laboratory for trying things out, gone without a trace when it ends.

The simulated rack and the daemon run as two child processes on free ports, with copies of the
shipped configuration and a throw-away state directory. Children start first to last and end last to
first; they do not outlive this process even if it is killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType
from typing import IO, NoReturn

import click

from labd.shipped import shipped_config

_PREFIX = "labd-playground-"
_READY_LIMIT_S = 60.0
_END_LIMIT_S = 20.0
_ABANDONED_S = 60.0
_END_SIGNALS = (signal.SIGTERM, signal.SIGINT)
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


class _Stopped(Exception):
    """SIGTERM or Ctrl-C arrived."""


@click.command()
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--seed", default=1, show_default=True, help="Of the chip's noise.")
@click.option(
    "--transport",
    type=click.Choice(["hislip", "vxi11", "socket"]),
    default="hislip",
    show_default=True,
    help="How labd talks to the simulated instruments.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object once ready.")
def playground(port: int, seed: int, transport: str, as_json: bool) -> None:
    """Run labd with a simulated five-qubit rack until Ctrl-C.

    Prints the URL for clients once everything is ready. When it ends, both processes are gone and
    so are all jobs and files.
    """
    os.umask(0o077)
    for number in _END_SIGNALS:
        signal.signal(number, _on_end_signal)
    try:
        with _workspace() as directory, ExitStack() as children:
            rack, control = _start_rack(children, directory, seed=seed, transport=transport)
            config = _write_config(directory, port)
            daemon = _start_daemon(children, directory, config)
            ready = next(word for word in daemon.ready_line.split() if word.startswith("http://"))
            url = ready.replace("127.0.0.1", "localhost")
            facts = {"url": url, "directory": str(directory), "control": control}
            pids = {"labd_pid": daemon.pid, "simrack_pid": rack.pid}
            click.echo(json.dumps(facts | pids) if as_json else url)
            if not as_json:
                click.echo(f"jobs and logs in {directory}; Ctrl-C ends it all", err=True)
            _watch(daemon, rack)
    except _Stopped:
        return
    except ChildFailed as error:
        click.echo(f"labd playground: {error}", err=True)
        sys.exit(1)


def _on_end_signal(_number: int, _frame: FrameType | None) -> NoReturn:
    """End in order; from now on nothing interrupts that."""
    for number in _END_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise _Stopped


class _Child:
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


def _start_rack(
    children: ExitStack, directory: Path, *, seed: int, transport: str
) -> tuple[_Child, str]:
    """The simulated rack on free ports, their addresses in station.yaml; and its control port."""
    shutil.copytree(shipped_config(), directory / "config", copy_function=shutil.copyfile)
    star5, control = directory / "config/star5", directory / "control"
    arguments = [str(star5), "--ports", "free", "--transport", transport, "--seed", str(seed)]
    arguments += ["--station-out", str(directory / "station.yaml"), "--control-out", str(control)]
    log = directory / "simrack.log"
    rack = _Child("the simulated rack", _RACK, arguments, log, signal.SIGKILL)
    children.callback(rack.stop)
    rack.wait_ready("ready")
    return rack, control.read_text(encoding="utf-8").strip() if control.exists() else ""


def _start_daemon(children: ExitStack, directory: Path, config: Path) -> _Child:
    arguments = ["serve", "--config", str(config)]
    daemon = _Child("labd", _DAEMON, arguments, directory / "labd.log", signal.SIGTERM)
    children.callback(daemon.stop)
    daemon.wait_ready("labd ready")
    return daemon


def _write_config(directory: Path, port: int) -> Path:
    """The shipped labd.toml with our port, state directory and station file."""
    shipped = tomllib.loads((directory / "config/labd.toml").read_text(encoding="utf-8"))
    server = {"listen": f"127.0.0.1:{port}", "state_dir": str(directory / "state")}
    lines = ["[server]", *(f"{key} = {json.dumps(value)}" for key, value in server.items())]
    for alias, computer in shipped["quantum_computers"].items():
        keys = computer | {"station": str(directory / "station.yaml")}
        lines += ["", f"[quantum_computers.{alias}]"]
        scalars = {key: value for key, value in keys.items() if not isinstance(value, dict)}
        lines += [f"{key} = {json.dumps(value)}" for key, value in scalars.items()]
    path = directory / "config/playground.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _watch(*children: _Child) -> NoReturn:
    """Until a signal, or until a child ends, which raises ChildFailed."""
    while True:
        for child in children:
            child.check()
        time.sleep(0.1)


@contextmanager
def _workspace() -> Iterator[Path]:
    """A private directory, removed at the end; those of playgrounds that were killed go first."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_if_abandoned(left)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with (directory / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _remove_if_abandoned(directory: Path) -> None:
    """Its lock is free once the playground that made it is dead."""
    with suppress(OSError), (directory / "lock").open("rb") as lock:
        facts = directory.stat()
        if facts.st_uid != os.getuid() or facts.st_mtime > time.time() - _ABANDONED_S:
            return
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
