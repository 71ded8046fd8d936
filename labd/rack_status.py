"""What a rack is good for now, as the daemon knows it and tells it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from labd.core.health import Condition
from labd.rack.messages import Instrument


class RackState(StrEnum):
    """What a rack process is good for now."""

    STARTING = "starting"
    READY = "ready"
    UNAVAILABLE = "unavailable"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class RackStatus:
    """A rack as the daemon knows it. what: why it is not ready, as a sentence.

    instruments: that are open. health: how each of the station's is, in its order.
    """

    state: RackState
    what: str = ""
    instruments: tuple[Instrument, ...] = ()
    health: tuple[Condition, ...] = ()
