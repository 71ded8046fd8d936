"""What channels can play, as the protobuf that clients without gRPC read."""

from __future__ import annotations

from labd.core.station_description import channel_instructions, feedback_sources
from labd.core.wiring import ChannelKind, ControllerChannel, Wiring
from labd.wire import channels_pb2 as wire


def pack_channel_properties(wiring: Wiring, *, has_fast_feedback: bool) -> bytes:
    """A ChannelPropertyDictionary; it says what the ``channel-properties`` resource says."""
    packed = wire.ChannelPropertyDictionary()
    for name, channel in wiring.channels.items():
        common = _common(channel, has_fast_feedback)
        if channel.kind is ChannelKind.READOUT:
            readout = wiring.readouts[name]
            start = readout.integration_start_dead_time_samples
            stop = readout.integration_stop_dead_time_samples
            packed.channels[name].readout.CopyFrom(
                wire.ReadoutProperties(
                    channel_properties=common,
                    integration_start_dead_time=start,
                    integration_stop_dead_time=stop,
                    integration_start_dead_time_samples=start,
                    integration_stop_dead_time_samples=stop,
                )
            )
            continue
        is_iq = channel.kind is ChannelKind.IQ
        sources = feedback_sources(wiring, has_fast_feedback=has_fast_feedback)
        packed.channels[name].awg.CopyFrom(
            wire.AwgProperties(
                channel_properties=common,
                fast_feedback_sources=sources if is_iq else (),
                local_oscillator=channel.local_oscillator is not None,
                mixer_correction=False,
            )
        )
    return packed.SerializeToString()


def _common(channel: ControllerChannel, has_fast_feedback: bool) -> wire.ChannelProperties:
    return wire.ChannelProperties(
        sampling_rate=channel.sample_rate_hz,
        instruction_duration_granularity=channel.granularity_samples,
        instruction_duration_min=channel.min_samples,
        instruction_duration_granularity_samples=channel.granularity_samples,
        instruction_duration_min_samples=channel.min_samples,
        compatible_instructions=channel_instructions(channel, has_fast_feedback),
    )
