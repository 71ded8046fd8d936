"""What systemd is told: ready, stopping, alive. Without systemd nothing is told, nothing fails."""

from __future__ import annotations

import asyncio
import logging
import os
import socket

_log = logging.getLogger(__name__)


def notify(message: str) -> bool:
    """Send one notification, such as ``READY=1``. Returns whether somebody took it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as client:
            client.connect(f"\0{address[1:]}" if address[0] == "@" else address)
            client.sendall(message.encode())
    except OSError as error:
        _log.warning("systemd was not told %r: %s", message, error)
        return False
    return True


def watchdog_s() -> float | None:
    """How often to give systemd a sign of life: half the limit that it set, or None."""
    limit_us = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not limit_us.isdecimal() or pid != str(os.getpid()):
        return None
    return int(limit_us) / 2e6


async def keep_alive() -> None:
    """Send signs of life for ever: they stop when the event loop hangs."""
    period_s = watchdog_s()
    while period_s is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(period_s)
