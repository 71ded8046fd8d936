"""The faults of one instrument: what is wrong with it now, and what will be at a later message."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from labd_drivers.sim.scpi import Unit, definite_block

LONG_BYTES: Final = 4 << 20
"""How much comes after the answer that is too long."""


class Spoiling(Enum):
    """What becomes of answers."""

    GARBAGE = "garbage"
    SHORT = "short"
    HALF = "half"
    LONG = "long"


@dataclass(frozen=True, slots=True)
class Treatment:
    """What happens to one message. spoiling: of its answer; None leaves it alone."""

    delay_s: float = 0.0
    is_mute: bool = False
    spoiling: Spoiling | None = None


@dataclass(slots=True)
class _Planned:
    at_message: int
    strike: Callable[[], None]


@dataclass(slots=True)
class _Awaited:
    """A strike for the n-th command of a kind."""

    n_left: int
    is_awaited: Callable[[Unit], bool]
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
        self._awaited: list[_Awaited] = []
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
        return len(self._planned) + len(self._awaited)

    def stand(self, treatment: Treatment) -> None:
        """Treat every message like this from now on."""
        with self._lock:
            self._standing = treatment

    def plan(self, n_messages: int, strike: Callable[[], None]) -> None:
        """Call strike when the n-th message from now arrives (1: the next), before it is read."""
        with self._lock:
            self._planned.append(_Planned(self._n_messages + n_messages, strike))

    def await_command(
        self, n_commands: int, is_awaited: Callable[[Unit], bool], strike: Callable[[], None]
    ) -> None:
        """Call strike when the n-th such command is about to be executed (1: the next)."""
        with self._lock:
            self._awaited.append(_Awaited(n_commands, is_awaited, strike))

    def clear(self) -> None:
        """No faults, now or planned."""
        with self._lock:
            self._standing = Treatment()
            self._planned.clear()
            self._awaited.clear()

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

    def next_command(self, unit: Unit) -> bool:
        """A command of a message comes; whether a fault has struck, so that all may be different.

        Raises what the fault raises.
        """
        if not self._awaited:
            return False
        with self._lock:
            met = [awaited for awaited in self._awaited if awaited.is_awaited(unit)]
            for awaited in met:
                awaited.n_left -= 1
            due = [awaited for awaited in met if awaited.n_left <= 0]
            self._awaited = [awaited for awaited in self._awaited if awaited not in due]
        for awaited in due:
            awaited.strike()
        return bool(due)

    def spoiled(self, answer: bytes, spoiling: Spoiling) -> bytes:
        """The answer, terminated, as it leaves; of HALF the end is never sent."""
        match spoiling:
            case Spoiling.GARBAGE:
                return self._garbage(len(answer))
            case Spoiling.SHORT:
                return _shortened(answer)
            case Spoiling.HALF:
                return answer[: max(len(answer) // 2, 1)]
            case Spoiling.LONG:
                body = answer[:-1] or b"0"
                return body * (LONG_BYTES // len(body) + 2) + b"\n"

    def _garbage(self, n_bytes: int) -> bytes:
        """Bytes that are no answer, ended by a newline."""
        letters = bytes(range(0x80, 0x100)) + b"@!~^%"
        return bytes(self._random.choices(letters, k=max(2, min(n_bytes, 64)))) + b"\n"


def _shortened(answer: bytes) -> bytes:
    """A block with the first half of its data and a head that says so; anything else as it is."""
    if answer[:1] != b"#" or not answer[1:2].isdigit() or answer[1:2] == b"0":
        return answer
    start = 2 + int(answer[1:2])
    n_bytes = int(answer[2:start])
    return definite_block(answer[start : start + n_bytes // 2]) + b"\n"
