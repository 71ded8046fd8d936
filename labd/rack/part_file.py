"""A file that has its name only once it is whole and on the disk; until then ``<path>.part``.

Beside it, ``<path>.part-log`` says which values were written (labd.core.partial).
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from labd.core.errors import StorageFault
from labd.core.partial import Block, Extent, Head, block_line, head_line


class PartFile:
    """A file in the making. A context manager: leaving it uncommitted aborts it.

    All that it does raises StorageFault where the disk refuses.
    """

    def __init__(self, path: Path, n_bytes: int, head: Head) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._log_path = path.with_name(path.name + ".part-log")
        self._fd = self._log = -1
        self._crc = 0
        self._extents: list[Extent] = []
        try:
            with _storage(f"the result, {n_bytes} bytes, has no room on labd's disk"):
                flags = os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_CLOEXEC
                self._fd = os.open(self._part, flags, 0o640)
                os.posix_fallocate(self._fd, 0, n_bytes)
                self._log = os.open(self._log_path, flags | os.O_APPEND, 0o640)
                _write_all(self._log, head_line(head))
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
        with _storage("the result cannot be written"):
            while view:
                n_written = os.pwrite(self._fd, view, offset)
                view, offset = view[n_written:], offset + n_written

    def begin_block(self) -> None:
        """Values follow, to be logged together."""
        self._crc, self._extents = 0, []

    def put_values(self, data: bytes, offset: int) -> None:
        """Write values there, as a part of the block."""
        self.put(data, offset)
        self._crc = zlib.crc32(data, self._crc)
        self._extents.append((offset, len(data)))

    def end_block(self, spot: int, first: int, n: int, rows: tuple[int, ...] = ()) -> None:
        """The block is written: log it."""
        block = Block(spot, first, n, self._crc, tuple(self._extents), rows)
        with _storage("the log of the result cannot be written"):
            _write_all(self._log, block_line(block))

    def commit(self) -> None:
        """Bring the file to the disk, then give it its name, then bring that to the disk."""
        with _storage("the result cannot be brought to the disk"):
            os.fsync(self._fd)
            self.abort()
            os.rename(self._part, self._path)
            self._log_path.unlink(missing_ok=True)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def abort(self) -> None:
        """Close the file and leave what there is as ``<path>.part``. Idempotent."""
        open_descriptors = [each for each in (self._fd, self._log) if each >= 0]
        self._fd = self._log = -1
        for descriptor in open_descriptors:
            with suppress(OSError):  # what counts was brought to the disk before
                os.close(descriptor)


@contextmanager
def _storage(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFault(f"{doing}: {error.strerror or error}") from error


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
