"""The flight recorder: the last exchanges with every instrument, and how long their answers took.

It stands in a buffer that the rack process and the daemon share: the rack writes as it talks, the
daemon reads what is there, also after the rack has been killed in the middle of a word. Nothing is
sent or stored until a job has failed. Every instrument has a region of its own, written by one
thread at a time, so that one that is asked again and again drives no other's messages out; an
exchange that is repeated word by word is counted, not written again.

Layout, little endian: regions one after the other, each a head (_HEAD: name, counters), a call
(_CALL: who uses the line), and N_SLOTS slots (_SLOT: one exchange). A slot begins and ends with the
number of its exchange: where the two differ, it is being written. Behind the board is room for what
the process writes when it crashes.
"""

from __future__ import annotations

import bisect
import json
import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from mmap import mmap

N_REGIONS: Final = 64
N_SLOTS: Final = 64
SENT_BYTES, RECEIVED_BYTES, ERROR_BYTES, NAME_BYTES = 192, 128, 96, 64
"""How much of a message is kept: its beginning."""
MAX_RECORD_BYTES: Final = 128 * 1024
"""A record, as JSON, is cut at its beginning to this size."""

BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds of the counts of answers by how long they took; one more counts the slower ones."""

_HEAD: Final = struct.Struct(f"<{NAME_BYTES}s5Qd{len(BOUNDS_S) + 1}Q")
_CALL: Final = struct.Struct("<Qqqd")
_LEFT: Final = struct.Struct("<q")
_SLOT: Final = struct.Struct(
    f"<QqqIQQdHHH{SENT_BYTES}s{RECEIVED_BYTES}s{ERROR_BYTES}sQ",
)
_FIRST_SLOT: Final = _HEAD.size + _CALL.size
_LEFT_AT: Final = _HEAD.size + 16
_REGION_BYTES: Final = _FIRST_SLOT + N_SLOTS * _SLOT.size
BOARD_BYTES: Final = N_REGIONS * _REGION_BYTES
DUMP_BYTES: Final = 1 << 20
MEMORY_BYTES: Final = BOARD_BYTES + DUMP_BYTES
"""Of the board and what is behind it."""
_CULPRIT: Final = re.compile(r"Current thread 0x([0-9a-f]+)")
"""As Python's faulthandler writes of the thread in which a fatal signal was raised."""


