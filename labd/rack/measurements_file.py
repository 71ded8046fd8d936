"""The result of a circuit job, written while it is measured, in the very bytes that are streamed.

As with labd.rack.result_file: all of the file is reserved before the first shot, rows go to their
places, and the name without ``.part`` is given when everything is on the disk. A block of shots has
few rows of each of many circuits: blocks are collected until there is something to write, a second
at most, so that a rack that dies takes no more than that with it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from labd.core.circuit_layout import circuit_layout, end_text, row_texts
from labd.core.circuit_results import Bits, ReadoutMap, rows_of
from labd.core.demod import LabelValues
from labd.core.errors import StorageFault
from labd.core.partial import CircuitHead
from labd.rack.part_file import PartFile

COLLECTED_BITS = 1 << 19
"""So many are kept in memory, 8 bytes each."""
COLLECTED_S = 1.0


class MeasurementsFile(PartFile):
    """One circuit job's result in the making."""

    def __init__(self, path: Path, readout: ReadoutMap, n_shots: int) -> None:
        self._readout = readout
        self._layout = circuit_layout(readout, n_shots)
        self._n_rows = [0] * len(readout.circuits)
        self._n_done = 0
        self._collected: list[Mapping[str, Bits]] = []
        self._n_collected = 0
        self._n_put = 0
        self._put_at_s = time.monotonic()
        super().__init__(path, self._layout.n_bytes, CircuitHead(readout, n_shots))
        try:
            for offset, text in self._layout.texts:
                self.put(text, offset)
        except BaseException:
            self.abort()
            raise

    def write(self, spot: int, first_shot: int, values: Mapping[str, LabelValues]) -> None:
        """Write a block of shots; they come in order, without gaps.

        values: bits of every label, as `labd.core.demod.Demodulator.values` gives them.
        Raises ValueError for a block out of order.
        """
        if spot or first_shot != self._n_done:
            raise ValueError(f"spot {spot}, shot {first_shot} after {self._n_done} shots of spot 0")
        bits = {label: block.astype(np.int64) for label, block in values.items()}
        n_shots = len(next(iter(bits.values())))
        if first_shot + n_shots > self._layout.n_shots:
            raise ValueError(f"{n_shots} shots from {first_shot} do not fit")
        self._collected.append(bits)
        self._n_collected += sum(block.size for block in bits.values())
        self._n_done += n_shots
        is_late = time.monotonic() > self._put_at_s + COLLECTED_S
        if is_late or self._n_collected >= COLLECTED_BITS:
            self._put_rows()

    def _put_rows(self) -> None:
        """Write what was collected."""
        if not self._collected:
            return
        bits = {
            label: np.concatenate([each[label] for each in self._collected])
            for label in self._collected[0]
        }
        self._collected, self._n_collected = [], 0
        n_before = list(self._n_rows)
        self.begin_block()
        for index, circuit in enumerate(self._readout.circuits):
            rows = rows_of(circuit, bits)
            for place in self._layout.places[index]:
                text = row_texts(rows[place.key])
                self.put_values(text, place.offset + n_before[index] * place.row_bytes)
                self._n_rows[index] = n_before[index] + len(rows[place.key])
        new = [after - before for before, after in zip(n_before, self._n_rows, strict=True)]
        self.end_block(0, self._n_put, self._n_done - self._n_put, tuple(new))
        self._n_put, self._put_at_s = self._n_done, time.monotonic()

    def abort(self) -> None:
        """Close the file and leave what there is, what was collected too. Idempotent."""
        with suppress(StorageFault):
            self._put_rows()
        super().abort()

    def finish(self) -> None:
        """Make the file a result. Raises ValueError while shots are missing."""
        if self._n_done < self._layout.n_shots:
            raise ValueError(f"{self._n_done} of {self._layout.n_shots} shots were written")
        self._put_rows()
        for places, n_rows in zip(self._layout.places, self._n_rows, strict=True):
            for place in places:
                offset, text = end_text(place, n_rows, self._layout.n_shots)
                self.put(text, offset)
        self.commit()
