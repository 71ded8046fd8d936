"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def write_whole(path: Path, pieces: Iterable[bytes]) -> int:
    """Write all pieces, then give the file its name. Returns its bytes."""
    part = path.with_name(path.name + ".part")
    written = 0
    try:
        with part.open("wb") as file:
            for piece in pieces:
                written += file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return written
