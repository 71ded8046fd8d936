"""Pulses become samples: every distinct one once, however often and in how many segments it plays.

What a channel plays at one place is an envelope (scales, waveforms, modulation, cut to the
instruction's duration) turned by one angle: the pulse's phase, the frame, and the intermediate
frequency's phase since the segment's start. So the work is one envelope per distinct pulse and one
multiplication per distinct angle. Angles are whole numbers of 1e-12 rad below a full turn, so that
equal angles that were summed in different order give equal samples and equal digests.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from labd.core.compile_findings import MAX_WAVEFORM_SAMPLES, Budget, Findings
from labd.core.compile_tables import SoundTables, name_of
from labd.core.playlist import (
    IQEntry,
    IQPulse,
    MultiplexedIQPulse,
    MultiplexedRealPulse,
    Operation,
    PlaylistChannel,
    ReadoutTrigger,
    RealEntry,
    RealPulse,
    VirtualRZ,
)
from labd.core.program import BlockWaveform
from labd.core.waveforms import ComplexArray, FloatArray, phasor, sample
from labd.core.wiring import ChannelKind, ControllerChannel

IntArray = npt.NDArray[np.int64]

TURN = round(2 * math.pi * 1e12)
"""A full turn in units of 1e-12 rad."""

NO_PULSE = -1
"""Envelope number of an instruction that plays nothing."""

_FULL_SCALE = 1 + 1e-6
_CHUNK_SAMPLES = 1 << 20
_ENTRY_COST_SAMPLES = 256

Pulse = IQPulse | RealPulse


@dataclass(frozen=True, slots=True)
class _Part:
    """A pulse within an envelope: how long, from where, and by which angle it is turned."""

    pulse: Pulse
    n_samples: int
    offset: int
    angle: float


@dataclass(frozen=True, slots=True)
class _Envelope:
    """Parts summed and cut to n_samples, and the instruction that needed it first."""

    parts: tuple[_Part, ...]
    n_samples: int
    instruction: int


class WaveformStore:
    """The program's waveforms; equal samples stand once."""

    def __init__(self) -> None:
        self._waveforms: list[BlockWaveform] = []
        self._numbers: dict[bytes, int] = {}

    def add(self, samples: npt.NDArray[np.complex64]) -> int:
        """The number of the waveform with these samples (1-D, contiguous)."""
        digest = blake2b(str(samples.size).encode() + b":", digest_size=16)
        digest.update(samples.data)
        key = digest.digest()
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._waveforms)
            own = samples.copy()
            own.flags.writeable = False
            self._waveforms.append(BlockWaveform(samples=own, digest=key))
        return number

    def waveforms(self) -> tuple[BlockWaveform, ...]:
        """All of them, by number."""
        return tuple(self._waveforms)


