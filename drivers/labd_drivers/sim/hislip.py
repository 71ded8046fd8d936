"""HiSLIP 1.0 (IVI-6.1), server side, in synchronized mode.

A client has two connections: the synchronous one carries messages and answers, the asynchronous one
status queries and device clear. Device clear is honoured while a message executes or waits: it is
abandoned, and everything on the synchronous connection is dropped until `DeviceClearComplete`.
An answer that the client had not read when its next message came is an interrupted query: error
-410 and the two Interrupted messages. What was sent cannot be taken back; the client drops it.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Callable
from enum import IntEnum

from labd_drivers.sim.scpi import ScpiError
from labd_drivers.sim.session import Session, wait_while_connected
from labd_drivers.sim.stream import Stream

PROLOGUE = b"HS"
_HEADER = struct.Struct("!2sBBIQ")
_LENGTH = struct.Struct("!Q")
_VERSION_1_0 = 0x0100 << 16
_VENDOR = int.from_bytes(b"LB", "big")
_MAX_MESSAGE_BYTES = 1 << 28
_DELIVERED = 0x01
_UNRECOGNIZED_TYPE = 1
_POORLY_FORMED, _INVALID_INITIALIZE = 1, 3


class _Kind(IntEnum):
    INITIALIZE = 0
    INITIALIZE_RESPONSE = 1
    FATAL_ERROR = 2
    ERROR = 3
    ASYNC_LOCK = 4
    ASYNC_LOCK_RESPONSE = 5
    DATA = 6
    DATA_END = 7
    DEVICE_CLEAR_COMPLETE = 8
    DEVICE_CLEAR_ACKNOWLEDGE = 9
    ASYNC_REMOTE_LOCAL = 10
    ASYNC_REMOTE_LOCAL_RESPONSE = 11
    TRIGGER = 12
    INTERRUPTED = 13
    ASYNC_INTERRUPTED = 14
    ASYNC_MAX_SIZE = 15
    ASYNC_MAX_SIZE_RESPONSE = 16
    ASYNC_INITIALIZE = 17
    ASYNC_INITIALIZE_RESPONSE = 18
    ASYNC_DEVICE_CLEAR = 19
    ASYNC_STATUS_QUERY = 21
    ASYNC_STATUS_RESPONSE = 22
    ASYNC_DEVICE_CLEAR_ACKNOWLEDGE = 23
    ASYNC_LOCK_INFO = 24
    ASYNC_LOCK_INFO_RESPONSE = 25


class _Link:
    """The two connections of one client."""

    def __init__(self, session: Session, synchronous: Stream) -> None:
        self.session = session
        self.synchronous = synchronous
        self.asynchronous: Stream | None = None
        self.max_answer_bytes = 1 << 20
        self.is_clearing = threading.Event()
        self.is_answer_unread = False


class HislipServer:
    """Serves the HiSLIP clients of one instrument."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open_session = open_session
        self._lock = threading.Lock()
        self._links: dict[int, _Link] = {}
        self._last_id = 0

    def serve(self, stream: Stream) -> None:
        """Serve one connection of either kind until its client goes (EOFError, OSError)."""
        kind, _, parameter, _ = _receive(stream)
        if kind == _Kind.INITIALIZE:
            self._serve_synchronous(stream)
        elif kind == _Kind.ASYNC_INITIALIZE and parameter in self._links:
            link = self._links[parameter]
            link.asynchronous = stream
            _send(stream, _Kind.ASYNC_INITIALIZE_RESPONSE, parameter=_VENDOR)
            self._serve_asynchronous(stream, link)
        else:
            _send(stream, _Kind.FATAL_ERROR, _INVALID_INITIALIZE)

    def _serve_synchronous(self, stream: Stream) -> None:
        link = _Link(self._open_session(), stream)
        with self._lock:
            self._last_id = (self._last_id % 0xFFFF) + 1
            number = self._last_id
            self._links[number] = link
        try:
            _send(stream, _Kind.INITIALIZE_RESPONSE, parameter=_VERSION_1_0 | number)
            message = bytearray()
            while True:
                message = _serve_one(stream, link, message)
        finally:
            link.session.close()
            with self._lock:
                self._links.pop(number, None)

    def _serve_asynchronous(self, stream: Stream, link: _Link) -> None:
        while True:
            kind, control, _, payload = _receive(stream)
            if kind == _Kind.ASYNC_MAX_SIZE:
                (size,) = _LENGTH.unpack(payload)
                link.max_answer_bytes = max(size - _HEADER.size, 1)
                size_payload = _LENGTH.pack(_MAX_MESSAGE_BYTES)
                _send(stream, _Kind.ASYNC_MAX_SIZE_RESPONSE, payload=size_payload)
            elif kind == _Kind.ASYNC_STATUS_QUERY:
                if control & _DELIVERED:
                    link.is_answer_unread = False
                status = link.session.instrument.status_byte(has_output=link.is_answer_unread)
                _send(stream, _Kind.ASYNC_STATUS_RESPONSE, status)
            elif kind == _Kind.ASYNC_DEVICE_CLEAR:
                link.is_clearing.set()
                link.session.clear()
                _send(stream, _Kind.ASYNC_DEVICE_CLEAR_ACKNOWLEDGE)
            elif kind == _Kind.ASYNC_LOCK:
                _send(stream, _Kind.ASYNC_LOCK_RESPONSE, 1)
            elif kind == _Kind.ASYNC_LOCK_INFO:
                _send(stream, _Kind.ASYNC_LOCK_INFO_RESPONSE)
            elif kind == _Kind.ASYNC_REMOTE_LOCAL:
                _send(stream, _Kind.ASYNC_REMOTE_LOCAL_RESPONSE)
            else:
                _send(stream, _Kind.ERROR, _UNRECOGNIZED_TYPE)


