"""The result of a job, written while it is measured, in the very bytes that are streamed.

The file has its final size and all its headers before the first shot; values go to their places as
blocks of shots arrive. It is called ``<path>.part`` until it is complete and on the disk; so a file
without that suffix is a whole result, whatever died when.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from labd.core.compile import PulseJob
from labd.core.demod import LabelValues
from labd.core.layout import LabelPlace, ValueKind, file_plan
from labd.rack.part_file import PartFile

_HEADER_CHUNK_BYTES = 1 << 20

_Sums = npt.NDArray[np.float64] | npt.NDArray[np.complex128]


class ResultFile(PartFile):
    """One pulse job's result in the making."""

    def __init__(self, path: Path, job: PulseJob, sweep_id: str) -> None:
        self._layout = job.layout
        self._shots_per_bin = job.n_shots // job.n_bins
        plan = file_plan(job.layout, sweep_id)
        self._places = {place.layout.label: place for place in plan.places}
        self._n_done = [0] * job.layout.n_spots
        self._open_bins: dict[str, _Sums] = {}
        super().__init__(path, plan.n_bytes)
        try:
            self.put(plan.head, 0)
            for place in plan.places:
                self._write_headers(place)
        except BaseException:
            self.abort()
            raise

    def write(self, spot: int, first_shot: int, values: Mapping[str, LabelValues]) -> None:
        """Write a block of shots; those of a spot come in order, without gaps.

        values: of every label, as `labd.core.demod.Demodulator.values` gives them.
        Raises ValueError for a block out of order or of another job.
        """
        if values.keys() != self._places.keys():
            raise ValueError(f"labels {sorted(values)} are not {sorted(self._places)}")
        if first_shot != self._n_done[spot]:
            raise ValueError(f"spot {spot}: shot {first_shot} after {self._n_done[spot]} shots")
        sizes = {len(block) for block in values.values()}
        n_shots = sizes.pop()
        if sizes or first_shot + n_shots > self._layout.n_shots:
            raise ValueError(f"spot {spot}: {n_shots} shots from {first_shot} do not fit")
        for label, block in values.items():
            place = self._places[label]
            flat = block.reshape(n_shots, place.layout.n_triggers * place.layout.n_samples)
            if self._shots_per_bin == 1:
                self._write_bins(place, spot, first_shot, flat)
            else:
                self._average(place, spot, first_shot, flat)
        self._n_done[spot] += n_shots

    def finish(self) -> None:
        """Make the file a result. Raises ValueError while shots are missing."""
        missing = [spot for spot, done in enumerate(self._n_done) if done < self._layout.n_shots]
        if missing:
            spot = missing[0]
            done, wanted = self._n_done[spot], self._layout.n_shots
            raise ValueError(f"spot {spot} has {done} of {wanted} shots")
        self.commit()

    def _average(
        self, place: LabelPlace, spot: int, first_shot: int, block: npt.NDArray[np.generic]
    ) -> None:
        """Add shots to their bins and write the bins that are full. block: (n_shots, n_values)."""
        label, per_bin = place.layout.label, self._shots_per_bin
        bins = np.arange(first_shot, first_shot + len(block)) // per_bin
        starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
        wide = np.complex128 if place.layout.kind is ValueKind.COMPLEX else np.float64
        sums = np.add.reduceat(block, starts, axis=0, dtype=wide)
        if first_shot % per_bin:
            sums[0] += self._open_bins.pop(label)
        is_open = (first_shot + len(block)) % per_bin != 0
        if is_open:
            self._open_bins[label] = sums[-1].copy()
        full = sums[:-1] if is_open else sums
        self._write_bins(place, spot, int(bins[0]), full / per_bin)

    def _write_bins(
        self, place: LabelPlace, spot: int, first_bin: int, block: npt.NDArray[np.generic]
    ) -> None:
        """Write whole bins. block: (n_bins, n_values) of bits, floats or complex numbers."""
        n_before = first_bin * block.shape[1]
        match place.layout.kind:
            case ValueKind.BIT:
                zigzag = block.astype(np.uint8) << 1
                self.put(zigzag.tobytes(), place.values_offset(spot) + n_before)
            case ValueKind.MEAN_OF_BITS:
                self.put(_floats(block), place.values_offset(spot) + 8 * n_before)
            case ValueKind.COMPLEX:
                self.put(_floats(block.real), place.values_offset(spot) + 8 * n_before)
                self.put(_floats(block.imag), place.imaginary_offset(spot) + 8 * n_before)

    def _write_headers(self, place: LabelPlace) -> None:
        self.put(place.head, place.head_offset)
        n_spots, stride = self._layout.n_spots, place.stride_bytes
        if stride > _HEADER_CHUNK_BYTES // 2:
            for spot in range(n_spots):
                self._write_array_heads(place, spot)
            return
        template = place.array_head + bytes(place.list_bytes)
        if place.second_head:
            template += place.second_head + bytes(place.list_bytes)
        n_each = _HEADER_CHUNK_BYTES // stride
        for spot in range(0, n_spots, n_each):
            chunk = template * min(n_each, n_spots - spot)
            self.put(chunk, place.first_array_offset + spot * stride)

    def _write_array_heads(self, place: LabelPlace, spot: int) -> None:
        self.put(place.array_head, place.values_offset(spot) - len(place.array_head))
        if place.second_head:
            offset = place.imaginary_offset(spot) - len(place.second_head)
            self.put(place.second_head, offset)


def _floats(values: npt.NDArray[np.generic]) -> bytes:
    return values.astype("<f8").tobytes()