@dataclass(slots=True)
class PulseBook:
    """One channel's instructions as envelopes, angles and frame increments, by table index.

    envelope: int64, number of the envelope or NO_PULSE. angle: float64, rad, the pulse's own phase.
    increment: float64, rad within +-pi, by which the frame turns before the instruction plays.
    """

    channel: PlaylistChannel
    wired: ControllerChannel
    envelope: IntArray
    angle: FloatArray
    increment: FloatArray
    _envelopes: list[_Envelope] = field(default_factory=list)
    _numbers: dict[tuple[float, ...], int] = field(default_factory=dict)
    _multiplexes: dict[int, tuple[tuple[_Part, ...], int]] = field(default_factory=dict)
    _sampled: dict[tuple[int, int], FloatArray] = field(default_factory=dict)

    @property
    def if_cycles(self) -> float:
        """Turns per sample that the intermediate frequency adds, from the segment's start on."""
        if self.wired.kind is not ChannelKind.IQ:
            return 0.0
        return self.wired.if_hz / self.wired.sample_rate_hz

    def keys_of(self, references: IntArray, starts_samples: IntArray) -> tuple[IntArray, IntArray]:
        """What a row of instructions plays, and at which positions of the row.

        references, starts_samples: int64, same shape, instructions in order and their starts.
        Returns (keys, positions), int64, one each for every pulse; keys as in `samples_of`.
        """
        frame = np.cumsum(self.increment[references])
        envelope = self.envelope[references]
        positions = np.flatnonzero(envelope != NO_PULSE)
        played = references[positions]
        if self.wired.kind is ChannelKind.REAL:
            return envelope[positions] * TURN, positions
        angle = frame[positions] + self.angle[played]
        if self.if_cycles != 0:
            angle += 2 * np.pi * np.remainder(self.if_cycles * starts_samples[positions], 1.0)
        units = np.rint(np.remainder(angle, 2 * np.pi) * 1e12).astype(np.int64) % TURN
        return envelope[positions] * TURN + units, positions

    def samples_of(
        self, keys: IntArray, store: WaveformStore, budget: Budget, findings: Findings
    ) -> IntArray:
        """Render pulses and turn keys into waveform numbers.

        keys: int64, distinct, ascending, envelope * TURN + angle in 1e-12 rad.
        Returns int64 of the same shape; NO_PULSE where nothing is left to play.
        """
        numbers = np.full(keys.size, NO_PULSE, dtype=np.int64)
        envelopes, angles = np.divmod(keys, TURN)
        bounds = np.flatnonzero(np.diff(envelopes, prepend=-1, append=-1))
        for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            number = int(envelopes[first])
            envelope = self._envelopes[number]
            where = f"{self.wired.name}, instruction {envelope.instruction}"
            part_cost = max(_ENTRY_COST_SAMPLES, envelope.n_samples)
            cost = envelope.n_samples * (last - first) + part_cost * (len(envelope.parts) - 1)
            if envelope.n_samples == 0 or not budget.spend(where, cost):
                continue
            numbers[first:last] = self._turned(
                envelope, angles[first:last] * 1e-12, where, store, findings
            )
        return numbers

    def _turned(
        self,
        envelope: _Envelope,
        angles: FloatArray,
        where: str,
        store: WaveformStore,
        findings: Findings,
    ) -> list[int]:
        samples = self._render(envelope)
        rows = max(1, _CHUNK_SAMPLES // envelope.n_samples)
        numbers = []
        largest = 0.0
        for first in range(0, angles.size, rows):
            turns = np.exp(1j * angles[first : first + rows])
            block = (samples * turns[:, np.newaxis]).astype(np.complex64)
            block += np.complex64(0)  # -0.0 becomes 0.0: equal samples have equal bytes
            quadratures = block.view(np.float32)
            largest = max(largest, float(quadratures.max()), -float(quadratures.min()))
            if largest > 1:
                np.clip(quadratures, -1.0, 1.0, out=quadratures)
            numbers += [store.add(row) for row in block]
        if largest > _FULL_SCALE:
            findings.add(where, self._beyond_full_scale(largest))
        return numbers

    def _beyond_full_scale(self, largest: float) -> str:
        axis = "its voltage" if self.wired.kind is ChannelKind.REAL else "I or Q"
        volts = largest * self.wired.full_scale_v
        return (
            f"{axis} reaches {largest:.6g} of full scale ({volts:.4g} V); "
            f"the limit is 1 ({self.wired.full_scale_v:g} V)"
        )

    def _render(self, envelope: _Envelope) -> ComplexArray:
        first = envelope.parts[0]
        if len(envelope.parts) == 1 and first.offset == 0 and first.angle == 0:
            total = self._baseband(first.pulse, envelope.n_samples)
        else:
            total = np.zeros(envelope.n_samples, dtype=np.complex128)
            for part in envelope.parts:
                self._add(part, total)
        if self.if_cycles != 0:
            total *= phasor(self.if_cycles, envelope.n_samples)
        return total

    def _add(self, part: _Part, total: ComplexArray) -> None:
        cut = max(0, -part.offset)
        start = max(0, part.offset)
        n = min(part.n_samples - cut, total.size - start)
        if n > 0:
            samples = self._baseband(part.pulse, cut + n)[cut:]
            total[start : start + n] += samples * cmath.exp(1j * part.angle)

    def _baseband(self, pulse: Pulse, n_samples: int) -> ComplexArray:
        if isinstance(pulse, RealPulse):
            total = np.zeros(n_samples, dtype=np.complex128)
            wave = self._sample(pulse.waveform, n_samples)
            total.real[: wave.size] = pulse.scale * wave
            return total
        wave_i = self._sample(pulse.waveform_i, n_samples)
        wave_q = self._sample(pulse.waveform_q, n_samples)
        return baseband(pulse, wave_i, wave_q, n_samples)

    def _sample(self, waveform: int, n_samples: int) -> FloatArray:
        key = (waveform, n_samples)
        if key not in self._sampled:
            if len(self._sampled) * n_samples > _CHUNK_SAMPLES:
                self._sampled.clear()
            self._sampled[key] = sample(self.channel.waveforms[waveform], n_samples)
        return self._sampled[key]

    def enter(self, index: int) -> None:
        """Book a sound instruction."""
        instruction = self.channel.instructions[index]
        operation, duration, source = instruction.operation, instruction.duration_samples, index
        if isinstance(operation, ReadoutTrigger):
            source = operation.probe
            probe = self.channel.instructions[source]
            operation, duration = probe.operation, min(duration, probe.duration_samples)
        match operation:
            case VirtualRZ(phase_increment=increment):
                self.increment[index] = _wrapped(increment)
            case IQPulse():
                n = min(duration, length_of(operation, self.channel))
                key = (operation.waveform_i, operation.waveform_q, operation.scale_i)
                key_rest = (operation.scale_q, operation.phase_mod_freq, n)
                self._book(index, (*key, *key_rest), (_Part(operation, n, 0, 0.0),), n)
                self.angle[index] = _wrapped(operation.phase)
                self.increment[index] = _wrapped(operation.phase_increment)
            case RealPulse():
                n = min(duration, length_of(operation, self.channel))
                key_real = (operation.waveform, operation.scale, n)
                self._book(index, key_real, (_Part(operation, n, 0, 0.0),), n)
            case MultiplexedIQPulse() | MultiplexedRealPulse():
                parts, end = self._multiplexed(source, operation)
                n = min(duration, end)
                self._book(index, (source, n), parts, n)
            case _:
                pass

    def _book(
        self, index: int, key: tuple[float, ...], parts: tuple[_Part, ...], n_samples: int
    ) -> None:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._envelopes)
            self._envelopes.append(_Envelope(parts, n_samples, index))
        self.envelope[index] = number

    def _multiplexed(
        self, index: int, operation: MultiplexedIQPulse | MultiplexedRealPulse
    ) -> tuple[tuple[_Part, ...], int]:
        """The parts of a multiplexed instruction, and where the last of them ends."""
        if index not in self._multiplexes:
            entries: tuple[IQEntry | RealEntry, ...] = operation.entries
            parts = []
            end = 0
            for entry in entries:
                part = self._part(entry)
                parts.append(part)
                end = max(end, part.offset + part.n_samples)
            self._multiplexes[index] = (tuple(parts), end)
        return self._multiplexes[index]

    def _part(self, entry: IQEntry | RealEntry) -> _Part:
        pulse: Operation
        if isinstance(entry.pulse, int):
            instruction = self.channel.instructions[entry.pulse]
            pulse, longest = instruction.operation, instruction.duration_samples
        else:
            pulse, longest = entry.pulse, MAX_WAVEFORM_SAMPLES
        if not isinstance(pulse, IQPulse | RealPulse):
            raise TypeError(f"a multiplexed {name_of(pulse)} was not refused")
        n_samples = min(longest, length_of(pulse, self.channel))
        angle = own_angle(pulse) if isinstance(pulse, IQPulse) else 0.0
        return _Part(pulse, n_samples, entry.offset_samples, angle)


