"""Readout: what a calibration set says of a qubit's measurement, as probe tone and acquisition.

A trigger plays the tones of all qubits that are read together on a probe line, each from the
digitizer's start dead time on, and lasts until the longest window is over and the stop dead time
has passed; tones that would last longer are cut.
"""

from __future__ import annotations

from dataclasses import dataclass

from labd.core.circuit_station import Rack, window_samples
from labd.core.gate_data import GateData
from labd.core.playlist import IQPulse
from labd.core.waveforms import Constant, Samples, Waveform
from labd.core.wiring import ControllerChannel


@dataclass(frozen=True, slots=True)
class Tone:
    """A modulated pulse whose waveforms are not in a table yet."""

    wave_i: Waveform
    wave_q: Waveform
    scale_i: float
    scale_q: float
    phase: float
    cycles_per_sample: float

    def operation(self, wave_i: int, wave_q: int) -> IQPulse:
        """The pulse, once its waveforms are in a table."""
        return IQPulse(
            wave_i, wave_q, self.scale_i, self.scale_q, self.phase, self.cycles_per_sample, 0.0
        )


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedMeasurement:
    """One qubit's calibrated readout. trigger_samples: how long a trigger for it alone lasts."""

    qubit: str
    channel: ControllerChannel
    probe: Tone
    weights: Tone
    delay_samples: int
    threshold: float
    trigger_samples: int


def read_measurement(
    data: GateData, qubit: str, channel: ControllerChannel, center_hz: float, rack: Rack
) -> CalibratedMeasurement:
    """The calibrated readout; what is wrong with it is in data.mistakes afterwards."""
    n_probe, n_weights = (
        window_samples(data.number(name), channel, f"{data.path}.{name}", data.mistakes)
        for name in ("duration", "integration_length")
    )
    delay_s = data.number("acquisition_delay")
    if not 0 <= delay_s <= rack.limits.max_segment_s:
        data.mistakes.append(
            f"{data.path}.acquisition_delay is {delay_s:g} s; "
            f"it is between 0 and {rack.limits.max_segment_s:g} s"
        )
        delay_s = 0.0
    delay = round(delay_s * channel.sample_rate_hz)
    cycles = (data.number("frequency") - center_hz) / channel.sample_rate_hz
    kind = data.text("acquisition_type", "threshold")
    if kind != "threshold":
        data.mistakes.append(
            f"{data.path}.acquisition_type is {kind!r}; circuits return bits and need 'threshold'"
        )
    scales = (data.number("amplitude_i"), data.number("amplitude_q", 0.0))
    for name, scale in zip(("amplitude_i", "amplitude_q"), scales, strict=True):
        if abs(scale) > 1:
            data.mistakes.append(f"{data.path}.{name} is {scale:g}; amplitudes are within ±1")
    flat = Waveform(n_probe, Constant())
    step = channel.granularity_samples
    windows = round((delay + n_weights) / step) * step
    stop = rack.wiring.readouts[channel.name].integration_stop_dead_time_samples
    return CalibratedMeasurement(
        qubit=qubit,
        channel=channel,
        probe=Tone(flat, flat, *scales, data.number("phase"), cycles),
        weights=_weights(data, n_weights, cycles),
        delay_samples=delay,
        threshold=data.number("integration_threshold"),
        trigger_samples=max(-(-(windows + stop) // step) * step, channel.min_samples),
    )


def _weights(data: GateData, n_samples: int, cycles: float) -> Tone:
    """The calibrated weights; constant ones where there are none."""
    wave_i, wave_q = data.array("integration_weights_I"), data.array("integration_weights_Q")
    if not wave_i.size and not wave_q.size:
        flat = Waveform(n_samples, Constant())
        return Tone(flat, flat, 1.0, 0.0, 0.0, cycles)
    for name, wave in (("I", wave_i), ("Q", wave_q)):
        if wave.size != n_samples:
            data.mistakes.append(
                f"{data.path}.integration_weights_{name} has {wave.size} values; "
                f"the integration length is {n_samples} samples"
            )
    shapes = [Waveform(max(wave.size, 1), Samples(wave)) for wave in (wave_i, wave_q)]
    return Tone(shapes[0], shapes[1], 1.0, 1.0, 0.0, cycles)
