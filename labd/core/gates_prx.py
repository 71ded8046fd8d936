"""Rotations: what a calibration set says of a prx, and its pulses for any angle and phase.

Two families. A π pulse whose amplitude is scaled with the angle (drag_crf, drag_gaussian), or
a π/2 pulse that is played twice with frame turns between (drag_crf_sx, drag_gaussian_sx). All have
an envelope in I and its derivative in Q. Shapes and conventions: IQM's pulse library, as measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from labd.core.circuit_station import instruction_samples
from labd.core.gate_data import GateData
from labd.core.waveforms import (
    CosineRiseFall,
    Samples,
    TruncatedGaussian,
    TruncatedGaussianDerivative,
    Waveform,
    cosine_derivative,
)
from labd.core.wiring import ControllerChannel

_SAME_ANGLE = 1e-8


@dataclass(frozen=True, slots=True)
class DrivePulse:
    """One pulse of a rotation; scales are fractions of full scale, angles rad."""

    scale_i: float
    scale_q: float
    phase: float
    phase_increment: float


@dataclass(frozen=True, slots=True)
class CalibratedPrx:
    """A qubit's calibrated pulse and how rotations are made of it.

    amplitude_i, amplitude_q: fractions of full scale, for π; for π/2 where is_half_pi.
    phase, phase_increment: of the pulse by itself, rad; they make a π/2 pulse about X of it.
    """

    channel: ControllerChannel
    n_samples: int
    wave_i: Waveform
    wave_q: Waveform
    amplitude_i: float
    amplitude_q: float
    is_half_pi: bool
    phase: float = 0.0
    phase_increment: float = 0.0

    def pulses(self, angle_rad: float, phase_rad: float) -> tuple[DrivePulse, ...]:
        """The pulses of a rotation, to be played one after the other."""
        angle = math.remainder(angle_rad, 2 * math.pi)
        phase = phase_rad if angle >= 0 else phase_rad + math.pi
        angle = abs(angle)
        if self.is_half_pi:
            return self._of_half_pi_pulses(angle, phase)
        scale = angle / math.pi
        return (self._pulse(scale, phase, 0.0),)

    def _of_half_pi_pulses(self, angle: float, phase: float) -> tuple[DrivePulse, ...]:
        """Rz(φ - π/2) SX Rz(π - θ) SX Rz(-φ - π/2), each Rz a frame turn by its negative."""
        if angle <= _SAME_ANGLE:
            return (DrivePulse(0.0, 0.0, _wrapped(phase), 0.0),)
        if abs(angle - math.pi / 2) <= _SAME_ANGLE:
            return (self._half_pi(phase, 0.0),)
        if abs(angle - math.pi) <= _SAME_ANGLE:
            return (self._half_pi(phase, 0.0), self._half_pi(phase, 0.0))
        before, between, after = -math.pi / 2 - phase, math.pi - angle, phase - math.pi / 2
        return (self._half_pi(0.0, -before), self._half_pi(after, -between - after))

    def _half_pi(self, phase: float, increment: float) -> DrivePulse:
        return self._pulse(1.0, self.phase + phase, self.phase_increment + increment)

    def _pulse(self, scale: float, phase: float, increment: float) -> DrivePulse:
        return DrivePulse(
            scale * self.amplitude_i, scale * self.amplitude_q, _wrapped(phase), _wrapped(increment)
        )


def read_prx(data: GateData, implementation: str, channel: ControllerChannel) -> CalibratedPrx:
    """The calibrated pulse; what is wrong with it is in data.mistakes afterwards."""
    duration_s = data.number("duration")
    n_samples = instruction_samples(duration_s, channel, f"{data.path}.duration", data.mistakes)
    windows = duration_s or 1.0
    width = data.number("full_width") / windows
    offset = data.number("center_offset", 0.0) / windows
    amplitudes = (data.number("amplitude_i"), data.number("amplitude_q"))
    for name, value in zip(("amplitude_i", "amplitude_q"), amplitudes, strict=True):
        if abs(value) > 1:
            data.mistakes.append(f"{data.path}.{name} is {value:g}; amplitudes are within ±1")
    if width <= 0:
        if not data.mistakes:
            data.mistakes.append(f"{data.path}.full_width is {width * windows:g} s; it is above 0")
        width = 1.0
    wave_i, wave_q = _waves(implementation, max(n_samples, 1), width, offset)
    is_half_pi = implementation.endswith("_sx")
    before = data.number("rz_before", 0.0) if is_half_pi else 0.0
    after = data.number("rz_after", 0.0) if is_half_pi else 0.0
    return CalibratedPrx(
        channel=channel,
        n_samples=n_samples,
        wave_i=wave_i,
        wave_q=wave_q,
        amplitude_i=amplitudes[0],
        amplitude_q=amplitudes[1],
        is_half_pi=is_half_pi,
        phase=after,
        phase_increment=-(before + after),
    )


def _waves(
    implementation: str, n_samples: int, width: float, offset: float
) -> tuple[Waveform, Waveform]:
    if implementation.startswith("drag_crf"):
        derivative = Samples(cosine_derivative(n_samples, width, offset))
        return (
            Waveform(n_samples, CosineRiseFall(width, offset, width / 2)),
            Waveform(n_samples, derivative),
        )
    return (
        Waveform(n_samples, TruncatedGaussian(width, offset)),
        Waveform(n_samples, TruncatedGaussianDerivative(width, offset)),
    )


def _wrapped(angle: float) -> float:
    return round(math.remainder(angle, 2 * math.pi), 12)
