"""A simulated rack that plays at its own pace and computes no physics.

The instruments, their sockets and every byte on them are those of `labd-simrack`; only what comes
out of the chip is noise, and it comes when the programs have been played for as long as they last.
So a job takes on it what it would take on real instruments of that speed, and what is above their
playing time is labd's and the transport's.

Usage: python -m benchmarks.paced_rack DIRECTORY STATION_OUT
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.main import SimulatedRack, write_station
from labd_drivers.sim.physics.shot import Shot
from labd_drivers.sim.rackfile import read_rack_file

_ENDING = {signal.SIGINT, signal.SIGTERM}
_NOISE_V = 0.01
Records = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


class PacedFridge:
    """Noise, as late as the shots are over."""

    def __init__(self) -> None:
        self._noise = np.zeros(0, np.float32)

    def records(
        self, shot: Shot, n_shots: int, record_start_samples: int, record_samples: int
    ) -> Records:
        """Volts, float32, each (n_shots, n_triggers, record_samples)."""
        del record_start_samples
        over = time.monotonic() + n_shots * shot.duration_samples / shot.sample_rate_hz
        shape = (n_shots, len(shot.triggers_samples), record_samples)
        n_values = int(np.prod(shape))
        if n_values > self._noise.size:
            rng = np.random.default_rng(1)
            self._noise = rng.normal(0.0, _NOISE_V, n_values).astype(np.float32)
        volts = self._noise[:n_values].reshape(shape)
        time.sleep(max(over - time.monotonic(), 0.0))
        return volts, volts


def main(directory: Path, station_out: Path) -> None:
    """Serve until SIGINT or SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    described = read_rack_file(directory / "simrack.toml")
    rack = SimulatedRack(described, PacedFridge(), are_ports_free=True, seed=1)
    rack.start()
    write_station(directory / "station.yaml", station_out, rack.addresses("hislip"))
    print("ready", flush=True)
    signal.sigwait(_ENDING)
    rack.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
