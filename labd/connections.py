"""Who is connected: from the calls that come, until the front says that a connection has ended.

All calls come from the event loop's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labd.identity import Caller

MAX_ENDED = 4096
"""A call that is served after its connection has ended is known as such for so many ends."""


@dataclass(slots=True)
class Connection:
    """A connection as one of its callers uses it. n_calls: open now."""

    user: str
    credential: str
    origin: str
    since_ns: int
    last_call_at_ns: int
    last_call: str
    n_calls: int = 0


class Connections:
    """The connections that are open and have made a call."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self.clock_ns = clock_ns
        self._open: dict[str, dict[str, Connection]] = {}
        self._ended: dict[str, None] = {}

    def begin(self, caller: Caller, method: str) -> Connection:
        """Know of a call. When it ends, count one less in what this returns."""
        connection = self._of(caller)
        connection.last_call_at_ns = self.clock_ns()
        connection.last_call = method
        connection.n_calls += 1
        return connection

    def _of(self, caller: Caller) -> Connection:
        """One connection may carry calls with several tokens: each is an entry."""
        unique = caller.connection
        callers = self._open.get(unique, {})
        connection = callers.get(caller.credential)
        if connection is None:
            now_ns = self.clock_ns()
            connection = Connection(
                user=caller.user.name,
                credential=caller.credential,
                origin=caller.origin,
                since_ns=now_ns,
                last_call_at_ns=now_ns,
                last_call="",
            )
            if unique and unique not in self._ended:
                callers[caller.credential] = connection
                self._open[unique] = callers
        return connection

    def end(self, unique: str) -> None:
        """The front says that a connection has ended."""
        self._open.pop(unique, None)
        self._ended[unique] = None
        if len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]

    def end_all(self) -> None:
        """The front has ended."""
        self._open.clear()

    def list(self) -> tuple[Connection, ...]:
        """Those that are open, oldest first."""
        listed = [each for callers in self._open.values() for each in callers.values()]
        return tuple(sorted(listed, key=lambda each: each.since_ns))
