"""Whether a process that answers pings is alive.

Counted in the listener's own turns, not in seconds: a daemon that was stopped itself, or got no
processor, finds the answer waiting at its next turn instead of blaming the other one.
"""

from __future__ import annotations

from dataclasses import dataclass

PING_EVERY_S = 2.0
MAX_MISSED = 5
"""So many turns without an answer, and it is taken for dead."""
MAX_MISSED_FED = 1
"""More turns than that without an answer, and systemd's watchdog is not fed: its limit is longer
than MAX_MISSED turns, so that it only acts when killing and replacing the process did not help."""
MAX_MISSED_AT_START = 30
"""A process that never answered yet is still importing what it needs."""


@dataclass(slots=True)
class Pulse:
    """The signs of life of one process."""

    n_missed: int = 0
    has_answered: bool = False

    def heard(self) -> None:
        """It said something."""
        self.n_missed = 0
        self.has_answered = True

    def turn(self) -> None:
        """A ping was sent a turn ago."""
        self.n_missed += 1

    @property
    def is_silent(self) -> bool:
        """Whether it is to be taken for dead."""
        return self.n_missed >= (MAX_MISSED if self.has_answered else MAX_MISSED_AT_START)

    @property
    def is_alive(self) -> bool:
        """Whether it answers."""
        return self.n_missed <= (MAX_MISSED_FED if self.has_answered else MAX_MISSED_AT_START)

    @property
    def silence_s(self) -> float:
        """How long nothing was heard, at least."""
        return self.n_missed * PING_EVERY_S
