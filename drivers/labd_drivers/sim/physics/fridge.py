"""The cold end of the rack: pulses go in, records come out, the chip keeps its state in between.

Shots follow each other without a pause. What a qubit carries from one pass to the next is its
level: coherences that outlive the gap between the last pulse of a pass and the first of the next
are dropped, and a qubit left alone for more than `library.MEMORY_LIFETIMES` times the longer of
T1 and T2 starts from its bath's temperature; what that neglects is exp(-8.5) = 2e-4.

A series of shots is played ahead of the records that are asked for, so that a digitizer that asks
for few shots at a time costs no more than one that asks for many.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.physics.chip import Chip, read_chip
from labd_drivers.sim.physics.library import PulseLibrary
from labd_drivers.sim.physics.passes import THERMAL, StartLevels
from labd_drivers.sim.physics.series import Series
from labd_drivers.sim.physics.shot import Shot

_SHOTS_AHEAD = 512
_MEASUREMENTS_AHEAD = 8192
"""Fewer shots are played ahead of a pass with so many triggers that this would be exceeded."""

RecordArray = npt.NDArray[np.float32]


@dataclass(slots=True)
class _Ahead:
    """A series that was played for a Shot, and how many of its shots were recorded."""

    shot: Shot
    series: Series
    n_shots: int
    n_taken: int = 0


class Fridge:
    """The chip and its lines. One call at a time; deterministic under seed and order of calls."""

    def __init__(self, chip: Chip, seed: int) -> None:
        self.chip = chip
        self._library = PulseLibrary(chip)
        self._rngs = np.random.SeedSequence(seed)
        self._left_levels: StartLevels = (THERMAL,) * len(chip.qubits)
        self._ahead: _Ahead | None = None

    @classmethod
    def from_toml(cls, path: Path, seed: int) -> Fridge:
        """Build from chip.toml. Raises BadFile with every mistake."""
        return cls(read_chip(path), seed)

    def records(
        self, shot: Shot, n_shots: int, record_start_samples: int, record_samples: int
    ) -> tuple[RecordArray, RecordArray]:
        """Play a pass n_shots times and return what reaches the digitizer.

        Each window covers [trigger + record_start_samples, ... + record_samples). Returns I and
        Q in volts, float32, (n_shots, n_triggers, record_samples), in the order of triggers. The
        same Shot object, call after call, is one series.
        """
        shape = (n_shots, len(shot.triggers_samples), record_samples)
        in_phase, quadrature = np.empty(shape, np.float32), np.empty(shape, np.float32)
        if n_shots == 0:
            return in_phase, quadrature
        ahead = self._played(shot, n_shots)
        for place, trigger in enumerate(shot.triggers_samples):
            start = trigger + record_start_samples
            window = (in_phase[:, place], quadrature[:, place])
            ahead.series.record(ahead.n_taken, start, *window)
        ahead.n_taken += n_shots
        self._left_levels = ahead.series.levels_after(ahead.n_taken - 1)
        return in_phase, quadrature

    def _played(self, shot: Shot, n_shots: int) -> _Ahead:
        """A series with at least n_shots still to record."""
        ahead = self._ahead
        if ahead is None or ahead.shot is not shot or ahead.n_taken + n_shots > ahead.n_shots:
            n_ahead = _MEASUREMENTS_AHEAD // max(len(shot.triggers_samples), 1)
            n_played = max(n_shots, min(n_ahead, _SHOTS_AHEAD))
            rng = np.random.Generator(np.random.SFC64(self._rngs.spawn(1)[0]))
            series = Series(self._library, shot, n_played, self._left_levels, rng)
            ahead = self._ahead = _Ahead(shot, series, n_played)
        return ahead
