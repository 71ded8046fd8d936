"""What systemd is told: ready, reloading, stopping, alive. Without systemd nothing is told.

systemd-python speaks where it is installed. The protocol is one datagram: where it is not, the
datagram is sent from here, for a service that cannot say that it is ready is killed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable
from functools import lru_cache

_log = logging.getLogger(__name__)

FEEDS_PER_LIMIT = 4


def notify(message: str) -> bool:
    """Send one notification, such as ``READY=1``. Returns whether somebody took it. Never raises:
    a socket whose owner is gone is a warning in the log.
    """
    if not os.environ.get("NOTIFY_SOCKET", "").startswith(("/", "@")):
        return False
    try:
        return _send(message)
    except OSError as error:
        _warn(message.partition("\n")[0], str(error))
        return False


@lru_cache(maxsize=16)
def _warn(message: str, error: str) -> None:
    """Once for each kind of message: there are many every minute."""
    _log.warning("systemd was not told %r: %s", message, error)


def _send(message: str) -> bool:
    """Raises OSError."""
    try:
        from systemd.daemon import notify as systemd_notify
    except ImportError:
        address = os.environ["NOTIFY_SOCKET"]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
            client.connect(f"\0{address[1:]}" if address[0] == "@" else address)
            client.sendall(message.encode())
        return True
    return bool(systemd_notify(message))


def notify_reloading() -> bool:
    """Say that the configuration is being read again; ``READY=1`` ends it."""
    return notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def notify_stopping(limit_s: float) -> bool:
    """Say that the service ends, and how long that may take."""
    return notify(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={round(limit_s * 1e6)}")


def watchdog_s() -> float | None:
    """The limit that systemd set for signs of life, or None."""
    limit_us = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not limit_us.isdecimal() or pid != str(os.getpid()):
        return None
    return int(limit_us) / 1e6


async def keep_alive(is_alive: Callable[[], bool]) -> None:
    """Send signs of life for ever: they stop when the event loop hangs, or what it keeps does."""
    limit_s = watchdog_s()
    was_alive = True
    while limit_s is not None:
        lives = is_alive()
        if lives:
            notify("WATCHDOG=1")
        elif was_alive:
            _log.error("a rack shows no sign of life: systemd's watchdog is not fed")
        was_alive = lives
        await asyncio.sleep(limit_s / FEEDS_PER_LIMIT)