def pulse_book(
    channel: PlaylistChannel, wired: ControllerChannel, sound: SoundTables, played: Iterable[int]
) -> PulseBook:
    """The book of the instructions that are played; the others, and unsound ones, play nothing."""
    n = len(channel.instructions)
    book = PulseBook(channel, wired, np.full(n, NO_PULSE), np.zeros(n), np.zeros(n))
    for index in played:
        if sound.instructions[index]:
            book.enter(index)
    return book


def length_of(pulse: Pulse, channel: PlaylistChannel) -> int:
    """Samples until the last of a pulse's waveforms that it uses ends."""
    if isinstance(pulse, RealPulse):
        return channel.waveforms[pulse.waveform].n_samples
    n_i = channel.waveforms[pulse.waveform_i].n_samples if pulse.scale_i != 0 else 0
    n_q = channel.waveforms[pulse.waveform_q].n_samples if pulse.scale_q != 0 else 0
    return max(n_i, n_q)


def own_angle(pulse: IQPulse) -> float:
    """Phase of a pulse that stands for itself, rad: its phase and its own increment."""
    return _wrapped(pulse.phase) + _wrapped(pulse.phase_increment)


def baseband(pulse: IQPulse, wave_i: FloatArray, wave_q: FloatArray, n: int) -> ComplexArray:
    """(scale_i I + i scale_q Q) exp(2 pi i phase_mod_freq n), zero after a waveform's end.

    wave_i, wave_q: float64, at most n samples. Returns complex128, shape (n,).
    """
    total = np.zeros(n, dtype=np.complex128)
    if pulse.scale_i != 0:
        total.real[: wave_i.size] = pulse.scale_i * wave_i
    if pulse.scale_q != 0:
        total.imag[: wave_q.size] = pulse.scale_q * wave_q
    if pulse.phase_mod_freq != 0:
        total *= phasor(pulse.phase_mod_freq, n)
    return total


def _wrapped(angle: float) -> float:
    return math.remainder(angle, 2 * math.pi)
