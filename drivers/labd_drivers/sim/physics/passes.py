"""One pass of the sequence loop, played for many shots at once.

A qubit is projected when its probe burst begins, if the burst would leave it less than
exp(-STRONG_DEPHASING) of its coherence; weaker bursts only dephase it. While a qubit is being
read out, drives on it do nothing. From one pass to the next a qubit carries its level, not its
coherence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labd_drivers.sim.physics.evolve import Ensemble, LevelArray
from labd_drivers.sim.physics.library import PulseLibrary
from labd_drivers.sim.physics.propagate import ComplexArray, dephasing_factors, phase_factors
from labd_drivers.sim.physics.pulses import Burst, Drive, Event, Timeline, Turn, timeline_of
from labd_drivers.sim.physics.readout import (
    Jump,
    Reading,
    Response,
    fields_after,
    jumps_of,
    ringdown_samples,
)
from labd_drivers.sim.physics.shot import Shot

STRONG_DEPHASING = 0.05

_LEAST_DEPHASING = 1.0e-6
_LEAST_PHASE = 1.0e-9
THERMAL = -1
"""In place of a starting level: in equilibrium with the bath."""

StartLevels = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A pass played for all shots.

    readings: one per burst. end_levels: int8 (n_qubits, n_shots), at the end of the pass.
    """

    readings: tuple[Reading, ...]
    end_levels: LevelArray


@dataclass(frozen=True, slots=True)
class _FieldsLeft:
    """Fields in the resonators at the end of the last burst."""

    at_samples: int
    levels: LevelArray
    fields: ComplexArray


