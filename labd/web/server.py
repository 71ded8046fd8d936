"""uvicorn on the private unix socket, inside the daemon's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

STOP_LIMIT_S = 2


class _Named(H11Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The client is whom the front's name for the connection says."""
        super().connection_made(transport)
        name = transport.get_extra_info("peername")
        self.client = (name.decode() if isinstance(name, bytes) else str(name), 0)


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the daemon's business."""
        yield


class WebServer:
    """Serves an ASGI application until it is stopped."""

    def __init__(self, app: Starlette) -> None:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            http=_Named,
            # Nobody else says who the client is.
            proxy_headers=False,
            ws="none",
            loop="none",
            timeout_graceful_shutdown=STOP_LIMIT_S,
        )
        self._server = _Quiet(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self, path: Path | str) -> None:
        """Listen on a unix socket, mode 0600, and answer. Raises OSError."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(umask)
        listener.listen(1024)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="web")

    async def stop(self) -> None:
        """End requests under way within STOP_LIMIT_S. Idempotent."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
