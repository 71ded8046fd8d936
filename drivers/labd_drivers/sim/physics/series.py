"""A series of shots, one after the other, and the records that the digitizer takes of them.

The sequence is exact: a pass is played from each combination of starting levels that occurs, for
all shots of the series at once, and the shots are then chained, each taking up the levels that its
predecessor left. After long waits there is one combination only: thermal.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.physics.library import PulseLibrary
from labd_drivers.sim.physics.passes import Outcome, PassPlayer, StartLevels
from labd_drivers.sim.physics.readout import LineOutput, ringdown_samples
from labd_drivers.sim.physics.shot import Shot

_CHUNK_SHOTS = 64


class Series:
    """n_shots passes of a Shot, played; records are made when they are asked for.

    before: levels at the end of whatever was played last.
    """

    def __init__(
        self,
        library: PulseLibrary,
        shot: Shot,
        n_shots: int,
        before: StartLevels,
        rng: np.random.Generator,
    ) -> None:
        self._library = library
        self._shot = shot
        self._rng = rng
        player = PassPlayer(library, shot, n_shots, rng)
        self._bursts = player.bursts
        tail_samples = ringdown_samples(library.chip, shot.sample_rate_hz)
        self._begins = [burst.time_samples for burst in self._bursts]
        self._ends = [burst.envelope.stop_samples + tail_samples for burst in self._bursts]
        self._outcomes: list[Outcome] = []
        self._outcome_of = np.zeros(n_shots, dtype=np.intp)
        self._chain(player, player.start_from(before))

    def levels_after(self, shot: int) -> StartLevels:
        """Level of each qubit at the end of a shot."""
        outcome = self._outcomes[int(self._outcome_of[shot])]
        return tuple(outcome.end_levels[:, shot].tolist())

    def record(
        self,
        first_shot: int,
        start_samples: int,
        in_phase: npt.NDArray[np.float32],
        quadrature: npt.NDArray[np.float32],
    ) -> None:
        """Write the digitizer's input for the window that begins at `start_samples` of the pass.

        in_phase, quadrature: float32 (n, n_samples), volts, for n shots from `first_shot` on.
        """
        noise_v = np.float32(self._library.chip.probe_line.noise_v)
        n_samples = in_phase.shape[1]
        owners = self._outcome_of[first_shot : first_shot + in_phase.shape[0]]
        for owner in np.unique(owners).tolist():
            places = np.flatnonzero(owners == owner)
            outputs = self._outputs(self._outcomes[owner], start_samples, n_samples)
            for first in range(0, places.size, _CHUNK_SHOTS):
                chosen = places[first : first + _CHUNK_SHOTS]
                volts = self._rng.standard_normal((2, chosen.size, n_samples), dtype=np.float32)
                volts *= noise_v
                for output, at, size in outputs:
                    rows = output.rows(first_shot + chosen)
                    volts[0, :, at : at + size] += rows.real
                    volts[1, :, at : at + size] += rows.imag
                in_phase[chosen], quadrature[chosen] = volts

    def _chain(self, player: PassPlayer, start: StartLevels) -> None:
        known: dict[StartLevels, int] = {}
        following: list[list[StartLevels]] = []
        for shot in range(self._outcome_of.size):
            if start not in known:
                known[start] = len(known)
                outcome = player.run(start)
                self._outcomes.append(outcome)
                if player.forgets_all:
                    return
                ends = outcome.end_levels.T.tolist()
                following.append([player.start_from(tuple(levels)) for levels in ends])
            self._outcome_of[shot] = known[start]
            start = following[known[start]][shot]

    def _outputs(
        self, outcome: Outcome, start: int, n_samples: int
    ) -> list[tuple[LineOutput, int, int]]:
        """Line outputs of the bursts that reach a window, with their place and size in it."""
        outputs: list[tuple[LineOutput, int, int]] = []
        begin = start - self._library.chip.probe_line.delay_samples
        first = bisect_right(self._ends, begin)
        for place in range(first, bisect_left(self._begins, begin + n_samples)):
            origin = self._begins[place]
            until = min([self._ends[place], *self._begins[place + 1 : place + 2]])
            low, high = max(begin, origin), min(begin + n_samples, until)
            if low < high:
                span = (low - origin, high - origin)
                window = self._library.window(self._bursts[place], self._shot, span)
                output = LineOutput(window, outcome.readings[place])
                outputs.append((output, low - begin, high - low))
        return outputs
