"""Whose fault it is when a rack process crashes or hangs: what it said last, as recorded.

A question without an answer is what it hangs in, or died of, if there is one; else the last thing
that was said to any instrument is the nearest that is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from labd.core.flight import Exchange
from labd.core.health import seconds_text

MAX_SENT: Final = 60
"""Characters of a message that are quoted."""


def last_word(found: Sequence[Exchange]) -> Exchange | None:
    """The exchange that is to be named; None where nothing was said."""
    open_questions = [
        one for one in found if "?" in one.sent and not one.received_bytes and not one.error
    ]
    if open_questions:
        return min(open_questions, key=lambda one: one.last_ns)
    return max(found, key=lambda one: one.last_ns, default=None)


def word_text(one: Exchange | None, now_ns: int) -> str:
    """The sentence's part about it. now_ns: of the exchanges' clock."""
    if one is None:
        return "nothing was said to an instrument in this job"
    sent = one.sent if len(one.sent) <= MAX_SENT else f"{one.sent[:MAX_SENT]}..."
    ago = f"{seconds_text(max(0, now_ns - one.last_ns) / 1e9)} before"
    if one.error:
        return f"the last message, to {one.instrument} {ago}, was {sent} ({one.error})"
    if "?" in one.sent and not one.received_bytes:
        return f"{one.instrument} was asked {sent} {ago} and had not answered"
    return f"the last message, to {one.instrument} {ago}, was {sent}"
