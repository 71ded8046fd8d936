"""Bearer tokens: how they look, how they are recognised, what is kept of them.

``labd_<id>_<secret>``: the id is what people see in lists, 8 characters of base32; the secret is
256 random bits as 43 characters of base64url. Kept is SHA-256 of the whole: of so many random bits
it tells nothing, and needs no salt.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from labd.core.errors import Unauthenticated

RANDOM_BYTES = 5 + 32

_TOKEN = re.compile(r"labd_([0-9a-z]{8})_[A-Za-z0-9_-]{43}")


def make_token(chance: bytes) -> tuple[str, str]:
    """The id and the whole of a token made of RANDOM_BYTES random bytes."""
    token_id = base64.b32encode(chance[:5]).decode().lower()
    secret = base64.urlsafe_b64encode(chance[5:]).decode().rstrip("=")
    return token_id, f"labd_{token_id}_{secret}"


def token_hash(token: str) -> bytes:
    """What is kept of a token: 32 bytes."""
    return hashlib.sha256(token.encode()).digest()


def presented_token(authorizations: Iterable[str]) -> str | None:
    """The token that a call shows, ``Bearer <token>`` or bare; None when it shows nothing.

    authorizations: the values of all headers of that name; empty ones say nothing. Raises
    Unauthenticated for what can be no token: wrong credentials are worse than none.
    """
    shown = {value.strip() for value in authorizations} - {""}
    if not shown:
        return None
    if len(shown) > 1:
        raise Unauthenticated("the call shows more than one authorization")
    (value,) = shown
    scheme, _, token = value.rpartition(" ")
    if scheme.strip().lower() not in ("", "bearer"):
        raise Unauthenticated("the authorization is no bearer token")
    if _TOKEN.fullmatch(token) is None:
        raise Unauthenticated("the authorization is no token of labd's, labd_<id>_<secret>")
    return token
