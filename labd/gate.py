"""Who comes in: asked before every call, whichever way it comes, and while it goes on.

The caller is identified, what he may do is looked up (labd.core.access), the call is known while it
runs (labd.connections), and who is refused is noted (labd.audit_trail).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

from labd.audit_trail import AuditTrail
from labd.connections import Connection, Connections
from labd.core.access import Reach, deed, reach
from labd.core.errors import PermissionDenied, Refusal
from labd.identity import Caller, Identities


class Gate:
    """Makes a visit of every call."""

    def __init__(self, identities: Identities, connections: Connections, trail: AuditTrail) -> None:
        self.identities = identities
        self.connections = connections
        self.trail = trail

    def visit(self, method: str, peer: str, authorizations: Sequence[str]) -> Visit:
        """A call of ``package.Service/Method``; see Identities.identify."""
        return Visit(self, method, peer, authorizations)


class Visit:
    """One call, from being let in to its end: an async context manager that gives the caller.

    Whether what he asks for is his own is the method's business.
    """

    def __init__(self, gate: Gate, method: str, peer: str, authorizations: Sequence[str]) -> None:
        self._gate = gate
        self._method = method
        self._peer = peer
        self._authorizations = authorizations
        self._generation = -1
        self._caller: Caller | None = None
        self._connection: Connection | None = None

    async def __aenter__(self) -> Caller:
        try:
            caller = await self._admit()
        except Refusal as refusal:
            self._note(refusal)
            raise
        self._connection = self._gate.connections.begin(caller, self._method)
        return caller

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            self._connection.n_calls -= 1
        if isinstance(error, Refusal):
            self._note(error)

    async def _admit(self) -> Caller:
        """Raises Unauthenticated, PermissionDenied, Unavailable."""
        identities = self._gate.identities
        self._generation = identities.generation
        caller = await identities.identify(self._peer, self._authorizations)
        self._caller = caller
        allowed = reach(self._method, caller.user.role)
        if allowed is Reach.NONE:
            raise PermissionDenied(caller.user.name, caller.user.role.value, deed(self._method))
        self._caller = replace(caller, reach=allowed)
        return self._caller

    @property
    def is_over(self) -> bool:
        """Whether the caller must be let in again before the call goes on."""
        caller = self._caller
        return caller is None or self._gate.identities.is_over(caller, self._generation)

    async def renew(self) -> None:
        """Let the caller in again: raises what keeps him out, or that he may do less now."""
        before = self._caller
        now = await self._admit()
        if before is not None and (now.user.id != before.user.id or now.reach < before.reach):
            what = "go on with a call that began with more rights"
            raise PermissionDenied(now.user.name, now.user.role.value, what)

    def _note(self, refusal: Refusal) -> None:
        caller = self._caller
        self._gate.trail.refused(
            refusal,
            method=self._method,
            user="" if caller is None else caller.user.name,
            credential="" if caller is None else caller.credential,
            origin=self._gate.identities.origin(self._peer) if caller is None else caller.origin,
        )
