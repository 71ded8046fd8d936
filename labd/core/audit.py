"""The audit: who did what to what, when, from where; each line seals all lines before it.

A line's hash is SHA-256 over the previous line's hash (32 bytes; zeros before the first line), then
these eight fields in this order, each as a netstring (its length in bytes in decimal, a colon, its
bytes, a comma): number, at_ns (both in decimal), user, credential, origin, action, object, details
(all UTF-8). details is the JSON text exactly as it stands in the line. Nothing else enters, so that
anybody can recompute it. Lines are numbered from 1 without a gap.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Action: TypeAlias = Literal[
    "job.submit",
    "job.cancel",
    "job.delete",
    "job.hold",
    "job.release",
    "job.priority",
    "job.tags",
    "job.pin",
    "job.unpin",
    "job.expire",
    "store.fsck",
    "store.backup",
    "machine.pause",
    "machine.drain",
    "machine.resume",
    "user.put",
    "token.create",
    "token.revoke",
    "limit.set",
    "timeslot.book",
    "timeslot.change",
    "timeslot.cancel",
    "lease.take",
    "lease.renew",
    "lease.give",
    "calibration.import",
    "calibration.activate",
    "calibration.roll_back",
    "access.refused",
    "daemon.start",
    "daemon.reload",
    "daemon.stop",
]
JsonScalar: TypeAlias = "str | int | float | bool | None"

NO_HASH = bytes(32)
"""What stands before the first line."""
MAX_TEXT = 1000
"""Characters of one text that enter a line: lines stay for ever."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A deed as its doer reports it, before it has its place among the lines.

    user, credential, origin: as in labd.identity.Caller. object: what it was done to, by the key
    that people use: a job's id, an alias, a user's name.
    """

    user: str
    credential: str
    origin: str
    action: Action
    object: str
    details: Mapping[str, JsonScalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A line as it is stored and sent. details: a JSON object as text. hash: 32 bytes."""

    number: int
    at_ns: int
    user: str
    credential: str
    origin: str
    action: str
    object: str
    details: str
    previous_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: noted elsewhere, it shows when lines after it or it itself are gone."""

    number: int
    hash: bytes

    def __str__(self) -> str:
        """``number:hash``, the hash in hexadecimal digits."""
        return f"{self.number}:{self.hash.hex()}"


EMPTY = Head(0, NO_HASH)


@dataclass(frozen=True, slots=True)
class BadLine:
    """The first line that is not as it was written. what: in which way, as a sentence."""

    number: int
    what: str


def line_hash(line: AuditLine) -> bytes:
    """The hash that the line must have, by the rule at the top of this file."""
    texts = (line.user, line.credential, line.origin, line.action, line.object, line.details)
    return _hash(line.previous_hash, line.number, line.at_ns, texts)


def _hash(previous: bytes, number: int, at_ns: int, texts: tuple[str, ...]) -> bytes:
    fields = (b"%d" % number, b"%d" % at_ns, *map(str.encode, texts))
    sealed = [b"%d:%b," % (len(data), data) for data in fields]
    return hashlib.sha256(b"".join((previous, *sealed))).digest()


def seal(entries: Sequence[AuditEntry], head: Head, at_ns: int) -> tuple[AuditLine, ...]:
    """The entries as the lines that follow a head."""
    lines = []
    number, previous = head.number, head.hash
    for entry in entries:
        number += 1
        texts = (
            _fitted(entry.user),
            _fitted(entry.credential),
            _fitted(entry.origin),
            entry.action,
            _fitted(entry.object),
            _details_text(entry.details),
        )
        hash = _hash(previous, number, at_ns, texts)
        lines.append(AuditLine(number, at_ns, *texts, previous, hash))
        previous = hash
    return tuple(lines)


_write_json = json.JSONEncoder(sort_keys=True).encode


def _details_text(details: Mapping[str, JsonScalar]) -> str:
    return _write_json({key: _writable(value) for key, value in details.items()})


def _writable(value: JsonScalar) -> JsonScalar:
    """JSON has no infinities, and a line has no room for a book."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return _fitted(value) if isinstance(value, str) else value


def _fitted(text: str) -> str:
    """What UTF-8 cannot hold becomes a question mark; too long a text ends in dots."""
    if not text.isascii():
        text = text.encode(errors="replace").decode()
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 4]} ..."


def verify(lines: Iterable[AuditLine], after: Head = EMPTY) -> BadLine | None:
    """The first line that was changed, removed, inserted or moved; None when all are as written.

    lines: all lines after the head, in order; the end of the lines is not known here, compare the
    last one with a head that was noted elsewhere.
    """
    number, previous = after.number, after.hash
    for line in lines:
        number += 1
        if line.number != number:
            return BadLine(number, f"line {number} is missing, line {line.number} is in its place")
        if line.previous_hash != previous:
            return BadLine(number, f"line {number} does not follow the line before it")
        if line.hash != line_hash(line):
            return BadLine(number, f"line {number} was changed after it was written")
        previous = line.hash
    return None
