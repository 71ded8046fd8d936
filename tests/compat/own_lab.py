"""A simulated rack and a daemon of one's own, for tests that stop, restart or starve them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class OwnLab:
    """labd on a rack that can be unplugged; `folder` holds its configuration and state."""

    def __init__(self, labd_bin: Path, config: Path, folder: Path) -> None:
        self._bin = labd_bin
        self._folder = folder
        self._daemon: subprocess.Popen[str] | None = None
        shutil.copytree(config, folder / "config", ignore=shutil.ignore_patterns("station.yaml"))
        self._rack = self._start_rack()
        self._control_port = int((folder / "control.port").read_text())
        self.port = _free_port()
        self.url = f"http://localhost:{self.port}/star5"

    def _start_rack(self) -> subprocess.Popen[str]:
        star5 = self._folder / "config" / "star5"
        shutil.copy(Path(__file__).parents[2] / "config" / "star5" / "station.yaml", star5)
        command = [
            *(str(self._bin / "labd-simrack"), str(star5), "--ports", "free", "--seed", "7"),
            *("--station-out", str(star5 / "station.yaml")),
            *("--control-out", str(self._folder / "control.port")),
        ]
        return _start(command, "ready")

    def start_daemon(self) -> None:
        """Start `labd serve` and wait until it serves."""
        command = [
            *(str(self._bin / "labd"), "serve"),
            *("--config", str(self._folder / "config" / "labd.toml")),
            *("--state-dir", str(self._folder / "state")),
            *("--listen", f"127.0.0.1:{self.port}"),
        ]
        self._daemon = _start(command, "labd ready")

    def stop_daemon(self) -> None:
        """SIGTERM, as systemd would, and wait for the end."""
        assert self._daemon is not None
        assert _stop(self._daemon) == 0
        self._daemon = None

    def unplug(self, instrument: str) -> None:
        """Cut an instrument's connections and refuse new ones until it is plugged in again."""
        self._ask({"do": "fault", "instrument": instrument, "fault": "drop", "seconds": 3600})

    def plug_in(self, instrument: str) -> None:
        """End the instrument's faults."""
        self._ask({"do": "clear", "instrument": instrument})

    def _ask(self, request: dict[str, object]) -> None:
        with (
            socket.create_connection(("127.0.0.1", self._control_port)) as control,
            control.makefile() as lines,
        ):
            control.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(lines.readline())
        assert answer["ok"], answer

    def queued_jobs(self) -> list[str]:
        """Ids of the jobs that wait in the queue."""
        command = [str(self._bin / "labctl"), "--url", self.url, "list", "--json"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True)
        jobs = json.loads(listed.stdout)["jobs"]
        return [job["id"] for job in jobs if job["status"] == "IN_QUEUE"]

    def close(self) -> None:
        """End both processes."""
        if self._daemon is not None:
            self.stop_daemon()
        _stop(self._rack)


@contextmanager
def own_lab(labd_bin: Path, config: Path, folder: Path) -> Iterator[OwnLab]:
    lab = OwnLab(labd_bin, config, folder)
    try:
        yield lab
    finally:
        lab.close()


def _start(command: list[str], ready: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith(ready), f"{command[0]}: {line!r}"
    return process


def _stop(process: subprocess.Popen[str]) -> int:
    process.terminate()
    status = process.wait(timeout=30)
    assert process.stdout is not None
    process.stdout.close()
    return status


def _free_port() -> int:
    """A TCP port of this machine that stays free: none that others are given by asking for any."""
    own = range(20_000 + os.getpid() % 10_000, 32_768)
    for port in own:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no port of {own} is free")
