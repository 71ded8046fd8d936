"""From a program to what each AWG plays: sequences of steps, and the waveforms in them. Pure.

How a segment becomes steps. On one AWG, everything that any of its channels or markers does is a
list of active stretches; all else is silence. Steps are common to all tracks of a sequence and at
least MIN_STEP_SAMPLES long. Silence costs nothing: it is one zero waveform with a repeat count.
An active step starts where its stretch starts, so that equal content gives equal steps wherever
it stands; long content is cut at the first boundary between blocks that makes a step long enough,
so that periodic content gives equal steps too. A waveform's name is the digest of its samples and
markers: what is played often stands once in the AWG, across tracks, segments and jobs.

How AWGs start together. The leader raises its sync marker at the start of every segment and plays
the segment `latency_samples` later. A follower's first step of every segment waits for that
marker, and its first sample comes `latency_samples` after it: t = 0 is the same instant on all
channels. The leader's segment lasts until every follower waits again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from labd.core.program import RigProgram, Segment
from labd.core.wiring import ControllerChannel, MarkerOutput, Wiring

MIN_STEP_SAMPLES: Final = 2400
"""Shortest waveform that an AWG5200 takes into a sequence."""
MAX_STEPS: Final = 16383
"""Most steps of one sequence."""
MAX_REPEAT: Final = 1 << 20
"""Most repetitions of one step."""
MAX_PIECE_SAMPLES: Final = 9600
"""Longer stretches without a boundary are cut, so that a long constant level is one short step."""
MIN_RECORD_SAMPLES: Final = 128
"""Shorter records are taken this long by the digitizer, and their end is not transferred."""
MARKER_SAMPLES: Final = 128
"""How long a trigger marker stays up: 64 ns at 2 GS/s, well above what trigger inputs need."""
REARM_SAMPLES: Final = 2400
"""From a follower's last sample until it surely waits for the next marker."""
N_CHANNELS: Final = 8
"""Outputs of an AWG5208."""

Samples = npt.NDArray[np.float32]
Markers = npt.NDArray[np.uint8]


class Part(NamedTuple):
    """A block on one track, seen from a step: which samples, I (0) or Q (1), where they start."""

    digest: bytes
    component: int
    start_samples: int


class MarkerPulse(NamedTuple):
    """A marker raised on one track, seen from a step. marker: 1-based number."""

    marker: int
    start_samples: int
    stop_samples: int


class Content(NamedTuple):
    """What one track plays in one step, as a recipe: equal recipes give equal samples."""

    n_samples: int
    parts: tuple[Part, ...]
    markers: tuple[MarkerPulse, ...]


class Step(NamedTuple):
    """One step of a sequence. contents: one for each track, all equally long."""

    contents: tuple[Content, ...]
    repeat: int
    waits_for_trigger: bool

    @property
    def n_samples(self) -> int:
        """Length with all repetitions."""
        return self.contents[0].n_samples * self.repeat


