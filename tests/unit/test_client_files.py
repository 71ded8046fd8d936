"""Files that a client writes."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.client.files import write_whole


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError("the rest never comes")

    path = tmp_path / "file"
    path.write_bytes(b"before")

    with pytest.raises(OSError, match="never comes"):
        write_whole(path, broken())
    assert path.read_bytes() == b"before"
    assert write_whole(path, (b"al", b"l")) == 3

    assert path.read_bytes() == b"all"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    n_bytes = write_whole(pipe, (b"al", b"l"))
    reader.join(10)

    assert (n_bytes, read) == (3, [b"all"])
    assert stat.S_ISFIFO(pipe.stat().st_mode)
