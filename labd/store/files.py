"""The state directory: who owns it, large payloads, results, and what a crash left behind.

A file is durable when it and the directory that names it are fsynced; only then may a row
speak of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from labd.core.jobs import JobId


@dataclass(eq=False)
class StateDirectoryInUse(Exception):
    """Another labd works in this state directory."""

    path: Path
    pid: str

    def __str__(self) -> str:
        """Names the directory and the other process."""
        return (
            f"{self.path}: another labd (pid {self.pid}) is using this state directory;"
            " stop it, or give this one another --state-dir"
        )


def fsync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class StateDirectory:
    """labd.db, payloads/, results/, run/ and the lock that keeps a second daemon out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "labd.db"
        self.payloads = path / "payloads"
        self.results = path / "results"
        self.run = path / "run"
        self.spare = path / "labd.spare"
        self._lock: int | None = None

    def open(self) -> None:
        """Make the directories and take the lock. Raises StateDirectoryInUse, OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        for directory in (self.payloads, self.results, self.run):
            directory.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self.path / "labd.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StateDirectoryInUse(self.path, pid) from None
        with suppress(OSError):  # a full disk: the number is for people, the lock is what counts
            os.ftruncate(descriptor, os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0))
        self._lock = descriptor

    def close(self) -> None:
        """Let go of the lock. Idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def payload_path(self, job_id: JobId) -> Path:
        """Where a large payload lies."""
        return self.payloads / f"{job_id}.bin"

    def result_path(self, job_id: JobId) -> Path:
        """Where the rack puts a job's result."""
        return self.results / f"{job_id}.bin"

    def part_path(self, job_id: JobId) -> Path:
        """A result in the making."""
        return self.results / f"{job_id}.bin.part"

    def part_log_path(self, job_id: JobId) -> Path:
        """What was written of it (labd.core.partial)."""
        return self.results / f"{job_id}.bin.part-log"

    def partial_path(self, job_id: JobId) -> Path:
        """What was measured of a job that did not complete."""
        return self.results / f"{job_id}.partial"

    def mask_path(self, job_id: JobId) -> Path:
        """How far that is valid."""
        return self.results / f"{job_id}.partial.json"

    def write_payload(self, job_id: JobId, payload: bytes) -> None:
        """Write a payload file, durable when this returns. On OSError nothing is left."""
        path = self.payload_path(job_id)
        part = path.with_suffix(".part")
        try:
            with part.open("wb") as file:
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
            fsync_directory(self.payloads)
        except OSError:
            part.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise

    def remove_result(self, job_id: JobId) -> None:
        """Remove what there is of a result, whole or not."""
        for path in (
            self.result_path(job_id),
            self.partial_path(job_id),
            self.mask_path(job_id),
            self.part_path(job_id),
            self.part_log_path(job_id),
        ):
            path.unlink(missing_ok=True)

    def file_hash(self, path: Path) -> bytes:
        """SHA-256 of a file. Raises OSError."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    def sync_result(self, job_id: JobId) -> int:
        """Make the name of a finished result durable; returns its bytes, 0 where there is none."""
        fsync_directory(self.results)
        try:
            return self.result_path(job_id).stat().st_size
        except FileNotFoundError:
            return 0
