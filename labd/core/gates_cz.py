"""Controlled-Z: flux pulses on the coupler, and on a qubit in some implementations, with their
frame corrections.

The corrections of the two qubits are part of the gate; those of other qubits (``rz.<qubit>``
outside the locus) undo what the flux pulse does to a spectator. Either is the angle of an Rz that
the gate needs after it, which is a frame turn by its negative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labd.core.circuit_station import Rack, instruction_samples
from labd.core.observations import GateData
from labd.core.playlist import RealPulse
from labd.core.waveforms import (
    CosineRiseFall,
    GaussianSmoothedSquare,
    Shape,
    TruncatedGaussianSmoothedSquare,
    Waveform,
)
from labd.core.wiring import ControllerChannel

_Reader = Callable[[GateData, str, float], Shape]


@dataclass(frozen=True, slots=True)
class FluxPulse:
    """One flux pulse, over the gate's whole duration."""

    channel: ControllerChannel
    waveform: Waveform
    amplitude: float

    def operation(self, waveform: int) -> RealPulse:
        """The pulse, once its waveform is in a table."""
        return RealPulse(waveform, self.amplitude)


@dataclass(frozen=True, slots=True)
class CalibratedCz:
    """A calibrated gate. qubits: its locus. rz_rad: by qubit, of the locus and of others."""

    qubits: tuple[str, str]
    flux: tuple[FluxPulse, ...]
    rz_rad: tuple[tuple[str, float], ...]


def _crf(data: GateData, part: str, windows: float) -> Shape:
    return CosineRiseFall(*_flanked(data, part, windows))


def _tgss(data: GateData, part: str, windows: float) -> Shape:
    return TruncatedGaussianSmoothedSquare(*_flanked(data, part, windows))


def _gaussian_square(data: GateData, part: str, windows: float) -> Shape:
    return GaussianSmoothedSquare(
        square_width=data.number(f"{part}.square_width") / windows,
        gaussian_sigma=data.number(f"{part}.gaussian_sigma") / windows,
        center_offset=data.number(f"{part}.center_offset", 0.0) / windows,
    )


def _flanked(data: GateData, part: str, windows: float) -> tuple[float, float, float]:
    return (
        data.number(f"{part}.full_width") / windows,
        data.number(f"{part}.center_offset", 0.0) / windows,
        data.number(f"{part}.rise_time") / windows,
    )


_SHAPES: dict[str, tuple[_Reader, _Reader | None]] = {
    "tgss": (_tgss, None),
    "tgss_crf": (_tgss, _crf),
    "crf_crf": (_crf, _crf),
    "crf": (_crf, None),
    "gaussian_smoothed_square": (_gaussian_square, None),
}
"""By implementation: the coupler's pulse, and the pulse of the first qubit where there is one."""


def is_symmetric(implementation: str) -> bool:
    """Whether both qubits take the same part in it, so that their order means nothing."""
    return _SHAPES[implementation][1] is None


def read_cz(
    data: GateData, implementation: str, qubits: tuple[str, str], coupler: str, rack: Rack
) -> CalibratedCz:
    """The calibrated gate; what is wrong with it is in data.mistakes afterwards."""
    coupler_shape, qubit_shape = _SHAPES[implementation]
    duration_s = data.number("duration")
    pulses = [_flux_pulse(data, "coupler", coupler_shape, coupler, duration_s, rack)]
    if qubit_shape is not None:
        pulses.append(_flux_pulse(data, "qubit", qubit_shape, qubits[0], duration_s, rack))
    angles = {qubit: data.number(f"rz.{qubit}") for qubit in qubits}
    for qubit in data.below("rz"):
        if qubit not in rack.qubits:
            data.mistakes.append(f"{data.path}.rz.{qubit}: the chip has no qubit of this name")
        elif qubit not in angles:
            angles[qubit] = data.number(f"rz.{qubit}")
    flux = tuple(pulse for pulse in pulses if pulse is not None)
    return CalibratedCz(qubits, flux, tuple(angles.items()))


def _flux_pulse(
    data: GateData, part: str, shape: _Reader, component: str, duration_s: float, rack: Rack
) -> FluxPulse | None:
    channel = rack.flux(component)
    if channel is None:
        data.mistakes.append(f"the rack has no flux channel for {component}")
        return None
    name = f"{data.path}.duration"
    n_samples = instruction_samples(duration_s, channel, name, data.mistakes)
    amplitude = data.number(f"{part}.amplitude")
    if abs(amplitude) > 1:
        data.mistakes.append(
            f"{data.path}.{part}.amplitude is {amplitude:g}; amplitudes are within ±1"
        )
    waveform = Waveform(max(n_samples, 1), shape(data, part, duration_s or 1.0))
    return FluxPulse(channel, waveform, amplitude)
