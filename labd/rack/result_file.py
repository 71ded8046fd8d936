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
from labd.core.layout import LabelPlace, ValueKind, file_plan, header_pieces
from labd.core.partial import PulseHead
from labd.rack.part_file import PartFile

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
        super().__init__(path, plan.n_bytes, PulseHead(sweep_id, job.layout))
        try:
            for offset, piece in header_pieces(plan, job.layout.n_spots):
                self.put(piece, offset)
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
        self.begin_block()
        for label, block in values.items():
            place = self._places[label]
            flat = block.reshape(n_shots, place.layout.n_triggers * place.layout.n_samples)
            if self._shots_per_bin == 1:
                self._write_bins(place, spot, first_shot, flat)
            else:
                self._average(place, spot, first_shot, flat)
        self._n_done[spot] += n_shots
        first, end = first_shot // self._shots_per_bin, self._n_done[spot] // self._shots_per_bin
        if end > first:
            self.end_block(spot, first, end - first)

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
                self.put_values(zigzag.tobytes(), place.values_offset(spot) + n_before)
            case ValueKind.MEAN_OF_BITS:
                self.put_values(_floats(block), place.values_offset(spot) + 8 * n_before)
            case ValueKind.COMPLEX:
                self.put_values(_floats(block.real), place.values_offset(spot) + 8 * n_before)
                self.put_values(_floats(block.imag), place.imaginary_offset(spot) + 8 * n_before)


def _floats(values: npt.NDArray[np.generic]) -> bytes:
    return values.astype("<f8").tobytes()
