"""The tables of a playlist's channels, in the making: equal entries stand once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from labd.client.envelopes import Constant, Envelope, pack_samples, pack_shape
from labd.wire import playlist_pb2 as wire


@dataclass(frozen=True, slots=True)
class Grid:
    """The clock of a rack, and the silence that readout needs around its integration window."""

    sample_rate_hz: float = 2.0e9
    start_dead_time_samples: int = 32
    stop_dead_time_samples: int = 96

    @classmethod
    def of(cls, channel_properties: Mapping[str, Mapping[str, float]]) -> Self:
        """From the ``channel-properties`` resource; its readout channel tells the dead times."""
        for properties in channel_properties.values():
            if "integration_start_dead_time" in properties:
                return cls(
                    sample_rate_hz=float(properties["sampling_rate"]),
                    start_dead_time_samples=int(properties["integration_start_dead_time"]),
                    stop_dead_time_samples=int(properties["integration_stop_dead_time"]),
                )
        raise ValueError("the quantum computer has no readout channel")

    def samples(self, duration_s: float) -> int:
        """A duration in samples. Raises ValueError if it is no whole number of them."""
        exact = duration_s * self.sample_rate_hz
        if not math.isfinite(exact) or exact < 0 or abs(exact - round(exact)) > 1e-3:
            raise ValueError(
                f"{duration_s:g} s is {exact:g} samples at {self.sample_rate_hz:g} samples/s; "
                "a duration is a whole number of samples, at least 0"
            )
        return round(exact)


@dataclass(frozen=True, slots=True)
class Readout:
    """A probe tone and what becomes of its echo.

    if_hz: offset of the tone from the probe line's centre frequency. amplitude: fraction of full
    scale. delay_s: from the trigger to the window. threshold: bits are 1 above it; None returns the
    complex integral.
    """

    label: str
    if_hz: float
    amplitude: float
    probe_s: float
    delay_s: float
    integration_s: float
    threshold: float | None = None
    phase_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class TimeTrace:
    """The raw down-converted record of a readout, complex, from delay_s after the trigger."""

    label: str
    delay_s: float
    duration_s: float


class ChannelTables:
    """One channel's tables; equal entries stand once."""

    def __init__(self, channel: str, sample_rate_hz: float) -> None:
        self.description = wire.ChannelDescription(controller_name=channel)
        config = self.description.channel_config
        if channel.endswith("__readout"):
            config.ro_channel.sample_rate = sample_rate_hz
        elif channel.endswith("__flux.awg"):
            config.real_channel.sample_rate = sample_rate_hz
        else:
            config.iq_channel.sample_rate = sample_rate_hz
        self._instructions: dict[bytes, int] = {}
        self._waveforms: dict[bytes, int] = {}
        self._acquisitions: dict[bytes, int] = {}

    def instruction(self, instruction: wire.Instruction, n_samples: int) -> int:
        """Index of this instruction of this duration."""
        instruction.duration_samples = n_samples
        index = self._index(self._instructions, instruction.SerializeToString(deterministic=True))
        if index == len(self.description.instruction_table):
            self.description.instruction_table.append(instruction)
        return index

    def waveform(self, envelope: Envelope, n_samples: int) -> int:
        """Index of this envelope's waveform."""
        if isinstance(envelope, np.ndarray):
            if np.iscomplexobj(envelope):
                raise ValueError("a complex envelope goes alone, as the first of a drive pulse")
            packed = pack_samples(np.asarray(envelope, dtype=np.float64))
        else:
            packed = pack_shape(envelope, n_samples)
        index = self._index(self._waveforms, packed.SerializeToString(deterministic=True))
        if index == len(self.description.waveform_table):
            self.description.waveform_table.append(packed)
        return index

    def acquisition(self, method: wire.AcquisitionMethod) -> int:
        """Index of this acquisition."""
        index = self._index(self._acquisitions, method.SerializeToString(deterministic=True))
        if index == len(self.description.acquisition_table):
            self.description.acquisition_table.append(method)
        return index

    def tone(self, readout: Readout, grid: Grid) -> int:
        """Index of the probe pulse of one readout."""
        n_samples = grid.samples(readout.probe_s)
        pulse = self.constant_pulse(readout.if_hz, n_samples, grid)
        pulse.scale_i, pulse.phase = readout.amplitude, readout.phase_rad
        return self.instruction(wire.Instruction(iq_pulse=pulse), n_samples)

    def constant_pulse(self, if_hz: float, n_samples: int, grid: Grid) -> wire.IQPulse:
        """A square pulse of amplitude 1 at an intermediate frequency: integration weights."""
        index = self.waveform(Constant(n_samples / grid.sample_rate_hz), n_samples)
        return wire.IQPulse(
            waveform_i_ref=index,
            waveform_q_ref=index,
            scale_i=1.0,
            phase_mod_freq=if_hz / grid.sample_rate_hz,
        )

    @staticmethod
    def _index(known: dict[bytes, int], key: bytes) -> int:
        return known.setdefault(key, len(known))

    def weights(self, readout: Readout, grid: Grid) -> wire.AcquisitionMethod:
        """What is done with the echo of one readout."""
        n_samples = grid.samples(readout.integration_s)
        weights = self.constant_pulse(readout.if_hz, n_samples, grid)
        method = wire.AcquisitionMethod(
            label=readout.label, delay_samples=grid.samples(readout.delay_s)
        )
        if readout.threshold is None:
            method.integration.weights.CopyFrom(weights)
        else:
            method.threshold_discrimination.weights.CopyFrom(weights)
            method.threshold_discrimination.threshold = readout.threshold
        return method


class Tables:
    """What all segments of a program share.

    labels: acquisition labels in order of first use. sources: local oscillators that must be on, by
    the name of their status setting.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.channels: dict[str, ChannelTables] = {}
        self.labels: dict[str, None] = {}
        self.sources: dict[str, None] = {}

    def of(self, channel: str) -> ChannelTables:
        """The tables of a channel, made at its first use."""
        if channel not in self.channels:
            self.channels[channel] = ChannelTables(channel, self.grid.sample_rate_hz)
        return self.channels[channel]


def pack_trace(trace: TimeTrace, grid: Grid) -> wire.AcquisitionMethod:
    """A raw record on the wire."""
    return wire.AcquisitionMethod(
        label=trace.label,
        delay_samples=grid.samples(trace.delay_s),
        timetrace=wire.TimeTrace(duration_samples=grid.samples(trace.duration_s)),
    )
