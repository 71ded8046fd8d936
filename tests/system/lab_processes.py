"""Playgrounds and daemons as processes, for tests that use labd as people do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO

ROOT = Path(__file__).parents[2]
PAYLOADS = ROOT / "tests" / "data" / "payloads"
_READY_LIMIT_S = 60.0


def command(name: str) -> str:
    """The console script beside the interpreter that runs the tests."""
    return str(Path(sys.executable).with_name(name))


@dataclass
class Playground:
    """A running `labd playground` and what its JSON line said. said: its stderr."""

    process: subprocess.Popen[str]
    said: Path
    url: str
    directory: Path
    pids: Mapping[str, int]

    def stop(self) -> int:
        """SIGTERM, as a service manager would; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@contextmanager
def playground(folder: Path, *arguments: str) -> Iterator[Playground]:
    """`labd playground --json` with its temporary directory in `folder`; stopped at the end."""
    folder.joinpath("tmp").mkdir(exist_ok=True)
    said = folder / "stderr.txt"
    with said.open("wb") as stderr:
        process = start(
            [command("labd"), "playground", "--json", *arguments],
            env={"TMPDIR": str(folder / "tmp")},
            stderr=stderr,
        )
    facts = json.loads(first_line(process))
    pids = {name: facts[f"{name}_pid"] for name in ("labd", "simrack")}
    running = Playground(process, said, facts["url"], Path(facts["directory"]), pids)
    try:
        yield running
    finally:
        if process.poll() is None:
            running.stop()
        close(process)


def start(
    arguments: list[str],
    env: Mapping[str, str] | None = None,
    stderr: IO[bytes] | None = None,
) -> subprocess.Popen[str]:
    """A process; stdout is a pipe, stderr a file, because nobody reads along."""
    return subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=stderr or subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"} | dict(env or {}),
    )


def free_port() -> int:
    """A TCP port of this machine that stays free: none that others are given by asking for any."""
    own = range(20_000 + os.getpid() % 10_000, 32_768)
    for port in own:
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no port of {own} is free")


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line on stdout: the process is ready."""
    assert process.stdout is not None
    alarm = Timer(_READY_LIMIT_S, process.kill)
    alarm.start()
    try:
        line = process.stdout.readline()
    finally:
        alarm.cancel()
    if not line:
        raise AssertionError(f"{process.args!r} ended with {process.wait()}")
    return line


def close(process: subprocess.Popen[str]) -> None:
    """Reap and close the pipes."""
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pid: int, limit_s: float) -> bool:
    """Whether the process ends within the limit."""
    deadline = time.monotonic() + limit_s
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_running(pid)