def _serve_one(stream: Stream, link: _Link, message: bytearray) -> bytearray:
    """Take one message of the synchronous connection. Returns what is collected of the next."""
    kind, control, parameter, payload = _receive(stream)
    if kind == _Kind.DEVICE_CLEAR_COMPLETE:
        link.session.clear()
        link.is_answer_unread = False
        link.is_clearing.clear()
        _send(stream, _Kind.DEVICE_CLEAR_ACKNOWLEDGE)
        return bytearray()
    if kind not in (_Kind.DATA, _Kind.DATA_END, _Kind.TRIGGER):
        _send(stream, _Kind.ERROR, _UNRECOGNIZED_TYPE)
        return message
    if link.is_clearing.is_set():
        return bytearray()
    if control & _DELIVERED:
        link.is_answer_unread = False
    if link.is_answer_unread:
        link.is_answer_unread = False
        _interrupt(link, parameter)
    if kind == _Kind.TRIGGER:
        with link.session.instrument.room:
            link.session.instrument.trigger()
        return message
    message = message + payload if message else payload
    if kind == _Kind.DATA:
        return message
    if not link.session.submit(message):
        wait_while_connected(link.session, stream)
    _answer(stream, link, parameter)
    return bytearray()


def _interrupt(link: _Link, message_id: int) -> None:
    link.session.instrument.push_error(ScpiError(-410))
    _send(link.synchronous, _Kind.INTERRUPTED, parameter=message_id)
    if link.asynchronous is not None:
        _send(link.asynchronous, _Kind.ASYNC_INTERRUPTED, parameter=message_id)


def _answer(stream: Stream, link: _Link, message_id: int) -> None:
    output = link.session.take_output()
    if output is None or link.is_clearing.is_set():
        return
    link.is_answer_unread = True
    left = memoryview(output)
    while len(left) > link.max_answer_bytes:
        _send(stream, _Kind.DATA, parameter=message_id, payload=left[: link.max_answer_bytes])
        left = left[link.max_answer_bytes :]
    kind = _Kind.DATA_END if link.session.is_output_whole else _Kind.DATA
    _send(stream, kind, parameter=message_id, payload=left)


def _receive(stream: Stream) -> tuple[int, int, int, bytearray]:
    prologue, kind, control, parameter, length = _HEADER.unpack(stream.exactly(_HEADER.size))
    if prologue != PROLOGUE or length > _MAX_MESSAGE_BYTES:
        with contextlib.suppress(OSError):
            _send(stream, _Kind.FATAL_ERROR, _POORLY_FORMED)
        raise EOFError
    return kind, control, parameter, stream.exactly(length) if length else bytearray()


def _send(
    stream: Stream,
    kind: _Kind,
    control: int = 0,
    *,
    parameter: int = 0,
    payload: bytes | memoryview = b"",
) -> None:
    stream.send(_HEADER.pack(PROLOGUE, kind, control, parameter, len(payload)), payload)
