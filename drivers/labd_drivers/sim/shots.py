"""From what the AWGs are set to play to the physics' Shot. Pure: no clock, no sockets.

A shot is one pass of the leader, or as many passes as the followers need to be back where they
began. Waveforms are never expanded: a repeated one becomes pieces that share their array, a silent
one becomes nothing, however long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from labd_drivers.sim.awg5208 import Awg5208, Programme
from labd_drivers.sim.awg_sequence import NotPlayable, Passed, Run, follow, lead, waits
from labd_drivers.sim.awg_waveform import MarkerEdges, Waveform
from labd_drivers.sim.physics.shot import Piece, Shot, Source

MAX_PIECES = 2_000_000


@dataclass(frozen=True, slots=True)
class MarkerCable:
    """From a marker output. latency_samples: from its edge to what it starts."""

    awg: str
    channel: int
    marker: int
    latency_samples: int = 0


@dataclass(frozen=True, slots=True)
class Played:
    """What the AWGs put out in one shot. digest: equal for equal contents."""

    sample_rate_hz: float
    duration_samples: int
    outputs: Mapping[str, tuple[Piece, ...]]
    triggers_samples: tuple[int, ...]
    is_looping: bool
    digest: bytes


@dataclass(frozen=True, slots=True)
class TriggerInput:
    """How the digitizer listens to its cable: level in volts; RISe, FALL or EITher."""

    cable: MarkerCable
    level_v: float
    slope: str


def play(
    awgs: Mapping[str, Awg5208], cables: Mapping[str, MarkerCable], digitizer: TriggerInput
) -> Played:
    """What the running AWGs play together.

    awgs: by name. cables: the marker at trigger input A of an AWG, by the AWG's name. Call it with
    the room held. Raises NotPlayable, and ScpiError from an AWG whose assets are not playable.
    """
    leaders = [awg for name, awg in awgs.items() if name not in cables and awg.is_running]
    if len(leaders) != 1:
        raise NotPlayable(f"{len(leaders)} AWGs run that nothing triggers; it has to be one")
    leader = leaders[0]
    timings = leader.programme().timings
    if waits(timings):
        raise NotPlayable(f"{leader.name} waits for a trigger and has no cable")
    one_pass = lead(timings)
    passes = {leader.name: one_pass}
    for name, cable in cables.items():
        awg = awgs[name]
        if awg.is_running:
            if awg.sample_rate_hz.get() != leader.sample_rate_hz.get():
                raise NotPlayable(f"{name} and {leader.name} have different sample rates")
            triggers = _edges(
                leader,
                one_pass,
                cable,
                TriggerInput(cable, awg.trigger_inputs.level_v(), awg.trigger_inputs.slope()),
            )
            passes[name] = follow(
                awg.programme().timings, triggers, one_pass.duration_samples, cable.latency_samples
            )
    return _assemble(awgs, passes, leader, digitizer)


def shot_of(played: Played, sources: Mapping[str, Source], biases_v: Mapping[str, float]) -> Shot:
    """The shot with the sources and biases as they are set."""
    return Shot(
        sample_rate_hz=played.sample_rate_hz,
        duration_samples=played.duration_samples,
        outputs=played.outputs,
        triggers_samples=played.triggers_samples,
        sources=sources,
        biases_v=biases_v,
    )


def _assemble(
    awgs: Mapping[str, Awg5208],
    passes: Mapping[str, Passed],
    leader: Awg5208,
    digitizer: TriggerInput,
) -> Played:
    n_passes = int(np.lcm.reduce([passed.n_passes for passed in passes.values()]))
    duration = n_passes * passes[leader.name].duration_samples
    outputs: dict[str, tuple[Piece, ...]] = {}
    triggers: tuple[int, ...] = ()
    digest = blake2b(repr((leader.sample_rate_hz.get(), duration)).encode(), digest_size=16)
    for name, passed in passes.items():
        whole = _repeated(passed, n_passes)
        programme = awgs[name].programme()
        for channel in sorted(programme.waveforms):
            if awgs[name].is_output_on(channel):
                pieces = _pieces(awgs[name], programme, whole, channel)
                outputs[f"{name}.ch{channel}"] = pieces
                digest.update(f"{name}.ch{channel}".encode())
                starts = np.array([piece.start_samples for piece in pieces], np.int64)
                digest.update(starts.tobytes())
                digest.update(b"".join(piece.digest for piece in pieces))
        if name == digitizer.cable.awg:
            triggers = _edges(awgs[name], whole, digitizer.cable, digitizer)
    digest.update(np.array(triggers, np.int64).tobytes())
    return Played(
        sample_rate_hz=leader.sample_rate_hz.get(),
        duration_samples=duration,
        outputs=outputs,
        triggers_samples=triggers,
        is_looping=passes[leader.name].is_looping,
        digest=digest.digest(),
    )


def _repeated(passed: Passed, n_passes: int) -> Passed:
    """The same for more passes of the leader."""
    period = passed.duration_samples
    n_times = n_passes // passed.n_passes
    runs = tuple(
        Run(run.step, run.start_samples + k * period, run.repeat)
        for k in range(n_times)
        for run in passed.runs
    )
    return Passed(runs, n_times * period, n_passes, passed.is_looping)


def _pieces(awg: Awg5208, programme: Programme, passed: Passed, channel: int) -> tuple[Piece, ...]:
    amplitude_vpp = awg.amplitude_vpp.get(channel)
    n_bits = awg.resolution_bits.whole(channel)
    pieces: list[Piece] = []
    for run in passed.runs:
        waveform = programme.waveforms[channel][run.step]
        stretches = waveform.stretches(amplitude_vpp, n_bits)
        if not stretches:
            continue
        if len(pieces) + run.repeat * len(stretches) > MAX_PIECES:
            raise NotPlayable(f"{awg.name}: more than {MAX_PIECES} pieces in a shot")
        for start in _starts(run, waveform):
            for stretch in stretches:
                at = start + stretch.start_samples
                if at + len(stretch.volts) <= passed.duration_samples:
                    pieces.append(Piece(at, stretch.volts, stretch.digest))
                elif at < passed.duration_samples:
                    pieces.append(_cut(at, stretch.volts, passed.duration_samples - at))
    return tuple(pieces)


def _cut(start: int, volts: np.ndarray, n_samples: int) -> Piece:
    """A piece that ends with the shot."""
    part = volts[:n_samples]
    return Piece(start, part, blake2b(part.tobytes(), digest_size=16).digest())


def _starts(run: Run, waveform: Waveform) -> range:
    return range(
        run.start_samples,
        run.start_samples + run.repeat * waveform.n_samples,
        waveform.n_samples,
    )


def _edges(
    awg: Awg5208, passed: Passed, cable: MarkerCable, listening: TriggerInput
) -> tuple[int, ...]:
    """Instants at which a marker crosses a level the right way, ascending, latency not included."""
    if not awg.marker_crosses(cable.channel, cable.marker, listening.level_v):
        return ()
    programme = awg.programme()
    if cable.channel not in programme.waveforms:
        return ()
    wants_rise, wants_fall = listening.slope != "FALL", listening.slope != "RISe"
    waveforms = programme.waveforms[cable.channel]
    found: list[int] = []
    level, time = _level_before(passed, waveforms, cable.marker), 0
    for run in passed.runs:
        waveform = waveforms[run.step]
        edges = waveform.edges(cable.marker)
        if run.start_samples > time and level:
            level = False
            found += [time] * wants_fall
        repeat = 1 if edges.is_constant else run.repeat
        if len(found) + repeat > MAX_PIECES:
            raise NotPlayable(f"{awg.name}: more than {MAX_PIECES} marker edges in a shot")
        for start in _starts(Run(run.step, run.start_samples, repeat), waveform):
            found += _edges_in(edges, start, level, wants_rise=wants_rise, wants_fall=wants_fall)
            level = edges.last
        time = run.start_samples + run.repeat * waveform.n_samples
    return tuple(at for at in found if at < passed.duration_samples)


def _level_before(passed: Passed, waveforms: tuple[Waveform, ...], marker: int) -> bool:
    """The marker's level just before the pass: that of its end, if it goes on without a gap."""
    if not passed.is_looping or not passed.runs:
        return False
    first, last = passed.runs[0], passed.runs[-1]
    end = last.start_samples + last.repeat * waveforms[last.step].n_samples
    goes_on = first.start_samples == 0 and end >= passed.duration_samples
    return goes_on and waveforms[last.step].edges(marker).last


def _edges_in(
    edges: MarkerEdges, start: int, level: bool, *, wants_rise: bool, wants_fall: bool
) -> list[int]:
    found = []
    if edges.first != level and (wants_rise if edges.first else wants_fall):
        found.append(start)
    if wants_rise:
        found += [start + at for at in edges.rises_samples]
    if wants_fall:
        found += [start + at for at in edges.falls_samples]
    return sorted(found)
