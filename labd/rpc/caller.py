"""Who calls. One function, asked by every method; users and tokens will be its business alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol
from urllib.parse import unquote

_PEER = re.compile(r"labd\.uid=(\d+)\.gid=(\d+)\.pid=(\d+)\.")


@dataclass(frozen=True, slots=True)
class Caller:
    """uid: the local user's where the connection says so; None for an anonymous one on loopback."""

    uid: int | None

    def __str__(self) -> str:
        """As it stands in a job's record."""
        return "anonymous" if self.uid is None else f"uid {self.uid}"


class Context(Protocol):
    """The part of a call's context that says who is there."""

    def peer(self) -> str:
        """grpc's name of the other end."""


def identify(context: Context) -> Caller:
    """The caller, from the name that the front gives its end of the private socket."""
    return _caller(context.peer())


@lru_cache(maxsize=1024)
def _caller(peer: str) -> Caller:
    found = _PEER.search(unquote(peer))
    return Caller(None if found is None else int(found.group(1)))
