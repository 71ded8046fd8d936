"""Idempotency keys: a submit that is sent again gives the job that the first one gave."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from labd.core.errors import InvalidArgument

MAX_KEY_CHARACTERS = 255


def check_key(key: str) -> None:
    """Raises InvalidArgument for what cannot be a key."""
    if not 0 < len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
        raise InvalidArgument(
            "idempotency_key",
            f"{key[:20]!r} has {len(key)} characters; a key has 1 to {MAX_KEY_CHARACTERS} that can"
            " be printed, a UUID for one",
        )


def request_hash(parts: Sequence[bytes]) -> bytes:
    """32 bytes that are equal for equal requests. parts: all that the request asks for."""
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(hashlib.sha256(part).digest())
    return hashed.digest()
