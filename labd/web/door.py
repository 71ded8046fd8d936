"""Pages behind the gate: the caller let in as for a call of the API, while the answer takes.

A page is an ASGI application, so that the visit lasts until the last byte of the answer was sent,
and each piece goes only to who may still have it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from io import FileIO
from pathlib import Path
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from labd.core.errors import InvalidPayload, Problem, Refusal
from labd.gate import Gate
from labd.identity import Caller

PIECE_BYTES = 1 << 20
MAX_UNREAD_BYTES = 64 << 20
"""So much of a refused request is read and dropped: who still sends does not listen."""

Page: TypeAlias = Callable[[Request, Caller], Awaitable[Response]]

_log = logging.getLogger(__name__)


def peer_of(request: Request) -> str:
    """The name of the connection, as the gate takes it."""
    return "" if request.client is None else request.client.host


def authorizations_of(request: Request) -> list[str]:
    """What the caller shows."""
    return request.headers.getlist("authorization")


class Door:
    """An ASGI application: one page, let in as one method of labd.core.access."""

    def __init__(self, gate: Gate, method: str, page: Page) -> None:
        self._gate = gate
        self._method = method
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        visit = self._gate.visit(self._method, peer_of(request), authorizations_of(request))
        has_begun = False

        async def send_to_caller(message: Message) -> None:
            nonlocal has_begun
            if visit.is_over:
                await visit.renew()
            has_begun = True
            await send(message)

        try:
            async with visit as caller:
                answer = await self._page(request, caller)
                await answer(scope, receive, send_to_caller)
        except (Refusal, HTTPException, OSError, sqlite3.Error) as error:
            if has_begun:
                _log.warning("%s: the answer was cut off: %s", self._method, error)
                return
            await _drop_rest(request)
            raise


async def _drop_rest(request: Request) -> None:
    n_bytes = 0
    try:
        async for piece in request.stream():
            n_bytes += len(piece)
            if n_bytes > MAX_UNREAD_BYTES:
                return
    except (ClientDisconnect, RuntimeError):
        return


async def body_of(request: Request, max_bytes: int) -> bytes:
    """The body of a request. Raises InvalidPayload when it is larger than the limit."""
    pieces: list[bytes] = []
    n_bytes = 0
    async for piece in request.stream():
        n_bytes += len(piece)
        if n_bytes > max_bytes:
            what = f"has more bytes than the limit of {max_bytes}"
            raise InvalidPayload((Problem("payload", what),))
        pieces.append(piece)
    return b"".join(pieces)


def streamed_file(path: Path, media_type: str, count: Callable[[int], None]) -> Response:
    """A finished file, read from the disk as the client takes it. Raises FileNotFoundError.

    count: told how many bytes each piece has.
    """
    file = path.open("rb", buffering=0)
    n_bytes = os.fstat(file.fileno()).st_size
    return StreamingResponse(
        _pieces(file, n_bytes, count),
        headers={"content-length": str(n_bytes)},
        media_type=media_type,
    )


async def _pieces(
    file: FileIO, n_bytes: int, count: Callable[[int], None]
) -> AsyncGenerator[bytes]:
    with file:
        offset = 0
        while offset < n_bytes:
            piece = await asyncio.to_thread(os.pread, file.fileno(), PIECE_BYTES, offset)
            if not piece:
                return
            offset += len(piece)
            count(len(piece))
            yield piece
