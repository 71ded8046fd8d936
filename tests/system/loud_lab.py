"""A daemon and its guard on simulated instruments, which say what comes out of them.

The instruments are threads of the test's own process, on sockets as ever. `LoudLab` has a quick
rack that switches everything on for each job; with RACK_MODULE "labd.rack" it has the real one.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

from quick_lab import ROOT, QuickLab

sys.path.append(str(ROOT / "tests" / "contract"))

from sim_support import LoopbackFridge

from labd.guard_process import NOTE
from labd.rack_process import PID_FILE
from labd.wiring_file import read_wiring
from labd_drivers.sim.main import SimulatedRack, write_station
from labd_drivers.sim.rackfile import read_rack_file

STAR5 = ROOT / "config" / "star5"
RULES = read_wiring(STAR5 / "wiring.toml").outputs
SAFE = {name: rule.safe for name, rule in RULES.items() if rule.safe is not None}
TOLERANCE = 1e-6
LOOK_EVERY_S = 0.004


class LoudLab(QuickLab):
    RACK_MODULE = "loud_rack"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "config" / "star5" / "wiring.toml").write_bytes(
            (STAR5 / "wiring.toml").read_bytes()
        )
        described = read_rack_file(STAR5 / "simrack.toml")
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
        now: dict[str, float | bool] = {}
        for name, server in self.rack.servers.items():
            with server.instrument.room:
                ours = server.instrument.outputs()
            now |= {f"{name}.{path}": value for path, value in ours.items()}
        return now

    def unsafe(self) -> dict[str, float | bool]:
        """Outputs that are not at their safe values now."""
        now = self.outputs()
        playing = {name: True for name, value in now.items() if "is_running" in name and value}
        declared = {name: now[name] for name, safe in SAFE.items() if not _is(now[name], safe)}
        return declared | playing

    def pid_of(self, note: str) -> int | None:
        """The process whose pid the daemon noted; None if there is none."""
        try:
            return int((self.state / "run" / "star5" / note).read_text().split()[0])
        except (OSError, IndexError):
            return None

    @property
    def rack_pid(self) -> int | None:
        return self.pid_of(PID_FILE)

    @property
    def guard_pid(self) -> int | None:
        return self.pid_of(NOTE)

    def wait_until_loud(self, limit_s: float = 20.0) -> None:
        until = time.monotonic() + limit_s
        while not self.unsafe():
            assert time.monotonic() < until, self.log()
            time.sleep(LOOK_EVERY_S)


class SafetyWatch:
    """Looks at the instruments all the time: when was everything safe?"""

    def __init__(self, lab: LoudLab) -> None:
        self._lab = lab
        self._seen = threading.Condition()
        self._last_safe = 0.0
        self.last_unsafe: dict[str, float | bool] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> SafetyWatch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            began = time.monotonic()
            unsafe = self._lab.unsafe()
            with self._seen:
                if unsafe:
                    self.last_unsafe = unsafe
                else:
                    self._last_safe = began
                    self._seen.notify_all()

    def safe_after(self, instant: float, limit_s: float) -> float:
        """Seconds from that instant until everything was safe at once; the limit if it was not."""
        with self._seen:
            is_safe = self._seen.wait_for(
                lambda: self._last_safe > instant, max(instant + limit_s - time.monotonic(), 0.01)
            )
            return self._last_safe - instant if is_safe else limit_s


def _is(value: float | bool, safe: float | bool | str) -> bool:
    return abs(float(value) - float(safe)) < TOLERANCE
