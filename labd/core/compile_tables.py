"""The tables of a playlist channel, checked: every index, every number, every kind of operation.

What is sound is compiled even where its neighbours are not, so that a job's author sees all that is
wrong at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from labd.core.compile_findings import MAX_WAVEFORM_SAMPLES, Findings, short
from labd.core.playlist import (
    Acquisition,
    ConditionalInstruction,
    Integration,
    IQEntry,
    IQPulse,
    MultiplexedIQPulse,
    MultiplexedRealPulse,
    Operation,
    PlaylistChannel,
    ReadoutTrigger,
    RealEntry,
    RealPulse,
    Threshold,
    VirtualRZ,
    Wait,
)
from labd.core.rig import RigLimits
from labd.core.waveforms import Samples, mistakes_in
from labd.core.wiring import ChannelKind, ControllerChannel

_PLAYABLE: dict[ChannelKind, tuple[type[Operation], ...]] = {
    ChannelKind.IQ: (Wait, VirtualRZ, IQPulse, MultiplexedIQPulse, ConditionalInstruction),
    ChannelKind.REAL: (Wait, RealPulse, MultiplexedRealPulse, ConditionalInstruction),
    ChannelKind.READOUT: (Wait, VirtualRZ, IQPulse, MultiplexedIQPulse, ReadoutTrigger),
}
_FEEDBACK_NOT_COMPILED = "labd does not compile conditional instructions"


@dataclass(frozen=True, slots=True)
class SoundTables:
    """Which entries of a channel's tables can be compiled: flags in the order of the tables."""

    instructions: list[bool]
    waveforms: list[bool]
    acquisitions: list[bool]


def check_tables(
    channel: PlaylistChannel, wired: ControllerChannel, limits: RigLimits, findings: Findings
) -> SoundTables:
    """Report all mistakes in one channel's tables, and say what is without."""
    name = wired.name
    _check_config(channel, wired, findings)
    waveforms = [True] * len(channel.waveforms)
    for index, waveform in enumerate(channel.waveforms):
        sentences = mistakes_in(waveform)
        if waveform.n_samples > MAX_WAVEFORM_SAMPLES and not isinstance(waveform.shape, Samples):
            sentences.append(
                f"n_samples is {waveform.n_samples}; the limit is {MAX_WAVEFORM_SAMPLES}"
            )
        waveforms[index] = _report(findings, f"{name}, waveform {index}", sentences)
    checker = _InstructionChecker(channel, wired, limits)
    instructions = [True] * len(channel.instructions)
    for index, instruction in enumerate(channel.instructions):
        sentences = list(checker.mistakes(instruction.operation))
        instructions[index] = _report(findings, f"{name}, instruction {index}", sentences)
    acquisitions = [True] * len(channel.acquisitions)
    for index, acquisition in enumerate(channel.acquisitions):
        sentences = list(checker.mistakes_of_acquisition(acquisition))
        acquisitions[index] = _report(findings, f"{name}, acquisition {index}", sentences)
    _spread(channel, waveforms, instructions)
    for index, acquisition in enumerate(channel.acquisitions):
        method = acquisition.method
        if acquisitions[index] and isinstance(method, Integration | Threshold):
            acquisitions[index] = _refers_to_sound(method.weights, waveforms, instructions)
    return SoundTables(instructions, waveforms, acquisitions)


def name_of(operation: Operation) -> str:
    """The operation's name for people."""
    return type(operation).__name__


def _report(findings: Findings, where: str, sentences: list[str]) -> bool:
    for sentence in sentences:
        findings.add(where, sentence)
    return not sentences


def _spread(channel: PlaylistChannel, waveforms: list[bool], instructions: list[bool]) -> None:
    """What refers to a mistake is none that can be compiled: pulses, then what is made of them."""
    for kinds in ((IQPulse, RealPulse), (MultiplexedIQPulse, MultiplexedRealPulse), ReadoutTrigger):
        for index, instruction in enumerate(channel.instructions):
            operation = instruction.operation
            if instructions[index] and isinstance(operation, kinds):
                instructions[index] = _refers_to_sound(operation, waveforms, instructions)


def _refers_to_sound(operation: Operation, waveforms: list[bool], instructions: list[bool]) -> bool:
    match operation:
        case IQPulse(waveform_i=i, waveform_q=q):
            return waveforms[i] and waveforms[q]
        case RealPulse(waveform=index):
            return waveforms[index]
        case MultiplexedIQPulse() | MultiplexedRealPulse():
            entries: tuple[IQEntry | RealEntry, ...] = operation.entries
            return all(
                instructions[each.pulse]
                if isinstance(each.pulse, int)
                else _refers_to_sound(each.pulse, waveforms, instructions)
                for each in entries
            )
        case ReadoutTrigger(probe=probe):
            return instructions[probe]
        case _:
            return True


def _check_config(channel: PlaylistChannel, wired: ControllerChannel, findings: Findings) -> None:
    where = f"{wired.name}, channel_config"
    if channel.kind is None:
        findings.add(where, f"names no kind of channel; here it is of kind {wired.kind.value}")
        return
    if channel.kind is not wired.kind:
        findings.add(where, f"of kind {channel.kind.value}; here it is of kind {wired.kind.value}")
    if not math.isclose(channel.sample_rate_hz, wired.sample_rate_hz, rel_tol=1e-12):
        findings.add(
            where,
            f"sample_rate is {channel.sample_rate_hz:g} Hz; here it is {wired.sample_rate_hz:g} Hz",
        )


