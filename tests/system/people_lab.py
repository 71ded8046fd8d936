"""A lab with people in it: users with tokens, calls by a method's full name, other accounts."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from quick_lab import QuickLab, payload

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

ROLES = {"user": lab_pb2.USER, "operator": lab_pb2.OPERATOR, "admin": lab_pb2.ADMIN}
METHODS: dict[str, MethodDescriptor] = {
    f"{service.full_name}/{method.name}": method
    for file in (iqm.DESCRIPTOR, lab_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
    for method in service.methods
}
"""All methods of the API, by full name."""


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


class PeopleLab(QuickLab):
    """Tokens are made as the tests' own account, which is labd's own and therefore an admin."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tokens: dict[str, str] = {}

    def add(self, name: str, role: str = "user") -> str:
        """A user with a token, which is returned."""
        self.lab.PutUser(lab_pb2.PutUserRequest(name=name, role=ROLES[role]))
        self.tokens[name] = self.token(name).secret
        return self.tokens[name]

    def token(self, name: str) -> lab_pb2.CreateTokenReply:
        reply: lab_pb2.CreateTokenReply = self.lab.CreateToken(
            lab_pb2.CreateTokenRequest(user=name)
        )
        return reply

    def call(self, method: str, request: Message, token: str) -> list[Message]:
        """All answers of a call, unary or streaming."""
        return call(self.channel, method, request, bearer(token))

    def submit_as(self, name: str, **wish: str | float) -> iqm.JobV1:
        request = self.submit_request(**wish)
        (job,) = self.call("iqm.server.Jobs/SubmitJobV1", request, self.tokens[name])
        assert isinstance(job, iqm.JobV1)
        return job

    def submit_request(self, **wish: str | float) -> iqm.SubmitJobRequestV1:
        return iqm.SubmitJobRequestV1(qc_id=self.qc_id, type=iqm.PULSE, payload=payload(**wish))


def call(
    channel: grpc.Channel,
    method: str,
    request: Message,
    metadata: tuple[tuple[str, str], ...] = (),
) -> list[Message]:
    """All answers of a call by its full name."""
    described = METHODS[method]
    reply_type = GetMessageClass(described.output_type)
    packed = request.SerializeToString()
    if described.server_streaming:
        pieces: grpc.UnaryStreamMultiCallable[bytes, Message] = channel.unary_stream(
            f"/{method}", None, reply_type.FromString
        )
        return list(pieces(packed, metadata=metadata, timeout=20))
    answer: grpc.UnaryUnaryMultiCallable[bytes, Message] = channel.unary_unary(
        f"/{method}", None, reply_type.FromString
    )
    return [answer(packed, metadata=metadata, timeout=20)]


@contextlib.contextmanager
def as_account(uid: int) -> Iterator[None]:
    """Be another account for what is opened meanwhile; only root can."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(os.getuid())


class Tunnel:
    """A port whose connections reach the target as made by another account."""

    def __init__(self, target: str | tuple[str, int], uid: int) -> None:
        self._target = target
        self._uid = uid
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            family = socket.AF_UNIX if isinstance(self._target, str) else socket.AF_INET
            with as_account(self._uid):
                server = socket.socket(family)
                self._sockets += [client, server]
                server.connect(self._target)
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
