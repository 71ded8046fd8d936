"""Controlled-Z: pulses on the coupler's flux and, in some implementations, on the qubits' flux or
drive, with frame corrections.

The corrections of the two qubits are part of the gate; those of other qubits (``rz.<qubit>``
outside the locus) undo what the flux pulse does to a spectator. Either is the angle of an Rz that
the gate needs after it, which is a frame turn by its negative. Shapes and conventions: IQM's pulse
library, as measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labd.core.circuit_station import Rack, instruction_samples
from labd.core.gate_data import GateData
from labd.core.slepian import Slepian
from labd.core.waveforms import (
    CosineRiseFall,
    FloatArray,
    GaussianSmoothedSquare,
    Samples,
    Shape,
    TruncatedGaussianSmoothedSquare,
    Waveform,
    sample,
)
from labd.core.wiring import ControllerChannel

_Reader = Callable[[GateData, str, float, int], Shape]
"""From the data, the pulse's part of it, the seconds and the samples of the gate."""


@dataclass(frozen=True, slots=True)
class FluxPulse:
    """A pulse on a flux channel, over the gate's whole duration."""

    channel: ControllerChannel
    waveform: Waveform
    amplitude: float


@dataclass(frozen=True, slots=True)
class StarkPulse:
    """An off-resonant pulse on a drive channel, which shifts its qubit meanwhile."""

    channel: ControllerChannel
    wave_i: Waveform
    wave_q: Waveform
    amplitude: float


