"""One instrument on one TCP port that speaks HiSLIP, VXI-11 and raw SOCKET.

The first bytes of a connection tell which: ``HS`` begins every HiSLIP message, 0x80 the record mark
of an RPC call (one fragment), and no SCPI message begins like either.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time

from labd_drivers.sim import hislip, vxi11
from labd_drivers.sim.fault_board import FaultBoard
from labd_drivers.sim.hislip import HislipServer
from labd_drivers.sim.instrument import Instrument
from labd_drivers.sim.rawsocket import RawSocketServer
from labd_drivers.sim.session import Session
from labd_drivers.sim.stream import Stream
from labd_drivers.sim.vxi11 import Vxi11Server

_log = logging.getLogger(__name__)
_BACKLOG = 16
_REBIND_EVERY_S = 0.02


class InstrumentServer:
    """Listens for an instrument's clients, one thread per connection.

    port: 0 for a free one; `port` then says which. It is kept while the instrument is off.
    """

    def __init__(self, instrument: Instrument, faults: FaultBoard, host: str, port: int) -> None:
        self.instrument = instrument
        self.faults = faults
        self._host = host
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._return: threading.Timer | None = None
        self._is_closed = False
        self._hislip = HislipServer(self._open_session)
        self._vxi11 = Vxi11Server(self._open_session)
        self._raw = RawSocketServer(self._open_session)
        self._listener: socket.socket | None = None
        self.port = port
        self._listen()

    def drop(self, off_s: float) -> None:
        """Cut all connections now, and refuse new ones for some seconds.

        Raises ConnectionAbortedError if it is called from the thread of one of the connections.
        """
        with self._lock:
            listener, self._listener = self._listener, None
            connections = tuple(self._connections)
            if not self._is_closed and listener is not None:
                self._return = threading.Timer(off_s, self._listen)
                self._return.daemon = True
                self._return.start()
        if listener is not None:
            _shut(listener)
            listener.close()
        for connection in connections:
            _shut(connection)
        if threading.current_thread().name == self._thread_name:
            raise ConnectionAbortedError

    def come_back(self) -> None:
        """End a `drop` before its time. Nothing happens where there is none."""
        with self._lock:
            is_away, timer = self._listener is None, self._return
        if is_away and timer is not None:
            timer.cancel()
            self._listen()

    @property
    def is_listening(self) -> bool:
        """Whether new connections are accepted."""
        return self._listener is not None

    @property
    def n_connections(self) -> int:
        """TCP connections open now (a HiSLIP client has two)."""
        return len(self._connections)

    def close(self) -> None:
        """No more clients, for good. Idempotent."""
        self._is_closed = True
        if self._return is not None:
            self._return.cancel()
        with contextlib.suppress(ConnectionAbortedError):
            self.drop(0.0)

    @property
    def _thread_name(self) -> str:
        return f"{self.instrument.name}-client"

    def _open_session(self) -> Session:
        return Session(self.instrument, self.faults)

    def _listen(self) -> None:
        while not self._is_closed and self._listener is None:
            try:
                listener = socket.create_server((self._host, self.port), backlog=_BACKLOG)
            except OSError:
                if not self.port or self._return is None:
                    raise
                time.sleep(_REBIND_EVERY_S)
                continue
            self.port = listener.getsockname()[1]
            with self._lock:
                self._listener = listener
            name = f"{self.instrument.name}-accept"
            threading.Thread(target=self._accept, args=(listener,), name=name, daemon=True).start()
            return

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            threading.Thread(
                target=self._serve, args=(connection,), name=self._thread_name, daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = connection.recv(1, socket.MSG_PEEK)
            if first == hislip.PROLOGUE[:1]:
                first = connection.recv(2, socket.MSG_PEEK | socket.MSG_WAITALL)
            if not first:
                return
            server: HislipServer | Vxi11Server | RawSocketServer = self._raw
            if first == hislip.PROLOGUE:
                server = self._hislip
            elif first[0] == vxi11.FIRST_BYTE:
                server = self._vxi11
            server.serve(Stream(connection))
        except (EOFError, OSError, struct.error) as gone:
            _log.debug("%s: client gone, or out of its protocol: %r", self.instrument.name, gone)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
