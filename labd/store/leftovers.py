"""Files that a crash left behind: found by looking at every file, a few at a time, while labd runs.

A file that somebody still works with must not be taken for a leftover. The order of the looks sees
to that: first the file is there; then its job is not among those whose payload is being stored;
then the database is asked. A payload's file is made after its job is among those, and the job
leaves them after its row is durable; a result's file is made after its job is EXECUTING. One that
has its log still is to be salvaged: what was measured could not be kept yet.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from labd.core.jobs import JobId, JobState
from labd.store.database import open_reader
from labd.store.files import StateDirectory

BATCH = 256


@dataclass(frozen=True, slots=True)
class _Owner:
    state: JobState
    has_payload_in_row: bool
    is_partial: bool
    is_expired: bool


def leftovers_removed(
    directory: StateDirectory, arriving: Container[JobId], batch: int = BATCH
) -> Iterator[list[str]]:
    """Look at all files once; each step looks at a batch of them and says what it removed.

    arriving: jobs whose payload is being stored; read at each step. Steps may be made on any
    thread, one at a time.
    """
    for found in leftovers_found(directory, arriving, batch):
        for path in found:
            path.unlink(missing_ok=True)
        yield [f"{path.parent.name}/{path.name}" for path in found]


def leftovers_found(
    directory: StateDirectory, arriving: Container[JobId], batch: int = BATCH
) -> Iterator[list[Path]]:
    """The same, and nothing is removed."""
    reader = open_reader(directory.database)
    try:
        for folder in (directory.payloads, directory.results):
            with os.scandir(folder) as entries:
                paths = (Path(entry.path) for entry in entries)
                while seen := list(itertools.islice(paths, batch)):
                    yield _find(reader, directory, arriving, seen)
    finally:
        reader.close()


def _find(
    reader: sqlite3.Connection,
    directory: StateDirectory,
    arriving: Container[JobId],
    seen: Sequence[Path],
) -> list[Path]:
    ids = {path: _id_of(path) for path in seen}
    not_arriving = [path for path in seen if ids[path] is None or ids[path] not in arriving]
    owners = _owners(reader, {job_id for job_id in ids.values() if job_id is not None})
    found = []
    for path in not_arriving:
        job_id = ids[path]
        owner = None if job_id is None else owners.get(job_id)
        is_payload = path.parent == directory.payloads
        if owner is None or not (_is_payload_of if is_payload else _is_result_of)(owner, path):
            found.append(path)
    return found


def _id_of(path: Path) -> JobId | None:
    try:
        return JobId(UUID(path.name.split(".", 1)[0]))
    except ValueError:
        return None


def _is_payload_of(owner: _Owner, path: Path) -> bool:
    is_wanted = not (owner.has_payload_in_row or owner.is_expired)
    return path.suffix == ".bin" and is_wanted


def _is_result_of(owner: _Owner, path: Path) -> bool:
    if owner.state is JobState.EXECUTING:
        return True
    if owner.is_expired:
        return False
    if owner.state is not JobState.COMPLETED and path.with_name(_log_of(path)).exists():
        return True
    if owner.is_partial:
        return path.name.endswith((".partial", ".partial.json"))
    return owner.state is JobState.COMPLETED and path.suffix == ".bin"


def _log_of(path: Path) -> str:
    return f"{path.name.split('.', 1)[0]}.bin.part-log"


def _owners(reader: sqlite3.Connection, ids: set[JobId]) -> Mapping[JobId, _Owner]:
    marks = ", ".join("?" * len(ids))
    rows = reader.execute(
        "SELECT id, state, EXISTS (SELECT 1 FROM job_payloads WHERE job_seq = seq), is_partial,"
        f" expired_at_ns IS NOT NULL FROM jobs WHERE id IN ({marks})",
        [job_id.bytes for job_id in ids],
    )
    return {
        JobId(UUID(bytes=id)): _Owner(JobState(state), *map(bool, facts))
        for id, state, *facts in rows
    }
