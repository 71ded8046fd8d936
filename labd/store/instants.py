"""Instants in the sentences of the store: in UTC, because nobody knows where the readers are."""

from __future__ import annotations

from datetime import UTC, datetime

from labd.core.openings import S_NS


def utc_text(at_ns: int) -> str:
    """An instant to the second; far ones as seconds since 1970."""
    try:
        return f"{datetime.fromtimestamp(at_ns // S_NS, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"second {at_ns // S_NS}"
