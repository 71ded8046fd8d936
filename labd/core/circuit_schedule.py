"""Steps get their places in time: each as soon as its qubits, lines and bits are free.

The law: steps that share a qubit keep their order, nothing overlaps on a channel, every start is on
the common grid. Readouts are the exception to "as soon as": one waits until something else needs
one of its qubits, and until then it is merged with the readouts that follow, because a probe line
reads many qubits in the time of one. All this is how IQM's compiler places circuits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import assert_never

from labd.core.circuit_readout import TriggerMaker
from labd.core.circuit_station import Rack
from labd.core.circuit_steps import (
    Align,
    Branch,
    Entangle,
    Flip,
    Read,
    ReadEntry,
    Relax,
    Rotate,
    Step,
)
from labd.core.circuit_tables import Frames, PlaylistTables, Pulses
from labd.core.playlist import References


class Use(Enum):
    """What a qubit does for a while. What is not used is idle."""

    GATE = "gate"
    READOUT = "readout"
    IDLE = "idle"


Span = tuple[int, int, Use]
"""From when to when, in samples, a qubit does what."""


class Timeline:
    """One circuit as it is placed.

    ready: by qubit, when it is free. start_samples: when the circuit's own steps begin, after
    resets and heralding. spans: by qubit, what it did from then on, in order.
    """

    def __init__(self, rack: Rack, triggers: TriggerMaker) -> None:
        self.rack = rack
        self.start_samples = 0
        self.pulses: defaultdict[str, Pulses] = defaultdict(list)
        self.frames: defaultdict[str, Frames] = defaultdict(list)
        self.spans: defaultdict[str, list[Span]] = defaultdict(list)
        self._triggers = triggers
        self._ready: dict[str, int] = {}
        self._line_ready: dict[str, int] = {}
        self._bit_ready: dict[str, int] = {}
        self._bit_in_use: dict[str, int] = {}
        self._pending: dict[str, ReadEntry] = {}
        self._gaps_matter = rack.shortest_gap_samples > rack.grid_samples

    @property
    def end_samples(self) -> int:
        """When everything on the qubits is over."""
        return max(self._ready.values(), default=self.start_samples)

    def begin(self, pause_samples: int) -> None:
        """What was placed so far came before the circuit, which begins after a pause."""
        self.read_now(self._pending)
        end = self.end_samples
        self.start_samples = end + pause_samples if end else 0
        self._ready.clear()
        self.spans.clear()

    def finish(self) -> None:
        """Nothing more comes."""
        self.read_now(self._pending)

    def place(self, step: Step) -> None:
        """Put a step behind those before it."""
        match step:
            case Rotate():
                self._rotate(step)
            case Entangle():
                self._entangle(step)
            case Read():
                self._read(step)
            case Align():
                self._align(step)
            case Relax():
                start = self._start(step.qubits)
                self._use(step.qubits, start, start + step.n_samples, Use.READOUT)
            case Branch():
                self._branch(step)
            case Flip():
                self._start(step.qubits)
                self.read_now({entry.qubit: entry for entry in step.read.entries})
                for branch in step.branches:
                    self._branch(branch)
            case _:
                assert_never(step)

    def rows(self, tables: PlaylistTables) -> dict[str, References]:
        """What each channel plays, as a segment of a playlist has it."""
        return {
            name: tables.named(name).row(pulses, self.frames[name])
            for name, pulses in self.pulses.items()
        }

    def read_now(self, entries: dict[str, ReadEntry]) -> None:
        """Read qubits out together, as soon as all of them are free."""
        if not entries:
            return
        qubits = tuple(entries)
        triggers = self._triggers.triggers(tuple(entries.values()))
        channels = [name for name, _, _ in triggers]
        start = self._latest(qubits)
        for name in channels:
            start = max(start, self._line_ready.get(name, self.start_samples))
        for entry in entries.values():
            if entry.feedback_label:
                start = max(start, self._bit_in_use.get(entry.qubit, 0))
        start = self._fitting(start, channels)
        end = start
        for name, duration, instruction in triggers:
            self.pulses[name].append((start, duration, instruction))
            channel = self.rack.wiring.channels[name]
            end = max(end, start + self.rack.occupied(duration, channel))
        for name in channels:
            self._line_ready[name] = max(end, start + self._triggers.spacing_samples(name))
        for entry in entries.values():
            if entry.feedback_label:
                self._bit_ready[entry.qubit] = end
        if entries is self._pending:
            self._pending = {}
        self._use(qubits, start, end, Use.READOUT)

    def _rotate(self, step: Rotate) -> None:
        start = self._start((step.qubit,))
        start = self._fitting(start, (step.channel,))
        pulses, now = self.pulses[step.channel], start
        for duration, instruction in step.pulses:
            pulses.append((now, duration, instruction))
            now += duration
        self._use((step.qubit,), start, start + step.n_samples, Use.GATE)

    def _entangle(self, step: Entangle) -> None:
        start = self._start(step.qubits)
        start = self._fitting(start, [name for name, _, _ in step.pulses])
        for name, duration, instruction in step.pulses:
            self.pulses[name].append((start, duration, instruction))
        for name, angle_rad in step.frames:
            self._turn(name, start, angle_rad)
        self._use(step.qubits, start, start + step.n_samples, Use.GATE)

    def _turn(self, channel: str, start: int, angle_rad: float) -> None:
        """Turn a frame from start on; a spectator may have been placed beyond that already."""
        frames = self.frames[channel]
        frames.append((start, angle_rad))
        if len(frames) > 1 and frames[-2][0] > start:
            frames.sort(key=lambda each: each[0])

    def _read(self, step: Read) -> None:
        if not self._pending.keys().isdisjoint(step.qubits):
            self.read_now(self._pending)
        self._pending.update((entry.qubit, entry) for entry in step.entries)

    def _align(self, step: Align) -> None:
        start = self._start(step.qubits)
        for qubit in step.qubits:
            ready = self._ready.get(qubit, self.start_samples)
            if ready < start:
                self.spans[qubit].append((ready, start, Use.IDLE))
        self._use(step.qubits, start, start + step.n_samples, Use.IDLE)

    def _branch(self, step: Branch) -> None:
        if step.feedback_qubit in self._pending:
            self.read_now(self._pending)
        bit = self._bit_ready[step.feedback_qubit] + step.delay_samples
        start = self._fitting(max(self._start((step.qubit,)), bit), (step.channel,))
        self.pulses[step.channel].append((start, step.duration, step.instruction))
        end = start + step.n_samples
        self._use((step.qubit,), start, end, Use.GATE)
        in_use = self._bit_in_use.get(step.feedback_qubit, 0)
        self._bit_in_use[step.feedback_qubit] = max(in_use, end)

    def _start(self, qubits: tuple[str, ...]) -> int:
        """When all qubits are free, any readout of theirs that was put off included."""
        if self._pending and not self._pending.keys().isdisjoint(qubits):
            self.read_now(self._pending)
        return self._latest(qubits)

    def _latest(self, qubits: Iterable[str]) -> int:
        ready, first = self._ready, self.start_samples
        return max(ready.get(qubit, first) for qubit in qubits)

    def _fitting(self, start: int, channels: Iterable[str]) -> int:
        """The first start from which each channel can fill the gap before it with silence."""
        if not self._gaps_matter:
            return start
        moved = True
        while moved:
            moved = False
            for name in channels:
                played = self.pulses[name]
                end = played[-1][0] + played[-1][1] if played else 0
                least = self.rack.wiring.channels[name].min_samples
                if 0 < start - end < least:
                    start, moved = self.rack.on_grid(end + least), True
        return start

    def _use(self, qubits: Iterable[str], start: int, end: int, use: Use) -> None:
        for qubit in qubits:
            self._ready[qubit] = end
            if end > start:
                self.spans[qubit].append((start, end, use))
