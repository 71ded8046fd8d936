"""A backup: one tar archive, made while labd works.

It begins with ``labd-backup.json``, then a snapshot of the database, then the files of the jobs
that the snapshot knows; ``labd-backup.end`` closes it, so that half an archive is not taken for a
whole one. Files are never changed once they have their name. One that is deleted while the backup
is made is left out and counted; the check after a restore notes it at its job.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import UUID

from labd.core.errors import Unavailable
from labd.core.jobs import JobId, JobState
from labd.store.database import open_reader
from labd.store.files import StateDirectory
from labd.store.space import mebibytes

FORMAT = 1
BEGIN, DATABASE, END = "labd-backup.json", "labd.db", "labd-backup.end"
PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Stamp:
    """By whom and when a backup is made. room_bytes: what the snapshot may take on the disk."""

    version: str
    now_ns: int
    room_bytes: int


def backup(directory: StateDirectory, stamp: Stamp) -> Iterator[bytes]:
    """The archive in pieces. Blocks at each. Raises Unavailable, OSError, sqlite3.Error."""
    n_bytes = directory.database.stat().st_size
    if n_bytes > stamp.room_bytes:
        raise Unavailable(
            f"a backup needs {mebibytes(n_bytes)} of labd's disk for a while and there is room for"
            f" {mebibytes(stamp.room_bytes)}: delete results, or try again later"
        )
    snapshot = directory.run / f"backup-{stamp.now_ns}.db"
    try:
        _take_snapshot(directory.database, snapshot)
        yield from _archive(directory, snapshot, stamp)
    finally:
        snapshot.unlink(missing_ok=True)


def remove_snapshots(directory: StateDirectory) -> None:
    """What backups left that never came to their end; nobody makes one now. Raises OSError."""
    for snapshot in directory.run.glob("backup-*.db*"):
        snapshot.unlink(missing_ok=True)


def _take_snapshot(database: Path, snapshot: Path) -> None:
    with closing(open_reader(database)) as source, closing(sqlite3.connect(snapshot)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")


def _archive(directory: StateDirectory, snapshot: Path, stamp: Stamp) -> Iterator[bytes]:
    with snapshot.open("rb") as file:
        hashed = hashlib.file_digest(file, "sha256").hexdigest()
    begin = {"format": FORMAT, "labd": stamp.version, "created_at_ns": stamp.now_ns}
    yield from _text(BEGIN, json.dumps({**begin, "database_sha256": hashed}), stamp)
    yield from _file(DATABASE, snapshot, stamp)
    n_files = n_gone = 0
    with closing(sqlite3.connect(snapshot, check_same_thread=False)) as db:
        for path in _files(db, directory):
            try:
                yield from _file(f"{path.parent.name}/{path.name}", path, stamp)
            except FileNotFoundError:
                n_gone += 1
            else:
                n_files += 1
    yield from _text(END, json.dumps({"n_files": n_files, "n_gone": n_gone}), stamp)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _files(db: sqlite3.Connection, directory: StateDirectory) -> Iterator[Path]:
    """The files that the snapshot's jobs have."""
    rows = db.execute(
        "SELECT id, state, is_partial, EXISTS (SELECT 1 FROM job_payloads WHERE job_seq = seq)"
        " FROM jobs WHERE expired_at_ns IS NULL ORDER BY seq"
    )
    for raw_id, state, is_partial, has_payload_in_row in rows:
        job_id = JobId(UUID(bytes=raw_id))
        if not has_payload_in_row:
            yield directory.payload_path(job_id)
        if is_partial:
            yield directory.partial_path(job_id)
            yield directory.mask_path(job_id)
        elif state == JobState.COMPLETED:
            yield directory.result_path(job_id)


def _text(name: str, text: str, stamp: Stamp) -> Iterator[bytes]:
    data = text.encode()
    yield _header(name, len(data), stamp)
    yield data + _padding(len(data))


def _file(name: str, path: Path, stamp: Stamp) -> Iterator[bytes]:
    """Raises FileNotFoundError before the first piece."""
    with path.open("rb") as file:
        n_bytes = os.fstat(file.fileno()).st_size
        yield _header(name, n_bytes, stamp)
        n_left = n_bytes
        while n_left:
            piece = file.read(min(PIECE_BYTES, n_left))
            if not piece:
                raise EOFError(f"{name} became shorter while it was backed up")
            n_left -= len(piece)
            yield piece
    yield _padding(n_bytes)


def _header(name: str, n_bytes: int, stamp: Stamp) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = n_bytes, 0o600, stamp.now_ns // 10**9
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(n_bytes: int) -> bytes:
    return bytes(-n_bytes % tarfile.BLOCKSIZE)


# ---- the way back


@dataclass(eq=False)
class BadBackup(Exception):
    """An archive that cannot be restored, or a place that it cannot be restored to."""

    what: str

    def __str__(self) -> str:
        """The sentence."""
        return self.what


@dataclass(frozen=True, slots=True)
class Restored:
    """What an archive held."""

    created_at_ns: int
    version: str
    n_files: int
    n_gone: int


def restore(archive: io.BufferedReader, target: Path) -> Restored:
    """Unpack a backup into a directory that is empty or not there; labd.db comes last of all.

    Raises BadBackup, OSError. What was unpacked until then is removed.
    """
    if target.exists() and any(target.iterdir()):
        raise BadBackup(f"{target} is not empty: restore to a directory of its own")
    target.mkdir(parents=True, exist_ok=True)
    folder = target / "restoring"
    try:
        restored = _unpack(archive, folder)
        for name in ("payloads", "results", DATABASE):
            (folder / name).rename(target / name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    descriptor = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return restored


def _unpack(archive: io.BufferedReader, folder: Path) -> Restored:
    for each in (folder, folder / "payloads", folder / "results"):
        each.mkdir(mode=0o700)
    texts: dict[str, dict[str, str | int]] = {}
    n_files = 0
    try:
        with tarfile.open(fileobj=archive, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is None:
                    raise BadBackup(f"the archive holds {member.name!r}, which is no file")
                if member.name in (BEGIN, END):
                    texts[member.name] = json.loads(content.read())
                    continue
                _write_durably(_place(folder, member.name), content)
                n_files += member.name != DATABASE
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise BadBackup(f"this is no backup of labd, or not a whole one: {error}") from error
    begin, end = texts.get(BEGIN), texts.get(END)
    if begin is None or begin.get("format") != FORMAT:
        raise BadBackup("this is no backup of labd that this labd can read")
    if end is None or end["n_files"] != n_files:
        raise BadBackup("the backup is not whole: its end is missing")
    with (folder / DATABASE).open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != begin["database_sha256"]:
            raise BadBackup(
                "the backup's database is not as it was written: its SHA-256 is another"
            )
    return Restored(int(begin["created_at_ns"]), str(begin["labd"]), n_files, int(end["n_gone"]))


def _place(folder: Path, name: str) -> Path:
    """Where a member belongs. Raises BadBackup for one that is none of a backup's."""
    kind, _, rest = name.partition("/")
    if name == DATABASE:
        return folder / name
    if kind in ("payloads", "results"):
        try:
            UUID(rest.split(".", 1)[0])
        except ValueError:
            pass
        else:
            if "/" not in rest:
                return folder / kind / rest
    raise BadBackup(f"the archive holds {name!r}, which is no part of a backup")


def _write_durably(path: Path, content: IO[bytes]) -> None:
    with path.open("xb") as file:
        os.fchmod(file.fileno(), 0o600)
        shutil.copyfileobj(content, file, PIECE_BYTES)
        file.flush()
        os.fsync(file.fileno())
