"""Whose fault it is when a rack process crashes or hangs, from what it has noted by then.

1. A process that crashes says in which thread: the instrument whose line that thread used last.
2. One that hangs has calls that are overdue: the instruments that these are to. Where the driver
   holds the interpreter's lock, the others' calls cannot come back either: all are named.
3. Else, those that had not answered, or met trouble; else the one that was told something last.

Where several are left it cannot be told which, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from labd.core.flight import Call, Exchange, calls, exchanges
from labd.core.health import seconds_text

MAX_SENT: Final = 60
"""Characters of a message that are quoted."""
MAX_NAMED: Final = 4
"""Of instruments of which it cannot be told which it is."""


@dataclass(frozen=True, slots=True)
class Blame:
    """instruments: those that it may be, the likeliest first. is_known: by 1. or 2. above."""

    instruments: tuple[str, ...]
    sentence: str
    is_known: bool


def blame(board: bytes, *, since_ns: int, now_ns: int, thread: int) -> Blame:
    """Whom the board speaks of. thread: that has crashed; 0 where none has said so.

    Instants are of the board's clock; nothing before since_ns counts.
    """
    used = [call for call in calls(board) if call.entered_ns >= since_ns or call.is_inside]
    said = _last_of_each(exchanges(board, since_ns))
    crashed = [call for call in used if call.thread == thread]
    if thread and not crashed:
        return Blame((), "the thread that crashed had said nothing to an instrument", True)
    if crashed:
        last = max(crashed, key=lambda call: call.entered_ns)
        return _named([last.instrument], said, now_ns, is_known=True)
    late = [call for call in used if call.overdue_s(now_ns) > 0]
    if late:
        late.sort(key=lambda call: call.overdue_s(now_ns), reverse=True)
        return _named([call.instrument for call in late], said, now_ns, is_known=True)
    is_inside = {call.instrument for call in used if call.is_inside}
    doubtful = [one for one in said.values() if _is_doubtful(one) or one.instrument in is_inside]
    if not doubtful:
        doubtful = sorted(said.values(), key=lambda one: one.last_ns)[-1:]
    doubtful.sort(key=lambda one: one.last_ns)
    return _named([one.instrument for one in doubtful], said, now_ns, is_known=False)


def overdue(found: Iterable[Call], now_ns: int, margin_s: float) -> tuple[Call, ...]:
    """The calls that are longer over their time than the margin."""
    return tuple(call for call in found if call.overdue_s(now_ns) > margin_s)


def overdue_text(call: Call, now_ns: int) -> str:
    """What is to be said of a process with such a call."""
    inside_s = (now_ns - call.entered_ns) / 1e9
    return (
        f"the driver of {call.instrument} has not come back for {inside_s:.0f} s,"
        f" where {seconds_text(call.limit_s)} are allowed"
    )


def _last_of_each(found: Sequence[Exchange]) -> dict[str, Exchange]:
    last: dict[str, Exchange] = {}
    for one in sorted(found, key=lambda one: one.last_ns):
        last[one.instrument] = one
    return last


def _is_doubtful(one: Exchange) -> bool:
    return bool(one.error) or _is_open(one)


def _is_open(one: Exchange) -> bool:
    """Whether it was asked and has not answered. Data, which begin with #, may look like that."""
    return "?" in one.sent.partition("#")[0] and not one.received_bytes


def _named(
    instruments: list[str], said: dict[str, Exchange], now_ns: int, *, is_known: bool
) -> Blame:
    texts = [
        _word_text(said[name], now_ns) if name in said else f"{name} was being used"
        for name in instruments
    ]
    if not texts:
        sentence = "nothing was said to an instrument in this job"
    elif len(texts) == 1:
        sentence = texts[0]
    else:
        more = len(texts) - MAX_NAMED
        rest = f"; and {more} more" if more > 0 else ""
        sentence = f"it cannot be told which of these it was: {'; '.join(texts[:MAX_NAMED])}{rest}"
    return Blame(tuple(instruments), sentence, is_known)


def _word_text(one: Exchange, now_ns: int) -> str:
    """What was said last to its instrument. now_ns: of the exchanges' clock."""
    sent = one.sent if len(one.sent) <= MAX_SENT else f"{one.sent[:MAX_SENT]}..."
    ago = f"{seconds_text(max(0, now_ns - one.last_ns) / 1e9)} before"
    if one.error:
        return f"the last message, to {one.instrument} {ago}, was {sent} ({one.error})"
    if _is_open(one):
        return f"{one.instrument} was asked {sent} {ago} and had not answered"
    return f"the last message, to {one.instrument} {ago}, was {sent}"