class PassPlayer:
    """Plays a pass for n_shots shots at once, all of which start alike."""

    def __init__(
        self, library: PulseLibrary, shot: Shot, n_shots: int, rng: np.random.Generator
    ) -> None:
        self._library = library
        self._shot = shot
        self._n_shots = n_shots
        self._rng = rng
        self._chip = library.chip
        self._dt_s = 1.0 / shot.sample_rate_hz
        self._timeline: Timeline = timeline_of(shot, library.chip)
        self._tail_samples = ringdown_samples(library.chip, shot.sample_rate_hz)
        self._pairs = [
            (self._chip.index_of(a), self._chip.index_of(b))
            for a, b in (coupler.qubits for coupler in self._chip.couplers)
        ]
        self._forgets = self._which_forget()

    @property
    def events(self) -> tuple[Event, ...]:
        """All that happens in the pass, in order of time."""
        return self._timeline.events

    @property
    def bursts(self) -> tuple[Burst, ...]:
        """The pass's probe bursts; each has its reading in an outcome."""
        return self._timeline.bursts

    @property
    def forgets_all(self) -> bool:
        """Whether every qubit starts thermal, whatever was before."""
        return all(self._forgets)

    def start_from(self, levels: StartLevels) -> StartLevels:
        """Starting levels of a pass that follows one which ended with these levels."""
        pairs = zip(levels, self._forgets, strict=True)
        return tuple(THERMAL if forgets else level for level, forgets in pairs)

    def run(self, start: StartLevels) -> Outcome:
        """Play the pass once for all shots, all of them starting from the same levels."""
        ensemble = self.prepare(start)
        readings = self.play(ensemble)
        qubits = range(len(self._chip.qubits))
        ensemble.project(qubits)
        for qubit in qubits:
            self._idle(ensemble, qubit, self._shot.duration_samples)
        return Outcome(readings, np.array([ensemble.peek(qubit) for qubit in qubits]))

    def prepare(self, start: StartLevels) -> Ensemble:
        """All shots at the beginning of the pass."""
        ensemble = Ensemble(len(self._chip.qubits), self._n_shots, self._rng)
        for qubit, level in enumerate(start):
            if level == THERMAL:
                ensemble.set_populations(qubit, self._library.decays[qubit].thermal)
            else:
                ensemble.set_levels(qubit, np.full(self._n_shots, level, np.int8), 0)
        return ensemble

    def play(self, ensemble: Ensemble) -> tuple[Reading, ...]:
        """Let everything in the pass happen to the ensemble; a reading for each burst."""
        readings: list[Reading] = []
        left: _FieldsLeft | None = None
        for event in self._timeline.events:
            match event:
                case Drive():
                    self._drive(ensemble, event)
                case Turn():
                    self._turn(ensemble, event)
                case Burst():
                    reading, left = self._read(ensemble, event, left)
                    readings.append(reading)
        return tuple(readings)

    def _drive(self, ensemble: Ensemble, event: Drive) -> None:
        if event.start_samples < ensemble.clocks[event.qubit]:
            return
        self._idle(ensemble, event.qubit, event.start_samples)
        ensemble.apply(event.qubit, self._library.drive(event, self._shot))
        ensemble.clocks[event.qubit] = event.stop_samples

    def _turn(self, ensemble: Ensemble, event: Turn) -> None:
        coupler = self._chip.couplers[event.coupler]
        first, second = self._pairs[event.coupler]
        for qubit in (first, second):
            self._idle(ensemble, qubit, event.time_samples)
        phase_a, phase_b = (rate * event.integral_v2_s for rate in coupler.shift_rad_per_s_v2)
        phase_both = coupler.conditional_rad_per_s_v2 * event.integral_v2_s
        factors_a, factors_b, factors_both = phase_factors(phase_a, phase_b, phase_both)
        ensemble.scale(first, factors_a)
        ensemble.scale(second, factors_b)
        if abs(phase_both) > _LEAST_PHASE:
            ensemble.scale_pair(first, second, factors_both)

    def _read(
        self, ensemble: Ensemble, burst: Burst, left: _FieldsLeft | None
    ) -> tuple[Reading, _FieldsLeft | None]:
        response = self._library.response(burst, self._shot)
        qubits = range(len(self._chip.qubits))
        for qubit in qubits:
            self._idle(ensemble, qubit, burst.time_samples)
        strong = [q for q in qubits if response.dephasing[q] > STRONG_DEPHASING]
        measured = ensemble.project(strong)
        levels = np.array([measured[q] if q in measured else ensemble.peek(q) for q in qubits])
        final = levels.copy()
        jumps: dict[tuple[int, int], tuple[Jump, ...]] = {}
        for qubit in qubits:
            if qubit not in measured:
                if response.dephasing[qubit] > _LEAST_DEPHASING:
                    ensemble.scale(qubit, dephasing_factors(float(response.dephasing[qubit])))
                continue
            transfer = self._library.decays[qubit].transfer
            final[qubit], drawn = jumps_of(
                levels[qubit], transfer, response.n_burst_samples, self._dt_s, self._rng
            )
            jumps.update(((qubit, shot), items) for shot, items in drawn.items())
            stop = max(burst.envelope.stop_samples, ensemble.clocks[qubit])
            ensemble.set_levels(qubit, final[qubit], stop)
        reading = Reading(levels, jumps, self._fields_at(burst.time_samples, left))
        return reading, self._fields_left(burst, response, reading, final)

    def _fields_left(
        self, burst: Burst, response: Response, reading: Reading, final: LevelArray
    ) -> _FieldsLeft | None:
        """What a burst leaves in the resonators, if another one follows soon enough."""
        stop, bursts = burst.envelope.stop_samples, self._timeline.bursts
        following = bursts[burst.index + 1 : burst.index + 2]
        if not following or following[0].time_samples - stop >= self._tail_samples:
            return None
        return _FieldsLeft(stop, final, fields_after(response, reading))

    def _fields_at(self, time_samples: int, left: _FieldsLeft | None) -> ComplexArray | None:
        """What is still left of an earlier burst in the resonators."""
        if left is None:
            return None
        poles = self._library.response(self._timeline.bursts[0], self._shot).poles
        rung = poles ** (time_samples - left.at_samples)
        return left.fields * np.take_along_axis(rung, left.levels.astype(np.intp), axis=1)

    def _idle(self, ensemble: Ensemble, qubit: int, until_samples: int) -> None:
        """Carry a qubit forward to an instant; one in the past does nothing."""
        duration_s = (until_samples - ensemble.clocks[qubit]) * self._dt_s
        if duration_s <= 0.0:
            return
        ensemble.clocks[qubit] = until_samples
        cluster = ensemble.cluster_of(qubit)
        if duration_s >= self._library.memory_s[qubit]:
            ensemble.set_populations(qubit, self._library.decays[qubit].thermal)
        elif cluster.is_level:
            ensemble.jump(qubit, self._library.transition(qubit, duration_s))
        else:
            ensemble.apply(qubit, self._library.wait(qubit, duration_s, self._shot))

    def _which_forget(self) -> tuple[bool, ...]:
        """Qubits that are left alone between two passes for so long that they are thermal."""
        first: dict[int, int] = {}
        last: dict[int, int] = {}
        for event in self._timeline.events:
            for qubit in self._touched(event):
                first.setdefault(qubit, event.time_samples)
                stop = event.time_samples
                if isinstance(event, Drive):
                    stop = event.stop_samples
                elif isinstance(event, Burst):
                    stop = event.envelope.stop_samples
                last[qubit] = max(stop, last.get(qubit, 0))
        duration = self._shot.duration_samples
        alone = [
            duration - last.get(qubit, 0) + first.get(qubit, 0)
            for qubit in range(len(self._chip.qubits))
        ]
        return tuple(
            gap * self._dt_s >= memory_s
            for gap, memory_s in zip(alone, self._library.memory_s, strict=True)
        )

    def _touched(self, event: Event) -> tuple[int, ...]:
        match event:
            case Drive():
                return (event.qubit,)
            case Turn():
                return self._pairs[event.coupler]
            case Burst():
                return tuple(range(len(self._chip.qubits)))
