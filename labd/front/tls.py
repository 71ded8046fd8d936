"""TLS on the front's TCP port: the handshake without waiting, then a connection like any other."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
from typing import cast

from labd.core.names import USER_NAME
from labd.front.name import NAMES_NOBODY
from labd.front.newcomer import NameOf, Newcomer
from labd.front.relay import SCRATCH_BYTES, Connection

PROTOCOLS = {"h2": "grpc", "http/1.1": "http"}
"""What is agreed upon in the handshake (ALPN), and what that is for us."""
_HANDSHAKE = b"\x16"
_NO_TLS = b'{"message": "this port speaks TLS: ask https:// instead of http://"}'
_PLAIN_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_NO_TLS), _NO_TLS)
)
_NOT_NOW = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


def make_context(certificate: str, key: str, client_ca: str) -> ssl.SSLContext:
    """Our certificate; with a client_ca, clients' certificates are asked for and checked.

    No session outlives its connection: a client shows its certificate each time. Raises OSError
    (ssl.SSLError among them) for files that cannot be read or do not go together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(list(PROTOCOLS))
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    # A password is never asked for: there is nobody at the terminal.
    context.load_cert_chain(certificate, key, password=lambda: "")
    if client_ca:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(client_ca)
    return context


class Certificates:
    """The context for new connections, made anew when the files have changed."""

    def __init__(self, certificate: str, key: str, client_ca: str) -> None:
        self._files = (certificate, key, client_ca)
        self._seen = self._look()
        self._context = make_context(*self._files)

    def context(self) -> ssl.SSLContext:
        """What the files say; what they said before while they cannot be used."""
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                self._context = make_context(*self._files)
            except OSError as error:
                print(f"front: TLS goes on as before: {self._files}: {error}", file=sys.stderr)
        return self._context

    def newcomer(self, client: socket.socket, name_of: NameOf, deadline: float) -> Newcomer:
        """A client that is to speak TLS."""
        return TlsNewcomer(client, name_of, deadline, self)

    def _look(self) -> list[tuple[int, int]]:
        seen = []
        for path in self._files:
            try:
                status = os.stat(path)
                seen.append((status.st_mtime_ns, status.st_ino))
            except OSError:
                seen.append((0, 0))
        return seen


class TlsConnection:
    """TLS upon a socket that does not wait."""

    def __init__(self, client: socket.socket, context: ssl.SSLContext) -> None:
        """Take over a socket. Raises OSError when its client has gone."""
        self._tls = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        self._is_over = False

    def handshake(self) -> str | None:
        """``grpc`` or ``http`` once it is done, None while it is not. Raises OSError."""
        try:
            self._tls.do_handshake()
        except _NOT_NOW:
            return None
        return PROTOCOLS[self._tls.selected_alpn_protocol() or "http/1.1"]

    def certificate(self) -> str:
        """The user that the client's certificate names; "" if it showed none."""
        shown = self._tls.getpeercert()
        if not shown:
            return ""
        subject = cast("tuple[tuple[tuple[str, str], ...], ...]", shown["subject"])
        names = [value for part in subject for key, value in part if key == "commonName"]
        if len(names) == 1 and USER_NAME.fullmatch(names[0]):
            return names[0]
        return NAMES_NOBODY

    def recv_into(self, buffer: memoryview, /) -> int:
        """As a socket's, up to one record of TLS at a time."""
        if self._is_over:
            return 0
        try:
            return self._tls.recv_into(buffer)
        except _NOT_NOW:
            raise BlockingIOError from None
        except ssl.SSLError:
            return 0

    def send(self, data: memoryview, /) -> int:
        """As a socket's, as many records as it takes. What was refused must be sent again as is."""
        n_sent = 0
        while n_sent < len(data):
            try:
                n_sent += self._tls.send(data[n_sent:])
            except _NOT_NOW:
                break
            except ssl.SSLError:
                raise ConnectionResetError from None
        return n_sent

    def shutdown(self, how: int, /) -> None:
        """Tell the client that no more comes, in TLS and below it."""
        with contextlib.suppress(OSError, ValueError):
            self._tls.unwrap()
            self._is_over = True
        socket.socket.shutdown(self._tls, how)

    def fileno(self) -> int:
        """The socket's."""
        return self._tls.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._tls.close()

    def drop(self) -> None:
        """Close as an end, so that the client reads the alert that was sent."""
        with contextlib.suppress(OSError):
            socket.socket.recv(self._tls, SCRATCH_BYTES)
            socket.socket.shutdown(self._tls, socket.SHUT_WR)
        self._tls.close()


class TlsNewcomer(Newcomer):
    """With TLS: the handshake says what is spoken, and maybe who speaks."""

    def __init__(
        self,
        client: socket.socket,
        name_of: NameOf,
        deadline: float,
        certificates: Certificates,
    ) -> None:
        super().__init__(client, name_of, deadline)
        self._certificates = certificates
        self._tls: TlsConnection | None = None
        self._protocol: str | None = None

    @property
    def client(self) -> Connection:
        """What a relay takes over."""
        return self._socket if self._tls is None else self._tls

    def protocol(self) -> str | None:
        """As without TLS; somebody who does not speak it is told so and is gone."""
        if self._tls is None:
            start = self._peek(1)
            if start is None:
                return None
            if start != _HANDSHAKE:
                with contextlib.suppress(OSError):
                    self._socket.send(_PLAIN_ANSWER)
                return "gone"
        try:
            if self._tls is None:
                self._tls = TlsConnection(self._socket, self._certificates.context())
            if self._protocol is None:
                self._protocol = self._tls.handshake()
        except OSError:
            return "gone"
        return self._protocol

    def name(self, unique: str) -> str:
        """What its relay is called."""
        return self._name_of("" if self._tls is None else self._tls.certificate(), unique)

    def drop(self) -> None:
        """Close; what the handshake did not like was told in an alert."""
        if self._tls is None:
            super().drop()
        else:
            self._tls.drop()
