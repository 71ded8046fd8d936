"""A file system of 64 MiB, of its own: loop-mounted ext4, or a tmpfs. Needs root."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE_MIB = 64
PATIENCE_S = 60.0
_FS_IOC_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Disk:
    """An ext4 in an image file, mounted or not."""

    def __init__(self, folder: Path, size_mib: int = SIZE_MIB) -> None:
        self.image, self.path = folder / "disk.img", folder / "disk"
        self.path.mkdir()
        with self.image.open("wb") as file:
            file.truncate(size_mib << 20)

    def make(self) -> str:
        """Why it cannot be made; empty where it was."""
        for command in (
            ("mkfs.ext4", "-q", "-F", "-m", "0", str(self.image)),
            ("mount", "-o", "loop", str(self.image), str(self.path)),
        ):
            try:
                done = run(*command)
            except OSError as error:
                return f"{command[0]}: {error}"
            if done.returncode:
                return f"{command[0]}: {done.stderr.strip()}"
        return ""

    def mount(self) -> None:
        """As it is on the disk.

        Where somebody made a mount namespace meanwhile, the file system that was shut down lives on
        in it, and it is that one that is mounted again: it is waited for.
        """
        until = time.monotonic() + PATIENCE_S
        while True:
            done = run("mount", "-o", "loop", str(self.image), str(self.path))
            assert done.returncode == 0, done.stderr
            try:
                (self.path / "probe").write_bytes(b"alive")
            except OSError:
                assert time.monotonic() < until
                self.unmount()
                time.sleep(0.2)
            else:
                return

    def unmount(self) -> None:
        done = run("umount", str(self.path))
        assert done.returncode == 0, done.stderr

    def cut_power(self) -> None:
        """What is not on the disk now never gets there; all access fails from here on."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _FS_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A mounted one; the test is skipped, with the reason, where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    disk = Disk(folder)
    why = disk.make()
    if why:
        pytest.skip(f"no loop-mounted ext4 here: {why}")
    try:
        yield disk
    finally:
        run("umount", "-l", str(disk.path))


def fill(folder: Path, leaves_bytes: int) -> Path:
    """A file that takes all but so many bytes of the disk."""
    path = folder / "ballast"
    stat = os.statvfs(folder)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, stat.f_bavail * stat.f_frsize - leaves_bytes)
    return path
