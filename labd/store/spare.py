"""Room that is given back when the disk is full to the last byte.

labd leaves its reserve free, others need not. To bring to an end what has begun, and to delete
results, the database must grow a little even then: without that there would be no way out that
begins with labd.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

SPARE_BYTES = 4 << 20
"""Its log is that long before it is written over again."""

_log = logging.getLogger(__name__)


class Spare:
    """A file that takes room and holds nothing."""

    def __init__(self, path: Path, reserve_bytes: int) -> None:
        """reserve_bytes: what is left free beside it; where nothing is to be, there is no spare."""
        self._path = path
        self._reserve_bytes = reserve_bytes
        self._n_bytes = min(SPARE_BYTES, reserve_bytes)

    def take(self) -> bool:
        """Take it where it is not there and the disk has room for it beside the reserve.

        Returns whether it was taken now: then there is room for what had to wait.
        """
        try:
            stat = os.statvfs(self._path.parent)
            free_bytes = stat.f_bavail * stat.f_frsize
            if self._is_taken() or free_bytes < self._reserve_bytes + self._n_bytes:
                return False
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._n_bytes)
            finally:
                os.close(descriptor)
        except OSError as error:
            _log.warning("no room is kept for a full disk: %s", error)
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            return False
        return True

    def give(self) -> None:
        """Give the room back, for whoever asks the disk first."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            _log.warning("%s cannot be removed: %s", self._path, error)
            return
        _log.warning("the disk is full: %d spare bytes were given back to it", self._n_bytes)

    def _is_taken(self) -> bool:
        try:
            return self._n_bytes == 0 or self._path.stat().st_size == self._n_bytes
        except FileNotFoundError:
            return False
