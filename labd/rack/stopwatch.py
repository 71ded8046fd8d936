"""How long a job's phases take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Seconds by phase, summed, and in total since it was made."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._started = time.monotonic()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time inside to that phase."""
        started = time.monotonic()
        try:
            yield
        finally:
            elapsed = time.monotonic() - started
            self._seconds[name] = self._seconds.get(name, 0.0) + elapsed

    def seconds(self) -> Mapping[str, float]:
        """By phase, and under ``total``."""
        total = time.monotonic() - self._started
        return {name: round(value, 6) for name, value in {**self._seconds, "total": total}.items()}
