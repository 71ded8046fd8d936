"""A method of a service, made into grpc's handler: the caller let in, refusals into statuses.

Answers that are byte streams leave a method already serialised, which is why methods are registered
by hand.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeAlias, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from labd.core.errors import Refusal
from labd.gate import Gate
from labd.identity import Caller
from labd.rpc.caller import Context, visit_of
from labd.rpc.status import Metadata, status_of

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)
Piece = TypeVar("Piece")

Handler: TypeAlias = "grpc.RpcMethodHandler[Message, Message]"
Method: TypeAlias = "Callable[[Gate, str], Handler]"
"""Given the gate and the method's full name, ``package.Service/Method``."""


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

        return cast(
            "Handler",
            grpc.unary_stream_rpc_method_handler(
                call,
                request_deserializer=request_type.FromString,
                response_serializer=serialise,
            ),
        )

    return handler


def as_is(piece: bytes) -> bytes:
    """The serialiser of what is serialised already."""
    return piece


def packed(message: Message) -> bytes:
    """The serialiser of a message."""
    return message.SerializeToString()
