"""Where every bit of a circuit job's result stands in its file, before the first shot.

The result is a JSON list with one object per circuit, measurement key -> rows, one row of bits per
shot. A row of n bits always takes 2 n + 2 bytes, so rows are written to their places as shots
arrive, shot by shot for all circuits. Shots that heralding drops leave spaces before the closing
bracket, which JSON allows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labd.core.circuit_results import Bits, ReadoutMap

_ZERO = ord("0")


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """One measurement key of one circuit: its rows begin at offset, row_bytes each."""

    key: str
    offset: int
    n_bits: int

    @property
    def row_bytes(self) -> int:
        """Brackets, bits, commas between them and behind the row."""
        return 2 * self.n_bits + 2


@dataclass(frozen=True, slots=True)
class CircuitLayout:
    """A result file. texts: what stands between the rows, by offset. places: by circuit."""

    n_shots: int
    n_bytes: int
    texts: tuple[tuple[int, bytes], ...]
    places: tuple[tuple[KeyPlace, ...], ...]


def circuit_layout(readout: ReadoutMap, n_shots: int) -> CircuitLayout:
    """The file of a job whose circuits are run n_shots times each."""
    texts: list[tuple[int, bytes]] = []
    places: list[tuple[KeyPlace, ...]] = []
    offset = 0
    pending = b"["
    for index, circuit in enumerate(readout.circuits):
        pending += b"{" if index == 0 else b",{"
        row: list[KeyPlace] = []
        for number, each in enumerate(circuit.keys):
            pending += (b"" if number == 0 else b",") + json.dumps(each.key).encode() + b":["
            texts.append((offset, pending))
            offset += len(pending)
            place = KeyPlace(each.key, offset, len(each.columns))
            row.append(place)
            offset += n_shots * place.row_bytes
            pending = b"]"
        places.append(tuple(row))
        pending += b"}"
    pending += b"]"
    texts.append((offset, pending))
    return CircuitLayout(n_shots, offset + len(pending), tuple(texts), tuple(places))


def row_texts(rows: Bits) -> bytes:
    """Rows as they stand in the file, a comma behind each. rows: 0 or 1, (n_rows, n_bits)."""
    n_rows, n_bits = rows.shape
    text: npt.NDArray[np.uint8] = np.full((n_rows, 2 * n_bits + 2), ord(","), dtype=np.uint8)
    text[:, 0] = ord("[")
    text[:, -2] = ord("]")
    text[:, 1 : 2 * n_bits : 2] = rows.astype(np.uint8) + _ZERO
    return text.tobytes()


def end_text(place: KeyPlace, n_rows: int, n_shots: int) -> tuple[int, bytes]:
    """Offset and text of what closes a key's rows: spaces for the last comma and dropped shots."""
    first = max(n_rows * place.row_bytes - 1, 0)
    return place.offset + first, b" " * (n_shots * place.row_bytes - first)


def counts_of_result(result: Mapping[str, list[list[int]]]) -> dict[str, int]:
    """How often each bitstring stands in a circuit's result: keys in order, each in its locus'."""
    keys = list(result)
    n_rows = len(result[keys[0]]) if keys else 0
    counts: dict[str, int] = {}
    for row in range(n_rows):
        string = "".join(str(bit) for key in keys for bit in result[key][row])
        counts[string] = counts.get(string, 0) + 1
    return counts
