"""How often each bitstring stands in the result of a circuit job, counted in the file's own bytes.

The result is written in a form (labd.core.circuit_layout) in which every row of a key has the same
length, so bits are found by arithmetic: nothing is parsed row by row, and a result that is mapped
into memory is never there as a whole.
"""

from __future__ import annotations

import json
import mmap
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labd.core.circuit_layout import KeyPlace

BLOCK_SHOTS = 1 << 16
"""So many shots are counted at once."""
_WORD_BYTES = 8

Buffer = bytes | mmap.mmap


@dataclass(frozen=True, slots=True)
class CircuitCounts:
    """One circuit's counts. keys: in the order in which their bits make the bitstrings."""

    keys: tuple[str, ...]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Found:
    """A key as it stands in the file. n_rows: without what heralding dropped."""

    place: KeyPlace
    n_rows: int


def count_circuits(data: Buffer) -> Iterator[CircuitCounts]:
    """Counts of every circuit of a result, in order. Raises ValueError where it is no result."""
    at = _after(data, 0, b"[")
    while data[at : at + 1] == b"{":
        found: list[_Found] = []
        at += 1
        while data[at : at + 1] == b'"':
            each, at = _key(data, at)
            found.append(each)
            if data[at : at + 1] == b",":
                at += 1
        at = _after(data, at, b"}")
        yield CircuitCounts(tuple(each.place.key for each in found), _counts(data, found))
        if data[at : at + 1] == b",":
            at += 1
    _after(data, at, b"]")


def _after(data: Buffer, at: int, expected: bytes) -> int:
    """Where it goes on after the expected text."""
    if data[at : at + len(expected)] != expected:
        raise ValueError(f"no result of a circuit job: no {expected.decode()!r} at byte {at}")
    return at + len(expected)


def _key(data: Buffer, at: int) -> tuple[_Found, int]:
    """A key with its rows, and where it goes on behind their closing bracket."""
    end = _end_of_text(data, at)
    key: str = json.loads(data[at:end])
    start = _after(data, end, b":[")
    mark = min((p for p in (data.find(b'"', start), data.find(b"}", start)) if p >= 0), default=-1)
    behind = mark - 1 if data[mark : mark + 1] == b'"' else mark
    if mark < 0 or data[behind - 1 : behind] != b"]":
        raise ValueError(f"no result of a circuit job: the rows from byte {start} do not end")
    n_bytes = behind - 1 - start
    row_bytes = data.find(b"]", start) - start + 2 if data[start : start + 1] == b"[" else n_bytes
    if row_bytes and n_bytes % row_bytes:
        raise ValueError(f"no result of a circuit job: rows from byte {start} differ in length")
    place = KeyPlace(key, start, (row_bytes - 2) // 2)
    n_rows = 0
    if n_bytes and data[start : start + 1] == b"[":
        rows = np.frombuffer(data, np.uint8, n_bytes, start).reshape(-1, row_bytes)
        n_rows = int(np.count_nonzero(rows[:, 0] == ord("[")))
    return _Found(place, n_rows), behind


def _end_of_text(data: Buffer, at: int) -> int:
    """Behind the closing quote of the JSON text that begins at this one."""
    end = at + 1
    while True:
        end = data.find(b'"', end)
        if end < 0:
            raise ValueError(f"no result of a circuit job: the text at byte {at} does not end")
        before = data[at + 1 : end]
        end += 1
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            return end


def _counts(data: Buffer, found: list[_Found]) -> dict[str, int]:
    n_rows = min((each.n_rows for each in found), default=0)
    n_bits = sum(each.place.n_bits for each in found)
    counts: Counter[bytes] = Counter()
    for first in range(0, n_rows, BLOCK_SHOTS):
        n_block = min(BLOCK_SHOTS, n_rows - first)
        words = _words(np.hstack([_bits(data, each.place, first, n_block) for each in found]))
        kinds, times = np.unique(words, axis=0, return_counts=True)
        for kind, n_times in zip(kinds, times.tolist(), strict=True):
            counts[kind.tobytes()] += n_times
    return dict(sorted((_text(word, n_bits), n_times) for word, n_times in counts.items()))


def _bits(data: Buffer, place: KeyPlace, first: int, n_rows: int) -> npt.NDArray[np.uint8]:
    """Bits of a run of shots, shape (n_rows, n_bits)."""
    start = place.offset + first * place.row_bytes
    # The last row's comma is a space, or the closing bracket's neighbour: it is there either way.
    rows = np.frombuffer(data, np.uint8, n_rows * place.row_bytes, start)
    return rows.reshape(n_rows, place.row_bytes)[:, 1 : 2 * place.n_bits : 2] & np.uint8(1)


def _words(bits: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]:
    """Rows of bits as whole words, shape (n_rows,) where one word holds a row."""
    packed = np.packbits(bits, axis=1)
    n_words = -(-packed.shape[1] // _WORD_BYTES)
    whole = np.zeros((len(packed), n_words * _WORD_BYTES), np.uint8)
    whole[:, : packed.shape[1]] = packed
    words = whole.view(np.uint64)
    return words[:, 0] if n_words == 1 else words


def _text(word: bytes, n_bits: int) -> str:
    return "".join(f"{byte:08b}" for byte in word)[:n_bits]
