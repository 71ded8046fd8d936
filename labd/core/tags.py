"""Tags: a user's own words on his jobs, by which he finds them again."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from labd.core.errors import InvalidArgument

MAX_TAGS = 16
MAX_TAG_CHARACTERS = 64


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags of one job as they are stored: composed, without blanks around, each once, sorted.

    Raises InvalidArgument for a tag that is empty, too long or not printable, and for too many.
    """
    cleaned = tuple(sorted({_clean(tag) for tag in tags}))
    if len(cleaned) > MAX_TAGS:
        raise InvalidArgument("tags", f"{len(cleaned)} are more than the {MAX_TAGS} of one job")
    return cleaned


def _clean(tag: str) -> str:
    cleaned = unicodedata.normalize("NFC", tag).strip()
    if not cleaned:
        raise InvalidArgument("tags", f"{tag!r} is empty; leave it out")
    if len(cleaned) > MAX_TAG_CHARACTERS:
        raise InvalidArgument(
            "tags",
            f"{cleaned[:20]!r}... has {len(cleaned)} characters; at most {MAX_TAG_CHARACTERS}",
        )
    if not cleaned.isprintable():
        raise InvalidArgument("tags", f"{tag!r} has characters that cannot be printed")
    return cleaned
