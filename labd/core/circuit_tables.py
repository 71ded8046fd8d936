"""The tables of a playlist as they fill: equal waveforms, instructions and acquisitions stand once.

One set of tables serves all circuits of a job, so that what two circuits share is one entry, and
identical circuits are identical rows of references.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from labd.core.playlist import (
    Acquisition,
    Instruction,
    Operation,
    Playlist,
    PlaylistChannel,
    References,
    VirtualRZ,
    Wait,
)
from labd.core.waveforms import Waveform
from labd.core.wiring import ControllerChannel

Pulses = list[tuple[int, int, int]]
"""What a channel plays: start in samples, duration in samples, instruction; in order of start."""

Frames = list[tuple[int, float]]
"""From when on a channel's frame is turned further, in samples, and by how much, rad."""

_WAIT = Wait()
# Angles are kept to 1e-12 rad, so that equal turns that were summed in different order are equal.
_DIGITS = 12
_NO_TURN = 1e-12


class ChannelTables:
    """One channel's tables."""

    def __init__(self, wired: ControllerChannel) -> None:
        self.wired = wired
        self._waveforms: dict[Waveform, int] = {}
        self._instructions: dict[tuple[int, Operation], int] = {}
        self._acquisitions: dict[Acquisition, int] = {}
        self._waits: dict[int, int] = {}

    def waveform(self, waveform: Waveform) -> int:
        """The waveform's index."""
        return self._waveforms.setdefault(waveform, len(self._waveforms))

    def instruction(self, duration_samples: int, operation: Operation) -> int:
        """The instruction's index."""
        key = (duration_samples, operation)
        return self._instructions.setdefault(key, len(self._instructions))

    def acquisition(self, acquisition: Acquisition) -> int:
        """The acquisition's index."""
        return self._acquisitions.setdefault(acquisition, len(self._acquisitions))

    def wait(self, n_samples: int) -> int:
        """The index of silence of this length."""
        index = self._waits.get(n_samples)
        if index is None:
            index = self._waits[n_samples] = self.instruction(n_samples, _WAIT)
        return index

    def row(self, pulses: Pulses, frames: Frames) -> References:
        """Pulses at their places: silence between them, and each frame turn before the next pulse.

        A turn counts for every pulse that starts with it or later. What is turned after the last
        pulse turns nothing and is left out.
        """
        row: list[int] = []
        now, next_frame = 0, 0
        for start, duration, index in pulses:
            turn = 0.0
            while next_frame < len(frames) and frames[next_frame][0] <= start:
                turn += frames[next_frame][1]
                next_frame += 1
            if abs(turn) > _NO_TURN:
                row.append(self.instruction(0, VirtualRZ(round(turn, _DIGITS))))
            if start > now:
                row.append(self.wait(start - now))
            row.append(index)
            now = start + duration
        references = np.array(row, dtype=np.uint64)
        references.flags.writeable = False
        return references

    def channel(self) -> PlaylistChannel:
        """The tables as a playlist has them."""
        return PlaylistChannel(
            kind=self.wired.kind,
            sample_rate_hz=self.wired.sample_rate_hz,
            instructions=tuple(Instruction(*key) for key in self._instructions),
            waveforms=tuple(self._waveforms),
            acquisitions=tuple(self._acquisitions),
        )


class PlaylistTables:
    """The tables of all channels that are played."""

    def __init__(self) -> None:
        self._channels: dict[str, ChannelTables] = {}

    def of(self, wired: ControllerChannel) -> ChannelTables:
        """A channel's tables; new ones where it has none yet."""
        tables = self._channels.get(wired.name)
        if tables is None:
            tables = self._channels[wired.name] = ChannelTables(wired)
        return tables

    def named(self, name: str) -> ChannelTables:
        """The tables of a channel that has some."""
        return self._channels[name]

    def playlist(self, segments: Iterable[dict[str, References]]) -> Playlist:
        """The playlist, with the channels that any segment plays."""
        listed = tuple(segments)
        played = sorted({name for segment in listed for name in segment})
        return Playlist({name: self._channels[name].channel() for name in played}, listed)
