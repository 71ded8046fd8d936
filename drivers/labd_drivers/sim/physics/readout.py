"""Dispersive readout: what the resonators put onto the line while qubits sit in, or leave, levels.

Each resonator is a one-pole band-pass in the frame of the probe's carrier,

    dy/dt = (-kappa / 2 + 2 pi i (f_level - f_carrier)) y + kappa / 2 x,

x the probe in volts at the AWG, held constant over a sample. The line's output is the sum of
line_gain * y over all resonators: a tone leaks through its neighbours exactly as their tails let
it. The filter is linear, so a qubit that jumps in mid-window only starts a new ring-down towards
its new level's response. Two levels that differ by a field d dephase the qubit at kappa |d|^2 /
2 in photons (Gambetta et al. 2006).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.physics.chip import N_LEVELS, Chip
from labd_drivers.sim.physics.evolve import LevelArray
from labd_drivers.sim.physics.propagate import ComplexArray, FloatArray

RINGDOWN_LINEWIDTHS = 14.0
"""A field is forgotten after this many 1 / kappa: it has fallen to 1e-3."""

_BLOCK_SAMPLES = 256


@dataclass(frozen=True, slots=True)
class Response:
    """What the resonators do in one burst and the ring-down after it.

    forced: complex128 (n_qubits, 3, n_samples), fields in volts of the probe, from an empty
        resonator, for a qubit that stays in a level; at the end of each sample.
    poles: complex128 (n_qubits, 3), factor on a free field per sample.
    dephasing: float64 (n_qubits,), exponent by which the burst shrinks each qubit's coherence.
    n_burst_samples: how many of the samples belong to the burst.
    """

    forced: ComplexArray
    poles: ComplexArray
    dephasing: FloatArray
    n_burst_samples: int

    def ring(self, qubit: int, level: int, start: int, stop: int) -> ComplexArray:
        """Decay of a field that was 1 at the burst's start, for samples [start, stop)."""
        steps = np.arange(start + 1, stop + 1)
        decay: ComplexArray = self.poles[qubit, level] ** steps
        return decay


@dataclass(frozen=True, slots=True)
class Jump:
    """A qubit changes its level after a burst's sample `sample`."""

    sample: int
    level: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What the qubits did during one burst.

    levels: int8 (n_qubits, n_shots), at the burst's start.
    jumps: per (qubit, shot) that jumps, its jumps in order of time.
    fields: complex128 (n_qubits, n_shots), left in the resonators by an earlier burst, or None.
    """

    levels: LevelArray
    jumps: Mapping[tuple[int, int], tuple[Jump, ...]]
    fields: ComplexArray | None


def ringdown_samples(chip: Chip, sample_rate_hz: float) -> int:
    """Samples after which no resonator remembers its field."""
    slowest_hz = min(qubit.resonator.linewidth_hz for qubit in chip.qubits)
    return int(RINGDOWN_LINEWIDTHS / (2.0 * np.pi * slowest_hz) * sample_rate_hz) + 1


def response_of(
    chip: Chip, probe: ComplexArray, carrier_hz: float, sample_rate_hz: float
) -> Response:
    """Response of all resonators to a burst. probe: complex128 (n_samples,), volts at the AWG."""
    dt_s = 1.0 / sample_rate_hz
    kappa = 2.0 * np.pi * np.array([[q.resonator.linewidth_hz] for q in chip.qubits])
    levels_hz = np.array([q.resonator.levels_hz for q in chip.qubits])
    rates = -kappa / 2.0 + 2.0j * np.pi * (levels_hz - carrier_hz)
    poles = np.exp(rates * dt_s)
    gains = ((poles - 1.0) / rates * kappa / 2.0).astype(np.complex128)
    drive = np.concatenate([probe, np.zeros(ringdown_samples(chip, sample_rate_hz), np.complex128)])
    forced = _filtered(drive, poles.reshape(-1), gains.reshape(-1))
    forced = forced.reshape(len(chip.qubits), N_LEVELS, drive.size)
    apart = np.sum(np.abs(forced[:, 1] - forced[:, 0]) ** 2, axis=1) * dt_s
    dephasing = chip.probe_line.photons_per_v2 * kappa[:, 0] / 2.0 * apart
    return Response(forced, poles, dephasing, int(probe.size))


def _filtered(drive: ComplexArray, poles: ComplexArray, gains: ComplexArray) -> ComplexArray:
    """y[n] = pole y[n-1] + gain x[n] for every pole; (n_poles, n_samples), block by block."""
    output = np.empty((poles.size, drive.size), dtype=np.complex128)
    powers = poles[:, None] ** np.arange(1, _BLOCK_SAMPLES + 1)
    field = np.zeros((poles.size, 1), dtype=np.complex128)
    for start in range(0, drive.size, _BLOCK_SAMPLES):
        block = drive[start : start + _BLOCK_SAMPLES]
        growth = powers[:, : block.size]
        summed = np.cumsum(block * gains[:, None] / growth, axis=1)
        output[:, start : start + block.size] = growth * (summed + field)
        field = output[:, start + block.size - 1 : start + block.size]
    return output


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a response that falls into a record.

    start, stop: samples of the response.
    gains: complex128 (n_qubits,), volts at the digitizer per volt of a field.
    volts: complex64 (n_qubits, 3, stop - start), the forced response times the gain.
    """

    response: Response
    start: int
    stop: int
    gains: ComplexArray
    volts: npt.NDArray[np.complex64]


def window_of(chip: Chip, response: Response, span: tuple[int, int]) -> Window:
    """Cut samples [start, stop) = span out of a response, in volts at the digitizer."""
    gains = np.array([qubit.resonator.line_gain for qubit in chip.qubits])
    forced = response.forced[:, :, span[0] : span[1]]
    volts = (gains[:, None, None] * forced).astype(np.complex64)
    return Window(response, *span, gains, volts)


