"""A client and its connection to a private socket: bytes both ways, without waiting."""

from __future__ import annotations

import socket
from typing import Protocol

SCRATCH_BYTES = 1 << 19
"""As much as a unix socket holds (labd.rpc.send_buffer)."""
TURN_BYTES = 8 << 20
"""After so many bytes other connections get their turn."""

_GONE = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError, TimeoutError)


class Connection(Protocol):
    """What a relay needs of a socket, or of TLS upon one. BlockingIOError: not now."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Take what has come; 0 is the end."""

    def send(self, data: memoryview, /) -> int:
        """Send some of it; returns how much."""

    def shutdown(self, how: int, /) -> None:
        """End one direction."""

    def fileno(self) -> int:
        """The descriptor, -1 once it is closed."""

    def close(self) -> None:
        """Close it. Idempotent."""


class Flow:
    """One direction of a relay. Done when the source has ended and all of it was delivered."""

    def __init__(self, source: Connection, target: Connection, scratch: memoryview) -> None:
        self._source = source
        self._target = target
        self._scratch = scratch
        self._left = memoryview(b"")
        self._has_ended = False
        self.is_done = False
        self.is_target_gone = False

    def move(self) -> int:
        """Move what can be moved without waiting; returns the bytes that came or went."""
        if self.is_done:
            return 0
        if self._left:
            self._left = self._left[self._send(self._left) :]
            return 0 if self._left else 1
        n_bytes = self._receive()
        if n_bytes > 0:
            n_sent = self._send(self._scratch[:n_bytes])
            self._left = memoryview(bytes(self._scratch[n_sent:n_bytes]))
        elif self._has_ended:
            self.is_done = True
            self._shut_target()
        return n_bytes

    def _receive(self) -> int:
        try:
            n_bytes = self._source.recv_into(self._scratch)
        except BlockingIOError:
            return 0
        except _GONE:
            n_bytes = 0
        self._has_ended = n_bytes == 0
        return n_bytes

    def _send(self, data: memoryview) -> int:
        try:
            return self._target.send(data)
        except BlockingIOError:
            return 0
        except _GONE:
            self.is_done = self.is_target_gone = True
            return len(data)

    def _shut_target(self) -> None:
        try:
            self._target.shutdown(socket.SHUT_WR)
        except OSError:
            self.is_target_gone = True


class Relay:
    """A client and its connection to a private socket: two flows. unique: as in its name."""

    def __init__(
        self, client: Connection, backend: Connection, scratch: memoryview, unique: str
    ) -> None:
        self.sockets = (client, backend)
        self.unique = unique
        self._up = Flow(client, backend, scratch)
        self._down = Flow(backend, client, scratch)

    def turn(self) -> bool:
        """Move bytes both ways until nothing moves or the turn is over; True in the latter case."""
        budget = TURN_BYTES
        while budget > 0:
            moved = self._down.move() + self._up.move()
            if moved == 0 or self.is_over:
                return False
            budget -= moved
        return True

    @property
    def is_over(self) -> bool:
        """Both flows are done, or the client is gone."""
        return self._down.is_target_gone or (self._up.is_done and self._down.is_done)

    def close(self) -> None:
        """Close both connections."""
        for connection in self.sockets:
            connection.close()
