"""Files that appear whole or not at all; devices and pipes are written to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, pieces: Iterable[bytes]) -> int:
    """Write all pieces, then give the file its name. Returns its bytes. Raises OSError."""
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            return _write_all(file, pieces)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            written = _write_all(file, pieces)
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return written


def _write_all(file: BinaryIO, pieces: Iterable[bytes]) -> int:
    written = 0
    for piece in pieces:
        written += file.write(piece)
    file.flush()
    return written
