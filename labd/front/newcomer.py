"""A client that was accepted and has not said yet what it speaks."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from labd.front.relay import SCRATCH_BYTES, Connection

NameOf = Callable[[str, str], str]
"""The name of a client's relay, given the user that its certificate names and the unique part."""

_PREFACE = b"PRI"


class Newcomer:
    """Without TLS: the first bytes say it, and stay where they are."""

    def __init__(self, client: socket.socket, name_of: NameOf, deadline: float) -> None:
        self._socket = client
        self._name_of = name_of
        self.descriptor = client.fileno()
        self.deadline = deadline

    @property
    def client(self) -> Connection:
        """What a relay takes over."""
        return self._socket

    def protocol(self) -> str | None:
        """``grpc`` or ``http``, ``gone`` when the client went away, None while that is open."""
        start = self._peek(len(_PREFACE))
        if start is None or start == b"":
            return None if start is None else "gone"
        if not _PREFACE.startswith(start):
            return "http"
        return "grpc" if start == _PREFACE else None

    def name(self, unique: str) -> str:
        """What its relay is called."""
        return self._name_of("", unique)

    def drop(self) -> None:
        """Close as an end, not as a reset: what the client said is read away first."""
        with contextlib.suppress(OSError):
            self._socket.recv(SCRATCH_BYTES)
            self._socket.shutdown(socket.SHUT_WR)
        self._socket.close()

    def _peek(self, n_bytes: int) -> bytes | None:
        """What the client said first; empty when it went away, None when it said nothing yet."""
        try:
            return self._socket.recv(n_bytes, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return b""
