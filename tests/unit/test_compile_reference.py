"""Random playlists, compiled and rendered by a slow program that takes every sample by itself."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
import pytest
from sweep_support import DRIVE, FLUX, READOUT, WIRING, channel, compiled, iq_pulse, sweep_of

from labd.core.playlist import (
    Acquisition,
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
    VirtualRZ,
    Wait,
)
from labd.core.program import RigProgram, Segment
from labd.core.waveforms import (
    ComplexArray,
    Constant,
    CosineRiseFall,
    Gaussian,
    Samples,
    Waveform,
    sample,
)
from labd.core.wiring import ChannelKind, ControllerChannel

IF_HZ = 77.7e6

Channels = Mapping[str, PlaylistChannel]
Rows = Mapping[str, Sequence[int]]
Pulse = TypeVar("Pulse", IQPulse, RealPulse)


def random_playlist(rng: np.random.Generator) -> tuple[Channels, list[Rows]]:
    kinds = {DRIVE: ChannelKind.IQ, FLUX: ChannelKind.REAL, READOUT: ChannelKind.READOUT}
    channels = {name: random_channel(rng, kind) for name, kind in kinds.items()}
    segments: list[Rows] = []
    for _ in range(int(rng.integers(1, 6))):
        segment = {
            name: rng.integers(0, 6, size=int(rng.integers(0, 8))).tolist()
            for name in (DRIVE, FLUX)
            if rng.random() < 0.8
        }
        segments.append({**segment, READOUT: [*rng.choice([0, 2, 5], 2).tolist(), 6, 7, 6]})
        if rng.random() < 0.3:
            segments.append(segments[int(rng.integers(0, len(segments)))])
    return channels, segments


def random_channel(rng: np.random.Generator, kind: ChannelKind) -> PlaylistChannel:
    waveforms = [
        Waveform(16, Samples(rng.uniform(-1, 1, 16))),
        Waveform(48, Constant()),
        Waveform(33, Gaussian(0.2, 0.1)),
        Waveform(64, CosineRiseFall(1.0, 0.0, 0.3)),
    ]
    pulse: Callable[[np.random.Generator], Operation]
    pulse = random_real if kind is ChannelKind.REAL else random_iq
    mux = random_mux(rng, kind)
    still = Wait() if kind is ChannelKind.REAL else VirtualRZ(float(rng.uniform(-9, 9)))
    operations = [pulse(rng), pulse(rng), still, mux, pulse(rng), Wait()]
    instructions: list[tuple[int, Operation]]
    instructions = [(16 * int(rng.integers(1, 6)), each) for each in operations]
    instructions[5] = (16 * int(rng.integers(1, 40)), Wait())
    acquisitions: list[Acquisition] = []
    if kind is ChannelKind.READOUT:
        acquisitions = [Acquisition("QB1__m1", 16, Integration(iq_pulse(1.0)))]
        instructions += [(736, Wait()), (96, ReadoutTrigger(int(rng.choice([0, 3])), (0,)))]
        instructions = [(max(32, each[0]), each[1]) for each in instructions]
    return channel(kind, instructions, waveforms, acquisitions)


def random_mux(rng: np.random.Generator, kind: ChannelKind) -> Operation:
    offsets = [int(offset) for offset in rng.integers(-40, 60, size=3)]
    if kind is ChannelKind.REAL:
        reals = (RealEntry(random_part(rng, random_real), offset) for offset in offsets)
        return MultiplexedRealPulse(tuple(reals))
    return MultiplexedIQPulse(
        tuple(IQEntry(random_part(rng, random_iq), offset) for offset in offsets)
    )


def random_part(
    rng: np.random.Generator, pulse: Callable[[np.random.Generator], Pulse]
) -> int | Pulse:
    """One of the first two instructions, or a pulse of its own."""
    return int(rng.integers(2)) if rng.random() < 0.5 else pulse(rng)


def random_iq(rng: np.random.Generator) -> IQPulse:
    return iq_pulse(
        float(rng.choice([0.0, 0.1, rng.uniform(-0.2, 0.2)])),
        float(rng.choice([0.0, rng.uniform(-0.2, 0.2)])),
        wave_i=int(rng.integers(4)),
        wave_q=int(rng.integers(4)),
        phase=float(rng.choice([0.0, rng.uniform(-7, 7)])),
        mod=float(rng.choice([0.0, rng.uniform(-0.3, 0.3)])),
        increment=float(rng.choice([0.0, rng.uniform(-3, 3)])),
    )


def random_real(rng: np.random.Generator) -> RealPulse:
    return RealPulse(int(rng.integers(4)), float(rng.uniform(-0.2, 0.2)))


class Renderer:
    """Plays one channel of a segment, sample by sample."""

    def __init__(self, playlist: Playlist, wired: ControllerChannel) -> None:
        self.channel = playlist.channels[wired.name]
        self.wired = wired

    def play(self, references: Sequence[int], n_samples: int) -> ComplexArray:
        output = np.zeros(n_samples, dtype=complex)
        time, frame = 0, 0.0
        for reference in references:
            instruction = self.channel.instructions[reference]
            duration, operation = instruction.duration_samples, instruction.operation
            if isinstance(operation, ReadoutTrigger):
                probe = self.channel.instructions[operation.probe]
                operation, length = probe.operation, min(duration, probe.duration_samples)
            else:
                length = duration
            if isinstance(operation, VirtualRZ):
                frame += operation.phase_increment
            if isinstance(operation, IQPulse):
                frame += operation.phase_increment
            for n in range(length):
                turn = frame + 2 * math.pi * self.wired.if_hz / self.wired.sample_rate_hz * (
                    time + n
                )
                value = self.sample_of(operation, n)
                output[time + n + self.wired.delay_samples] = value * cmath.exp(1j * turn)
            time += duration
        return output

    def sample_of(self, operation: Operation, n: int) -> complex:
        match operation:
            case IQPulse():
                wave: complex = operation.scale_i * self.wave(operation.waveform_i, n)
                wave += 1j * operation.scale_q * self.wave(operation.waveform_q, n)
                angle = 2 * math.pi * operation.phase_mod_freq * n + operation.phase
                return wave * cmath.exp(1j * angle)
            case RealPulse():
                return operation.scale * self.wave(operation.waveform, n)
            case MultiplexedIQPulse() | MultiplexedRealPulse():
                return sum((self.entry(each, n) for each in operation.entries), 0j)
            case _:
                return 0j

    def entry(self, entry: IQEntry | RealEntry, n: int) -> complex:
        n -= entry.offset_samples
        if n < 0:
            return 0j
        if not isinstance(entry.pulse, int):
            own = getattr(entry.pulse, "phase_increment", 0.0)
            return self.sample_of(entry.pulse, n) * cmath.exp(1j * own)
        instruction = self.channel.instructions[entry.pulse]
        if n >= instruction.duration_samples:
            return 0j
        own = getattr(instruction.operation, "phase_increment", 0.0)
        return self.sample_of(instruction.operation, n) * cmath.exp(1j * own)

    def wave(self, index: int, n: int) -> float:
        waveform = self.channel.waveforms[index]
        return float(sample(waveform, n + 1)[n]) if n < waveform.n_samples else 0.0


@pytest.mark.parametrize("seed", range(40))
def test_what_is_compiled_is_what_the_playlist_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    channels, segments = random_playlist(rng)
    drive = replace(WIRING.channels[DRIVE], if_hz=IF_HZ * (seed % 2), delay_samples=seed % 5)
    wiring = replace(WIRING, channels={**WIRING.channels, DRIVE: drive})
    sweep = sweep_of(channels, segments, ["QB1__m1"])

    program = compiled(sweep, wiring).program

    assert len(program.order) == len(segments)
    for number, rows in zip(program.order, segments, strict=True):
        segment = program.segments[number]
        assert set(segment.blocks) <= set(rows)
        for name, row in rows.items():
            expected = Renderer(sweep.playlist, wiring.channels[name]).play(
                row, segment.duration_samples
            )
            np.testing.assert_allclose(rendered(program, segment, name), expected, atol=1e-6)
        assert [each.start_samples for each in segment.triggers] == trigger_starts(
            channels[READOUT], rows[READOUT]
        )


def rendered(program: RigProgram, segment: Segment, name: str) -> ComplexArray:
    output = np.zeros(segment.duration_samples, dtype=complex)
    end = 0
    for block in segment.blocks.get(name, ()):
        samples = program.waveforms[block.waveform].samples
        assert block.start_samples >= end
        end = block.start_samples + samples.size
        output[block.start_samples : end] = samples
    return output


def trigger_starts(tables: PlaylistChannel, row: Sequence[int]) -> list[int]:
    starts, time = [], 0
    for reference in row:
        if isinstance(tables.instructions[reference].operation, ReadoutTrigger):
            starts.append(time)
        time += tables.instructions[reference].duration_samples
    return starts
