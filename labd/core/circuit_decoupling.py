"""Dynamical decoupling: idle times of qubits filled with rotations that together do nothing.

A sequence of n rotations divides what is left of an idle time into n equal parts: one after each
rotation (asap), one before each (alap), or one between any two and half of one at either end
(center). Remainders of the grid go where they are least uneven.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from labd.core.circuit import Alignment, DecouplingSequence, DecouplingStrategy, X
from labd.core.circuit_schedule import Span, Timeline, Use
from labd.core.circuit_step_maker import StepMaker
from labd.core.circuit_steps import Rotate
from labd.core.compile_findings import Findings, short
from labd.core.gates import Refused

_IDENTITY = 1e-9


class Decoupler:
    """Decouples the circuits of one job."""

    def __init__(self, strategy: DecouplingStrategy, maker: StepMaker) -> None:
        self._strategy = strategy
        self._maker = maker
        self._sequences = sorted(strategy.sequences, key=lambda each: each.min_ratio, reverse=True)

    def decouple(self, timeline: Timeline) -> None:
        """Fill the idle times of a circuit that is placed."""
        for qubit, spans in timeline.spans.items():
            targets = self._strategy.target_qubits
            if targets is not None and qubit not in targets:
                continue
            if not any(use is Use.GATE for _, _, use in spans):
                continue
            pi = self._maker.rotate(qubit, X)
            if isinstance(pi, Refused):
                continue
            before = len(timeline.pulses[pi.channel])
            for start, end in idle_times(spans, timeline.start_samples, self._strategy):
                self._fill(timeline, pi, start, end)
            if len(timeline.pulses[pi.channel]) > before:
                timeline.pulses[pi.channel].sort()

    def _fill(self, timeline: Timeline, pi: Rotate, start: int, end: int) -> None:
        for sequence in self._sequences:
            if end - start < sequence.min_ratio * pi.n_samples:
                continue
            steps = [
                step
                for step in (self._maker.rotate(pi.qubit, each) for each in sequence.rotations)
                if isinstance(step, Rotate)
            ]
            lengths = [step.n_samples for step in steps]
            rack = timeline.rack
            unit, grid = rack.shortest_gap_samples, rack.grid_samples
            gaps = gaps_of(end - start - sum(lengths), len(steps), sequence.alignment, unit, grid)
            if gaps is None:
                continue
            now = start
            for gap, step in zip(gaps, steps, strict=True):
                now += gap
                pulse_start = now
                for duration, instruction in step.pulses:
                    timeline.pulses[step.channel].append((pulse_start, duration, instruction))
                    pulse_start += duration
                now += step.n_samples
            return


def idle_times(
    spans: Sequence[Span], start: int, strategy: DecouplingStrategy
) -> Iterator[tuple[int, int]]:
    """From when to when a qubit idles before something that it does, in samples.

    spans: what it does from start on. Idling after the last of them changes nothing any more.
    """
    last_gate = max((i for i, span in enumerate(spans) if span[2] is Use.GATE), default=-1)
    pieces: list[tuple[int, int]] = []
    now, is_leading = start, True
    for index, (begin, end, use) in enumerate(spans):
        if begin > now:
            pieces.append((now, begin))
        now = end
        if use is Use.IDLE:
            pieces.append((begin, end))
            continue
        is_skipped = (is_leading and strategy.skips_leading) or (
            index > last_gate and strategy.skips_trailing
        )
        if pieces and not is_skipped:
            if strategy.merges_idle_times:
                yield pieces[0][0], pieces[-1][1]
            else:
                yield from pieces
        pieces, is_leading = [], False


def gaps_of(
    n_free: int, n_rotations: int, alignment: Alignment, unit: int, grid: int
) -> list[int] | None:
    """Samples of silence before each rotation; None where the rotations do not fit.

    n_free: samples to be divided, a multiple of grid. unit: the shortest silence, a multiple of
    grid. What is left after the last rotation is silent too, and 0 or at least unit.
    """
    if n_free < 0 or n_rotations == 0:
        return None
    n_units, remainder = divmod(n_free, unit)
    if remainder and not n_units:
        return None
    share = n_units // n_rotations
    first = {Alignment.ASAP: 0, Alignment.CENTER: share // 2, Alignment.ALAP: share}[alignment]
    edges = [n_units * part // n_rotations for part in range(n_rotations)]
    gaps = [first, *(after - before for before, after in pairwise(edges))]
    tail = n_units - sum(gaps)
    samples = [gap * unit for gap in gaps]
    if remainder and not tail:
        # silence shorter than a unit cannot stand alone at the end
        longest = samples.index(max(samples))
        samples[longest] += remainder // grid * grid
    return samples


def check_strategy(
    strategy: DecouplingStrategy, qubits: frozenset[str], findings: Findings
) -> None:
    """Report what is wrong with a strategy; one without mistakes changes no circuit's outcome."""
    for qubit in sorted((strategy.target_qubits or frozenset()) - qubits):
        near = findings.nearest(qubit, qubits)
        findings.add("dd_strategy, target_qubits", f"the chip has no qubit {short(qubit)!r}{near}")
    if not strategy.sequences:
        findings.add("dd_strategy, gate_sequences", "is empty; it has at least one sequence")
    for index, sequence in enumerate(strategy.sequences):
        where = f"dd_strategy, gate_sequences, {index}"
        if not (math.isfinite(sequence.min_ratio) and sequence.min_ratio >= 0):
            findings.add(where, f"its ratio is {sequence.min_ratio}; it is a number of at least 0")
        if not sequence.rotations:
            findings.add(where, "has no gates")
        elif not _does_nothing(sequence):
            findings.add(
                where,
                f"its {len(sequence.rotations)} gates do not multiply to the identity, "
                "so it would change what circuits do; XX, XYXY and XYXYYXYX do",
            )


def _does_nothing(sequence: DecouplingSequence) -> bool:
    total = np.eye(2, dtype=np.complex128)
    for angle, phase in sequence.rotations:
        if not (math.isfinite(angle) and math.isfinite(phase)):
            return False
        off = -1j * math.sin(angle / 2)
        turn = cmath.exp(1j * phase)
        diagonal = math.cos(angle / 2)
        matrix = np.array([[diagonal, off / turn], [off * turn, diagonal]])
        total = matrix @ total
    return bool(abs(abs(np.trace(total)) - 2) < _IDENTITY)