@dataclass(frozen=True, slots=True)
class CalibratedCz:
    """A calibrated gate. qubits: its locus. rz_rad: by qubit, of the locus and of others."""

    qubits: tuple[str, str]
    flux: tuple[FluxPulse, ...]
    stark: tuple[StarkPulse, ...]
    rz_rad: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What an implementation plays: on the coupler, on the first qubit, on both drives."""

    coupler: _Reader
    qubit: _Reader | None = None
    has_stark_pulses: bool = False


def _crf(data: GateData, part: str, duration_s: float, n_samples: int) -> Shape:
    del n_samples
    return CosineRiseFall(*_flanked(data, part, duration_s))


def _tgss(data: GateData, part: str, duration_s: float, n_samples: int) -> Shape:
    del n_samples
    return TruncatedGaussianSmoothedSquare(*_flanked(data, part, duration_s))


def _gaussian_square(data: GateData, part: str, duration_s: float, n_samples: int) -> Shape:
    del n_samples
    return GaussianSmoothedSquare(
        square_width=data.number(f"{part}.square_width") / duration_s,
        gaussian_sigma=data.number(f"{part}.gaussian_sigma") / duration_s,
        center_offset=data.number(f"{part}.center_offset", 0.0) / duration_s,
    )


def _slepian(data: GateData, part: str, duration_s: float, n_samples: int) -> Shape:
    pulse = Slepian(
        full_width=data.number(f"{part}.full_width") / duration_s,
        center_offset=data.number(f"{part}.center_offset", 0.0) / duration_s,
        lambda_1=data.number(f"{part}.lambda_1"),
        lambda_2=data.number(f"{part}.lambda_2"),
        initial_frequency=data.number(f"{part}.frequency_initial_normalized"),
        static_frequency=data.number(f"{part}.frequency_to_minimize_normalized"),
        coupling=data.number(f"{part}.coupling_strength_normalized"),
        asymmetry=data.number(f"{part}.squid_asymmetry", 0.0),
    )
    wave = np.zeros(n_samples) if data.mistakes else pulse.samples(n_samples)
    if not np.isfinite(wave).all():
        data.mistakes.append(f"{data.path}.{part} describes no Slepian pulse")
    return Samples(wave)


def _flanked(data: GateData, part: str, duration_s: float) -> tuple[float, float, float]:
    return (
        data.number(f"{part}.full_width") / duration_s,
        data.number(f"{part}.center_offset", 0.0) / duration_s,
        data.number(f"{part}.rise_time") / duration_s,
    )


_IMPLEMENTATIONS: dict[str, _Parts] = {
    "tgss": _Parts(_tgss),
    "tgss_crf": _Parts(_tgss, _crf),
    "crf_crf": _Parts(_crf, _crf),
    "crf": _Parts(_crf),
    "gaussian_smoothed_square": _Parts(_gaussian_square),
    "slepian": _Parts(_slepian),
    "slepian_crf": _Parts(_slepian, _crf),
    "crf_acstarkcrf": _Parts(_crf, has_stark_pulses=True),
    "slepian_acstarkcrf": _Parts(_slepian, has_stark_pulses=True),
}


def is_symmetric(implementation: str) -> bool:
    """Whether both qubits take the same part in it, so that their order means nothing."""
    return _IMPLEMENTATIONS[implementation].qubit is None


def read_cz(
    data: GateData, implementation: str, qubits: tuple[str, str], coupler: str, rack: Rack
) -> CalibratedCz:
    """The calibrated gate; what is wrong with it is in data.mistakes afterwards."""
    parts = _IMPLEMENTATIONS[implementation]
    flux = [_flux_pulse(data, "coupler", parts.coupler, coupler, rack)]
    if parts.qubit is not None:
        flux.append(_flux_pulse(data, "qubit", parts.qubit, qubits[0], rack))
    stark = []
    if parts.has_stark_pulses:
        named = zip(("first_qubit", "second_qubit"), qubits, strict=True)
        stark = [_stark_pulse(data, part, qubit, rack) for part, qubit in named]
    angles = {qubit: data.number(f"rz.{qubit}") for qubit in qubits}
    for qubit in data.below("rz"):
        if qubit not in rack.qubits:
            data.mistakes.append(f"{data.path}.rz.{qubit}: the chip has no qubit of this name")
        elif qubit not in angles:
            angles[qubit] = data.number(f"rz.{qubit}")
    return CalibratedCz(
        qubits,
        tuple(pulse for pulse in flux if pulse is not None),
        tuple(pulse for pulse in stark if pulse is not None),
        tuple(angles.items()),
    )


def _flux_pulse(
    data: GateData, part: str, shape: _Reader, component: str, rack: Rack
) -> FluxPulse | None:
    channel = rack.flux(component)
    if channel is None:
        data.mistakes.append(f"the rack has no flux channel for {component}")
        return None
    duration_s, n_samples = _duration(data, channel)
    waveform = Waveform(n_samples, shape(data, part, duration_s, n_samples))
    return FluxPulse(channel, waveform, _amplitude(data, part))


def _stark_pulse(data: GateData, part: str, qubit: str, rack: Rack) -> StarkPulse | None:
    channel = rack.drive(qubit)
    if channel is None:
        data.mistakes.append(f"the rack has no drive channel for {qubit}")
        return None
    duration_s, n_samples = _duration(data, channel)
    envelope = sample(
        Waveform(n_samples, CosineRiseFall(*_flanked(data, part, duration_s))), n_samples
    )
    cycles = data.number(f"{part}.modulation_frequency", 0.0) * duration_s
    phase = data.number(f"{part}.phase", 0.0)
    angle = 2 * math.pi * cycles * ((np.arange(n_samples) + 0.5) / n_samples - 0.5) + phase
    return StarkPulse(
        channel,
        _given(envelope * np.cos(angle)),
        _given(envelope * np.sin(angle)),
        _amplitude(data, part),
    )


def _given(wave: FloatArray) -> Waveform:
    wave.flags.writeable = False
    return Waveform(wave.size, Samples(wave))


def _duration(data: GateData, channel: ControllerChannel) -> tuple[float, int]:
    """Seconds and samples, both above 0 even where they are a mistake."""
    duration_s = data.number("duration")
    name = f"{data.path}.duration"
    n_samples = instruction_samples(duration_s, channel, name, data.mistakes)
    return (duration_s, n_samples) if n_samples else (1.0, 1)


def _amplitude(data: GateData, part: str) -> float:
    amplitude = data.number(f"{part}.amplitude")
    if abs(amplitude) > 1:
        data.mistakes.append(
            f"{data.path}.{part}.amplitude is {amplitude:g}; amplitudes are within ±1"
        )
    return amplitude
