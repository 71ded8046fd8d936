"""The front's loop: one epoll for listeners, newcomers and relays."""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from labd.front.name import tcp_name, unix_name
from labd.front.newcomer import NameOf, Newcomer
from labd.front.peer import SocketOwners, new_unique, packed_address, unix_peer
from labd.front.relay import SCRATCH_BYTES, Relay

if TYPE_CHECKING:
    from labd.front.tls import Certificates

SILENCE_S = 10.0
"""A client that has not said what it speaks by then is dropped."""
DRAIN_S = 2.0
TICK_S = 0.02

_EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET


class Front:
    """Accepts, greets, relays, until the control socket ends.

    directory: where the private sockets are. certificates: TCP is served over TLS with them.
    """

    def __init__(
        self,
        listeners: list[socket.socket],
        control: socket.socket,
        directory: str,
        *,
        silence_s: float = SILENCE_S,
        certificates: Certificates | None = None,
    ) -> None:
        self._silence_s = silence_s
        self._certificates = certificates
        self._owners = SocketOwners()
        self._epoll = select.epoll()
        self._control = control
        self._directory = directory
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._newcomers: dict[int, Newcomer] = {}
        self._relays: dict[int, Relay] = {}
        self._again: deque[Relay] = deque()
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._ended = bytearray()
        self._is_paused = False
        control.setblocking(False)
        for listener in listeners:
            listener.setblocking(False)
            self._epoll.register(listener, select.EPOLLIN)
        self._epoll.register(control, select.EPOLLIN | select.EPOLLRDHUP)

    def run(self) -> None:
        """Serve until the control socket ends, then drain."""
        while self._serve_once(None):
            pass
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        self._epoll.unregister(self._control)
        for newcomer in list(self._newcomers.values()):
            self._drop(newcomer)
        deadline = time.monotonic() + DRAIN_S
        while self._relays and time.monotonic() < deadline:
            self._serve_once(deadline)

    def _serve_once(self, until: float | None) -> bool:
        """One round of events; False when the control socket ended."""
        is_waiting = (
            bool(self._newcomers) or self._is_paused or bool(self._ended) or until is not None
        )
        timeout = 0.0 if self._again else (TICK_S if is_waiting else -1.0)
        for descriptor, _ in self._epoll.poll(timeout):
            if descriptor in self._relays:
                self._turn(self._relays[descriptor])
            elif descriptor in self._newcomers:
                self._greet(self._newcomers[descriptor])
            elif descriptor in self._listeners:
                self._accept(self._listeners[descriptor])
            elif descriptor == self._control.fileno() and self._has_let_go():
                return False
        for _ in range(len(self._again)):
            self._turn(self._again.popleft())
        if is_waiting:
            self._tick()
        if self._ended:
            self._tell_ended()
        return True

    def _has_let_go(self) -> bool:
        """Whether the daemon has closed the control socket."""
        try:
            return not self._control.recv(64)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _tell_ended(self) -> None:
        """Tell the daemon which connections have ended, without waiting for it."""
        try:
            del self._ended[: self._control.send(self._ended)]
        except BlockingIOError:
            pass
        except OSError:
            self._ended.clear()

    def _tick(self) -> None:
        now = time.monotonic()
        for newcomer in list(self._newcomers.values()):
            if now > newcomer.deadline:
                self._drop(newcomer)
            else:
                self._greet(newcomer)
        if self._is_paused:
            self._is_paused = False
            for listener in self._listeners.values():
                self._epoll.modify(listener, select.EPOLLIN)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(64):
            try:
                client, _ = listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError:  # out of descriptors: let some go first
                self._is_paused = True
                for other in self._listeners.values():
                    self._epoll.modify(other, 0)
                return
            self._welcome(client)

    def _welcome(self, client: socket.socket) -> None:
        client.setblocking(False)
        deadline = time.monotonic() + self._silence_s
        try:
            name_of = self._name_of(client)
        except OSError:  # it is gone already
            client.close()
            return
        if client.family != socket.AF_UNIX and self._certificates is not None:
            newcomer = self._certificates.newcomer(client, name_of, deadline)
        else:
            newcomer = Newcomer(client, name_of, deadline)
        self._newcomers[newcomer.descriptor] = newcomer
        self._epoll.register(newcomer.descriptor, _EDGES)
        self._greet(newcomer)

    def _name_of(self, client: socket.socket) -> NameOf:
        """Who is behind a connection. Raises OSError when nobody is."""
        if client.family == socket.AF_UNIX:
            pid, uid = unix_peer(client)
            return partial(unix_name, uid, pid)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        address, port = client.getpeername()[:2]
        return partial(tcp_name, packed_address(address), port, self._owners.uid_behind(client))

    def _greet(self, newcomer: Newcomer) -> None:
        protocol = newcomer.protocol()
        if protocol is None:
            return
        if protocol == "gone":
            self._drop(newcomer)
            return
        unique = new_unique()
        backend = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        backend.setblocking(False)
        try:
            backend.bind(newcomer.name(unique))
            backend.connect(f"{self._directory}/{protocol}")
        except BlockingIOError:  # its backlog is full: again at the next tick
            backend.close()
            return
        except OSError:
            backend.close()
            self._drop(newcomer)
            return
        del self._newcomers[newcomer.descriptor]
        relay = Relay(newcomer.client, backend, self._scratch, unique)
        for connection in relay.sockets:
            self._relays[connection.fileno()] = relay
        self._epoll.register(backend, _EDGES)
        self._turn(relay)

    def _turn(self, relay: Relay) -> None:
        if relay.sockets[0].fileno() < 0:
            return
        is_again = relay.turn()
        if relay.is_over:
            for connection in relay.sockets:
                del self._relays[connection.fileno()]
            relay.close()
            self._ended += f"{relay.unique}\n".encode()
        elif is_again:
            self._again.append(relay)

    def _drop(self, newcomer: Newcomer) -> None:
        del self._newcomers[newcomer.descriptor]
        newcomer.drop()