class LineOutput:
    """The line's noiseless output in one record window, over shots."""

    def __init__(self, window: Window, reading: Reading) -> None:
        self._window = window
        self._reading = reading
        self._weights = N_LEVELS ** np.arange(reading.levels.shape[0])
        self._moved: dict[int, list[int]] = {}
        for qubit, shot in reading.jumps:
            self._moved.setdefault(shot, []).append(qubit)

    def rows(self, shots: npt.NDArray[np.intp]) -> npt.NDArray[np.complex64]:
        """complex64 (n, n_samples), volts at the digitizer, for some of the shots."""
        codes, row = np.unique(self._weights @ self._reading.levels[:, shots], return_inverse=True)
        levels = (codes[:, None] // self._weights) % N_LEVELS
        table = self._window.volts[0, levels[:, 0]]
        for qubit in range(1, levels.shape[1]):
            table += self._window.volts[qubit, levels[:, qubit]]
        rows: npt.NDArray[np.complex64] = table[row]
        if self._reading.fields is not None:
            self._add_fields(rows, shots, self._reading.fields)
        for place, shot in enumerate(shots.tolist()):
            for qubit in self._moved.get(shot, ()):
                rows[place] += self._jumped(qubit, shot)
        return rows

    def _add_fields(
        self, rows: npt.NDArray[np.complex64], shots: npt.NDArray[np.intp], fields: ComplexArray
    ) -> None:
        levels, window = self._reading.levels, self._window
        for qubit in range(levels.shape[0]):
            for level in np.unique(levels[qubit, shots]).tolist():
                chosen = levels[qubit, shots] == level
                ring = window.response.ring(qubit, level, window.start, window.stop)
                scaled = window.gains[qubit] * fields[qubit, shots[chosen]]
                rows[chosen] += (scaled[:, None] * ring).astype(np.complex64)

    def _jumped(self, qubit: int, shot: int) -> npt.NDArray[np.complex64]:
        """What jumps add to the row of a qubit that had stayed in its level."""
        reading, window = self._reading, self._window
        jumps = reading.jumps[qubit, shot]
        stayed = stayed_in(window.response, reading, qubit, shot)
        change = follow(window.response, qubit, stayed, jumps) - stayed
        scaled: npt.NDArray[np.complex64] = (
            window.gains[qubit] * change[window.start : window.stop]
        ).astype(np.complex64)
        return scaled


def stayed_in(response: Response, reading: Reading, qubit: int, shot: int) -> ComplexArray:
    """Field of a resonator whose qubit stays in its level for the whole burst and after."""
    level = int(reading.levels[qubit, shot])
    field: ComplexArray = response.forced[qubit, level].copy()
    if reading.fields is not None:
        field += reading.fields[qubit, shot] * response.ring(qubit, level, 0, field.size)
    return field


def follow(
    response: Response, qubit: int, stayed: ComplexArray, jumps: Sequence[Jump]
) -> ComplexArray:
    """Field of a resonator whose qubit jumps. stayed: what it would have been without."""
    field = stayed.copy()
    for jump in jumps:
        forced = response.forced[qubit, jump.level, : field.size]
        steps = np.arange(1, field.size - jump.sample)
        free = (field[jump.sample] - forced[jump.sample]) * response.poles[
            qubit, jump.level
        ] ** steps
        field[jump.sample + 1 :] = forced[jump.sample + 1 :] + free
    return field


def fields_after(response: Response, reading: Reading) -> ComplexArray:
    """complex128 (n_qubits, n_shots): fields in the resonators at the burst's end."""
    last = response.n_burst_samples - 1
    n_qubits, n_shots = reading.levels.shape
    fields = np.empty((n_qubits, n_shots), dtype=np.complex128)
    for qubit in range(n_qubits):
        fields[qubit] = response.forced[qubit, :, last][reading.levels[qubit]]
        if reading.fields is not None:
            decay = response.poles[qubit] ** (last + 1)
            fields[qubit] += reading.fields[qubit] * decay[reading.levels[qubit]]
    for (qubit, shot), jumps in reading.jumps.items():
        stayed = stayed_in(response, reading, qubit, shot)
        fields[qubit, shot] = follow(response, qubit, stayed, jumps)[last]
    return fields


def jumps_of(
    levels: LevelArray, transfer: FloatArray, n_samples: int, dt_s: float, rng: np.random.Generator
) -> tuple[LevelArray, dict[int, tuple[Jump, ...]]]:
    """Draw one qubit's jumps during a burst.

    levels: int8 (n_shots,). transfer: float64 (3, 3), 1/s.
    Returns the final levels, int8 (n_shots,), and the jumps of the shots that have any.
    """
    leaving = np.abs(np.diag(transfer))
    ladder = np.cumsum(np.where(np.eye(N_LEVELS, dtype=bool), 0.0, transfer), axis=0)
    final = levels.copy()
    times = np.zeros(levels.size)
    jumps: dict[int, tuple[Jump, ...]] = {}
    moving = np.arange(levels.size)
    while moving.size:
        rates = leaving[final[moving]]
        with np.errstate(divide="ignore"):
            times[moving] += rng.standard_exponential(moving.size) / rates / dt_s
        moving = moving[times[moving] < n_samples - 1]
        ticket = rng.random(moving.size) * leaving[final[moving]]
        final[moving] = (ticket >= ladder[:, final[moving]]).sum(axis=0).astype(np.int8)
        for shot in moving.tolist():
            jump = Jump(int(times[shot]), int(final[shot]))
            jumps[shot] = (*jumps.get(shot, ()), jump)
    return final, jumps
