"""Byte streams as DataChunk messages, read from disk as the client takes them.

A chunk is framed here by hand (tag and length of field 1, then the bytes), so that the bytes go
through no protobuf message: one copy less. Reading asks the page cache first (RWF_NOWAIT) and goes
to a thread when the disk is needed; the event loop never waits for a disk. A slow reader holds one
chunk in memory, and gets small ones.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path

_TAG = b"\x0a"
SLOW_S = 0.05
"""A chunk that took so long to be taken tells a slow reader."""
SLOW_CHUNK_BYTES = 128 * 1024


def frame_header(n_bytes: int) -> bytes:
    """Tag and length of a DataChunk's data field."""
    header = bytearray(_TAG)
    while n_bytes > 0x7F:
        header.append(n_bytes & 0x7F | 0x80)
        n_bytes >>= 7
    header.append(n_bytes)
    return bytes(header)


def framed(data: bytes) -> bytes:
    """A serialised DataChunk."""
    return frame_header(len(data)) + data


async def stream_bytes(data: bytes, chunk_bytes: int) -> AsyncGenerator[bytes]:
    """Serialised DataChunks of bytes in memory."""
    for start in range(0, len(data), chunk_bytes):
        yield framed(data[start : start + chunk_bytes])


async def stream_file(path: Path, chunk_bytes: int) -> AsyncGenerator[bytes]:
    """Serialised DataChunks of a file that is finished. Raises FileNotFoundError at first."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size, offset, most = os.fstat(descriptor).st_size, 0, chunk_bytes
        while offset < size:
            n_bytes = min(most, size - offset)
            started = time.monotonic()
            yield await _framed_piece(descriptor, offset, n_bytes)
            offset += n_bytes
            is_slow = time.monotonic() - started > SLOW_S
            most = min(chunk_bytes, SLOW_CHUNK_BYTES) if is_slow else chunk_bytes
    finally:
        os.close(descriptor)


_scratch = bytearray()
"""Where the event loop's thread reads to: no stream keeps a buffer of its own."""


async def _framed_piece(descriptor: int, offset: int, n_bytes: int) -> bytes:
    """A serialised DataChunk of a part of a file, from the page cache or by a thread."""
    if len(_scratch) < n_bytes:
        _scratch.extend(bytes(n_bytes - len(_scratch)))
    header = frame_header(n_bytes)
    with memoryview(_scratch) as whole, whole[:n_bytes] as target:
        try:
            n_read = os.preadv(descriptor, [target], offset, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
                raise
            n_read = 0
        if n_read == n_bytes:
            return b"".join((header, target))
    return header + await asyncio.to_thread(_read, descriptor, offset, n_bytes)


def _read(descriptor: int, offset: int, n_bytes: int) -> bytes:
    """Exactly so many bytes. Raises EOFError when the file became shorter."""
    pieces = []
    while n_bytes > 0:
        piece = os.pread(descriptor, n_bytes, offset)
        if not piece:
            raise EOFError(f"a file became shorter than it was: nothing at byte {offset}")
        pieces.append(piece)
        offset, n_bytes = offset + len(piece), n_bytes - len(piece)
    return b"".join(pieces)
