"""A rack process on a simulated rack with its chip, each a process, and the daemon's end of it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from labd.rack.messages import (
    Granted,
    Instrument,
    Message,
    MessageReader,
    Released,
    Run,
    ToRack,
    pack_message,
)
from labd.wire import sweep_pb2
from labd_drivers.sim.faults import FaultControl

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "star5"
PAYLOADS = ROOT / "tests" / "data" / "payloads"
PATIENCE_S = 40.0

M = TypeVar("M", bound=Message)


@dataclass
class SimRack:
    """The simulated rack's process."""

    process: subprocess.Popen[str]
    station_file: Path
    faults: FaultControl


@contextmanager
def sim_rack(directory: Path, transport: str = "hislip") -> Iterator[SimRack]:
    """`labd-simrack` on free ports, with the chip."""
    station_file, control_file = directory / "station.yaml", directory / "control"
    command = [sys.executable, "-m", "labd_drivers.sim.main", str(CONFIG), "--ports", "free"]
    command += ["--station-out", str(station_file), "--control-out", str(control_file)]
    command += ["--seed", "7", "--transport", transport]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready")
        with FaultControl(int(control_file.read_text())) as faults:
            yield SimRack(process, station_file, faults)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        process.stdout.close()


class RackProcess:
    """`python -m labd.rack` and a socket to it."""

    def __init__(self, station_file: Path, directory: Path, known: tuple[Instrument, ...]) -> None:
        self.directory = directory
        self.connection, theirs = socket.socketpair()
        command = [sys.executable, "-m", "labd.rack", "--fd", str(theirs.fileno())]
        command += ["--name", "star5", "--station", str(station_file)]
        command += ["--wiring", str(CONFIG / "wiring.toml"), "--max-result-bytes", str(1 << 30)]
        command += ["--chip", str(CONFIG / "chip-design-record.json")]
        with theirs, (directory / "rack.log").open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=directory, pass_fds=[theirs.fileno()], stderr=log
            )
        self._reader = MessageReader()
        self._received: list[Message] = []
        self.send(Granted(known))

    def send(self, message: ToRack) -> None:
        self.connection.sendall(pack_message(message))

    def run(self, job_id: str, payload: bytes, job_type: str = "PULSE") -> Path:
        """Have a job run; where its result will be."""
        payload_path = self.directory / f"{job_id}.payload"
        payload_path.write_bytes(payload)
        result_path = self.directory / f"{job_id}.result"
        calibration = str(CONFIG / "calibration-set.json") if job_type == "CIRCUIT" else ""
        self.send(Run(job_id, str(payload_path), str(result_path), job_type, calibration))
        return result_path

    def receive(self, wanted: type[M]) -> M:
        """The next message of that type; those before it are dropped."""
        while True:
            message = self.next()
            if isinstance(message, wanted):
                return message

    def next(self) -> Message:
        """The next message of any type."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._received:
            ready, _, _ = select.select(
                [self.connection], [], [], max(deadline - time.monotonic(), 0)
            )
            assert ready, f"the rack says nothing; its log: {self.log()}"
            chunk = self.connection.recv(65536)
            assert chunk, f"the rack has gone; its log: {self.log()}"
            self._received += self._reader.feed(chunk)
            if any(isinstance(message, Released) for message in self._received):
                self._received = [m for m in self._received if not isinstance(m, Released)]
                self.send(Granted())  # with nothing in between, where the daemon asks its guard
        return self._received.pop(0)

    def log(self) -> str:
        return (self.directory / "rack.log").read_text()

    def close(self) -> int:
        """Hang up; the process's exit status."""
        self.connection.close()
        return self.process.wait(PATIENCE_S)


@contextmanager
def rack_process(
    station_file: Path, directory: Path, known: tuple[Instrument, ...] = ()
) -> Iterator[RackProcess]:
    """A rack process in a directory of its own. known: the instruments as they were."""
    directory.mkdir()
    rack = RackProcess(station_file, directory, known)
    try:
        yield rack
    finally:
        rack.connection.close()
        try:
            rack.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.kill(rack.process.pid, signal.SIGKILL)
            rack.process.wait()
            raise


def payload(name: str, *, repeats: int | None = None) -> bytes:
    """A captured payload, with another number of shots (and as many bins) if wanted."""
    task = sweep_pb2.SweepTaskRequest.FromString((PAYLOADS / f"{name}.sweep.bin").read_bytes())
    if repeats is not None:
        request = sweep_pb2.SweepRequest.FromString(task.payload.value)
        options = request.settings.subnodes["options"].settings
        for setting in ("playlist_repeats", "averaging_bins"):
            options[setting].value.sint64_value = repeats
        task.payload.value = request.SerializeToString()
    return task.SerializeToString()


def results(path: Path) -> dict[str, list[list[float]]]:
    """Bits or means by label and spot."""
    response = sweep_pb2.SweepResultsResponse.FromString(path.read_bytes())
    return {
        label: [[*array.int64_array.items, *array.float64_array.items] for array in arrays.arrays]
        for label, arrays in response.results.items()
    }
