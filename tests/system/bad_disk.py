"""A disk that refuses to write, or to read, as long as a test says (bad_disk.c)."""

from __future__ import annotations

import errno
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from quick_lab import HERE, QuickLab

ERRORS = {"ENOSPC": "database or disk is full", "EIO": "disk I/O error"}
"""Why SQLite says that it cannot write."""


class BadDisk:
    """What is below a directory is on it, for processes with its environment."""

    def __init__(self, folder: Path, below: Path) -> None:
        """folder: where what the test needs for it is kept."""
        compiler = shutil.which("gcc")
        if compiler is None:
            pytest.skip("no gcc to compile a bad disk with")
        library, source = folder / "bad_disk.so", HERE / "bad_disk.c"
        command = [compiler, "-shared", "-fPIC", "-o", str(library), str(source)]
        subprocess.run(command, check=True)
        self._errors = folder / "errors"
        self._errors.write_bytes(bytes(8))
        self.environment = {
            "LD_PRELOAD": str(library),
            "LABD_TEST_DISK": str(below),
            "LABD_TEST_DISK_ERRORS": str(self._errors),
        }

    def refuse(self, *, writes: str = "", reads: str = "") -> None:
        """From now on whatever writes or reads fails with these errors; empty: none."""
        codes = (getattr(errno, name) if name else 0 for name in (writes, reads))
        with self._errors.open("r+b") as file:
            file.write(struct.pack("<ii", *codes))

    def heal(self) -> None:
        self.refuse()


class BadDiskLab(QuickLab):
    """Its state directory is on such a disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.edit('unix_socket = ""', 'unix_socket = "none"')
        self.disk = BadDisk(folder, self.state)
        self.surroundings = self.disk.environment
