"""Hand-built passes for the tests of the physics: calibrated pulses of the star5 chip as pieces."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.physics.api import Fridge, Piece, Shot, Source
from labd_drivers.sim.physics.chip import Chip, read_chip
from labd_drivers.sim.physics.library import PulseLibrary
from labd_drivers.sim.physics.passes import PassPlayer

ComplexArray = npt.NDArray[np.complex128]

CHIP_TOML = Path(__file__).parents[2] / "config" / "star5" / "chip.toml"
FULL_SCALE_V = 0.25
RATE_HZ = 2.0e9
PULSE_SAMPLES = 80
PROBE_SAMPLES = 2000
AMPLITUDES = {"QB1": 0.31, "QB2": 0.36, "QB3": 0.28, "QB4": 0.33, "QB5": 0.40}
DRIVES_HZ = {"QB1": 4.41e9, "QB2": 4.53e9, "QB3": 4.72e9, "QB4": 4.36e9, "QB5": 4.61e9}
PROBE_FREQUENCIES = {"QB1": -0.09, "QB2": -0.045, "QB3": 0.015, "QB4": 0.06, "QB5": 0.105}
OUTPUTS = {
    "QB1": ("awg1.ch1", "awg1.ch2"),
    "QB2": ("awg1.ch3", "awg1.ch4"),
    "QB3": ("awg1.ch5", "awg1.ch6"),
    "QB4": ("awg1.ch7", "awg1.ch8"),
    "QB5": ("awg2.ch1", "awg2.ch2"),
}
COUPLERS = {
    ("QB1", "QB3"): ("awg2.ch5", 0.42, 0.3, -0.7),
    ("QB2", "QB3"): ("awg2.ch6", -0.38, 1.1, 0.2),
    ("QB3", "QB4"): ("awg2.ch7", 0.45, -0.4, 0.9),
    ("QB3", "QB5"): ("awg2.ch8", 0.40, 2.0, -1.3),
}
"""Output, amplitude and the calibrated rz of both qubits."""


def fridge(seed: int = 1) -> Fridge:
    return Fridge.from_toml(CHIP_TOML, seed)


NOMINAL_SOURCES = {
    "lo_pl1": Source(6.0e9, 10.0, True, True),
    **{f"lo_{name.lower()}": Source(hz, 10.0, True, True) for name, hz in DRIVES_HZ.items()},
}
NOMINAL_BIASES = {
    **{f"bias_{name.lower()}": 0.05 for name in DRIVES_HZ},
    **{f"bias_tc_{first[2]}_{second[2]}": 0.1 for first, second in COUPLERS},
}


def with_source(
    name: str,
    *,
    frequency_hz: float | None = None,
    power_dbm: float = 10.0,
    is_on: bool = True,
    is_iq_on: bool = True,
) -> dict[str, Source]:
    """The nominal sources with one set otherwise."""
    carrier_hz = NOMINAL_SOURCES[name].frequency_hz if frequency_hz is None else frequency_hz
    return {**NOMINAL_SOURCES, name: Source(carrier_hz, power_dbm, is_on, is_iq_on)}


def quiet_chip() -> Chip:
    """The chip of star5 with an amplifier that adds no noise."""
    chip = read_chip(CHIP_TOML)
    line = dataclasses.replace(chip.probe_line, noise_v=0.0)
    return dataclasses.replace(chip, probe_line=line)


def player(shot: Shot, n_shots: int, chip: Chip | None = None, seed: int = 5) -> PassPlayer:
    library = PulseLibrary(chip or quiet_chip())
    return PassPlayer(library, shot, n_shots, np.random.default_rng(seed))


def drag_pulse(qubit: str, angle: float, phase: float) -> ComplexArray:
    """complex128 (80,), volts: the calibrated pulse scaled to an angle, at a phase."""
    u = (np.arange(PULSE_SAMPLES) + 0.5) / PULSE_SAMPLES - 0.5
    rise, derivative = 0.5 * (1.0 + np.cos(2 * np.pi * u)), -np.sin(2 * np.pi * u)
    shape = AMPLITUDES[qubit] * rise + 0.02j * derivative
    volts: ComplexArray = FULL_SCALE_V * angle / np.pi * shape * np.exp(1j * phase)
    return volts


def flux_pulse(pair: tuple[str, str]) -> npt.NDArray[np.float64]:
    """float64 (80,), volts: the calibrated coupler pulse."""
    u = np.abs((np.arange(PULSE_SAMPLES) + 0.5) / PULSE_SAMPLES - 0.5)
    shape = np.where(u <= 0.25, 1.0, 0.5 * (1.0 + np.cos(np.pi * (u - 0.25) / 0.25)))
    return FULL_SCALE_V * COUPLERS[pair][1] * shape


def probe_pulse(qubits: tuple[str, ...], amplitude: float = 0.12) -> ComplexArray:
    """complex128 (2000,), volts: the calibrated readout tones of some qubits."""
    n = np.arange(PROBE_SAMPLES)
    tones = [np.exp(2j * np.pi * PROBE_FREQUENCIES[qubit] * n) for qubit in qubits]
    volts: ComplexArray = amplitude * FULL_SCALE_V * np.sum(tones, axis=0)
    return volts


class PassBuilder:
    """Lays pulses out in time as a compiler would: virtual z is a phase of what follows."""

    def __init__(self, start_samples: int = 600_000) -> None:
        self.time = dict.fromkeys(DRIVES_HZ, start_samples)
        self.frame = dict.fromkeys(DRIVES_HZ, 0.0)
        self.pieces: dict[str, list[Piece]] = {}
        self.triggers: list[int] = []

    def add(self, output: str, start: int, volts: npt.NDArray[np.float64]) -> None:
        samples = volts.astype(np.float32)
        samples.setflags(write=False)
        digest = hashlib.blake2b(samples.tobytes(), digest_size=16).digest()
        self.pieces.setdefault(output, []).append(Piece(start, samples, digest))

    def add_iq(self, outputs: tuple[str, str], start: int, v: ComplexArray) -> None:
        self.add(outputs[0], start, v.real)
        self.add(outputs[1], start, v.imag)

    def prx(self, qubit: str, angle: float, phase: float = 0.0) -> PassBuilder:
        pulse = drag_pulse(qubit, angle, phase + self.frame[qubit])
        self.add_iq(OUTPUTS[qubit], self.time[qubit], pulse)
        self.time[qubit] += PULSE_SAMPLES
        return self

    def rz(self, qubit: str, angle: float) -> PassBuilder:
        self.frame[qubit] -= angle
        return self

    def hadamard(self, qubit: str) -> PassBuilder:
        """H up to a phase: RY(pi/2) after RZ(pi)."""
        return self.rz(qubit, np.pi).prx(qubit, np.pi / 2, np.pi / 2)

    def cz(self, first: str, second: str) -> PassBuilder:
        output, _, rz_first, rz_second = COUPLERS[first, second]
        start = max(self.time[first], self.time[second])
        self.add(output, start, flux_pulse((first, second)))
        self.time[first] = self.time[second] = start + PULSE_SAMPLES
        return self.rz(first, rz_first).rz(second, rz_second)

    def wait(self, samples: int) -> PassBuilder:
        self.time = {qubit: time + samples for qubit, time in self.time.items()}
        return self

    def align(self) -> PassBuilder:
        self.time = dict.fromkeys(self.time, max(self.time.values()))
        return self

    def measure(self, *qubits: str, amplitude: float = 0.12) -> PassBuilder:
        start = self.align().time["QB1"]
        self.add_iq(("awg2.ch3", "awg2.ch4"), start + 32, probe_pulse(qubits, amplitude))
        self.triggers.append(start)
        return self.wait(2576)

    def shot(
        self,
        end_samples: int = 600_000,
        *,
        sources: Mapping[str, Source] = NOMINAL_SOURCES,
        biases: Mapping[str, float] = NOMINAL_BIASES,
    ) -> Shot:
        return Shot(
            sample_rate_hz=RATE_HZ,
            duration_samples=max(self.time.values()) + end_samples,
            outputs={output: tuple(pieces) for output, pieces in self.pieces.items()},
            triggers_samples=tuple(self.triggers),
            sources=sources,
            biases_v=biases,
        )


def integrals(fridge: Fridge, shot: Shot, n_shots: int) -> ComplexArray:
    """complex128 (5, n_shots, n_triggers): demodulated means of the window; |1> is 1."""
    in_phase, quadrature = fridge.records(shot, n_shots, 480, PROBE_SAMPLES)
    n = np.arange(PROBE_SAMPLES)
    tones = [np.exp(-2j * np.pi * f * n) for f in PROBE_FREQUENCIES.values()]
    weights = np.array(tones).T.astype(np.complex64) / PROBE_SAMPLES
    values = 200.0 * ((in_phase + 1j * quadrature) @ weights)
    by_qubit: ComplexArray = np.moveaxis(values, -1, 0).astype(np.complex128)
    return by_qubit


def bits(fridge: Fridge, shot: Shot, n_shots: int) -> npt.NDArray[np.int64]:
    """int64 (5, n_shots, n_triggers): thresholded integrals of QB1 to QB5."""
    return (integrals(fridge, shot, n_shots).real > 0.5).astype(np.int64)
