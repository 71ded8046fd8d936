"""Leases: a quantum computer taken for a while, now and without booking.

While a lease is held only its holder's jobs start. It ends when its holder gives it back, or at its
time by itself: nobody has to notice that a bench died. One holder, never two; a holder may have
several benches, so a lease has a name, and the name tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from labd.core.errors import InvalidArgument
from labd.core.jobs import QcId

MIN_TTL_S = 1.0
MAX_TTL_S = 86_400.0
"""Who needs a quantum computer for longer books a timeslot."""
MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease, start inclusive, end exclusive. user: the holder's name; name: the lease's."""

    id: UUID
    qc_id: QcId
    user_id: int
    user: str
    name: str
    note: str
    since_ns: int
    until_ns: int

    def is_held(self, now_ns: int) -> bool:
        """Whether it is not over yet."""
        return now_ns < self.until_ns


def demand_ttl(ttl_s: float) -> None:
    """Raises InvalidArgument unless a lease may be held for so long."""
    if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
        raise InvalidArgument(
            "ttl_s",
            f"{ttl_s:g} s; a lease is held for {MIN_TTL_S:g} to {MAX_TTL_S:g} s at a time, and can"
            " be renewed; book a timeslot for more",
        )


def demand_name(name: str) -> None:
    """Raises InvalidArgument unless a lease may be called so."""
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidArgument("name", f"a lease has a name of 1 to {MAX_NAME} characters, one line")
