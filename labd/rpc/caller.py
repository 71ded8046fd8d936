"""Who calls a method, and whether he may: asked before every method runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from labd.audit_trail import AuditTrail
from labd.core.access import Reach, reach
from labd.core.errors import PermissionDenied, Refusal, Unauthenticated
from labd.identity import Caller, Identities, origin_of

Metadatum = tuple[str, str | bytes]


class Context(Protocol):
    """The part of a call's context that says who is there."""

    def peer(self) -> str:
        """grpc's name of the other end."""

    def invocation_metadata(self) -> tuple[Metadatum, ...] | None:
        """What the client sent beside the request."""


class Gate:
    """Lets callers in, by labd.core.access."""

    def __init__(self, identities: Identities, trail: AuditTrail) -> None:
        self._identities = identities
        self._trail = trail

    def admit(self, method: str, context: Context) -> Caller:
        """The caller of ``package.Service/Method``. Raises Unauthenticated, PermissionDenied.

        Whether what he asks for is his own is the method's business.
        """
        caller = self._identities.identify(context.peer(), _authorization(context))
        user = caller.user
        allowed = reach(method, user.role)
        if allowed is Reach.NONE:
            raise PermissionDenied(user.name, user.role.value, f"call {method.rpartition('/')[2]}")
        return replace(caller, reach=allowed)

    def note(self, refusal: Refusal, method: str, context: Context) -> None:
        """Tell the audit of a call that was refused for who made it."""
        if not isinstance(refusal, Unauthenticated | PermissionDenied):
            return
        try:
            caller = self._identities.identify(context.peer(), _authorization(context))
        except Unauthenticated:
            origin = origin_of(context.peer())
            self._trail.refused(refusal, method=method, user="", credential="", origin=origin)
        else:
            self._trail.refused(
                refusal,
                method=method,
                user=caller.user.name,
                credential=caller.credential,
                origin=caller.origin,
            )


def _authorization(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            return value.decode() if isinstance(value, bytes) else value
    return ""
