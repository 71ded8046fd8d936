"""Segments: rows of references become blocks and triggers at their places in time.

A row is compiled once, however many segments share it; rows that play the same are one row;
segments made of the same rows are one segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from labd.core.compile_findings import Budget, Findings, short
from labd.core.compile_pulses import (
    NO_PULSE,
    IntArray,
    PulseBook,
    WaveformStore,
    pulse_book,
)
from labd.core.compile_tables import SoundTables
from labd.core.playlist import (
    Playlist,
    PlaylistChannel,
    ReadoutTrigger,
    References,
    VirtualRZ,
    Wait,
)
from labd.core.program import Block, Segment, Trigger
from labd.core.wiring import ChannelKind, ControllerChannel


@dataclass(frozen=True, slots=True)
class PlayedTables:
    """A channel of the playlist, where it goes, and which of its tables' entries are sound."""

    channel: PlaylistChannel
    wired: ControllerChannel
    sound: SoundTables


@dataclass(frozen=True, slots=True)
class _Row:
    """What one channel does in a segment. end_samples: of its last instruction."""

    blocks: tuple[Block, ...]
    triggers: tuple[Trigger, ...]
    end_samples: int


@dataclass(frozen=True, slots=True)
class _TimedRow:
    """A row with its times: int64 arrays, references and starts by position, keys by pulse.

    positions: of the pulses in the row.
    """

    references: IntArray
    starts: IntArray
    end_samples: int
    keys: IntArray
    positions: IntArray


@dataclass(slots=True)
class _RowsOfChannel:
    """The distinct rows of one channel, and the first segment in which each stands."""

    name: str
    references: list[IntArray]
    first_segment: list[int]
    numbers: dict[bytes, int]


class SegmentCompiler:
    """Compiles all segments of one playlist. max_segment_samples: longest segment."""

    def __init__(
        self,
        tables: Mapping[str, PlayedTables],
        max_segment_samples: int,
        store: WaveformStore,
        budget: Budget,
        findings: Findings,
    ) -> None:
        self._tables = tables
        self._max_samples = max_segment_samples
        self._store = store
        self._budget = budget
        self._findings = findings

    def compile(self, playlist: Playlist) -> tuple[tuple[Segment, ...], tuple[int, ...]]:
        """Distinct segments, and for each segment of the playlist which of them it is."""
        if not playlist.segments:
            self._findings.add("playlist", "has no segments: nothing would be played")
        rows = {name: _RowsOfChannel(name, [], [], {}) for name in self._tables}
        shapes = [
            self._shape_of(index, segment, rows, playlist)
            for index, segment in enumerate(playlist.segments)
        ]
        compiled = {name: self._compiled(each) for name, each in rows.items() if each.references}
        numbers: dict[tuple[tuple[str, int], ...], int] = {}
        segments: list[Segment] = []
        order = []
        for shape in shapes:
            parts = [(name, compiled[name][row]) for name, row in shape]
            key = tuple((name, id(row)) for name, row in parts)
            if key not in numbers:
                numbers[key] = len(segments)
                segments.append(_segment(parts))
            order.append(numbers[key])
        return tuple(segments), tuple(order)

    def _shape_of(
        self,
        index: int,
        segment: Mapping[str, References],
        rows: Mapping[str, _RowsOfChannel],
        playlist: Playlist,
    ) -> tuple[tuple[str, int], ...]:
        """Which row each channel plays in the segment; mistakes in it are reported."""
        shape = []
        for name in sorted(segment):
            where = f"segment {index}, {short(name)}"
            if name not in playlist.channels:
                near = self._findings.nearest(name, playlist.channels)
                self._findings.add(where, f"the playlist describes no channel of this name{near}")
                continue
            if name not in self._tables:
                continue
            key = segment[name].tobytes()
            known = rows[name]
            number = known.numbers.get(key)
            if number is None:
                references = self._checked(where, name, segment[name])
                if references is None:
                    continue
                number = known.numbers[key] = len(known.references)
                known.references.append(references)
                known.first_segment.append(index)
            shape.append((name, number))
        return tuple(shape)

    def _checked(self, where: str, name: str, references: References) -> IntArray | None:
        n_instructions = len(self._tables[name].channel.instructions)
        wrong = np.flatnonzero(references >= n_instructions)
        for position in wrong[:100].tolist():
            self._findings.add(
                f"{where}, position {position}",
                f"refers to instruction {references[position]}; "
                f"the channel has {n_instructions} instructions",
            )
        return None if wrong.size else references.astype(np.int64)

    def _compiled(self, rows: _RowsOfChannel) -> list[_Row]:
        """The rows of one channel; rows that play the same are the same object."""
        tables = self._tables[rows.name]
        played = np.unique(np.concatenate(rows.references)).tolist()
        durations = self._durations(tables, played)
        book = pulse_book(tables.channel, tables.wired, tables.sound, played)
        timed = [_timed(references, durations, book) for references in rows.references]
        self._check_lengths(rows, timed, tables.wired)
        all_keys = np.concatenate([row.keys for row in timed])
        keys, inverse = np.unique(all_keys, return_inverse=True)
        numbers = book.samples_of(keys, self._store, self._budget, self._findings)[inverse]
        splits = np.cumsum([row.keys.size for row in timed])[:-1]
        finisher = _Finisher(tables, {})
        return [
            finisher.row(row, waveforms)
            for row, waveforms in zip(timed, np.split(numbers, splits), strict=True)
        ]

    def _durations(self, tables: PlayedTables, played: list[int]) -> IntArray:
        """Durations by instruction, int64; 0 for those beyond the longest segment."""
        wired, name = tables.wired, tables.wired.name
        durations = np.zeros(len(tables.channel.instructions), dtype=np.int64)
        for index in played:
            instruction = tables.channel.instructions[index]
            duration = instruction.duration_samples
            where = f"{name}, instruction {index}, duration_samples"
            if duration > self._max_samples:
                self._findings.add(
                    where,
                    f"{duration} is longer than the longest segment, {self._max_samples} samples",
                )
                continue
            durations[index] = duration
            if duration % wired.granularity_samples:
                self._findings.add(
                    where,
                    f"{duration} is not a multiple of the channel's granularity, "
                    f"{wired.granularity_samples} samples",
                )
            is_silent = isinstance(instruction.operation, Wait | VirtualRZ)
            if duration < wired.min_samples and not (is_silent and duration == 0):
                self._findings.add(
                    where,
                    f"{duration} is below the channel's minimum, {wired.min_samples} samples",
                )
        return durations

    def _check_lengths(
        self, rows: _RowsOfChannel, timed: list[_TimedRow], wired: ControllerChannel
    ) -> None:
        for segment, row in zip(rows.first_segment, timed, strict=True):
            length = row.end_samples + wired.delay_samples
            if length > self._max_samples:
                self._findings.add(
                    f"segment {segment}, {rows.name}",
                    f"takes {length} samples; the longest segment is {self._max_samples} samples",
                )