class Board(Protocol):
    """Shared memory, as far as it is looked at here."""

    def __len__(self) -> int:
        """Bytes."""

    def __getitem__(self, index: int, /) -> int:
        """One of them."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message to an instrument and what came back, if anything did.

    first_ns, last_ns: the clock when it was sent, for the first and the last of n_times times.
    sent, received: their beginnings, escaped; *_bytes: their lengths. took_s: from the sending to
    the end of the answer, the last time; 0 where there is none. error: what went wrong.
    """

    instrument: str
    first_ns: int
    last_ns: int
    n_times: int
    sent: str
    sent_bytes: int
    received: str
    received_bytes: int
    took_s: float
    error: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was said to one instrument since its rack process was started.

    counts: of answers, by BOUNDS_S and beyond, not summed up. answer_s: of all answers together.
    """

    instrument: str
    n_sent: int
    n_received: int
    sent_bytes: int
    received_bytes: int
    n_errors: int
    answer_s: float
    counts: tuple[int, ...]

    @property
    def cumulative(self) -> tuple[int, ...]:
        """Answers that took at most so long, by BOUNDS_S and infinity."""
        return tuple(accumulate(self.counts))


@dataclass(frozen=True, slots=True)
class Call:
    """The last use of an instrument's line, below its driver.

    thread: whose. entered_ns: from when on. is_inside: it has not come back. limit_s: how long it
    may take.
    """

    instrument: str
    thread: int
    entered_ns: int
    is_inside: bool
    limit_s: float

    def overdue_s(self, now_ns: int) -> float:
        """How much longer than it may it has been inside; negative where it may."""
        return (now_ns - self.entered_ns) / 1e9 - self.limit_s if self.is_inside else -math.inf


@dataclass(slots=True)
class _Open:
    """The exchange that is going on."""

    at_ns: int
    last_ns: int
    sent: bytes
    sent_bytes: int
    n_times: int = 1
    received: bytes = b""
    received_bytes: int = 0
    took_s: float = 0.0
    is_answered: bool = False
    error: bytes = b""

    def repeats(self, other: _Open) -> bool:
        """Whether the same was said and answered, without trouble."""
        return (
            other.is_answered
            and not (self.error or other.error)
            and (self.sent, self.sent_bytes) == (other.sent, other.sent_bytes)
            and (self.received, self.received_bytes) == (other.received, other.received_bytes)
        )


class Recorder:
    """One instrument's pen. Its calls come from one thread at a time."""

    def __init__(
        self, board: memoryview, index: int, name: str, clock_ns: Callable[[], int]
    ) -> None:
        """index: of the instrument's region, less than N_REGIONS."""
        start = index * _REGION_BYTES
        self._region = board[start : start + _REGION_BYTES]
        self._name = name.encode()[:NAME_BYTES]
        self._clock_ns = clock_ns
        self._number = 0
        self._last: _Open | None = None
        self._now: _Open | None = None
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._totals = [0, 0, 0, 0, 0]
        self._answer_s = 0.0
        self._write_head()

    def enter(self, thread: int, limit_s: float) -> None:
        """That thread goes below the driver now, and should be back in time."""
        _CALL.pack_into(self._region, _HEAD.size, thread, self._clock_ns(), 0, limit_s)

    def leave(self) -> None:
        """It is back."""
        _LEFT.pack_into(self._region, _LEFT_AT, self._clock_ns())

    def sent(self, message: bytes) -> None:
        """The instrument is told something, from now on."""
        now_ns = self._clock_ns()
        before = self._now
        if before is not None and before.received_bytes and not before.is_answered:
            self._answered(before)
            self._write_slot(before, self._number)
        self._last = before
        self._now = _Open(now_ns, now_ns, bytes(message[:SENT_BYTES]), len(message))
        self._number += 1
        self._totals[0] += 1
        self._totals[2] += len(message)
        self._write_slot(self._now, self._number)
        self._write_head()

    def received(self, piece: bytes, *, is_end: bool) -> None:
        """A piece of the answer has come. is_end: nothing more belongs to it."""
        now = self._now
        if now is None:
            return
        now.received_bytes += len(piece)
        missing = RECEIVED_BYTES - len(now.received)
        if missing > 0:
            now.received += bytes(piece[:missing])
        self._totals[3] += len(piece)
        now.took_s = (self._clock_ns() - now.last_ns) / 1e9
        if not is_end:
            return
        if not now.is_answered:
            self._answered(now)
        last = self._last
        if last is not None and now.repeats(last):
            self._write_slot(now, 0)
            self._number -= 1
            last.n_times, last.last_ns, last.took_s = last.n_times + 1, now.at_ns, now.took_s
            self._now, self._last, now = last, None, last
        self._write_slot(now, self._number)
        self._write_head()

    def failed(self, what: str) -> None:
        """Sending or waiting for the answer ended like this."""
        self._totals[4] += 1
        now = self._now
        if now is not None:
            now.took_s = (self._clock_ns() - now.last_ns) / 1e9
            now.error = what.encode()[:ERROR_BYTES]
            self._write_slot(now, self._number)
        self._write_head()

    def _answered(self, one: _Open) -> None:
        """Its answer is complete. One that is read by the byte shows that by what follows it."""
        one.is_answered = True
        self._totals[1] += 1
        self._answer_s += one.took_s
        self._counts[bisect.bisect_left(BOUNDS_S, one.took_s)] += 1

    def _write_head(self) -> None:
        _HEAD.pack_into(self._region, 0, self._name, *self._totals, self._answer_s, *self._counts)

    def _write_slot(self, one: _Open, number: int) -> None:
        """number: 0 makes the slot of the newest exchange empty."""
        place = _FIRST_SLOT + (self._number % N_SLOTS) * _SLOT.size
        _SLOT.pack_into(
            *(self._region, place, number, one.at_ns, one.last_ns, one.n_times),
            *(one.sent_bytes, one.received_bytes, one.took_s),
            *(len(one.sent), len(one.received), len(one.error)),
            *(one.sent, one.received, one.error, number),
        )


# ---- reading


def used_bytes(board: Board) -> int:
    """How much of a board has been written to: regions are taken in order."""
    n_used = 0
    while n_used < min(len(board), BOARD_BYTES) and board[n_used]:
        n_used += _REGION_BYTES
    return n_used


