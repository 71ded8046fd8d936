"""What drivers print goes to the log, a line at a time, however many threads print at once."""

from __future__ import annotations

import io
import logging
import threading

_log = logging.getLogger("drivers")


class Printed(io.TextIOBase):
    """A standard output whose lines are logged."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = threading.local()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Log the lines that end here; what follows the last one waits for its own end."""
        *lines, self._begun.text = (getattr(self._begun, "text", "") + text).split("\n")
        for line in lines:
            if sentence := line.strip():
                _log.info("%s", sentence)
        return len(text)
