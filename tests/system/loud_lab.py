"""A daemon and its guard on simulated instruments, which say what comes out of them.

The instruments are threads of the test's own process, on sockets as ever. `LoudLab` has a quick
rack that switches everything on for each job; with RACK_MODULE "labd.rack" it has the real one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from quick_lab import ROOT, QuickLab

sys.path.append(str(ROOT / "tests" / "contract"))

from sim_support import LoopbackFridge

from labd.left_behind import GUARD_NOTE, RACK_NOTE, start_ticks, state_of
from labd.wire import sweep_pb2
from labd.wiring_file import read_wiring
from labd_drivers.sim.main import SimulatedRack, write_station
from labd_drivers.sim.rackfile import read_rack_file

STAR5 = ROOT / "config" / "star5"
RULES = read_wiring(STAR5 / "wiring.toml").outputs
SAFE = {name: rule.safe for name, rule in RULES.items() if rule.safe is not None}
TOLERANCE = 1e-6
NOTES = {"rack": RACK_NOTE, "guard": GUARD_NOTE}
LOOK_EVERY_S = 0.004
LAST_WORDS = 4000


def outputs_of(rack: SimulatedRack) -> dict[str, float | bool]:
    """What comes out of a rack's instruments now, by parameter."""
    now: dict[str, float | bool] = {}
    for name, server in rack.servers.items():
        with server.instrument.room:
            ours = server.instrument.outputs()
        now |= {f"{name}.{path}": value for path, value in ours.items()}
    return now


class LoudLab(QuickLab):
    RACK_MODULE = "loud_rack"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "config" / "star5" / "wiring.toml").write_bytes(
            (STAR5 / "wiring.toml").read_bytes()
        )
        described = read_rack_file(STAR5 / "simrack.toml")
        self.edit("stop_grace_s = 5.0", "stop_grace_s = 0.1")
        self.rack = SimulatedRack(described, LoopbackFridge(), are_ports_free=True, seed=1)
        self.rack.start()
        self.station = folder / "config" / "star5" / "station.yaml"
        write_station(STAR5 / "station.yaml", self.station, self.rack.addresses("hislip"))

    def close(self) -> None:
        """End the daemon, as is, and the instruments."""
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.stop()
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()
        self.disconnect()
        self.rack.close()

    def outputs(self) -> dict[str, float | bool]:
        """What comes out now, by parameter."""
        return outputs_of(self.rack)

    def unsafe(self) -> dict[str, float | bool]:
        """Outputs that are not at their safe values now."""
        now = self.outputs()
        playing = {name: True for name, value in now.items() if "is_running" in name and value}
        declared = {name: now[name] for name, safe in SAFE.items() if not _is(now[name], safe)}
        return declared | playing

    def alive(self) -> dict[str, int]:
        """Pids of those of "daemon", "rack" and "guard" that live, the children as noted."""
        found = {name: self._noted(note) for name, note in NOTES.items()}
        if self.process is not None:
            found["daemon"] = self.process.pid
        return {name: pid for name, pid in found.items() if pid and state_of(pid) not in ("", "Z")}

    def _noted(self, note: str) -> int:
        """The process that the daemon noted, if it still is that one; 0 if not."""
        try:
            pid, ticks = (self.state / "run" / "star5" / note).read_text().split()
        except (OSError, ValueError):
            return 0
        return int(pid) if start_ticks(int(pid)) == ticks else 0

    def strike(self, victims: Iterable[str], number: int = signal.SIGKILL) -> set[str]:
        """Kill, or signal, "daemon", "rack" or "guard", in that order; who was there to be hit."""
        hit = set()
        for victim in victims:
            pid = self.alive().get(victim)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                    hit.add(victim)
        return hit

    def make_safe(self) -> tuple[int, dict[str, object]]:
        """`labd make-safe`: its exit status and what it told."""
        command = [sys.executable, "-m", "labd.cli.daemon", "make-safe", "--json"]
        command += ["--config", str(self.config), "--state-dir", str(self.state)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        told = json.loads(done.stdout) if done.stdout else {}
        return done.returncode, {**told, "said": done.stderr}

    def wait_until_loud(self, limit_s: float = 20.0) -> None:
        until = time.monotonic() + limit_s
        while not self.unsafe():
            assert time.monotonic() < until, self.log()[-LAST_WORDS:]
            time.sleep(LOOK_EVERY_S)

    def wait_until_playing(self, limit_s: float = 60.0) -> None:
        until = time.monotonic() + limit_s
        while not self.outputs()["awg1.is_running"]:
            assert time.monotonic() < until, self.log()[-LAST_WORDS:]
            time.sleep(LOOK_EVERY_S)


def payload(name: str, repeats: int) -> bytes:
    """A captured payload with as many shots, averaged into one bin."""
    path = ROOT / "tests" / "data" / "payloads" / f"{name}.sweep.bin"
    task = sweep_pb2.SweepTaskRequest.FromString(path.read_bytes())
    request = sweep_pb2.SweepRequest.FromString(task.payload.value)
    options = request.settings.subnodes["options"].settings
    options["playlist_repeats"].value.sint64_value = repeats
    options["averaging_bins"].value.sint64_value = 1
    task.payload.value = request.SerializeToString()
    return task.SerializeToString()


def _is(value: float | bool, safe: float | bool | str) -> bool:
    return abs(float(value) - float(safe)) < TOLERANCE
