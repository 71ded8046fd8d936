"""A file that has its name only once it is whole and on the disk; until then ``<path>.part``."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self


class PartFile:
    """A file in the making. A context manager: leaving it uncommitted aborts it."""

    def __init__(self, path: Path, n_bytes: int) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._fd = os.open(self._part, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_CLOEXEC, 0o640)
        try:
            os.posix_fallocate(self._fd, 0, n_bytes)
        except BaseException:
            self.abort()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.abort()

    def put(self, data: bytes, offset: int) -> None:
        """Write all of data there."""
        view = memoryview(data)
        while view:
            n_written = os.pwrite(self._fd, view, offset)
            view, offset = view[n_written:], offset + n_written

    def commit(self) -> None:
        """Bring the file to the disk, then give it its name, then bring that to the disk."""
        os.fsync(self._fd)
        self.abort()
        os.rename(self._part, self._path)
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def abort(self) -> None:
        """Close the file and leave what there is as ``<path>.part``. Idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
