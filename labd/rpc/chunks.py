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
            header = frame_header(n_bytes)
            buffer = bytearray(len(header) + n_bytes)
            buffer[: len(header)] = header
            await _read_into(descriptor, memoryview(buffer)[len(header) :], offset)
            offset += n_bytes
            started = time.monotonic()
            yield bytes(buffer)
            is_slow = time.monotonic() - started > SLOW_S
            most = min(chunk_bytes, SLOW_CHUNK_BYTES) if is_slow else chunk_bytes
    finally:
        os.close(descriptor)


async def _read_into(descriptor: int, target: memoryview, offset: int) -> None:
    done = 0
    while done < len(target):
        try:
            n_bytes = os.preadv(descriptor, [target[done:]], offset + done, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EOPNOTSUPP):
                raise
            n_bytes = await asyncio.to_thread(os.preadv, descriptor, [target[done:]], offset + done)
        if n_bytes == 0:
            raise EOFError(f"a file became shorter than it was, at byte {offset + done}")
        done += n_bytes
