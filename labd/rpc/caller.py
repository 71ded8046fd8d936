"""What a call's context says about who calls."""

from __future__ import annotations

from typing import Protocol

from labd.gate import Gate, Visit

Metadatum = tuple[str, str | bytes]


class Context(Protocol):
    """The part of a call's context that says who is there."""

    def peer(self) -> str:
        """grpc's name of the other end."""

    def invocation_metadata(self) -> tuple[Metadatum, ...] | None:
        """What the client sent beside the request."""


def visit_of(gate: Gate, method: str, context: Context) -> Visit:
    """A call as the gate takes it."""
    shown = [
        value.decode(errors="replace") if isinstance(value, bytes) else value
        for key, value in context.invocation_metadata() or ()
        if key == "authorization"
    ]
    return gate.visit(method, context.peer(), shown)
