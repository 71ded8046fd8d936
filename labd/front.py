"""The front: one TCP port and one unix socket, relayed to the daemon's two private sockets.

A process of its own that needs the standard library alone (`python -I -S front.py`): relaying never
waits for the daemon's interpreter. It accepts, peeks at three bytes ("PRI" begins HTTP/2, which is
gRPC; all else is HTTP/1.1), connects to the private socket and passes bytes on, through one buffer
for all (docs/decisions/0007 says why not by splice). The private sockets are 0600: nobody else can
connect to them, therefore the abstract name that the front binds its end to says truly who is
behind it:
``labd.uid=1000.gid=1000.pid=4711.n=...`` for the unix socket (SO_PEERCRED),
``labd.tcp=<port>...`` for TCP.

It ends when its control socket ends: at once accepting, within DRAIN_S relaying.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import select
import socket
import struct
import sys
import time
from collections import deque

SILENCE_S = 10.0
"""A client that has not said what it speaks by then is dropped."""
DRAIN_S = 2.0
SCRATCH_BYTES = 1 << 19
"""As much as a unix socket holds (labd.rpc.send_buffer)."""
TURN_BYTES = 8 << 20
"""After so many bytes other connections get their turn."""
TICK_S = 0.02

_PREFACE = b"PRI"
_EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_GONE = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError, TimeoutError)


class Flow:
    """One direction of a relay. Done when the source has ended and all of it was delivered."""

    def __init__(self, source: socket.socket, target: socket.socket, scratch: memoryview) -> None:
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
    """A client and its connection to a private socket: two flows."""

    def __init__(self, client: socket.socket, backend: socket.socket, scratch: memoryview) -> None:
        self.sockets = (client, backend)
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


class Newcomer:
    """A client that was accepted and has not said yet what it speaks."""

    def __init__(self, client: socket.socket, name: str, deadline: float) -> None:
        self.client = client
        self.name = name
        self.deadline = deadline

    def protocol(self) -> str | None:
        """``grpc`` or ``http``, ``gone`` when the client went away, None while that is open."""
        try:
            start = self.client.recv(len(_PREFACE), socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return "gone"
        if not start:
            return "gone"
        if not _PREFACE.startswith(start):
            return "http"
        return "grpc" if start == _PREFACE else None


class Front:
    """The loop: one epoll for listeners, newcomers and relays."""

    def __init__(
        self,
        listeners: list[socket.socket],
        control: socket.socket,
        directory: str,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._silence_s = silence_s
        self._epoll = select.epoll()
        self._control = control
        self._directory = directory
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._newcomers: dict[int, Newcomer] = {}
        self._relays: dict[int, Relay] = {}
        self._again: deque[Relay] = deque()
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._n_accepted = 0
        self._is_paused = False
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
        is_waiting = bool(self._newcomers) or self._is_paused or until is not None
        timeout = 0.0 if self._again else (TICK_S if is_waiting else -1.0)
        for descriptor, _ in self._epoll.poll(timeout):
            if descriptor in self._relays:
                self._turn(self._relays[descriptor])
            elif descriptor in self._newcomers:
                self._greet(self._newcomers[descriptor])
            elif descriptor in self._listeners:
                self._accept(self._listeners[descriptor])
            elif descriptor == self._control.fileno() and not self._control.recv(64):
                return False
        for _ in range(len(self._again)):
            self._turn(self._again.popleft())
        if is_waiting:
            self._tick()
        return True

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
            client.setblocking(False)
            self._n_accepted += 1
            newcomer = Newcomer(client, self._name_of(client), time.monotonic() + self._silence_s)
            self._newcomers[client.fileno()] = newcomer
            self._epoll.register(client, _EDGES)
            self._greet(newcomer)

    def _name_of(self, client: socket.socket) -> str:
        """Who is behind a connection, as the abstract name that its relay is bound to."""
        unique = f"n={os.getpid()}-{self._n_accepted}"
        if client.family == socket.AF_UNIX:
            size = struct.calcsize("3i")
            pid, uid, gid = struct.unpack(
                "3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            )
            return f"\0labd.uid={uid}.gid={gid}.pid={pid}.{unique}"
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            port = client.getpeername()[1]
        except OSError:
            port = 0
        return f"\0labd.tcp={port}.{unique}"

    def _greet(self, newcomer: Newcomer) -> None:
        protocol = newcomer.protocol()
        if protocol is None:
            return
        if protocol == "gone":
            self._drop(newcomer)
            return
        backend = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        backend.setblocking(False)
        try:
            backend.bind(newcomer.name)
            backend.connect(f"{self._directory}/{protocol}")
        except BlockingIOError:  # its backlog is full: again at the next tick
            backend.close()
            return
        except OSError:
            backend.close()
            self._drop(newcomer)
            return
        del self._newcomers[newcomer.client.fileno()]
        relay = Relay(newcomer.client, backend, self._scratch)
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
        elif is_again:
            self._again.append(relay)

    def _drop(self, newcomer: Newcomer) -> None:
        """Close as an end, not as a reset: what the client said is read away first."""
        del self._newcomers[newcomer.client.fileno()]
        with contextlib.suppress(OSError):
            newcomer.client.recv(SCRATCH_BYTES)
            newcomer.client.shutdown(socket.SHUT_WR)
        newcomer.client.close()


def main() -> None:
    """Take over descriptors from the daemon and serve until it lets go."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--directory", type=int, required=True)
    parser.add_argument("--listen", type=int, action="append", default=[])
    parser.add_argument("--silence-s", type=float, default=SILENCE_S)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    listeners = [socket.socket(fileno=descriptor) for descriptor in arguments.listen]
    control = socket.socket(fileno=arguments.control)
    # By descriptor: a state directory's path may be longer than a socket's address can be.
    directory = f"/proc/self/fd/{arguments.directory}"
    Front(listeners, control, directory, arguments.silence_s).run()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
