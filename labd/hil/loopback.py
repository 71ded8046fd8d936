"""Pulses that must come back: what is played, and what is said of the records. Pure.

Through a loop-back cable steps of random height are played, on one output after the other, and
looked for by correlation at every input, so that a cable that is missing and one that is in the
wrong place are told apart. Through the probe line tones beside the carrier are played: with I and Q
swapped anywhere they come back on its other side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from labd.core.program import Block, BlockWaveform, RigProgram, Segment, Trigger
from labd.core.wiring import ChannelKind, ControllerChannel, Loopback, Readout, Wiring

PULSE_SAMPLES: Final = 1024
RECORD_SAMPLES: Final = 3072
N_SHOTS: Final = 64
TONES: Final = tuple(tone for tone in range(-128, 129, 8) if tone)
"""Turns in a pulse: 32 tones within an eighth of the sample rate of the carrier."""
AMPLITUDE: Final = 0.5
"""Of what is played, as a fraction of full scale, at most."""
_STEP_SAMPLES: Final = 16
_TRIGGER_SAMPLES: Final = 2048
_LEAD_SAMPLES: Final = 512
"""From the trigger to the pulse, so that a line that is shorter than the trigger's is seen."""
_SEGMENT_SAMPLES: Final = 8192
_PAUSE_SAMPLES: Final = 4096

MIN_LIKENESS: Final = 0.5
"""Of a record and what was played, so that one is taken for the other; noise has about 0.1."""
GAIN_ERROR: Final = 0.3
"""So far from its declared gain, as a fraction of it, a cable may be."""
MIN_TONE: Final = 5.0
"""How far, as a ratio of amplitudes, a tone stands above what is there without it."""

