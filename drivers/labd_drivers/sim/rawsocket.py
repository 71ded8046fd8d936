"""SCPI on a bare TCP socket: nothing frames a message but its own end.

A message ends at a newline outside a block. A definite block ends its message too, newline or not,
because drivers send files without one; a newline that follows is swallowed as an empty message. An
indefinite block ends at the first newline: there is no END on this transport.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from labd_drivers.sim.scpi import ScpiError, block_head
from labd_drivers.sim.session import Session, wait_while_connected
from labd_drivers.sim.stream import Stream

_MARK = re.compile(rb"[\"'#\n]")
_CLOSING = {0x22: re.compile(rb'["\n]'), 0x27: re.compile(rb"['\n]")}
_NEWLINE, _HASH = b"\n#"


class Framer:
    """Cuts a byte stream into messages. Pure."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._block_end = 0
        self._closing: re.Pattern[bytes] | None = None
        self._ended_in_block = False

    def feed(self, received: bytes | memoryview) -> list[bytearray]:
        """Take what arrived. Returns the messages it completes, without their newlines."""
        self._buffer += received
        messages = []
        while (end := self._find_end()) is not None:
            message = self._buffer[:end]
            del self._buffer[:end]
            self._scanned = self._block_end = 0
            self._closing = None
            if message.strip():
                messages.append(message.rstrip(b"\r\n") if not self._ended_in_block else message)
        return messages

    def _find_end(self) -> int | None:
        """Length of the first complete message in the buffer."""
        buffer = self._buffer
        if self._block_end:
            if len(buffer) < self._block_end:
                return None
            self._ended_in_block = True
            return self._block_end
        self._ended_in_block = False
        while True:
            mark = (self._closing or _MARK).search(buffer, self._scanned)
            if mark is None:
                self._scanned = len(buffer)
                return None
            at = mark.start()
            octet = buffer[at]
            if octet == _NEWLINE:
                return at + 1
            if octet == _HASH:
                if at + 1 >= len(buffer):
                    self._scanned = at
                    return None
                if self._enters_block(at):
                    return self._find_end() if self._block_end else None
                self._scanned = at + 1
            else:
                self._closing = None if self._closing is not None else _CLOSING[octet]
                self._scanned = at + 1

    def _enters_block(self, at: int) -> bool:
        """Whether a definite block begins at `at`; sets its end once its head is complete."""
        if self._buffer[at + 1] not in b"123456789":
            return False
        try:
            head = block_head(self._buffer, at)
        except ScpiError:
            return False
        if head is None:
            self._scanned = at
        elif head[1] is not None:
            self._block_end = head[0] + head[1]
        return True


class RawSocketServer:
    """Serves the socket clients of one instrument."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open_session = open_session

    def serve(self, stream: Stream) -> None:
        """Serve one connection until its client goes (EOFError, OSError)."""
        session = self._open_session()
        framer = Framer()
        try:
            while True:
                for message in framer.feed(stream.some()):
                    if not session.submit(message):
                        wait_while_connected(session, stream)
                    output = session.take_output()
                    if output is not None:
                        stream.send(output)
        finally:
            session.close()