@dataclass(frozen=True, slots=True)
class AwgPlan:
    """What one AWG plays. channels: the output of each track, ascending. steps: of one loop."""

    instrument: str
    channels: tuple[int, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Plan:
    """What all AWGs play, and when the digitizers are triggered.

    awgs: leader first. starts_samples: where each segment of the order starts (its t = 0), on the
    leader's clock. loop_samples: length of one shot.
    """

    awgs: tuple[AwgPlan, ...]
    starts_samples: npt.NDArray[np.int64]
    loop_samples: int

    @cached_property
    def n_steps(self) -> Mapping[str, int]:
        """Steps of each AWG's sequence."""
        return {awg.instrument: len(awg.steps) for awg in self.awgs}


@dataclass(frozen=True, slots=True)
class Waveform:
    """Samples as an AWG takes them.

    samples: float32, shape (n_samples,), -1..1 of the output's amplitude.
    markers: uint8, shape (n_samples,), marker 1 in bit 7, marker 2 in bit 6; None if all are low.
    """

    name: str
    samples: Samples
    markers: Markers | None

    @property
    def n_bytes(self) -> int:
        """Bytes that an upload sends."""
        return self.samples.nbytes + (0 if self.markers is None else self.markers.nbytes)


def make_plan(program: RigProgram, wiring: Wiring) -> Plan:
    """Sequences for all AWGs that the program needs. Limits are checked elsewhere."""
    tracks = _tracks_by_instrument(program, wiring)
    leader = _leader(wiring, tracks)
    followers = [name for name in tracks if name != leader]
    latency = wiring.sync.latency_samples if wiring.sync is not None else 0

    follower_steps = {
        name: [_follower_steps(program, segment, tracks[name]) for segment in program.segments]
        for name in followers
    }
    leader_steps, periods = [], []
    for index, segment in enumerate(program.segments):
        lengths = [sum(s.n_samples for s in follower_steps[name][index]) for name in followers]
        busy = max((latency + n_samples + REARM_SAMPLES for n_samples in lengths), default=0)
        period = max(segment.duration_samples + program.end_delay_samples, busy)
        steps = _leader_steps(program, segment, tracks[leader], wiring, period)
        leader_steps.append(steps)
        periods.append(sum(step.n_samples for step in steps))

    all_periods = np.array([periods[index] for index in program.order], dtype=np.int64)
    ends = np.cumsum(all_periods)
    return Plan(
        tuple(
            AwgPlan(name, tracks[name].channels, _in_order(steps, program.order))
            for name, steps in [(leader, leader_steps), *follower_steps.items()]
        ),
        starts_samples=ends - all_periods + latency,
        loop_samples=int(ends[-1]) if len(ends) else 0,
    )


def render(content: Content, blocks: Mapping[bytes, npt.NDArray[np.complex64]]) -> Waveform:
    """The samples of a recipe. blocks: complex samples by digest."""
    samples = np.zeros(content.n_samples, dtype=np.float32)
    for part in content.parts:
        block = blocks[part.digest]
        values = block.imag if part.component else block.real
        start, stop = max(part.start_samples, 0), part.start_samples + len(values)
        stop = min(stop, content.n_samples)
        samples[start:stop] = values[start - part.start_samples : stop - part.start_samples]
    markers: Markers | None = None
    if content.markers:
        markers = np.zeros(content.n_samples, dtype=np.uint8)
        for pulse in content.markers:
            bit = np.uint8(1 << (8 - pulse.marker))
            markers[max(pulse.start_samples, 0) : pulse.stop_samples] |= bit
    digest = blake2b(samples.tobytes(), digest_size=12)
    digest.update(b"" if markers is None else markers.tobytes())
    samples.flags.writeable = False
    return Waveform(f"w{digest.hexdigest()}", samples, markers)


@dataclass(frozen=True, slots=True)
class _Tracks:
    """Which channels and markers an AWG has to play. channels: output numbers, ascending."""

    channels: tuple[int, ...]
    played: tuple[ControllerChannel, ...]
    sync_marker: MarkerOutput | None
    readout_markers: tuple[tuple[str, MarkerOutput], ...]
    instrument: str


class _Active(NamedTuple):
    """An active stretch of one track: content from start to stop, in samples of the segment."""

    start: int
    stop: int
    track: int
    part: Part | None
    marker: int


class _Span(NamedTuple):
    """A piece of a segment's time: one active step, or silence."""

    start: int
    stop: int
    is_silent: bool


def _tracks_by_instrument(program: RigProgram, wiring: Wiring) -> dict[str, _Tracks]:
    """The AWGs that the program needs, the leader among them."""
    names = {name for segment in program.segments for name in segment.blocks}
    played = [wiring.channels[name] for name in sorted(names)]
    triggered = sorted({t.channel for segment in program.segments for t in segment.triggers})
    markers = [(name, wiring.readouts[name].trigger) for name in triggered]
    sync_marker = wiring.sync.trigger if wiring.sync is not None else None

    numbers: dict[str, set[int]] = {}
    outputs = [(output.instrument, output.channel) for c in played for output in c.outputs]
    outputs += [(marker.instrument, marker.channel) for _, marker in markers]
    outputs += [(sync_marker.instrument, sync_marker.channel)] if sync_marker else []
    for instrument, number in outputs:
        numbers.setdefault(instrument, set()).add(number)
    return {
        name: _Tracks(
            tuple(sorted(channels)),
            tuple(c for c in played if any(o.instrument == name for o in c.outputs)),
            sync_marker if sync_marker and sync_marker.instrument == name else None,
            tuple(pair for pair in markers if pair[1].instrument == name),
            name,
        )
        for name, channels in sorted(numbers.items())
    }


def _leader(wiring: Wiring, tracks: Mapping[str, _Tracks]) -> str:
    """The AWG whose clock the segments follow: the declared leader, or the only one."""
    return wiring.sync.leader if wiring.sync is not None else next(iter(tracks))


def _in_order(steps: Sequence[tuple[Step, ...]], order: Sequence[int]) -> tuple[Step, ...]:
    """The steps of all segments, one after the other, equal neighbours joined."""
    joined: list[Step] = []
    for index in order:
        for step in steps[index]:
            last = joined[-1] if joined else None
            if last is not None and _can_join(last, step):
                joined[-1] = last._replace(repeat=last.repeat + step.repeat)
            else:
                joined.append(step)
    return tuple(joined)


def _can_join(first: Step, second: Step) -> bool:
    return (
        not second.waits_for_trigger
        and first.contents == second.contents
        and first.repeat + second.repeat <= MAX_REPEAT
    )


def _leader_steps(
    program: RigProgram, segment: Segment, tracks: _Tracks, wiring: Wiring, period: int
) -> tuple[Step, ...]:
    """The leader's steps: marker, content, silence up to the period, rounded up to whole steps."""
    latency = wiring.sync.latency_samples if wiring.sync is not None else 0
    active = _active_stretches(program, segment, tracks, latency)
    if tracks.sync_marker is not None:
        track = tracks.channels.index(tracks.sync_marker.channel)
        active.append(_Active(0, MARKER_SAMPLES, track, None, tracks.sync_marker.marker))
    spans = _cut(active)
    stop = spans[-1].stop if spans else 0
    n_silent = -(-max(period - stop, 0) // MIN_STEP_SAMPLES)
    if n_silent or not spans:
        tail = stop + max(n_silent, 1) * MIN_STEP_SAMPLES
        spans.append(_Span(stop, tail, is_silent=True))
    return _steps(spans, active, len(tracks.channels))


def _follower_steps(program: RigProgram, segment: Segment, tracks: _Tracks) -> tuple[Step, ...]:
    """A follower's steps: the first waits for the marker; after the last it waits again."""
    active = _active_stretches(program, segment, tracks, 0)
    spans = _cut(active) or [_Span(0, MIN_STEP_SAMPLES, is_silent=True)]
    first, *rest = _steps(spans, active, len(tracks.channels))
    return (first._replace(waits_for_trigger=True), *rest)


def _active_stretches(
    program: RigProgram, segment: Segment, tracks: _Tracks, shift: int
) -> list[_Active]:
    """All content of the segment on this AWG, `shift` samples after its own start."""
    active: list[_Active] = []
    for channel in tracks.played:
        for block in segment.blocks.get(channel.name, ()):
            waveform = program.waveforms[block.waveform]
            start = block.start_samples + shift
            stop = start + len(waveform.samples)
            for component, output in enumerate(channel.outputs):
                if output.instrument == tracks.instrument:
                    track = tracks.channels.index(output.channel)
                    part = Part(waveform.digest, component, start)
                    active.append(_Active(start, stop, track, part, 0))
    markers = dict(tracks.readout_markers)
    for trigger in segment.triggers:
        marker = markers.get(trigger.channel)
        if marker is not None:
            start = trigger.start_samples + shift
            track = tracks.channels.index(marker.channel)
            active.append(_Active(start, start + MARKER_SAMPLES, track, None, marker.marker))
    return active


def _cut(active: Sequence[_Active]) -> list[_Span]:
    """The segment's time from 0 to the end of its last step, as silence and active steps."""
    pieces = list(_pieces(active))
    spans: list[_Span] = []
    position, index = 0, 0
    while index < len(pieces):
        start, stop = pieces[index]
        if start - position >= MIN_STEP_SAMPLES:
            spans.append(_Span(position, start, is_silent=True))
            position = start
        index += 1
        while index < len(pieces) and pieces[index][0] - position < MIN_STEP_SAMPLES:
            stop = pieces[index][1]
            index += 1
        stop = max(stop, position + MIN_STEP_SAMPLES)
        if index < len(pieces) and 0 < pieces[index][0] - stop < MIN_STEP_SAMPLES:
            stop = pieces[index][0]
        spans.append(_Span(position, stop, is_silent=False))
        position = stop
    return spans


def _pieces(active: Sequence[_Active]) -> Iterator[tuple[int, int]]:
    """Active time between boundaries that no block crosses: (start, stop), ascending, disjoint."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted((item.start, item.stop) for item in active):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((start, stop))
    for start, stop in joined:
        for cut in range(start, stop, MAX_PIECE_SAMPLES):
            yield cut, min(cut + MAX_PIECE_SAMPLES, stop)


def _steps(spans: Sequence[_Span], active: Sequence[_Active], n_tracks: int) -> tuple[Step, ...]:
    """The steps of the spans; equal neighbours are one step with a repeat count."""
    waiting = deque(sorted(active, key=lambda item: item.start))
    inside: list[_Active] = []
    steps: list[Step] = []
    for span in spans:
        if span.is_silent:
            steps += _silence(span.stop - span.start, n_tracks)
            continue
        inside = [item for item in inside if item.stop > span.start]
        while waiting and waiting[0].start < span.stop:
            inside.append(waiting.popleft())
        steps.append(_active_step(span, inside, n_tracks))
    return _in_order([tuple(steps)], [0])


def _active_step(span: _Span, inside: Sequence[_Active], n_tracks: int) -> Step:
    parts: list[list[Part]] = [[] for _ in range(n_tracks)]
    markers: list[list[MarkerPulse]] = [[] for _ in range(n_tracks)]
    for item in inside:
        start, stop = item.start - span.start, item.stop - span.start
        if item.part is not None:
            parts[item.track].append(item.part._replace(start_samples=start))
        else:
            stop = min(stop, span.stop - span.start)
            markers[item.track].append(MarkerPulse(item.marker, max(start, 0), stop))
    n_samples = span.stop - span.start
    return Step(
        tuple(
            Content(n_samples, tuple(parts[track]), tuple(sorted(markers[track])))
            for track in range(n_tracks)
        ),
        repeat=1,
        waits_for_trigger=False,
    )


def _silence(n_samples: int, n_tracks: int) -> Iterator[Step]:
    """Steps for a silence of at least MIN_STEP_SAMPLES: the shortest zero waveform, repeated."""
    n_whole, rest = divmod(n_samples, MIN_STEP_SAMPLES)
    n_whole -= 1 if rest else 0
    shortest = (Content(MIN_STEP_SAMPLES, (), ()),) * n_tracks
    while n_whole:
        repeat = min(n_whole, MAX_REPEAT)
        yield Step(shortest, repeat, waits_for_trigger=False)
        n_whole -= repeat
    if rest:
        yield Step((Content(MIN_STEP_SAMPLES + rest, (), ()),) * n_tracks, 1, False)
