"""A waveform in an AWG's memory: samples, markers, and what comes out of the connectors."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

SHORTEST_GAP_SAMPLES = 64
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a waveform that is not zero, in volts. volts: float32, read-only."""

    start_samples: int
    volts: npt.NDArray[np.float32]
    digest: bytes


@dataclass(frozen=True, slots=True)
class MarkerEdges:
    """A marker within one waveform: its first and last level, and where it changes between."""

    first: bool
    last: bool
    rises_samples: tuple[int, ...] = ()
    falls_samples: tuple[int, ...] = ()

    @property
    def is_constant(self) -> bool:
        """Whether nothing changes, however often the waveform is repeated."""
        return self.first == self.last and not self.rises_samples and not self.falls_samples


_LOW = MarkerEdges(first=False, last=False)


class Waveform:
    """Samples and markers of equal length. Written in parts until it is first looked at.

    samples: float32, fractions of half the amplitude, in [-1, 1].
    markers: uint8, bit i is marker i + 1; None if it has none.
    """

    def __init__(
        self, samples: npt.NDArray[np.float32], markers: npt.NDArray[np.uint8] | None = None
    ) -> None:
        self._samples = samples
        self._markers = markers
        self._is_shared = False
        self._stretches: dict[tuple[float, int], tuple[Stretch, ...]] = {}
        self._edges: dict[int, MarkerEdges] = {}

    @property
    def n_samples(self) -> int:
        """Length."""
        return len(self._samples)

    @property
    def samples(self) -> npt.NDArray[np.float32]:
        """The samples; do not write."""
        return self._samples

    @property
    def markers(self) -> npt.NDArray[np.uint8]:
        """The markers; zeros if it has none."""
        if self._markers is None:
            return np.zeros(self.n_samples, np.uint8)
        return self._markers

    def with_samples(self, start: int, samples: npt.NDArray[np.float32]) -> Waveform:
        """The waveform with samples from `start` replaced."""
        if len(samples) == self.n_samples:
            return Waveform(samples.copy(), self._markers)
        target = self._own_copy()
        target._samples[start : start + len(samples)] = samples
        return target

    def with_markers(self, start: int, markers: npt.NDArray[np.uint8]) -> Waveform:
        """The waveform with markers from `start` replaced."""
        if len(markers) == self.n_samples:
            return Waveform(self._samples, markers.copy())
        target = self._own_copy()
        if target._markers is None:
            target._markers = np.zeros(self.n_samples, np.uint8)
        target._markers[start : start + len(markers)] = markers
        return target

    def _own_copy(self) -> Waveform:
        if not self._is_shared and self._samples.flags.writeable:
            return self
        markers = None if self._markers is None else self._markers.copy()
        return Waveform(self._samples.copy(), markers)

    def stretches(self, amplitude_vpp: float, resolution_bits: int) -> tuple[Stretch, ...]:
        """What the DAC puts out, zeros left out where they last SHORTEST_GAP_SAMPLES or longer."""
        key = (amplitude_vpp, resolution_bits)
        found = self._stretches.get(key)
        if found is None:
            self._is_shared = True
            found = self._stretches[key] = self._convert(amplitude_vpp, resolution_bits)
        return found

    def _convert(self, amplitude_vpp: float, resolution_bits: int) -> tuple[Stretch, ...]:
        full_code = 1 << (resolution_bits - 1)
        codes = np.rint(self._samples * np.float32(full_code))
        codes = np.clip(codes, -full_code, full_code - 1)
        live = np.flatnonzero(codes)
        if not len(live):
            return ()
        cuts = np.flatnonzero(np.diff(live) > SHORTEST_GAP_SAMPLES)
        starts = live[np.concatenate(([0], cuts + 1))]
        stops = live[np.concatenate((cuts, [len(live) - 1]))] + 1
        step_v = amplitude_vpp / 2 / full_code
        found = []
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            volts = (codes[start:stop] * step_v).astype(np.float32)
            volts.flags.writeable = False
            digest = blake2b(volts.data, digest_size=_DIGEST_BYTES).digest()
            found.append(Stretch(start, volts, digest))
        return tuple(found)

    def edges(self, marker: int) -> MarkerEdges:
        """Where a marker (1-based) changes."""
        if self._markers is None:
            return _LOW
        found = self._edges.get(marker)
        if found is None:
            self._is_shared = True
            found = self._edges[marker] = _edges_of(self._markers, marker)
        return found


def _edges_of(markers: npt.NDArray[np.uint8], marker: int) -> MarkerEdges:
    levels = (markers >> (marker - 1)) & 1
    if not levels.any():
        return _LOW
    steps = np.diff(levels.astype(np.int8))
    return MarkerEdges(
        first=bool(levels[0]),
        last=bool(levels[-1]),
        rises_samples=tuple((np.flatnonzero(steps > 0) + 1).tolist()),
        falls_samples=tuple((np.flatnonzero(steps < 0) + 1).tolist()),
    )
