"""The playlist's messages become the values of `labd.core.playlist`, whatever they say.

Nothing is judged here but size: `labd.core.compile` finds what is wrong, all of it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from labd.core.compile_findings import (
    MAX_REFERENCES,
    MAX_SEGMENTS,
    MAX_TABLE_ENTRIES,
)
from labd.core.errors import InvalidPayload, Problem
from labd.core.playlist import (
    Acquisition,
    AcquisitionMethod,
    ConditionalInstruction,
    Instruction,
    Integration,
    IQEntry,
    IQPulse,
    MultiplexedIQPulse,
    MultiplexedRealPulse,
    Operation,
    Playlist,
    PlaylistChannel,
    ReadoutTrigger,
    RealEntry,
    RealPulse,
    References,
    Threshold,
    TimeTrace,
    VirtualRZ,
    Wait,
)
from labd.core.waveforms import (
    Constant,
    CosineRiseFall,
    Gaussian,
    GaussianDerivative,
    GaussianSmoothedSquare,
    Samples,
    Shape,
    TruncatedGaussian,
    TruncatedGaussianDerivative,
    TruncatedGaussianSmoothedSquare,
    Waveform,
)
from labd.core.wiring import ChannelKind
from labd.wire import playlist_pb2 as wire

_KINDS = {
    "iq_channel": ChannelKind.IQ,
    "real_channel": ChannelKind.REAL,
    "ro_channel": ChannelKind.READOUT,
}
_WAIT = Wait()
_CONSTANT = Constant()


class SizeCount:
    """What a payload has of one thing, counted before any of it is unpacked."""

    def __init__(self, where: str, of_what: str, limit: int) -> None:
        self._where = where
        self._of_what = of_what
        self._limit = limit
        self._n = 0

    def add(self, n: int) -> None:
        """Count n more. Raises InvalidPayload beyond the limit."""
        self._n += n
        if self._n > self._limit:
            what = f"has more than {self._limit} {self._of_what}, the limit"
            raise InvalidPayload((Problem(self._where, what),))


def unpack_playlist(message: wire.Playlist) -> Playlist:
    """The playlist. Raises InvalidPayload where it is larger than labd unpacks."""
    entries = SizeCount("playlist", "table entries", MAX_TABLE_ENTRIES)
    references = SizeCount("playlist", "played instructions", MAX_REFERENCES)
    SizeCount("playlist", "segments", MAX_SEGMENTS).add(len(message.schedules))
    return Playlist(
        channels={name: _channel(each, entries) for name, each in message.channels.items()},
        segments=tuple(
            {
                name: _references(channel.instruction_refs, references)
                for name, channel in schedule.channels.items()
            }
            for schedule in message.schedules
        ),
    )


def _references(numbers: Sequence[int], count: SizeCount) -> References:
    count.add(len(numbers))
    row = np.fromiter(numbers, np.uint64, len(numbers))
    row.flags.writeable = False
    return row


def _channel(message: wire.ChannelDescription, entries: SizeCount) -> PlaylistChannel:
    for table in (message.instruction_table, message.waveform_table, message.acquisition_table):
        entries.add(len(table))
    config = message.channel_config
    kind = config.WhichOneof("config")
    return PlaylistChannel(
        kind=None if kind is None else _KINDS[kind],
        sample_rate_hz=0.0 if kind is None else getattr(config, kind).sample_rate,
        instructions=tuple(
            Instruction(each.duration_samples, _operation(each, entries))
            for each in message.instruction_table
        ),
        waveforms=tuple(Waveform(each.n_samples, _shape(each)) for each in message.waveform_table),
        acquisitions=tuple(
            Acquisition(each.label, each.delay_samples, _method(each))
            for each in message.acquisition_table
        ),
    )


def _operation(message: wire.Instruction, entries: SizeCount) -> Operation:
    match message.WhichOneof("operation"):
        case "iq_pulse":
            return _iq_pulse(message.iq_pulse)
        case "virtual_rz":
            return VirtualRZ(message.virtual_rz.phase_increment)
        case "real_pulse":
            return _real_pulse(message.real_pulse)
        case "readout_trigger":
            trigger = message.readout_trigger
            entries.add(len(trigger.acqusitions))
            return ReadoutTrigger(trigger.probe_pulse_ref, tuple(trigger.acqusitions))
        case "multiplexed_iq_pulse":
            entries.add(len(message.multiplexed_iq_pulse.entries))
            return MultiplexedIQPulse(
                tuple(_iq_entry(each) for each in message.multiplexed_iq_pulse.entries)
            )
        case "multiplexed_real_pulse":
            entries.add(len(message.multiplexed_real_pulse.entries))
            return MultiplexedRealPulse(
                tuple(_real_entry(each) for each in message.multiplexed_real_pulse.entries)
            )
        case "conditional_instruction":
            conditional = message.conditional_instruction
            return ConditionalInstruction(
                conditional.condition, conditional.if_true, conditional.if_false
            )
        case _:
            return _WAIT


def _iq_pulse(message: wire.IQPulse) -> IQPulse:
    return IQPulse(
        message.waveform_i_ref,
        message.waveform_q_ref,
        message.scale_i,
        message.scale_q,
        message.phase,
        message.phase_mod_freq,
        message.phase_increment,
    )


def _real_pulse(message: wire.RealPulse) -> RealPulse:
    return RealPulse(message.waveform_ref, message.scale)


def _iq_entry(message: wire.MultiplexedIQPulse.Entry) -> IQEntry:
    if message.WhichOneof("pulse") == "iq_pulse":
        return IQEntry(_iq_pulse(message.iq_pulse), message.offset_samples)
    return IQEntry(message.instruction_ref, message.offset_samples)


def _real_entry(message: wire.MultiplexedRealPulse.Entry) -> RealEntry:
    if message.WhichOneof("pulse") == "real_pulse":
        return RealEntry(_real_pulse(message.real_pulse), message.offset_samples)
    return RealEntry(message.instruction_ref, message.offset_samples)


def _method(message: wire.AcquisitionMethod) -> AcquisitionMethod | None:
    match message.WhichOneof("method"):
        case "timetrace":
            return TimeTrace(message.timetrace.duration_samples)
        case "integration":
            return Integration(_iq_pulse(message.integration.weights))
        case "threshold_discrimination":
            method = message.threshold_discrimination
            return Threshold(
                _iq_pulse(method.weights), method.threshold, method.feedback_signal_label
            )
        case _:
            return None


def _shape(message: wire.Waveform) -> Shape | None:
    name = message.WhichOneof("shape")
    return None if name is None else _SHAPES[name](message)


def _samples(message: wire.Waveform) -> Shape:
    numbers = message.samples.samples
    samples = np.fromiter(numbers, np.float64, len(numbers))
    samples.flags.writeable = False
    return Samples(samples)


def _gaussian(message: wire.Waveform) -> Shape:
    return Gaussian(message.gaussian.sigma, message.gaussian.center_offset)


def _gaussian_derivative(message: wire.Waveform) -> Shape:
    shape = message.gaussian_derivative
    return GaussianDerivative(shape.sigma, shape.center_offset)


def _gaussian_smoothed_square(message: wire.Waveform) -> Shape:
    shape = message.gaussian_smoothed_square
    return GaussianSmoothedSquare(shape.square_width, shape.gaussian_sigma, shape.center_offset)


def _truncated_gaussian(message: wire.Waveform) -> Shape:
    shape = message.truncated_gaussian
    return TruncatedGaussian(shape.full_width, shape.center_offset)


def _truncated_gaussian_derivative(message: wire.Waveform) -> Shape:
    shape = message.truncated_gaussian_derivative
    return TruncatedGaussianDerivative(shape.full_width, shape.center_offset)


def _truncated_gaussian_smoothed_square(message: wire.Waveform) -> Shape:
    shape = message.truncated_gaussian_smoothed_square
    return TruncatedGaussianSmoothedSquare(shape.full_width, shape.center_offset, shape.rise_time)


def _cosine_rise_fall(message: wire.Waveform) -> Shape:
    shape = message.cosine_rise_fall
    return CosineRiseFall(shape.full_width, shape.center_offset, shape.rise_time)


_SHAPES: dict[str, Callable[[wire.Waveform], Shape]] = {
    "samples": _samples,
    "constant": lambda _: _CONSTANT,
    "gaussian": _gaussian,
    "gaussian_derivative": _gaussian_derivative,
    "gaussian_smoothed_square": _gaussian_smoothed_square,
    "truncated_gaussian": _truncated_gaussian,
    "truncated_gaussian_derivative": _truncated_gaussian_derivative,
    "truncated_gaussian_smoothed_square": _truncated_gaussian_smoothed_square,
    "cosine_rise_fall": _cosine_rise_fall,
}
