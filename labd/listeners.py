"""The daemon's side of the front: binds the public sockets, keeps the front process running."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import socket
import stat
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from labd import front
from labd.config import Tls
from labd.front.loop import DRAIN_S

PORT_PATIENCE_S = 2.0
"""The front of a daemon that was killed holds the port for a few milliseconds more."""
RESTART_S = 0.2
_FRONT = str(Path(front.__file__).resolve().with_name("__main__.py"))
_MOST_BYTES = 1 << 16

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class AddressInUse(Exception):
    """The address to listen on is taken."""

    address: str
    what: str

    def __str__(self) -> str:
        """Names the address and the way out."""
        return f"cannot listen on {self.address}: {self.what}; choose another with --listen"


async def bind_tcp(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 is any free one. Raises AddressInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + PORT_PATIENCE_S
    while True:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            if time.monotonic() > deadline:
                raise AddressInUse(f"{host}:{port}", error.strerror or str(error)) from error
            await asyncio.sleep(0.05)
        else:
            return listener


def lock_unix(path: Path) -> int:
    """Be the only labd that listens on a unix socket, until the descriptor is closed.

    Binding alone does not show whether a socket's owner lives. Raises AddressInUse.
    """
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(path.with_name(f"{path.name}.lock"), flags, 0o600)
    except OSError as error:
        raise AddressInUse(str(path), error.strerror or str(error)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise AddressInUse(str(path), "another labd listens on it") from error
    return descriptor


def bind_unix(path: Path) -> socket.socket:
    """A listening unix socket, mode 0660, in place of one that a dead labd left.

    Only the holder of its lock calls this. Raises AddressInUse.
    """
    try:
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    umask = os.umask(0o117)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{path.name}")
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise AddressInUse(str(path), error.strerror or str(error)) from error
    finally:
        os.umask(umask)
        os.close(directory)
    return listener


class Ends(Protocol):
    """Who wants to know which connections have ended."""

    def end(self, unique: str) -> None:
        """That one."""

    def end_all(self) -> None:
        """All of them."""


class FrontProcess:
    """Runs the front on listening sockets, and another one if it dies.

    tls: TCP is served over TLS with it. ends: told of every connection that ends.
    """

    def __init__(
        self,
        listeners: list[socket.socket],
        private_directory: Path,
        tls: Tls | None,
        ends: Ends,
    ) -> None:
        self._listeners = listeners
        self._tls = tls
        self._ends = ends
        self._directory = os.open(private_directory, os.O_RDONLY | os.O_DIRECTORY)
        self._control: socket.socket | None = None
        self._heard = b""
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None before the start."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the process and watch over it."""
        await self._spawn()
        self._watcher = asyncio.create_task(self._watch(), name="front-watcher")

    async def stop(self) -> None:
        """No new connections; the open ones get DRAIN_S to end. Idempotent."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher
            self._watcher = None
        for listener in self._listeners:
            listener.close()
        self._let_go()
        if self._process is not None and self._process.returncode is None:
            try:
                await asyncio.wait_for(self._process.wait(), DRAIN_S + 1.0)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        descriptors = [listener.fileno() for listener in self._listeners]
        command = [sys.executable, "-I", "-S", _FRONT]
        command += ["--control", str(theirs.fileno()), "--directory", str(self._directory)]
        for descriptor in descriptors:
            command += ["--listen", str(descriptor)]
        if self._tls is not None:
            command += ["--certificate", str(self._tls.certificate), "--key", str(self._tls.key)]
            command += ["--client-ca", str(self._tls.client_ca or "")]
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=[theirs.fileno(), self._directory, *descriptors],
            start_new_session=True,
        )
        theirs.close()
        ours.setblocking(False)
        self._control = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear, ours)

    def _hear(self, control: socket.socket) -> None:
        """Lines from the front, each the unique part of a name whose connection has ended."""
        try:
            heard = control.recv(_MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            self._let_go()
            return
        *ended, self._heard = (self._heard + heard).split(b"\n")
        for unique in ended:
            self._ends.end(unique.decode())

    def _let_go(self) -> None:
        """Close the control socket: the front ends, or has ended. Idempotent."""
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control, self._heard = None, b""
            self._ends.end_all()

    async def _watch(self) -> None:
        while True:
            assert self._process is not None
            status = await self._process.wait()
            _log.error("front: process %d ended with status %d", self._process.pid, status)
            self._let_go()
            await asyncio.sleep(RESTART_S)
            await self._spawn()
