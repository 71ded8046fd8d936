"""What was measured of a job that did not complete: a log beside its result, and the mask.

While a result is written, a log beside it gets a line per block of shots, behind the values: where
the block's bytes lie and their CRC-32. Whoever comes later, after a cancel, a crash or a power cut,
takes blocks in order as long as their bytes are what they were; that far the result is valid. The
log's first line describes the result, so that everything but the values can be written anew.
A line is a JSON text: an object, then an array for each block.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labd.core.circuit_results import CircuitColumns, Column, KeyColumns, ReadoutMap
from labd.core.layout import LabelLayout, ResultLayout, ValueKind
from labd.core.partial_mask import Mask

Extent = tuple[int, int]
"""Offset and length of bytes in a file."""


@dataclass(frozen=True, slots=True)
class PulseHead:
    """The result of a pulse job."""

    sweep_id: str
    layout: ResultLayout


@dataclass(frozen=True, slots=True)
class CircuitHead:
    """The result of a circuit job; of its readout map keys and widths count."""

    readout: ReadoutMap
    n_shots: int


Head = PulseHead | CircuitHead


@dataclass(frozen=True, slots=True)
class Block:
    """Values that were written in one go.

    first, n: bins of the spot; of circuits, shots. crc: CRC-32 of the extents' bytes in their
    order. rows: of every circuit in this block; empty for pulses.
    """

    spot: int
    first: int
    n: int
    crc: int
    extents: tuple[Extent, ...]
    rows: tuple[int, ...] = ()


class MaskCount:
    """Counts blocks into the mask of a result."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._bins = [0] * head.layout.n_spots if isinstance(head, PulseHead) else []
        self._rows = [0] * len(head.readout.circuits) if isinstance(head, CircuitHead) else []
        self._n_shots = 0

    def follows(self, block: Block) -> bool:
        """Whether the block is the next one of its spot."""
        if isinstance(self._head, CircuitHead):
            has_room = block.first + block.n <= self._head.n_shots
            return has_room and block.first == self._n_shots and len(block.rows) == len(self._rows)
        layout = self._head.layout
        fits = 0 <= block.spot < layout.n_spots and block.first + block.n <= layout.n_bins
        return fits and self._bins[block.spot] == block.first

    def add(self, block: Block) -> None:
        """Count a block that follows."""
        if isinstance(self._head, CircuitHead):
            self._rows = [old + new for old, new in zip(self._rows, block.rows, strict=True)]
            self._n_shots += block.n
            return
        layout = self._head.layout
        self._bins[block.spot] += block.n
        self._n_shots += block.n * (layout.n_shots // layout.n_bins)

    def mask(self) -> Mask:
        """As far as it was counted."""
        match self._head:
            case PulseHead(layout=layout):
                n_bins, n_total = layout.n_bins, layout.n_shots * layout.n_spots
            case CircuitHead(n_shots=n_shots):
                n_bins, n_total = 0, n_shots
        return Mask(tuple(self._bins), n_bins, tuple(self._rows), self._n_shots, n_total)


# ---- the log's lines


def head_line(head: Head) -> bytes:
    """The first line."""
    match head:
        case PulseHead(sweep_id, layout):
            labels = [
                [each.label, each.kind.value, each.is_time_trace, each.n_triggers, each.n_samples]
                for each in layout.labels
            ]
            sizes = [layout.n_spots, layout.n_shots, layout.n_bins]
            return _line({"kind": "pulse", "sweep_id": sweep_id, "sizes": sizes, "labels": labels})
        case CircuitHead(readout, n_shots):
            circuits = [
                [[each.key, len(each.columns)] for each in circuit.keys]
                for circuit in readout.circuits
            ]
            return _line({"kind": "circuit", "n_shots": n_shots, "circuits": circuits})


def block_line(block: Block) -> bytes:
    """A line for a block."""
    return _line([block.spot, block.first, block.n, block.crc, block.extents, block.rows])


def read_log(text: bytes) -> tuple[Head, Iterator[Block]] | None:
    """What a log says, up to its first line that is not whole; None where it says nothing."""
    lines = text.split(b"\n")[:-1]
    try:
        head = _head(json.loads(lines[0]))
    except (IndexError, ValueError, TypeError, KeyError):
        return None
    return head, _blocks(lines[1:])


def _blocks(lines: Sequence[bytes]) -> Iterator[Block]:
    for line in lines:
        try:
            spot, first, n, crc, extents, rows = json.loads(line)
            places = tuple((int(offset), int(length)) for offset, length in extents)
            yield Block(int(spot), int(first), int(n), int(crc), places, tuple(map(int, rows)))
        except (ValueError, TypeError):
            return


def _head(told: dict[str, object]) -> Head:
    """Raises ValueError, TypeError, KeyError."""
    if told["kind"] == "circuit":
        circuits, n_shots = told["circuits"], told["n_shots"]
        if not isinstance(circuits, list) or not isinstance(n_shots, int):
            raise TypeError
        columns = tuple(
            CircuitColumns(
                "", tuple(KeyColumns(key, (Column("", 0),) * n_bits) for key, n_bits in keys), ()
            )
            for keys in circuits
        )
        return CircuitHead(ReadoutMap(columns, {}), n_shots)
    sizes, labels, sweep_id = told["sizes"], told["labels"], told["sweep_id"]
    if not isinstance(sizes, list) or not isinstance(labels, list):
        raise TypeError
    n_spots, n_shots, n_bins = map(int, sizes)
    layouts = tuple(
        LabelLayout(label, ValueKind(kind), bool(is_trace), int(n_triggers), int(n_samples))
        for label, kind, is_trace, n_triggers, n_samples in labels
    )
    return PulseHead(str(sweep_id), ResultLayout(n_spots, n_shots, n_bins, layouts))


def _line(value: dict[str, object] | list[object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
