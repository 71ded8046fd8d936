"""VXI-11 core channel over ONC RPC (RFC 5531) and XDR (RFC 4506), server side.

Clients name the port, so there is no portmapper; interrupt and abort channels are not offered.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from enum import IntEnum

from labd_drivers.sim.scpi import ScpiError
from labd_drivers.sim.session import Session
from labd_drivers.sim.stream import Stream

FIRST_BYTE = 0x80
_CORE_PROGRAM, _CORE_VERSION = 0x0607AF, 1
_LAST_FRAGMENT = 0x80000000
_MAX_RECEIVE_BYTES = 1 << 22
_WORD = struct.Struct("!I")
_CALL = struct.Struct("!6I")
_ACCEPTED, _SUCCESS, _NO_PROGRAM, _NO_PROCEDURE, _GARBAGE = 0, 0, 1, 3, 4
_END, _TERMCHAR_SET = 0x08, 0x80
_REASON_COUNT, _REASON_CHAR, _REASON_END = 1, 2, 4


class _Procedure(IntEnum):
    CREATE_LINK = 10
    WRITE = 11
    READ = 12
    READ_STATUS = 13
    TRIGGER = 14
    CLEAR = 15
    REMOTE = 16
    LOCAL = 17
    LOCK = 18
    UNLOCK = 19
    ENABLE_SRQ = 20
    COMMAND = 22
    DESTROY_LINK = 23
    CREATE_INTERRUPT = 25
    DESTROY_INTERRUPT = 26


class _Error(IntEnum):
    NONE = 0
    INVALID_LINK = 4
    NOT_SUPPORTED = 8
    TIMEOUT = 15


class _Link:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.input = bytearray()
        self.output = memoryview(b"")
        self.is_executing = False


class Vxi11Server:
    """Serves the VXI-11 clients of one instrument."""

    def __init__(self, open_session: Callable[[], Session]) -> None:
        self._open_session = open_session

    def serve(self, stream: Stream) -> None:
        """Serve one connection until its client goes (EOFError, OSError)."""
        links: dict[int, _Link] = {}
        try:
            while True:
                xid, status, result = self._call(memoryview(_receive(stream)), links)
                reply = struct.pack("!6I", xid, 1, _ACCEPTED, 0, 0, status) + result
                stream.send(_WORD.pack(_LAST_FRAGMENT | len(reply)), reply)
        finally:
            for link in links.values():
                link.session.close()

    def _call(self, record: memoryview, links: dict[int, _Link]) -> tuple[int, int, bytes]:
        xid, _, _, program, version, procedure = _CALL.unpack_from(record)
        at = _CALL.size
        for _ in ("credentials", "verifier"):
            _, length = struct.unpack_from("!2I", record, at)
            at += 8 + length + -length % 4
        if program != _CORE_PROGRAM or version != _CORE_VERSION:
            return xid, _NO_PROGRAM, b""
        if procedure == 0:
            return xid, _SUCCESS, b""
        if procedure not in set(_Procedure):
            return xid, _NO_PROCEDURE, b""
        try:
            return xid, _SUCCESS, self._do(_Procedure(procedure), record[at:], links)
        except struct.error:
            return xid, _GARBAGE, b""

    def _do(self, procedure: _Procedure, arguments: memoryview, links: dict[int, _Link]) -> bytes:
        if procedure is _Procedure.CREATE_LINK:
            number = max(links, default=0) + 1
            links[number] = _Link(self._open_session())
            return struct.pack("!4I", _Error.NONE, number, 0, _MAX_RECEIVE_BYTES)
        if procedure in (_Procedure.CREATE_INTERRUPT, _Procedure.DESTROY_INTERRUPT):
            return _WORD.pack(_Error.NOT_SUPPORTED)
        link = links.get(_WORD.unpack_from(arguments)[0])
        if link is None:
            return _failed(procedure, _Error.INVALID_LINK)
        if procedure is _Procedure.DESTROY_LINK:
            links.pop(_WORD.unpack_from(arguments)[0]).session.close()
            return _WORD.pack(_Error.NONE)
        return _serve_link(procedure, arguments, link)


def _serve_link(procedure: _Procedure, arguments: memoryview, link: _Link) -> bytes:
    match procedure:
        case _Procedure.WRITE:
            return _write(arguments, link)
        case _Procedure.READ:
            return _read(arguments, link)
        case _Procedure.READ_STATUS:
            has_output = bool(link.output) or link.session.has_output
            status = link.session.instrument.status_byte(has_output=has_output)
            return struct.pack("!2I", _Error.NONE, status)
        case _Procedure.TRIGGER:
            with link.session.instrument.room:
                link.session.instrument.trigger()
        case _Procedure.CLEAR:
            link.session.clear()
            link.input.clear()
            link.output, link.is_executing = memoryview(b""), False
        case _Procedure.COMMAND:
            return _failed(procedure, _Error.NOT_SUPPORTED)
        case _:
            pass
    return _WORD.pack(_Error.NONE)


def _write(arguments: memoryview, link: _Link) -> bytes:
    _, timeout_ms, _, flags, length = struct.unpack_from("!5I", arguments)
    if link.is_executing and not link.session.wait(timeout_ms / 1000):
        return struct.pack("!2I", _Error.TIMEOUT, 0)
    link.is_executing = False
    if len(link.output):
        link.output = memoryview(b"")
        link.session.instrument.push_error(ScpiError(-410))
    link.input += arguments[20 : 20 + length]
    if flags & _END:
        message, link.input = link.input, bytearray()
        link.is_executing = not link.session.submit(message)
    return struct.pack("!2I", _Error.NONE, length)


def _read(arguments: memoryview, link: _Link) -> bytes:
    _, size, timeout_ms, _, flags, term_char = struct.unpack_from("!6I", arguments)
    deadline = time.monotonic() + timeout_ms / 1000
    if not len(link.output):
        if link.is_executing:
            link.is_executing = not link.session.wait(timeout_ms / 1000)
            if link.is_executing:
                return struct.pack("!3I", _Error.TIMEOUT, 0, 0)
        link.output = memoryview(link.session.take_output() or b"")
    if not len(link.output):
        link.session.instrument.push_error(ScpiError(-420))
        link.session.idle(deadline - time.monotonic())
        return struct.pack("!3I", _Error.TIMEOUT, 0, 0)
    count, reason = min(size, len(link.output)), 0
    if flags & _TERMCHAR_SET:
        found = bytes(link.output[:count]).find(term_char & 0xFF)
        if found >= 0:
            count, reason = found + 1, _REASON_CHAR
    if count == size:
        reason |= _REASON_COUNT
    if count == len(link.output) and link.session.is_output_whole:
        reason |= _REASON_END
    data, link.output = link.output[:count], link.output[count:]
    return struct.pack("!3I", _Error.NONE, reason, count) + data + bytes(-count % 4)


def _failed(procedure: _Procedure, error: _Error) -> bytes:
    n_zeros = {_Procedure.WRITE: 1, _Procedure.READ: 2, _Procedure.READ_STATUS: 1}
    n_zeros[_Procedure.COMMAND] = 1
    return _WORD.pack(error) + bytes(4 * n_zeros.get(procedure, 0))


def _receive(stream: Stream) -> bytearray:
    record = bytearray()
    while True:
        (mark,) = _WORD.unpack(stream.exactly(4))
        fragment = stream.exactly(mark & ~_LAST_FRAGMENT)
        record = record + fragment if record else fragment
        if mark & _LAST_FRAGMENT:
            return record
