"""The socket that a service tells systemd on how it is."""

from __future__ import annotations

import socket
from pathlib import Path


class Systemd:
    """The socket that notifications are sent to, and all that came."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.heard: list[str] = []

    def wait_for(self, start: str) -> str:
        """The next message with a line that begins so."""
        self._socket.settimeout(30)
        while True:
            message = self._socket.recv(4096).decode()
            self.heard.append(message)
            for line in message.splitlines():
                if line.startswith(start):
                    return line

    def close(self) -> None:
        self._socket.close()
