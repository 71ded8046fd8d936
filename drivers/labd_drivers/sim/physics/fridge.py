"""The cold end of the rack: pulses go in, records come out, the chip keeps its state in between.

Shots follow each other without a pause. What a qubit carries from one pass to the next is its
level: coherences that outlive the gap between the last pulse of a pass and the first of the next
are dropped, and a qubit left alone for more than `library.MEMORY_LIFETIMES` times the longer of
T1 and T2 starts from its bath's temperature; what that neglects is exp(-8.5) = 2e-4. Otherwise
the sequence of shots is exact: a pass is played from each combination of starting levels that
occurs, for all shots at once, and the shots are then chained, each taking up the levels that its
predecessor left.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.physics.chip import Chip, read_chip
from labd_drivers.sim.physics.library import PulseLibrary
from labd_drivers.sim.physics.passes import THERMAL, PassPlayer, StartLevels
from labd_drivers.sim.physics.shot import Shot

RecordArray = npt.NDArray[np.float32]


class Fridge:
    """The chip and its lines. One call at a time; deterministic under seed and order of calls."""

    def __init__(self, chip: Chip, seed: int) -> None:
        self.chip = chip
        self._library = PulseLibrary(chip)
        self._seed = seed
        self._n_calls = 0
        self._left_levels: StartLevels = (THERMAL,) * len(chip.qubits)

    @classmethod
    def from_toml(cls, path: Path, seed: int) -> Fridge:
        """Build from chip.toml. Raises BadFile with every mistake."""
        return cls(read_chip(path), seed)

    def records(
        self, shot: Shot, n_shots: int, record_start_samples: int, record_samples: int
    ) -> tuple[RecordArray, RecordArray]:
        """Play a pass n_shots times and return what reaches the digitizer.

        Each window covers [trigger + record_start_samples, ... + record_samples). Returns I and
        Q in volts, float32, (n_shots, n_triggers, record_samples), in the order of triggers.
        """
        rng = np.random.Generator(np.random.SFC64([self._seed, self._n_calls]))
        self._n_calls += 1
        shape = (n_shots, len(shot.triggers_samples), record_samples)
        in_phase, quadrature = np.empty(shape, np.float32), np.empty(shape, np.float32)
        if n_shots == 0:
            return in_phase, quadrature
        player = PassPlayer(self._library, shot, n_shots, rng)
        shares, self._left_levels = player.chain(self._left_levels)
        for place, trigger in enumerate(shot.triggers_samples):
            window = (in_phase[:, place], quadrature[:, place])
            player.record(shares, trigger + record_start_samples, *window)
        return in_phase, quadrature