Volts = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is to be played to learn of one cable.

    wiring: the rack's, with the digitizer's inputs as they are needed. readout: whose records.
    """

    readout: str
    wiring: Wiring
    program: RigProgram
    played: tuple[Volts, ...]


# ---- loop-back cables


def loopback_experiment(loopback: Loopback, wiring: Wiring) -> Experiment:
    """One segment an output of the channel, each with its own steps on that output alone."""
    readout = _readout_at(loopback, wiring)
    channel = wiring.channels[loopback.channel]
    numbers = [one.number for one in loopback.inputs]
    if len(numbers) == 1:
        numbers.append(next(n for n in (readout.input_i, readout.input_q) if n != numbers[0]))
    seen = replace(readout, input_i=numbers[0], input_q=numbers[1])
    peak = _peak(channel, loopback.gain, readout)
    steps = [_steps(number, peak) for number in range(len(channel.outputs))]
    waves = [_wave(factor * each) for factor, each in zip((1.0 + 0.0j, 1.0j), steps, strict=False)]
    return Experiment(
        readout.channel,
        replace(wiring, readouts={**wiring.readouts, readout.channel: seen}),
        _program(channel, readout, waves),
        tuple(each * channel.full_scale_v * loopback.gain for each in steps),
    )


def judge_loopback(
    loopback: Loopback, experiment: Experiment, records: npt.NDArray[np.complex128]
) -> Iterator[str]:
    """What is wrong, a sentence each. records: means over the shots, (n_segments, n_samples), V."""
    names = "IQ" if len(experiment.played) == 2 else ["output"]
    inputs = [f"{one.instrument}.ch{one.number}" for one in loopback.inputs]
    for index, (name, played) in enumerate(zip(names, experiment.played, strict=True)):
        seen = [_found(volts, played) for volts in (records[index].real, records[index].imag)]
        likeness, gain = seen[index]
        whose = f"{loopback.channel}'s {name}"
        elsewhere = [
            other for k, other in enumerate(inputs) if k != index and seen[k][0] >= MIN_LIKENESS
        ]
        if likeness < MIN_LIKENESS and elsewhere:
            yield f"{whose} arrives at {elsewhere[0]} instead of {inputs[index]}: they are swapped"
        elif likeness < MIN_LIKENESS:
            yield f"{whose} does not arrive at {inputs[index]}: is the cable there, and the output?"
        elif abs(gain - 1.0) > GAIN_ERROR:
            yield (
                f"{whose} arrives at {inputs[index]} with a gain of {gain * loopback.gain:.2g};"
                f" the wiring file says {loopback.gain:g}"
            )


def _readout_at(loopback: Loopback, wiring: Wiring) -> Readout:
    scope = loopback.inputs[0].instrument
    return next(each for each in wiring.readouts.values() if each.digitizer == scope)


def _peak(channel: ControllerChannel, gain: float, readout: Readout) -> float:
    """Within the range of the input."""
    return min(AMPLITUDE, 0.5 * readout.input_full_scale_v / (channel.full_scale_v * gain))


def _steps(seed: int, peak: float) -> Volts:
    heights = np.random.default_rng(seed + 1).uniform(-peak, peak, PULSE_SAMPLES // _STEP_SAMPLES)
    return np.repeat(heights, _STEP_SAMPLES)


def _found(volts: Volts, played: Volts) -> tuple[float, float]:
    """How like the most similar stretch of a record is to what was played, 0..1; and its gain."""
    products = np.correlate(volts, played, "valid")
    at = int(np.argmax(products))
    stretch = volts[at : at + len(played)]
    norm = float(np.linalg.norm(stretch) * np.linalg.norm(played))
    likeness = float(products[at]) / norm if norm else 0.0
    return likeness, float(products[at] / np.dot(played, played))


# ---- the probe line


def probe_experiment(readout: Readout, wiring: Wiring) -> Experiment:
    """A tone a segment, then one without: resonators let through some of them only."""
    channel = wiring.channels[readout.channel]
    tones = [_wave(AMPLITUDE * _turning(tone, PULSE_SAMPLES)) for tone in TONES]
    return Experiment(readout.channel, wiring, _program(channel, readout, [*tones, None]), ())


def judge_probe(readout: Readout, records: npt.NDArray[np.complex128]) -> Iterator[str]:
    """What is wrong, a sentence each. records: means, (len(TONES) + 1, n_samples), volts."""
    n_samples = records.shape[1]
    turning = np.array([_turning(tone, n_samples) for tone in TONES])
    seen, silence = records[:-1], records[-1]
    own = np.abs(np.sum(seen * turning.conj(), axis=1)) / PULSE_SAMPLES
    mirrored = np.abs(np.sum(seen * turning, axis=1)) / PULSE_SAMPLES
    noise = max(float(np.abs(turning.conj() @ silence).max()) / PULSE_SAMPLES, 1e-12)
    best = int(np.argmax(np.maximum(own, mirrored)))
    if max(own[best], mirrored[best]) < MIN_TONE * noise:
        yield (
            f"none of {len(TONES)} tones on {readout.channel} comes back to {_inputs(readout)}:"
            " is the line connected, and the local oscillator on?"
        )
    elif mirrored[best] > own[best]:
        yield (
            f"tones on {readout.channel} come back mirrored at {_inputs(readout)}:"
            " I and Q are swapped, at the outputs or at the inputs"
        )
    elif mirrored[best] > own[best] / 2:
        yield (
            f"tones on {readout.channel} come back on both sides of the carrier: one of I and Q"
            f" does not arrive, at the modulator or at {_inputs(readout)}"
        )


def _turning(tone: int, n_samples: int) -> npt.NDArray[np.complex128]:
    """A tone of so many turns in PULSE_SAMPLES; negative: below the carrier."""
    turns = tone * np.arange(n_samples) / PULSE_SAMPLES
    return np.cos(2 * np.pi * turns) + 1j * np.sin(2 * np.pi * turns)


def _inputs(readout: Readout) -> str:
    return f"{readout.digitizer}.ch{readout.input_i} and ch{readout.input_q}"


# ---- programs


def _wave(samples: npt.NDArray[np.complexfloating]) -> BlockWaveform:
    narrow = samples.astype(np.complex64)
    narrow.flags.writeable = False
    return BlockWaveform(narrow, blake2b(narrow.tobytes(), digest_size=16).digest())


def _program(
    channel: ControllerChannel, readout: Readout, waves: Sequence[BlockWaveform | None]
) -> RigProgram:
    """One segment a waveform, each with a record; None: a segment without."""
    start = _TRIGGER_SAMPLES + _LEAD_SAMPLES
    present: list[BlockWaveform] = []
    segments: list[Segment] = []
    trigger = Trigger(readout.channel, _TRIGGER_SAMPLES, (0,))
    for wave in waves:
        blocks: dict[str, tuple[Block, ...]] = {}
        if wave is not None:
            blocks[channel.name] = (Block(len(present), start),)
            present.append(wave)
        segments.append(Segment(_SEGMENT_SAMPLES, blocks, (trigger,)))
    return RigProgram(
        sample_rate_hz=readout.sample_rate_hz,
        waveforms=tuple(present),
        segments=tuple(segments),
        order=tuple(range(len(segments))),
        end_delay_samples=_PAUSE_SAMPLES,
        record_delay_samples=0,
        record_samples=min(RECORD_SAMPLES, readout.max_record_samples),
    )


def carrier_settings(experiment: Experiment) -> dict[str, float]:
    """The settings that bring the carrier of the experiment's readout to where it belongs."""
    wiring = experiment.wiring
    source = wiring.channels[experiment.readout].local_oscillator
    carrier_hz = wiring.readouts[experiment.readout].center_frequency_hz
    settings = {
        name: (carrier_hz - route.offset) / route.scale
        for name, route in wiring.settings.items()
        if route.parameter == f"{source}.frequency"
    }
    return {
        name: value
        for name, value in settings.items()
        if wiring.settings[name].minimum <= value <= wiring.settings[name].maximum
    }


def output_names(channel: ControllerChannel) -> str:
    """The outputs of a channel, for a sentence."""
    return " and ".join(f"{each.instrument}.ch{each.channel}" for each in channel.outputs)


def is_wired_for_tone(channel: ControllerChannel) -> bool:
    """Whether a channel can play a tone with a side."""
    return channel.kind is ChannelKind.READOUT and len(channel.outputs) == 2