@dataclass(frozen=True, slots=True)
class _InstructionChecker:
    """What is wrong with an operation of one channel, a sentence each."""

    channel: PlaylistChannel
    wired: ControllerChannel
    limits: RigLimits

    def mistakes(self, operation: Operation) -> Iterator[str]:
        """All that can be said of the operation without compiling it."""
        if not isinstance(operation, _PLAYABLE[self.wired.kind]):
            kind = self.wired.kind.value
            yield f"{name_of(operation)} cannot be played on a channel of kind {kind}"
        match operation:
            case Wait():
                pass
            case IQPulse():
                yield from self._iq_pulse(operation)
            case RealPulse():
                yield from self._real_pulse(operation)
            case VirtualRZ(phase_increment=increment):
                if not math.isfinite(increment):
                    yield f"phase_increment is {increment}, not a finite number"
            case MultiplexedIQPulse() | MultiplexedRealPulse():
                yield from self._multiplexed(operation)
            case ReadoutTrigger():
                yield from self._trigger(operation)
            case ConditionalInstruction():
                yield from self._conditional(operation)

    def mistakes_of_acquisition(self, acquisition: Acquisition) -> Iterator[str]:
        """All that can be said of an acquisition without knowing whether it is played."""
        if not acquisition.label:
            yield "has no label"
        method = acquisition.method
        if method is None:
            yield "names no method that labd knows"
        if isinstance(method, Integration | Threshold):
            weights = method.weights
            yield from (f"weights: {each}" for each in self._iq_pulse(weights, 1e6))
            if weights.scale_i == 0 and weights.scale_q == 0:
                yield "weights: both scales are 0, so the integral would always be 0"
        if isinstance(method, Threshold):
            if not math.isfinite(method.threshold):
                yield f"threshold is {method.threshold}, not a finite number"
            if method.feedback_label and not self.limits.has_fast_feedback:
                reason = self.limits.no_feedback_reason
                yield f"feedback label {short(method.feedback_label)}: {reason}"

    def _iq_pulse(self, pulse: IQPulse, scale_limit: float = 1.0) -> Iterator[str]:
        yield from self._waveform("waveform_i_ref", pulse.waveform_i)
        yield from self._waveform("waveform_q_ref", pulse.waveform_q)
        yield from _scale("scale_i", pulse.scale_i, scale_limit)
        yield from _scale("scale_q", pulse.scale_q, scale_limit)
        if not math.isfinite(pulse.phase):
            yield f"phase is {pulse.phase}, not a finite number"
        if not math.isfinite(pulse.phase_increment):
            yield f"phase_increment is {pulse.phase_increment}, not a finite number"
        if not abs(pulse.phase_mod_freq) <= 0.5:
            yield f"phase_mod_freq is {pulse.phase_mod_freq:g} cycles per sample; the limit is 0.5"

    def _real_pulse(self, pulse: RealPulse) -> Iterator[str]:
        yield from self._waveform("waveform_ref", pulse.waveform)
        yield from _scale("scale", pulse.scale, 1.0)

    def _waveform(self, field: str, index: int) -> Iterator[str]:
        n_waveforms = len(self.channel.waveforms)
        if index >= n_waveforms:
            yield f"{field} is {index}; the channel has {n_waveforms} waveforms"

    def _instruction(self, field: str, index: int) -> Iterator[str]:
        n_instructions = len(self.channel.instructions)
        if index >= n_instructions:
            yield f"{field} is {index}; the channel has {n_instructions} instructions"

    def _multiplexed(self, operation: MultiplexedIQPulse | MultiplexedRealPulse) -> Iterator[str]:
        wanted = IQPulse if isinstance(operation, MultiplexedIQPulse) else RealPulse
        entries: tuple[IQEntry | RealEntry, ...] = operation.entries
        for number, entry in enumerate(entries):
            match entry.pulse:
                case int(index):
                    out_of_range = list(self._instruction("instruction_ref", index))
                    sentences = out_of_range or self._not_a(wanted, index)
                case IQPulse() as pulse:
                    sentences = list(self._iq_pulse(pulse))
                case RealPulse() as pulse:
                    sentences = list(self._real_pulse(pulse))
            yield from (f"entry {number}: {each}" for each in sentences)

    def _not_a(self, wanted: type[Operation], index: int) -> list[str]:
        found = self.channel.instructions[index].operation
        if isinstance(found, wanted):
            return []
        return [
            f"instruction {index} is a {name_of(found)}; "
            f"only {wanted.__name__}s can be multiplexed here"
        ]

    def _trigger(self, trigger: ReadoutTrigger) -> Iterator[str]:
        out_of_range = list(self._instruction("probe_pulse_ref", trigger.probe))
        yield from out_of_range
        if not out_of_range:
            probe = self.channel.instructions[trigger.probe].operation
            if not isinstance(probe, IQPulse | MultiplexedIQPulse):
                yield (
                    f"probe_pulse_ref is {trigger.probe}, a {name_of(probe)}; "
                    "a probe is an IQPulse or a MultiplexedIQPulse"
                )
        table = self.channel.acquisitions
        labels: set[str] = set()
        for index in trigger.acquisitions:
            if index >= len(table):
                yield f"acqusitions names {index}; the channel has {len(table)} acquisitions"
                continue
            label = table[index].label
            if label in labels:
                yield f"label {short(label)} is acquired twice by one trigger"
            labels.add(label)

    def _conditional(self, conditional: ConditionalInstruction) -> Iterator[str]:
        yield from self._instruction("if_true", conditional.if_true)
        yield from self._instruction("if_false", conditional.if_false)
        if self.limits.has_fast_feedback:
            yield _FEEDBACK_NOT_COMPILED
        else:
            yield f"ConditionalInstruction: {self.limits.no_feedback_reason}"


def _scale(field: str, scale: float, limit: float) -> Iterator[str]:
    if not abs(scale) <= limit:
        yield f"{field} is {scale:g}; its limit is {limit:g}"
