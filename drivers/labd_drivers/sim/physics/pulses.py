"""From the pieces of a Shot to an ordered list of what happens to the chip.

Three things happen: a drive acts on a qubit for a stretch, a coupler's flux turns phases, a
probe burst reads qubits out. Coupler flux is diagonal, so a whole pulse is one instantaneous
turn at its middle (decay commutes with it up to second order in duration / T1). Where a drive on
one of its qubits overlaps, the flux is applied in slices, each at its middle, between cuts of
the drive: Strang splitting.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.physics.chip import Chip, Coupler
from labd_drivers.sim.physics.shot import Piece, Shot

_OVERLAP_SLICE_SAMPLES = 2
_BURST_GAP_SAMPLES = 16
_SILENCE_SAMPLES = 16
_LEAST_STATIC_PHASE = 1.0e-3
_LONGEST_STATIC_S = 2.0e-4


@dataclass(frozen=True, slots=True)
class Envelope:
    """A stretch of complex baseband. samples: complex128 (n,), volts I + iQ at the AWG."""

    start_samples: int
    samples: npt.NDArray[np.complex128]
    digest: bytes

    @property
    def stop_samples(self) -> int:
        """First sample after the stretch."""
        return self.start_samples + int(self.samples.size)


@dataclass(frozen=True, slots=True)
class Drive:
    """Samples [start, stop) of the pass act on a qubit (index into the chip's qubits)."""

    qubit: int
    start_samples: int
    stop_samples: int
    envelope: Envelope

    @property
    def time_samples(self) -> int:
        """When it begins."""
        return self.start_samples


@dataclass(frozen=True, slots=True)
class Turn:
    """A coupler's phases at an instant. integral_v2_s: of its squared flux over time."""

    coupler: int
    time_samples: int
    integral_v2_s: float


@dataclass(frozen=True, slots=True)
class Burst:
    """The probe is on from `start_samples` on; index: its place among the pass's bursts."""

    index: int
    envelope: Envelope

    @property
    def time_samples(self) -> int:
        """When it begins."""
        return self.envelope.start_samples


Event = Drive | Turn | Burst
_ORDER = {Burst: 0, Turn: 1, Drive: 2}


@dataclass(frozen=True, slots=True)
class Timeline:
    """All events of one pass in order of time, and its probe bursts."""

    events: tuple[Event, ...]
    bursts: tuple[Burst, ...]


def timeline_of(shot: Shot, chip: Chip) -> Timeline:
    """What one pass does to the chip, in order."""
    line = chip.probe_line
    bursts: tuple[Burst, ...] = ()
    if _is_playing(shot, line.source):
        envelopes = _joined(combine(_pieces(shot, line.in_i), _pieces(shot, line.in_q)))
        bursts = tuple(Burst(index, envelope) for index, envelope in enumerate(envelopes))
    drives: list[tuple[Envelope, ...]] = []
    for qubit in chip.qubits:
        pieces = (_pieces(shot, qubit.drive_i), _pieces(shot, qubit.drive_q))
        drives.append(combine(*pieces) if _is_playing(shot, qubit.source) else ())
    turns = [
        turn
        for index, coupler in enumerate(chip.couplers)
        for turn in _turns(index, coupler, shot, chip, drives)
    ]
    edges = [edge for b in bursts for edge in (b.time_samples, b.envelope.stop_samples)]
    events: list[Event] = [*bursts, *turns]
    for index, qubit in enumerate(chip.qubits):
        own = [t.time_samples for t in turns if qubit.name in chip.couplers[t.coupler].qubits]
        events.extend(_cut(index, drives[index], sorted({*edges, *own})))
    events.sort(key=lambda event: (event.time_samples, _ORDER[type(event)]))
    return Timeline(tuple(events), bursts)


def combine(in_phase: Sequence[Piece], quadrature: Sequence[Piece]) -> tuple[Envelope, ...]:
    """Join the pieces of an I and a Q output to complex stretches.

    Pieces that overlap become one stretch; a stretch is cut where it is silent for a while.
    """
    known: dict[tuple[bytes, bytes], Envelope] = {}
    partners = {(piece.start_samples, piece.volts.size): piece for piece in quadrature}
    envelopes: list[Envelope] = []
    alone: list[tuple[Piece, complex]] = []
    for piece in in_phase:
        partner = partners.pop((piece.start_samples, piece.volts.size), None)
        if partner is None:
            alone.append((piece, 1.0))
            continue
        key = (piece.digest, partner.digest)
        if key not in known:
            samples = piece.volts + 1j * partner.volts.astype(np.float64)
            known[key] = Envelope(0, samples, b"".join(key))
        envelopes.append(Envelope(piece.start_samples, known[key].samples, known[key].digest))
    alone.extend((piece, 1.0j) for piece in partners.values())
    envelopes.extend(
        Envelope(
            p.start_samples, unit * p.volts.astype(np.complex128), p.digest + repr(unit).encode()
        )
        for p, unit in alone
    )
    envelopes.sort(key=lambda envelope: envelope.start_samples)
    return tuple(_sounding(_merged(envelopes, 0) if alone else envelopes))


def _sounding(envelopes: Iterable[Envelope]) -> Iterable[Envelope]:
    """The same, cut where it is silent for a while; silence falls away."""
    known: dict[bytes, list[Envelope]] = {}
    for envelope in envelopes:
        if envelope.digest not in known:
            known[envelope.digest] = list(_without_silence(envelope))
        for part in known[envelope.digest]:
            start = envelope.start_samples + part.start_samples
            yield Envelope(start, part.samples, part.digest)


def _without_silence(envelope: Envelope) -> Iterable[Envelope]:
    """Parts of one stretch that are not silent, starting from its own start."""
    live = np.flatnonzero(envelope.samples)
    if not live.size:
        return
    gaps = np.flatnonzero(np.diff(live) > _SILENCE_SAMPLES)
    firsts = [int(live[0]), *live[gaps + 1].tolist()]
    stops = [*(live[gaps] + 1).tolist(), int(live[-1]) + 1]
    for first, stop in zip(firsts, stops, strict=True):
        is_whole = stop - first == envelope.samples.size
        digest = envelope.digest if is_whole else envelope.digest + b"%d-%d" % (first, stop)
        yield Envelope(first, envelope.samples[first:stop], digest)


def _joined(envelopes: tuple[Envelope, ...]) -> list[Envelope]:
    return list(_merged(envelopes, _BURST_GAP_SAMPLES))


def _merged(envelopes: Sequence[Envelope], gap_samples: int) -> Iterable[Envelope]:
    """Stretches that overlap, or stand closer than the gap, added into one."""
    group: list[Envelope] = []
    stop = 0
    for envelope in envelopes:
        if group and envelope.start_samples >= stop + gap_samples:
            yield _added(group)
            group = []
        stop = max(stop, envelope.stop_samples) if group else envelope.stop_samples
        group.append(envelope)
    if group:
        yield _added(group)


def _added(group: list[Envelope]) -> Envelope:
    if len(group) == 1:
        return group[0]
    start = group[0].start_samples
    samples = np.zeros(max(e.stop_samples for e in group) - start, dtype=np.complex128)
    for envelope in group:
        samples[envelope.start_samples - start : envelope.stop_samples - start] += envelope.samples
    return Envelope(start, samples, hashlib.blake2b(samples.tobytes(), digest_size=16).digest())


def _pieces(shot: Shot, output: str) -> tuple[Piece, ...]:
    return shot.outputs.get(output, ())


def _is_playing(shot: Shot, source: str) -> bool:
    found = shot.sources.get(source)
    return found is not None and found.is_on and found.is_iq_on


def _cut(qubit: int, envelopes: Iterable[Envelope], times: list[int]) -> Iterable[Drive]:
    for envelope in envelopes:
        start, stop = envelope.start_samples, envelope.stop_samples
        inner = times[bisect_right(times, start) : bisect_left(times, stop)]
        for begin, end in zip([start, *inner], [*inner, stop], strict=True):
            yield Drive(qubit, begin, end, envelope)


def _turns(
    index: int, coupler: Coupler, shot: Shot, chip: Chip, drives: Sequence[tuple[Envelope, ...]]
) -> Iterable[Turn]:
    """Phases of one coupler: its pulses, and its static flux where the bias is off its place."""
    dt_s = 1.0 / shot.sample_rate_hz
    bias_v = shot.biases_v.get(coupler.bias, 0.0)
    static_v = coupler.bias_lever * (bias_v - coupler.parked_bias_v)
    spans = sorted(
        (envelope.start_samples, envelope.stop_samples)
        for name in coupler.qubits
        for envelope in drives[chip.index_of(name)]
    )
    is_driven = _overlap_test(spans)
    pulses = combine(_pieces(shot, coupler.flux), ())
    integrals: dict[bytes, float] = {}
    for pulse in pulses:
        start, stop = pulse.start_samples, pulse.stop_samples
        if is_driven(start, stop):
            yield from _sliced_turns(index, pulse, static_v, dt_s)
            continue
        if pulse.digest not in integrals:
            integrals[pulse.digest] = _flux_integral(pulse.samples, static_v) * dt_s
        yield Turn(index, (start + stop) // 2, integrals[pulse.digest])
    rate = max(abs(coupler.conditional_rad_per_s_v2), *map(abs, coupler.shift_rad_per_s_v2))
    if rate * static_v**2 * _LONGEST_STATIC_S > _LEAST_STATIC_PHASE:
        taken = [*spans, *((pulse.start_samples, pulse.stop_samples) for pulse in pulses)]
        middles = sorted((start + stop) // 2 for start, stop in taken)
        yield from _static_turns(index, middles, static_v, dt_s)


def _flux_integral(samples: npt.NDArray[np.complex128], static_v: float) -> float:
    """Sum over samples of the squared flux beyond the static one, V^2."""
    flux = samples.real
    return float(np.sum(flux * (flux + 2.0 * static_v)))


def _sliced_turns(index: int, pulse: Envelope, static_v: float, dt_s: float) -> Iterable[Turn]:
    for begin in range(0, int(pulse.samples.size), _OVERLAP_SLICE_SAMPLES):
        part = pulse.samples[begin : begin + _OVERLAP_SLICE_SAMPLES]
        middle = pulse.start_samples + begin + int(part.size) // 2
        yield Turn(index, middle, _flux_integral(part, static_v) * dt_s)


def _static_turns(index: int, middles: list[int], static_v: float, dt_s: float) -> Iterable[Turn]:
    """Static phases gathered between one pulse's middle and the next one's."""
    for before, after in pairwise(middles):
        span_s = (after - before) * dt_s
        if 0.0 < span_s < _LONGEST_STATIC_S:
            yield Turn(index, (before + after) // 2, static_v**2 * span_s)


def _overlap_test(spans: list[tuple[int, int]]) -> Callable[[int, int], bool]:
    """A test whether [start, stop) meets any of the sorted spans."""
    starts = [start for start, _ in spans]
    longest = max((stop - start for start, stop in spans), default=0)

    def is_driven(start: int, stop: int) -> bool:
        first = bisect_left(starts, start - longest)
        last = bisect_left(starts, stop)
        return any(spans[place][1] > start for place in range(first, last))

    return is_driven
