"""What a job's result looks like, to the byte, before its first pulse.

A result is the protobuf message SweepResultsResponse (`proto/labd/wire/sweep.proto`): for every
label one Array per soft-sweep spot, 1-D, in C order of (bin, trigger) or (bin, trigger, sample).
All its lengths follow from the counts, because a bit takes one byte (sint64: 0 is 0x00, 1 is 0x02),
a float eight, and a complex number eight in each of two lists. So a file of the final size is made
first, and values are written where they belong as they come. Labels stand in the order of their
UTF-8 bytes, which makes the file equal to protobuf's own deterministic serialisation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

# Field numbers of SweepResultsResponse, its map entries, Arrays, Array and the sequences.
_SWEEP_ID, _RESULTS = 1, 2
_KEY, _VALUE = 1, 2
_ARRAYS = 1
_SHAPE = 1
_REAL, _IMAG = 1, 2
_LENGTH_DELIMITED = 2

_HEADER_CHUNK_BYTES = 1 << 20


class ValueKind(Enum):
    """What a value of a label is; the value is the field of Array that carries it."""

    BIT = 4
    MEAN_OF_BITS = 5
    COMPLEX = 6


@dataclass(frozen=True, slots=True)
class LabelLayout:
    """One label's share of the result.

    n_triggers: of this label in one shot. n_samples: per trigger, 1 but for time traces.
    """

    label: str
    kind: ValueKind
    is_time_trace: bool
    n_triggers: int
    n_samples: int


@dataclass(frozen=True, slots=True)
class ResultLayout:
    """The shape of a whole result. n_shots is a multiple of n_bins; labels are in byte order."""

    n_spots: int
    n_shots: int
    n_bins: int
    labels: tuple[LabelLayout, ...]

    def n_values(self, label: LabelLayout) -> int:
        """Length of the label's array of one spot."""
        return self.n_bins * label.n_triggers * label.n_samples


@dataclass(frozen=True, slots=True)
class LabelPlace:
    """Where one label's bytes are in the file.

    head: written at head_offset; the arrays follow, stride_bytes each, n_spots of them. An array is
    array_head, list_bytes of values, and for complex numbers second_head and list_bytes of
    imaginary parts (second_head is empty otherwise).
    """

    layout: LabelLayout
    head_offset: int
    head: bytes
    array_head: bytes
    list_bytes: int
    second_head: bytes
    stride_bytes: int

    @property
    def first_array_offset(self) -> int:
        """Where the first spot's array begins."""
        return self.head_offset + len(self.head)

    def values_offset(self, spot: int) -> int:
        """Where the spot's values (of complex ones the real parts) begin."""
        return self.first_array_offset + spot * self.stride_bytes + len(self.array_head)

    def imaginary_offset(self, spot: int) -> int:
        """Where the spot's imaginary parts begin."""
        return self.values_offset(spot) + self.list_bytes + len(self.second_head)


@dataclass(frozen=True, slots=True)
class FilePlan:
    """The file: head at offset 0, then the labels; n_bytes in all."""

    head: bytes
    places: tuple[LabelPlace, ...]
    n_bytes: int


def file_plan(layout: ResultLayout, sweep_id: str) -> FilePlan:
    """Where everything goes in the file of a result."""
    identity = sweep_id.encode()
    head = _tag(_SWEEP_ID) + _varint(len(identity)) + identity if identity else b""
    offset = len(head)
    places = []
    for label in layout.labels:
        place = _place(label, layout, offset)
        places.append(place)
        offset = place.first_array_offset + layout.n_spots * place.stride_bytes
    return FilePlan(head=head, places=tuple(places), n_bytes=offset)


def header_pieces(plan: FilePlan, n_spots: int) -> Iterator[tuple[int, bytes]]:
    """All of the file that is no value: offsets and bytes.

    Small arrays are written with zeros for their values, many in one piece.
    """
    yield 0, plan.head
    for place in plan.places:
        yield place.head_offset, place.head
        if place.stride_bytes > _HEADER_CHUNK_BYTES // 2:
            yield from _array_heads(place, n_spots)
            continue
        template = place.array_head + bytes(place.list_bytes)
        if place.second_head:
            template += place.second_head + bytes(place.list_bytes)
        n_each = _HEADER_CHUNK_BYTES // place.stride_bytes
        for spot in range(0, n_spots, n_each):
            chunk = template * min(n_each, n_spots - spot)
            yield place.first_array_offset + spot * place.stride_bytes, chunk


def array_head_pieces(plan: FilePlan, n_spots: int) -> Iterator[tuple[int, bytes]]:
    """The same, and nothing between: values that were written stay."""
    yield 0, plan.head
    for place in plan.places:
        yield place.head_offset, place.head
        yield from _array_heads(place, n_spots)


def _array_heads(place: LabelPlace, n_spots: int) -> Iterator[tuple[int, bytes]]:
    for spot in range(n_spots):
        yield place.values_offset(spot) - len(place.array_head), place.array_head
        if place.second_head:
            yield place.imaginary_offset(spot) - len(place.second_head), place.second_head


def result_bytes(layout: ResultLayout, sweep_id: str) -> int:
    """Size of the result."""
    return file_plan(layout, sweep_id).n_bytes


def in_byte_order(labels: tuple[LabelLayout, ...]) -> tuple[LabelLayout, ...]:
    """Labels as they stand in a result; each may stand once."""
    ordered = tuple(sorted(labels, key=lambda each: each.label.encode()))
    if any(one.label == other.label for one, other in pairwise(ordered)):
        raise ValueError("a label stands twice in a result")
    return ordered


def _place(label: LabelLayout, layout: ResultLayout, offset: int) -> LabelPlace:
    n_values = layout.n_values(label)
    list_bytes = n_values if label.kind is ValueKind.BIT else 8 * n_values
    list_head = _tag(_REAL) + _varint(list_bytes)
    second_head = _tag(_IMAG) + _varint(list_bytes) if label.kind is ValueKind.COMPLEX else b""
    n_lists = 2 if second_head else 1
    sequence_bytes = len(list_head) + len(second_head) + n_lists * list_bytes
    shape = _varint(n_values)
    inside = _tag(_SHAPE) + _varint(len(shape)) + shape
    inside += _tag(label.kind.value) + _varint(sequence_bytes)
    array_bytes = len(inside) + sequence_bytes
    array_head = _tag(_ARRAYS) + _varint(array_bytes) + inside + list_head
    stride = len(array_head) + len(second_head) + n_lists * list_bytes
    key = label.label.encode()
    arrays_bytes = layout.n_spots * stride
    entry_head = _tag(_KEY) + _varint(len(key)) + key + _tag(_VALUE) + _varint(arrays_bytes)
    return LabelPlace(
        layout=label,
        head_offset=offset,
        head=_tag(_RESULTS) + _varint(len(entry_head) + arrays_bytes) + entry_head,
        array_head=array_head,
        list_bytes=list_bytes,
        second_head=second_head,
        stride_bytes=stride,
    )


def _tag(field: int) -> bytes:
    return bytes([field << 3 | _LENGTH_DELIMITED])


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
