from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd import front
from labd.front.loop import DRAIN_S
from labd.front.name import peer_of

FRONT = Path(front.__file__).with_name("__main__.py")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Backend:
    """Says its name and the peer's, then echoes until the client has ended."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.peers: list[str] = []
        self.accepted: list[socket.socket] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(256)
        self.threads = [threading.Thread(target=self._serve, daemon=True)]
        self.threads[0].start()

    def close(self) -> None:
        """End all threads. One that is left waiting at a closed descriptor waits at whatever gets
        its number next, once a signal has interrupted it.
        """
        with contextlib.suppress(OSError):  # of a test that has done so
            self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join(10)
        for connection in self.accepted:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        for each in (self.listener, *self.accepted):
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            self.peers.append(peer.decode() if isinstance(peer, bytes) else peer)
            self.accepted.append(connection)
            echo = threading.Thread(target=self._echo, args=(connection,), daemon=True)
            self.threads.append(echo)
            echo.start()

    def _echo(self, connection: socket.socket) -> None:
        try:
            connection.sendall(self.name.encode())
            while chunk := connection.recv(1 << 16):
                connection.sendall(chunk)
            connection.sendall(b"bye")
        except OSError:
            pass
        connection.close()


class Lab:
    """A front process between two public listeners and two backends."""

    def __init__(self, folder: Path, silence_s: float) -> None:
        self.grpc, self.http = Backend(folder / "grpc"), Backend(folder / "http")
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix_path = str(folder / "public")
        self.unix.bind(self.unix_path)
        self.unix.listen(64)
        self.control, theirs = socket.socketpair()
        directory = os.open(folder, os.O_RDONLY)
        descriptors = [theirs.fileno(), directory, self.tcp.fileno(), self.unix.fileno()]
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", str(FRONT)),
                *("--control", str(descriptors[0]), "--directory", str(directory)),
                *("--listen", str(descriptors[2]), "--listen", str(descriptors[3])),
                *("--silence-s", str(silence_s)),
            ],
            pass_fds=descriptors,
        )
        theirs.close()
        os.close(directory)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.tcp.getsockname(), timeout=10)

    def connect_unix(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(self.unix_path)
        return client

    def close(self) -> int:
        self.control.close()
        status = self.process.wait(timeout=10)
        for each in (self.tcp, self.unix, self.grpc, self.http):
            each.close()
        return status


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path, silence_s=10.0)
    yield made
    made.close()


def exact(client: socket.socket, n_bytes: int) -> bytes:
    data = b""
    while len(data) < n_bytes and (chunk := client.recv(n_bytes - len(data))):
        data += chunk
    return data


def rest(client: socket.socket) -> bytes:
    data = b""
    while chunk := client.recv(1 << 16):
        data += chunk
    return data


def sending(client: socket.socket, data: bytes) -> threading.Thread:
    def send() -> None:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    return sender


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (PREFACE, b"grpc"),
        (b"GET /star5/about HTTP/1.1\r\n", b"http"),
        (b"POST / HTTP/1.1\r\n", b"http"),
        (b"PROPFIND / HTTP/1.1\r\n", b"http"),
        (b"\x16\x03\x01", b"http"),
    ],
)
def test_the_first_bytes_choose_the_backend(lab: Lab, first: bytes, expected: bytes) -> None:
    with lab.connect() as client:
        client.sendall(first)

        answer = exact(client, 4 + len(first))

    assert answer == expected + first


def test_a_preface_in_three_pieces_is_still_grpc(lab: Lab) -> None:
    with lab.connect_unix() as client:
        for piece in (b"P", b"R", b"I"):
            client.sendall(piece)
            time.sleep(0.03)

        assert exact(client, 7) == b"grpcPRI"


def test_the_name_of_a_relay_tells_who_is_there(lab: Lab) -> None:
    with lab.connect_unix() as local, lab.connect() as remote:
        local.sendall(b"PRI")
        exact(local, 7)
        remote.sendall(b"PRI")
        exact(remote, 7)
        port = remote.getsockname()[1]

    by_unix, by_tcp = (peer_of(name) for name in lab.grpc.peers)
    assert by_unix is not None
    assert by_tcp is not None
    assert by_unix[1:] == (os.getuid(), f"unix, pid {os.getpid()}", "")
    assert by_tcp[1:] == (os.getuid(), f"127.0.0.1:{port}", "")
    assert by_unix.unique != by_tcp.unique


def test_the_end_of_one_direction_leaves_the_other_open(lab: Lab) -> None:
    with lab.connect() as client:
        client.sendall(b"GET")
        client.shutdown(socket.SHUT_WR)

        assert rest(client) == b"httpGETbye"


def test_much_data_arrives_whole_in_both_directions(lab: Lab) -> None:
    data = os.urandom(1 << 24)
    with lab.connect() as client:
        client.sendall(b"PRI")
        sender = sending(client, data)

        answer = rest(client)
        sender.join()

    assert answer == b"grpcPRI" + data + b"bye"


def test_a_reader_who_pauses_gets_everything_and_stops_nobody(lab: Lab) -> None:
    data = os.urandom(1 << 22)
    with lab.connect() as lazy, lab.connect() as quick:
        lazy.sendall(b"PRI")
        sender = sending(lazy, data)

        for expected in (b"httpGET", b"GET", b"GET"):
            quick.sendall(b"GET")
            assert exact(quick, len(expected)) == expected
        answer = rest(lazy)
        sender.join()

    assert answer == b"grpcPRI" + data + b"bye"


def test_two_hundred_connections_at_once(lab: Lab) -> None:
    clients = [lab.connect() for _ in range(200)]
    for client in clients:
        client.sendall(b"PRI")

    answers = {exact(client, 7) for client in clients}
    for client in clients:
        client.close()

    assert answers == {b"grpcPRI"}


def test_a_dead_backend_closes_the_connection_cleanly(lab: Lab) -> None:
    lab.http.listener.shutdown(socket.SHUT_RDWR)
    lab.http.listener.close()
    with lab.connect() as client:
        client.sendall(b"GET")

        assert rest(client) == b""


def test_a_backend_that_goes_away_ends_the_connection(lab: Lab) -> None:
    with lab.connect() as client:
        client.sendall(b"PRI")
        exact(client, 7)
        lab.grpc.accepted[0].shutdown(socket.SHUT_RDWR)

        assert rest(client) == b""


def test_a_client_that_goes_away_ends_the_connection_to_the_backend(lab: Lab) -> None:
    client = lab.connect()
    client.sendall(b"PRI")
    exact(client, 7)
    client.close()
    (backend,) = lab.grpc.accepted

    for _ in range(200):
        if backend.fileno() < 0:
            break
        time.sleep(0.01)

    assert backend.fileno() < 0


def test_a_silent_client_is_dropped(tmp_path: Path) -> None:
    lab = Lab(tmp_path, silence_s=0.1)
    with lab.connect() as mute, lab.connect() as half:
        half.sendall(b"PR")

        assert (rest(mute), rest(half)) == (b"", b"")
    lab.close()


def test_the_front_ends_with_its_daemon(tmp_path: Path) -> None:
    lab = Lab(tmp_path, silence_s=10.0)
    with lab.connect() as client:
        client.sendall(b"PRI")
        exact(client, 7)
        started = time.monotonic()

        status = lab.close()

        assert status == 0
        assert time.monotonic() - started < DRAIN_S + 1
        assert rest(client) == b""
