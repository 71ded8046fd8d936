"""A result that was not finished becomes a partial one: what was measured, and the mask of it.

``<job>.bin.part`` with its log becomes ``<job>.partial`` with ``<job>.partial.json``. Blocks are
taken as long as their bytes are what was written (labd.core.partial); what is no value is written
anew, what is not valid is emptied. It can be interrupted at any point and done again.
"""

from __future__ import annotations

import ctypes
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from labd.core.circuit_layout import circuit_layout, end_text
from labd.core.jobs import JobId
from labd.core.layout import FilePlan, ValueKind, array_head_pieces, file_plan
from labd.core.partial import (
    Block,
    CircuitHead,
    Extent,
    Head,
    MaskCount,
    PulseHead,
    read_log,
)
from labd.core.partial_mask import Mask, mask_text, read_mask
from labd.store.files import StateDirectory, fsync_directory

PIECE_BYTES = 1 << 20
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def salvage(directory: StateDirectory, job_id: JobId) -> int:
    """Keep what there is of a result that nobody writes any more; the bytes it takes, 0: nothing.

    Nothing is left where nothing was measured. Blocks. Raises OSError.
    """
    partial, mask_path = directory.partial_path(job_id), directory.mask_path(job_id)
    part, log = directory.part_path(job_id), directory.part_log_path(job_id)
    if not partial.exists():
        if not _is_mended(part, log, mask_path):
            directory.remove_result(job_id)
            return 0
        part.rename(partial)
        fsync_directory(directory.results)
    for leftover in (log, directory.result_path(job_id)):
        leftover.unlink(missing_ok=True)
    return partial.stat().st_blocks * 512


def _is_mended(part: Path, log: Path, mask_path: Path) -> bool:
    """Make the file whole and its mask, durably; False where nothing in it is valid.

    The mask is made before the first byte is changed: once it is there, it holds.
    """
    try:
        told = read_log(log.read_bytes())
        descriptor = os.open(part, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if told is None:
            return False
        head, blocks = told
        mask = _known_mask(mask_path)
        if mask is None:
            mask = _valid(descriptor, head, blocks)
            if mask.shots_valid == 0:
                return False
            os.fsync(descriptor)
            _write_durably(mask_path, mask_text(mask))
        match head:
            case PulseHead():
                _mend_pulses(descriptor, head, mask)
            case CircuitHead():
                _mend_circuits(descriptor, head, mask)
        os.fsync(descriptor)
        return True
    finally:
        os.close(descriptor)


def _known_mask(path: Path) -> Mask | None:
    try:
        return read_mask(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _valid(descriptor: int, head: Head, blocks: Iterator[Block]) -> Mask:
    """Count blocks until one does not follow, or its bytes are not what was written."""
    count = MaskCount(head)
    for block in blocks:
        if not count.follows(block) or _crc(descriptor, block.extents) != block.crc:
            break
        count.add(block)
    return count.mask()


def _crc(descriptor: int, extents: tuple[Extent, ...]) -> int:
    crc = 0
    for offset, length in extents:
        end = offset + length
        while offset < end:
            piece = os.pread(descriptor, min(PIECE_BYTES, end - offset), offset)
            if not piece:
                return -1
            crc, offset = zlib.crc32(piece, crc), offset + len(piece)
    return crc


def _mend_pulses(descriptor: int, head: PulseHead, mask: Mask) -> None:
    plan = file_plan(head.layout, head.sweep_id)
    os.ftruncate(descriptor, plan.n_bytes)
    for offset, length in _gaps(plan, head, mask):
        _empty(descriptor, offset, length)
    for offset, piece in array_head_pieces(plan, head.layout.n_spots):
        _put(descriptor, piece, offset)


def _gaps(plan: FilePlan, head: PulseHead, mask: Mask) -> Iterator[Extent]:
    """Where values lie that are not valid."""
    for place in plan.places:
        n_bins = head.layout.n_bins
        bin_bytes = place.list_bytes // n_bins
        for spot, n_valid in enumerate(mask.bins_valid):
            if n_valid == n_bins:
                continue
            begin, length = n_valid * bin_bytes, (n_bins - n_valid) * bin_bytes
            yield place.values_offset(spot) + begin, length
            if place.layout.kind is ValueKind.COMPLEX:
                yield place.imaginary_offset(spot) + begin, length


def _mend_circuits(descriptor: int, head: CircuitHead, mask: Mask) -> None:
    layout = circuit_layout(head.readout, head.n_shots)
    os.ftruncate(descriptor, layout.n_bytes)
    for places, n_rows in zip(layout.places, mask.rows_valid, strict=True):
        for place in places:
            offset, text = end_text(place, n_rows, head.n_shots)
            _put(descriptor, text, offset)
    for offset, text in layout.texts:
        _put(descriptor, text, offset)


def _empty(descriptor: int, offset: int, length: int) -> None:
    """Zeros, which take no room where the file system can do that."""
    mode = _KEEP_SIZE | _PUNCH_HOLE
    if length >= PIECE_BYTES and _libc.fallocate(descriptor, mode, offset, length) == 0:
        return
    end, zeros = offset + length, bytes(min(length, PIECE_BYTES))
    while offset < end:
        offset += os.pwrite(descriptor, zeros[: end - offset], offset)


def _put(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        n_written = os.pwrite(descriptor, view, offset)
        view, offset = view[n_written:], offset + n_written


def _write_durably(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    fsync_directory(path.parent)
