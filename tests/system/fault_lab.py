"""labd before a simulated rack that can be broken, with drivers that can misbehave.

Both are processes, and everything between a job's payload and the chip is the real thing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from lab_processes import close, first_line
from lab_processes import start as start_process
from quick_lab import HERE, ROOT, QuickLab

from labd.client import Client, Constant, CosineRiseFall, Job, Results, gates
from labd.core.jobs import JobState
from labd_drivers.sim.faults import FaultControl

STAR5 = ROOT / "config" / "star5"
N_SHOTS = 100
ANSWER_S = 1.5
PATIENCE_S = 5.0
MEMORY_BYTES = 3 << 30
PI_AMPLITUDE = 0.31
QUBIT_HZ, FAR_HZ = 4.41e9, 4.51e9
PARKED_V, MOVED_V = 0.05, 0.2
DRIVERS = re.compile(r"type: qcodes\.instrument_drivers\.\w+\.(\w+)")


@dataclass(frozen=True, slots=True)
class Ended:
    """A job's end. took_s: since it was submitted."""

    job: Job
    took_s: float

    @property
    def is_completed(self) -> bool:
        return self.job.status is JobState.COMPLETED


class FaultLab(QuickLab):
    """Start it as a context manager: the rack first, then the daemon."""

    RACK_MODULE = "labd.rack"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.star5 = folder / "config" / "star5"
        self.star5.joinpath("wiring.toml").write_bytes((STAR5 / "wiring.toml").read_bytes())
        text = self.config.read_text()
        text = re.sub(r"(?m)^job_patience_s = \S+", f"job_patience_s = {PATIENCE_S}", text)
        text = re.sub(r"(?m)^rack_memory_bytes = \S+", f"rack_memory_bytes = {MEMORY_BYTES}", text)
        self.config.write_text(text)
        self.wish = folder / "wish.json"
        self.surroundings = {"LABD_TEST_WISH": str(self.wish)}
        self._rack: subprocess.Popen[str] | None = None
        self._n_jobs = 0

    def __enter__(self) -> Self:
        control = self.folder / "control"
        arguments = [str(self.star5), "--ports", "free", "--seed", "5"]
        arguments += ["--station-out", str(self.star5 / "station.yaml")]
        arguments += ["--control-out", str(control)]
        module = [sys.executable, "-m", "labd_drivers.sim.main"]
        self._rack = start_process([*module, *arguments])
        assert first_line(self._rack).startswith("ready")
        self.faults = FaultControl(int(control.read_text()))
        self._set_drivers()
        super().__enter__()
        self.client = Client(f"http://{self.address}/star5")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.client.close()
        super().__exit__(kind, error, trace)
        self.faults.close()
        assert self._rack is not None
        self._rack.terminate()
        self._rack.wait(40)
        close(self._rack)

    def _set_drivers(self) -> None:
        station = self.star5 / "station.yaml"
        text = DRIVERS.sub(r"type: fault_drivers.\1", station.read_text())
        text = re.sub(r"(visalib: ['\"]@py['\"])", rf"\1, timeout: {ANSWER_S}", text)
        assert f"timeout: {ANSWER_S}" in text
        station.write_text(text)

    def log(self) -> str:
        """With whatever drivers have printed."""
        return (self.folder / "labd.log").read_text(errors="replace")

    def do(self, deed: str, instrument: str, header: str) -> None:
        """Have a driver misbehave when it sends that."""
        part = self.wish.with_suffix(".part")
        part.write_text(json.dumps({"instrument": instrument, "header": header, "deed": deed}))
        part.rename(self.wish)

    def heal(self) -> None:
        """Nothing is wrong any more, as far as it is up to the instruments."""
        self.faults.clear()
        self.wish.unlink(missing_ok=True)

    def program(self, n_shots: int = N_SHOTS) -> bytes:
        """Three spots with a pi pulse on QB1 that does something at the second alone.

        No two have the same samples or the same number of shots, so that every one is uploaded and
        the scope told of it; every spot sets the source or the bias.
        """
        self._n_jobs += 1
        program = self.client.program(shots=n_shots + self._n_jobs % 7)
        program.sweep(
            {
                "QB1__drive.frequency": [FAR_HZ, QUBIT_HZ, QUBIT_HZ],
                "QB1__flux.voltage": [PARKED_V, PARKED_V, MOVED_V],
            }
        )
        segment = program.segment()
        scale = PI_AMPLITUDE * (1 + 1e-5 * self._n_jobs)
        segment.flux("TC-1-3", Constant(40e-9), scale=1e-3 + 1e-5 * self._n_jobs)
        segment.drive("QB1", CosineRiseFall(40e-9), scale_i=scale)
        gates.measure(segment, self.client.calibration(), "PL-1", ["QB1"])
        return program.pack()

    def end_of(self, job: Job, limit_s: float) -> Ended:
        """Raises WaitTimeout when there is none in time."""
        began = time.monotonic()
        ended = self.client.wait(job.id, timeout_s=limit_s)
        return Ended(ended, time.monotonic() - began)

    def values_of(self, job: Job) -> list[float]:
        """How often QB1 was excited, by spot."""
        results: Results = self.client.results(job.id)
        return [float(spot.mean()) for spot in results["QB1__m1"]]

    def is_good(self, job: Job) -> bool:
        """Whether its values are the chip's."""
        far, near, moved = self.values_of(job)
        return far < 0.2 and near > 0.8 and moved < 0.2

    def wait_until_ready(self, limit_s: float) -> float:
        """How long it took."""
        began = time.monotonic()
        while (rack := self.client.rack()).state != "ready":
            assert time.monotonic() < began + limit_s, rack.what
            time.sleep(0.05)
        return time.monotonic() - began


__all__ = ["HERE", "Ended", "FaultLab"]
