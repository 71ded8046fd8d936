"""A method of a service, made into grpc's handler: the caller let in, refusals into statuses.

Answers that are byte streams leave a method already serialised, which is why methods are registered
by hand.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeAlias, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from labd.core.errors import Refusal, Unavailable
from labd.gate import Gate
from labd.identity import Caller
from labd.rpc.caller import Context, visit_of
from labd.rpc.status import Metadata, status_of
from labd.store.database import storage_sentence

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)
Piece = TypeVar("Piece")

Handler: TypeAlias = "grpc.RpcMethodHandler[Message, Message]"
Method: TypeAlias = "Callable[[Gate, str], Handler]"
"""Given the gate and the method's full name, ``package.Service/Method``."""

_log = logging.getLogger(__name__)


class _Call(Context, Protocol):
    async def abort(
        self, code: grpc.StatusCode, details: str, trailing_metadata: Metadata
    ) -> None: ...


def unary(
    method: Callable[[Request, Caller, Context], Awaitable[Reply]], request_type: type[Request]
) -> Method:
    """A method with one answer."""

    def handler(gate: Gate, name: str) -> Handler:
        async def call(request: Request, context: _Call) -> Reply | None:
            try:
                async with visit_of(gate, name, context) as caller:
                    return await method(request, caller, context)
            except Refusal as refusal:
                await context.abort(*status_of(refusal))
                return None
            except (OSError, sqlite3.Error) as error:
                await context.abort(*status_of(_refused_by_disk(name, error)))
                return None

        return cast(
            "Handler",
            grpc.unary_unary_rpc_method_handler(
                call,
                request_deserializer=request_type.FromString,
                response_serializer=lambda reply: reply.SerializeToString(),
            ),
        )

    return handler


def stream(
    method: Callable[[Request, Caller, Context], AsyncGenerator[Piece]],
    request_type: type[Request],
    serialise: Callable[[Piece], bytes],
) -> Method:
    """A method with a stream of answers, each one only while its caller may have it."""

    def handler(gate: Gate, name: str) -> Handler:
        async def call(request: Request, context: _Call) -> AsyncIterator[Piece]:
            try:
                visit = visit_of(gate, name, context)
                async with (
                    visit as caller,
                    contextlib.aclosing(method(request, caller, context)) as pieces,
                ):
                    async for piece in pieces:
                        if visit.is_over:
                            await visit.renew()
                        yield piece
            except Refusal as refusal:
                await context.abort(*status_of(refusal))
            except (OSError, sqlite3.Error) as error:
                await context.abort(*status_of(_refused_by_disk(name, error)))

        return cast(
            "Handler",
            grpc.unary_stream_rpc_method_handler(
                call,
                request_deserializer=request_type.FromString,
                response_serializer=serialise,
            ),
        )

    return handler


def _refused_by_disk(name: str, error: Exception) -> Refusal:
    """What a disk that cannot be read means for a call."""
    _log.error("%s: the disk refuses: %s", name, error)
    return Unavailable(storage_sentence(error))


def as_is(piece: bytes) -> bytes:
    """The serialiser of what is serialised already."""
    return piece


def packed(message: Message) -> bytes:
    """The serialiser of a message."""
    return message.SerializeToString()
