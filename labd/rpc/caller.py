"""Who calls a method, and whether he may: asked before every method runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from labd.core.access import Reach, reach
from labd.core.errors import PermissionDenied
from labd.identity import Caller, Identities

Metadatum = tuple[str, str | bytes]


class Context(Protocol):
    """The part of a call's context that says who is there."""

    def peer(self) -> str:
        """grpc's name of the other end."""

    def invocation_metadata(self) -> tuple[Metadatum, ...] | None:
        """What the client sent beside the request."""


class Gate:
    """Lets callers in, by labd.core.access."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    def admit(self, method: str, context: Context) -> Caller:
        """The caller of ``package.Service/Method``. Raises Unauthenticated, PermissionDenied.

        Whether what he asks for is his own is the method's business.
        """
        authorization = ""
        for key, value in context.invocation_metadata() or ():
            if key == "authorization":
                authorization = value.decode() if isinstance(value, bytes) else value
        caller = self._identities.identify(context.peer(), authorization)
        user = caller.user
        allowed = reach(method, user.role)
        if allowed is Reach.NONE:
            raise PermissionDenied(user.name, user.role.value, f"call {method.rpartition('/')[2]}")
        return replace(caller, reach=allowed)