def traffic(board: bytes) -> tuple[Traffic, ...]:
    """The counters of all instruments that are on the board."""
    found = []
    for start in _regions(board):
        name, *totals = _HEAD.unpack_from(board, start)
        n_sent, n_received, sent_bytes, received_bytes, n_errors, answer_s, *counts = totals
        found.append(
            Traffic(
                _name(name),
                n_sent,
                n_received,
                sent_bytes,
                received_bytes,
                n_errors,
                answer_s,
                tuple(counts),
            )
        )
    return tuple(found)


def calls(board: bytes | mmap) -> tuple[Call, ...]:
    """Who uses or last used the lines of the instruments that are on the board."""
    found = []
    for start in _regions(board):
        thread, entered_ns, left_ns, limit_s = _CALL.unpack_from(board, start + _HEAD.size)
        if entered_ns:
            name = _name(board[start : start + NAME_BYTES])
            found.append(Call(name, thread, entered_ns, left_ns == 0, limit_s))
    return tuple(found)


def crashed_thread(dump: str) -> int:
    """The thread that has ended the process, by what it wrote then; 0 where that is not said."""
    found = _CULPRIT.search(dump)
    return int(found[1], 16) if found else 0


def exchanges(board: bytes, since_ns: int) -> tuple[Exchange, ...]:
    """What was said from that instant on, by the recorders' clock, in order."""
    found = [
        exchange
        for start in _regions(board)
        for exchange in _exchanges_of(board, start)
        if exchange.last_ns >= since_ns
    ]
    return tuple(sorted(found, key=lambda each: each.first_ns))


def _regions(board: bytes | mmap) -> Iterator[int]:
    for start in range(0, min(len(board), BOARD_BYTES) - _REGION_BYTES + 1, _REGION_BYTES):
        if board[start]:
            yield start


def _name(padded: bytes) -> str:
    return padded.rstrip(b"\0").decode("utf-8", "replace")


def _exchanges_of(board: bytes, start: int) -> Iterator[Exchange]:
    name = _name(board[start : start + NAME_BYTES])
    first = start + _FIRST_SLOT
    slots = [_SLOT.unpack_from(board, first + n * _SLOT.size) for n in range(N_SLOTS)]
    for values in sorted(slots):
        number, first_ns, last_ns, n_times, sent_bytes, received_bytes, took_s = values[:7]
        n_sent, n_received, n_error, sent, received, error, number_again = values[7:]
        if number and number == number_again:
            yield Exchange(
                name,
                first_ns,
                last_ns,
                n_times,
                _shown(sent[:n_sent]),
                sent_bytes,
                _shown(received[:n_received]),
                received_bytes,
                took_s,
                error[:n_error].decode("utf-8", "replace"),
            )


def _shown(message: bytes) -> str:
    """A message's beginning as text without control characters and the newline at its end."""
    text = message.rstrip(b"\r\n").decode("latin-1")
    return text.encode("unicode_escape").decode("ascii")


# ---- the record of a job


@dataclass(frozen=True, slots=True)
class FlightRecord:
    """The last exchanges of a job, in order. n_left_out: how many before them found no room.

    The instants are nanoseconds since 1970.
    """

    exchanges: tuple[Exchange, ...]
    n_left_out: int


def record_of(found: Sequence[Exchange], offset_ns: int) -> FlightRecord:
    """The newest exchanges that fit into a record. offset_ns: from their clock to that of 1970."""
    kept: list[Exchange] = []
    left_bytes = MAX_RECORD_BYTES
    for one in reversed(found):
        moved = Exchange(
            **{
                **asdict(one),
                "first_ns": one.first_ns + offset_ns,
                "last_ns": one.last_ns + offset_ns,
            }
        )
        left_bytes -= len(json.dumps(asdict(moved)))
        if left_bytes < 0:
            break
        kept.append(moved)
    return FlightRecord(tuple(reversed(kept)), len(found) - len(kept))


def pack_record(record: FlightRecord) -> bytes:
    """The record as it is stored: deflated JSON."""
    document = {
        "n_left_out": record.n_left_out,
        "exchanges": [asdict(one) for one in record.exchanges],
    }
    return zlib.compress(json.dumps(document).encode())


def unpack_record(packed: bytes) -> FlightRecord:
    """What `pack_record` made."""
    document = json.loads(zlib.decompress(packed))
    return FlightRecord(
        tuple(Exchange(**one) for one in document["exchanges"]), document["n_left_out"]
    )
