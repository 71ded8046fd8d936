"""A TCP connection read in exact amounts, with few system calls for small messages."""

from __future__ import annotations

import socket

_RECEIVE_BYTES = 65536


class Stream:
    """Buffers what arrives; big reads go straight into their destination."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray(_RECEIVE_BYTES)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    def exactly(self, n_bytes: int) -> bytearray:
        """The next n bytes. Raises EOFError when the peer has gone."""
        wanted = bytearray(n_bytes)
        have = min(n_bytes, self._end - self._start)
        wanted[:have] = self._view[self._start : self._start + have]
        self._start += have
        while have < n_bytes:
            if n_bytes - have >= _RECEIVE_BYTES:
                received = self._connection.recv_into(memoryview(wanted)[have:])
                have += received
            else:
                received = self._end = self._connection.recv_into(self._buffer)
                self._start = min(received, n_bytes - have)
                wanted[have : have + self._start] = self._view[: self._start]
                have += self._start
            if received == 0:
                raise EOFError
        return wanted

    def some(self) -> memoryview:
        """What has arrived, at least one byte; valid until the next call. Raises EOFError."""
        if self._start == self._end:
            self._start, self._end = 0, self._connection.recv_into(self._buffer)
            if self._end == 0:
                raise EOFError
        received = self._view[self._start : self._end]
        self._start = self._end
        return received

    def send(self, *parts: bytes | memoryview) -> None:
        """All parts, in one go where the kernel takes them."""
        views = [memoryview(part) for part in parts]
        total = sum(view.nbytes for view in views)
        sent = self._connection.sendmsg(views)
        while sent < total:
            while views and sent >= views[0].nbytes:
                sent -= views[0].nbytes
                total -= views[0].nbytes
                del views[0]
            if views:
                views[0] = views[0][sent:]
                total -= sent
                sent = self._connection.sendmsg(views)

    def is_connected(self) -> bool:
        """Whether the peer is still there, as far as the kernel knows."""
        try:
            return self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False
