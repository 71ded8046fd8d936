"""The faults of one instrument: what is wrong with it now, and what will be at the n-th message."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Treatment:
    """What happens to one message."""

    delay_s: float = 0.0
    is_mute: bool = False
    is_garbled: bool = False


@dataclass(slots=True)
class _Planned:
    at_message: int
    strike: Callable[[], None]


class FaultBoard:
    """Counts an instrument's messages and says how each is treated. Safe from any thread.

    seed: of the garbage.
    """

    def __init__(self, seed: int) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(seed)
        self._standing = Treatment()
        self._planned: list[_Planned] = []
        self._n_messages = 0

    @property
    def n_messages(self) -> int:
        """Messages since the start."""
        return self._n_messages

    @property
    def standing(self) -> Treatment:
        """How messages are treated now."""
        return self._standing

    @property
    def n_planned(self) -> int:
        """Faults that wait for their message."""
        return len(self._planned)

    def stand(self, treatment: Treatment) -> None:
        """Treat every message like this from now on."""
        with self._lock:
            self._standing = treatment

    def plan(self, n_messages: int, strike: Callable[[], None]) -> None:
        """Call strike when the n-th message from now arrives (1: the next), before it is read."""
        with self._lock:
            self._planned.append(_Planned(self._n_messages + n_messages, strike))

    def clear(self) -> None:
        """No faults, now or planned."""
        with self._lock:
            self._standing = Treatment()
            self._planned.clear()

    def next_message(self) -> Treatment:
        """A message arrives. Raises what a planned fault raises."""
        self._n_messages += 1
        if self._planned:
            with self._lock:
                due = [plan for plan in self._planned if plan.at_message <= self._n_messages]
                self._planned = [plan for plan in self._planned if plan not in due]
            for plan in due:
                plan.strike()
        return self._standing

    def garbage(self, n_bytes: int) -> bytes:
        """Bytes that are no answer, ended by a newline."""
        letters = bytes(range(0x80, 0x100)) + b"@!~^%"
        return bytes(self._random.choices(letters, k=max(2, min(n_bytes, 64)))) + b"\n"