def _timed(references: IntArray, durations: IntArray, book: PulseBook) -> _TimedRow:
    ends = np.cumsum(durations[references])
    starts = ends - durations[references]
    keys, positions = book.keys_of(references, starts)
    end_samples = int(ends[-1]) if ends.size else 0
    return _TimedRow(references, starts, end_samples, keys, positions)


@dataclass(frozen=True, slots=True)
class _Finisher:
    """Puts one channel's rows together; rows that play the same become one."""

    tables: PlayedTables
    known: dict[tuple[bytes, bytes, tuple[Trigger, ...], int], _Row]

    def row(self, timed: _TimedRow, waveforms: IntArray) -> _Row:
        """waveforms: int64, for every pulse of the row its number in the store, or NO_PULSE."""
        is_played = waveforms != NO_PULSE
        numbers = waveforms[is_played]
        starts = timed.starts[timed.positions[is_played]] + self.tables.wired.delay_samples
        triggers = self._triggers(timed)
        end_samples = timed.end_samples + self.tables.wired.delay_samples
        key = (numbers.tobytes(), starts.tobytes(), triggers, end_samples)
        if key not in self.known:
            blocks = tuple(map(Block, numbers.tolist(), starts.tolist()))
            self.known[key] = _Row(blocks, triggers, end_samples)
        return self.known[key]

    def _triggers(self, timed: _TimedRow) -> tuple[Trigger, ...]:
        wired, channel = self.tables.wired, self.tables.channel
        if wired.kind is not ChannelKind.READOUT:
            return ()
        found = []
        for index, start in zip(timed.references.tolist(), timed.starts.tolist(), strict=True):
            operation = channel.instructions[index].operation
            if isinstance(operation, ReadoutTrigger) and self.tables.sound.instructions[index]:
                found.append(
                    Trigger(wired.name, start + wired.delay_samples, operation.acquisitions)
                )
        return tuple(found)


def _segment(parts: list[tuple[str, _Row]]) -> Segment:
    triggers = [trigger for _, row in parts for trigger in row.triggers]
    triggers.sort(key=lambda each: (each.start_samples, each.channel))
    return Segment(
        duration_samples=max((row.end_samples for _, row in parts), default=0),
        blocks={name: row.blocks for name, row in parts if row.blocks},
        triggers=tuple(triggers),
    )
