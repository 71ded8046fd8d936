"""A simulated rack in the test's own process, with a fridge that is a pair of cables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.main import SimulatedRack
from labd_drivers.sim.physics.shot import Shot
from labd_drivers.sim.rackfile import read_rack_file

RACK_FILE = Path(__file__).parents[2] / "config" / "star5" / "simrack.toml"
DELAY_SAMPLES = 100
_names = itertools.count()


def unique(name: str) -> str:
    """An instrument name that QCoDeS has not seen yet."""
    return f"{name}_{next(_names)}"


class LoopbackFridge:
    """Returns what the readout outputs put out, DELAY_SAMPLES later."""

    def __init__(self, out_i: str = "awg2.ch3", out_q: str = "awg2.ch4") -> None:
        self.outs = (out_i, out_q)
        self.shots: list[Shot] = []

    def records(
        self, shot: Shot, n_shots: int, record_start_samples: int, record_samples: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        self.shots.append(shot)
        both = []
        for out in self.outs:
            line = np.zeros(shot.duration_samples, np.float32)
            for piece in shot.outputs.get(out, ()):
                line[piece.start_samples : piece.start_samples + len(piece.volts)] = piece.volts
            times = (
                np.array(shot.triggers_samples)[:, None]
                + record_start_samples
                - DELAY_SAMPLES
                + np.arange(record_samples)
            )
            one = line[times % shot.duration_samples]
            both.append(np.repeat(one[None], n_shots, axis=0))
        return both[0], both[1]


@contextmanager
def loopback_rack(fridge: LoopbackFridge | None = None) -> Iterator[SimulatedRack]:
    """The star5 rack on free ports, without the chip."""
    rack = SimulatedRack(
        read_rack_file(RACK_FILE), fridge or LoopbackFridge(), are_ports_free=True, seed=1
    )
    rack.start()
    try:
        yield rack
    finally:
        rack.close()
