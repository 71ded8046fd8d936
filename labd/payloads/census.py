"""How many messages and numbers a large payload holds, counted before protobuf unpacks it.

On the wire an empty message takes two bytes and a small number one; in memory they take tens and
eight. 64 MiB of them would become 1.5 GB (measured) before any table could be looked at. So large
payloads are walked first, by their tags alone, and refused beyond a limit. What is malformed is
left for protobuf to refuse.
"""

from __future__ import annotations

from functools import cache
from typing import cast

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from labd.core.errors import InvalidPayload, Problem

SMALL_BYTES = 8 << 20
"""Payloads up to this size are not counted: whatever they hold takes less than 150 MB."""

MAX_MESSAGES = 4_000_000
MAX_NUMBERS = 8_000_000

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_PACKED_FIXED = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)


class _Malformed(Exception):
    """The bytes are no message; protobuf says so better."""


def check_census(data: bytes, message: type[Message]) -> None:
    """Raises InvalidPayload if data, a message of this type, holds more than labd unpacks."""
    if len(data) <= SMALL_BYTES:
        return
    try:
        _count(data, cast(Descriptor, message.DESCRIPTOR))
    except _Malformed:
        return


def _count(data: bytes, descriptor: Descriptor) -> None:
    n_messages = n_numbers = 0
    rest = [(0, len(data), descriptor)]
    while rest:
        at, end, message = rest.pop()
        nested, packed = _fields(message)
        while at < end:
            if n_messages > MAX_MESSAGES or n_numbers > MAX_NUMBERS:
                _refuse()
            tag, at = _varint(data, at, end)
            field, wire_type = tag >> 3, tag & 7
            if wire_type == _VARINT:
                _, at = _varint(data, at, end)
                n_numbers += 1
            elif wire_type in (_FIXED64, _FIXED32):
                at += 8 if wire_type == _FIXED64 else 4
            elif wire_type == _LENGTH:
                length, at = _varint(data, at, end)
                if at + length > end:
                    raise _Malformed
                n_messages += 1
                if field in packed:
                    numbers = np.frombuffer(data, np.uint8, length, at)
                    n_numbers += int(np.count_nonzero(numbers < 0x80))
                elif length and field in nested:
                    # what is inside first, then the rest of this message: the list stays short
                    rest.append((at + length, end, message))
                    rest.append((at, at + length, nested[field]))
                    break
                at += length
            else:
                raise _Malformed
    if n_numbers > MAX_NUMBERS:
        _refuse()


def _refuse() -> None:
    what = f"holds more than {MAX_MESSAGES} parts or {MAX_NUMBERS} numbers, the limits"
    raise InvalidPayload((Problem("payload", what),))


@cache
def _fields(message: Descriptor) -> tuple[dict[int, Descriptor], frozenset[int]]:
    """Fields that are messages, and repeated numbers that are packed as varints."""
    nested = {
        field.number: field.message_type
        for field in message.fields
        if field.message_type is not None
    }
    packed = frozenset(
        field.number
        for field in message.fields
        if field.is_packed and field.cpp_type not in _PACKED_FIXED
    )
    return nested, packed


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A number and where it ends."""
    if at < end and data[at] < 0x80:
        return data[at], at + 1
    value = 0
    for place in range(10):
        if at + place >= end:
            break
        byte = data[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise _Malformed
