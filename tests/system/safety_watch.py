"""Looks at the instruments of a `LoudLab` all the time: what is unsafe, and who is alive."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import Protocol, Self

LOOK_EVERY_S = 0.004
ALIVE_EVERY_S = 0.02
N_KEPT = 400
"""Lines of the timeline that are kept for a round that was late."""


class Watched(Protocol):
    """A `LoudLab`, as far as it is looked at."""

    def unsafe(self) -> dict[str, float | bool]:
        """Outputs that are not at their safe values now."""

    def alive(self) -> dict[str, int]:
        """Pids of those of "daemon", "rack" and "guard" that live."""


class Debt(Enum):
    """What a kill owes: that all becomes safe.

    NEW: from now on. NONE: nothing, but who has to see to it has the time anew; where everything
    has been safe since the last mark, what is on by now is the next job's. KEPT: what was owed
    before, and not a moment later; where everything has been safe since, NEW.
    """

    NEW, NONE, KEPT = range(3)


class SafetyWatch:
    """When was everything safe?

    It is not enough that everything was safe once: what is on must be some rack process's.
    taken_s: after each mark at which something was on, until all was safe, by the mark's label.
    """

    def __init__(self, lab: Watched) -> None:
        self._lab = lab
        self._seen = threading.Condition()
        self._struck = self._marked = 0.0
        self._first_safe: float | None = 0.0
        self._label, self._was_on = "", False
        self.taken_s: defaultdict[str, list[float]] = defaultdict(list)
        self.last_unsafe: dict[str, float | bool] = {}
        self._timeline: deque[str] = deque(maxlen=N_KEPT)
        self._deserted_s = 0.0
        self._deserted_since: float | None = None
        self._alive: dict[str, int] = {}
        self._alive_at = 0.0
        self._unsafe_names: frozenset[str] = frozenset()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            began = time.monotonic()
            unsafe = self._lab.unsafe()
            with self._seen:
                if began > self._alive_at + ALIVE_EVERY_S:
                    self._see_alive(began)
                self._see_unsafe(unsafe, began)
                if not unsafe and self._first_safe is None and began > self._marked:
                    self._first_safe = time.monotonic()
                    if self._was_on:
                        self.taken_s[self._label].append(self._first_safe - self._marked)
                    self._seen.notify_all()

    def _see_alive(self, now: float) -> None:
        alive, self._alive_at = self._lab.alive(), now
        if alive != self._alive:
            self._alive = alive
            living = ", ".join(f"{name} {pid}" for name, pid in alive.items())
            self.note(f"alive: {living or 'nobody'}")

    def _see_unsafe(self, unsafe: dict[str, float | bool], now: float) -> None:
        if unsafe:
            self.last_unsafe = unsafe
        if unsafe.keys() != self._unsafe_names:
            self._unsafe_names = frozenset(unsafe)
            self.note(f"unsafe: {told(unsafe) if unsafe else 'nothing'}")
        if not unsafe or "rack" in self._alive:
            self._deserted_since = None
        elif self._deserted_since is None:
            self._deserted_since = now
        else:
            since = max(self._deserted_since, self._struck)
            self._deserted_s = max(self._deserted_s, now - since)

    def note(self, what: str) -> None:
        """A line of the timeline, with the time as the logs have it."""
        self._timeline.append(f"{datetime.now().isoformat(' ', 'milliseconds')} {what}")

    def mark(self, debt: Debt = Debt.NEW, *, label: str = "") -> None:
        """From now on is counted. label: of the time that it takes, in `taken_s`."""
        struck, is_on = time.monotonic(), bool(self._lab.unsafe())
        with self._seen:
            self._struck = struck
            is_paid = self._first_safe is not None
            match debt:
                case Debt.NEW:
                    is_counted_anew = True
                case Debt.NONE:
                    is_counted_anew = not is_paid
                case Debt.KEPT:
                    is_counted_anew = is_paid
            if is_counted_anew:
                self._marked, self._first_safe = self._struck, None
            if is_counted_anew and debt is not Debt.NONE:
                self._label, self._was_on = label, is_on

    def take_deserted_s(self) -> float:
        """How long at most something was on while no rack process lived; counted anew from now.

        Like everything here it is counted from the last kill.
        """
        with self._seen:
            longest_s, self._deserted_s = self._deserted_s, 0.0
            return longest_s

    def story(self) -> str:
        """The timeline, a line each."""
        with self._seen:
            return "\n".join(self._timeline)

    def safe_after_s(self, limit_s: float) -> float:
        """Seconds from the mark until everything was safe at once; the limit if it was not."""
        with self._seen:
            left_s = max(self._marked + limit_s - time.monotonic(), 0.01)
            self._seen.wait_for(lambda: self._first_safe is not None, left_s)
            return limit_s if self._first_safe is None else self._first_safe - self._marked


def told(unsafe: dict[str, float | bool]) -> str:
    """How many outputs, and the first few of them."""
    names = ", ".join(f"{name} {value:g}" for name, value in list(unsafe.items())[:3])
    return f"{len(unsafe)} outputs: {names}{', ...' if len(unsafe) > 3 else ''}"
