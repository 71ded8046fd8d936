"""A pulse payload as text for people: settings, sweeps, channels, instructions, waveforms."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import assert_never

import numpy as np

from labd.core.playlist import (
    Acquisition,
    ConditionalInstruction,
    Instruction,
    Integration,
    IQPulse,
    MultiplexedIQPulse,
    MultiplexedRealPulse,
    PlaylistChannel,
    ReadoutTrigger,
    RealPulse,
    Threshold,
    TimeTrace,
    VirtualRZ,
    Wait,
)
from labd.core.sweep import Sweep, Unusable
from labd.core.waveforms import Samples, Waveform
from labd.payloads.sweep import unpack_sweep

_MOST_SEGMENTS = 20
_MOST_REFERENCES = 40


def payload_text(payload: bytes) -> str:
    """The dump. Raises InvalidPayload if the bytes are no pulse payload."""
    return "\n".join(_lines(unpack_sweep(payload))) + "\n"


def _lines(sweep: Sweep) -> Iterator[str]:
    yield f"sweep {sweep.sweep_id}"
    yield f"chip {sweep.dut_label or 'not named'}"
    yield f"returns {', '.join(sweep.return_labels)}"
    yield "settings"
    for name, value in sorted(sweep.settings.items()):
        shown = f"({value.kind})" if isinstance(value, Unusable) else f"{value}"
        yield f"  {name} = {shown}"
    for number, axis in enumerate(sweep.axes):
        yield f"sweep axis {number}{' (slowest)' if number == 0 else ''}"
        for swept in axis:
            yield f"  {swept.name} = {list(swept.values or ())}"
    for name, channel in sorted(sweep.playlist.channels.items()):
        yield from _channel_lines(name, channel)
    yield f"{len(sweep.playlist.segments)} segment(s), as indices into the instructions above"
    for number, segment in enumerate(sweep.playlist.segments[:_MOST_SEGMENTS]):
        yield f"  segment {number}"
        for name, references in sorted(segment.items()):
            yield f"    {name}: {_runs(references[:_MOST_REFERENCES].tolist())}" + (
                f" … {references.size} in all" if references.size > _MOST_REFERENCES else ""
            )
    if len(sweep.playlist.segments) > _MOST_SEGMENTS:
        yield f"  … {len(sweep.playlist.segments) - _MOST_SEGMENTS} more"


def _channel_lines(name: str, channel: PlaylistChannel) -> Iterator[str]:
    kind = channel.kind.value if channel.kind else "no kind"
    yield f"channel {name} ({kind}, {channel.sample_rate_hz:g} samples/s)"
    for number, instruction in enumerate(channel.instructions):
        yield f"  instruction {number}: {_instruction_text(instruction, channel)}"
    for number, waveform in enumerate(channel.waveforms):
        yield f"  waveform {number}: {_waveform_text(waveform)}"
    for number, acquisition in enumerate(channel.acquisitions):
        yield f"  acquisition {number}: {_acquisition_text(acquisition)}"


def _instruction_text(instruction: Instruction, channel: PlaylistChannel) -> str:
    length = f"{instruction.duration_samples} samples"
    if channel.sample_rate_hz > 0:
        length += f" ({instruction.duration_samples / channel.sample_rate_hz * 1e9:g} ns)"
    operation = instruction.operation
    match operation:
        case Wait():
            return f"wait, {length}"
        case VirtualRZ():
            return f"virtual Rz, frame {operation.phase_increment:+.6g} rad, {length}"
        case RealPulse():
            return f"real pulse, waveform {operation.waveform} x {operation.scale:g}, {length}"
        case IQPulse():
            return f"IQ pulse, {_iq_text(operation)}, {length}"
        case MultiplexedIQPulse() | MultiplexedRealPulse():
            entries = [
                f"{entry.pulse if isinstance(entry.pulse, int) else 'inline'} at "
                f"{entry.offset_samples:+d}"
                for entry in operation.entries
            ]
            return f"sum of instructions {', '.join(entries)}, {length}"
        case ConditionalInstruction():
            return (
                f"if {operation.condition} then {operation.if_true} "
                f"else {operation.if_false}, {length}"
            )
        case ReadoutTrigger():
            acquired = ", ".join(map(str, operation.acquisitions))
            return f"readout, probe {operation.probe}, acquisitions {acquired}, {length}"
        case _:
            assert_never(operation)


def _iq_text(pulse: IQPulse) -> str:
    parts = [
        f"I waveform {pulse.waveform_i} x {pulse.scale_i:g}",
        f"Q waveform {pulse.waveform_q} x {pulse.scale_q:g}",
    ]
    if pulse.phase:
        parts.append(f"phase {pulse.phase:g} rad")
    if pulse.phase_mod_freq:
        parts.append(f"modulated {pulse.phase_mod_freq:g} cycles/sample")
    if pulse.phase_increment:
        parts.append(f"frame {pulse.phase_increment:+.6g} rad")
    return ", ".join(parts)


def _waveform_text(waveform: Waveform) -> str:
    shape = waveform.shape
    length = f"{waveform.n_samples} samples"
    if shape is None:
        return f"unknown shape, {length}"
    if isinstance(shape, Samples):
        if not shape.samples.size:
            return f"samples, none given, {length}"
        low, high = np.min(shape.samples), np.max(shape.samples)
        return f"samples from {low:.4g} to {high:.4g}, {length}"
    fields = {name: getattr(shape, name) for name in shape.__dataclass_fields__}
    named = "".join(f" {name}={value:g}" for name, value in fields.items())
    return f"{type(shape).__name__}{named}, {length}"


def _acquisition_text(acquisition: Acquisition) -> str:
    method = acquisition.method
    start = f"{acquisition.label}, {acquisition.delay_samples} samples after the trigger"
    match method:
        case None:
            return f"{start}: no method"
        case TimeTrace():
            return f"{start}: time trace of {method.duration_samples} samples"
        case Integration():
            return f"{start}: integral, weights {_iq_text(method.weights)}"
        case Threshold():
            feedback = f", fed back as {method.feedback_label}" if method.feedback_label else ""
            weights = _iq_text(method.weights)
            return f"{start}: bit above {method.threshold:g}, weights {weights}{feedback}"
        case _:
            assert_never(method)


def _runs(references: list[int]) -> str:
    """``3 5x40 7``: runs of equal references once."""
    runs = [(key, len(list(group))) for key, group in groupby(references)]
    return " ".join(f"{key}x{n}" if n > 1 else f"{key}" for key, n in runs)
