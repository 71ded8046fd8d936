from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from store_support import open_store, submit

from labd.core.jobs import Job, JobId, JobState
from labd.store.leftovers import leftovers_removed
from labd.store.store import MAX_PAYLOAD_IN_ROW_BYTES, Store

pytestmark = pytest.mark.anyio

LARGE = b"L" * (MAX_PAYLOAD_IN_ROW_BYTES + 1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


def give_state(store: Store, job: Job, state: JobState) -> None:
    """The job in that state, by whichever way it came there."""
    way = [state] if state is JobState.EXECUTING else [JobState.EXECUTING, state]
    for each in way:
        store._writer.call(
            lambda db, each=each: db.execute(  # type: ignore[misc]
                "UPDATE jobs SET state = ? WHERE id = ?", (each.value, job.id.bytes)
            )
        )


def touch(path: Path) -> Path:
    path.write_bytes(b"bytes")
    return path


def look(store: Store, arriving: frozenset[JobId] = frozenset(), batch: int = 1) -> set[str]:
    steps = leftovers_removed(store.directory, arriving, batch)
    return {name for step in steps for name in step}


@pytest.mark.parametrize("batch", [1, 2, 256])
async def test_what_belongs_to_nobody_is_removed(store: Store, batch: int) -> None:
    strays = {
        touch(store.directory.payloads / f"{uuid4()}.bin"),
        touch(store.directory.payloads / "x.part"),
        touch(store.directory.results / f"{uuid4()}.bin"),
        touch(store.directory.results / f"{uuid4()}.bin.part"),
        touch(store.directory.results / "core"),
    }

    removed = look(store, batch=batch)

    assert removed == {f"{path.parent.name}/{path.name}" for path in strays}
    assert not any(path.exists() for path in strays)


@pytest.mark.parametrize(
    ("state", "keeps_result", "keeps_part"),
    [
        (JobState.EXECUTING, True, True),
        (JobState.COMPLETED, True, False),
        (JobState.FAILED, False, False),
        (JobState.INTERRUPTED, False, False),
    ],
)
async def test_a_result_stays_with_a_job_that_has_or_makes_one(
    store: Store, state: JobState, keeps_result: bool, keeps_part: bool
) -> None:
    job = await submit(store, b"small")
    give_state(store, job, state)
    result = touch(store.result_path(job.id))
    part = touch(result.with_suffix(".bin.part"))

    look(store)

    assert (result.exists(), part.exists()) == (keeps_result, keeps_part)


async def test_a_large_payload_stays_and_a_second_copy_of_a_small_one_goes(store: Store) -> None:
    large, small = await submit(store, LARGE), await submit(store, b"small")
    copy = touch(store.directory.payload_path(small.id))

    assert look(store) == {f"payloads/{copy.name}"}
    assert store.directory.payload_path(large.id).exists()


async def test_a_payload_whose_job_is_not_stored_yet_stays(store: Store) -> None:
    job_id = store.new_job_id()
    payload = touch(store.directory.payload_path(job_id))
    part = touch(payload.with_suffix(".part"))

    assert look(store, frozenset({job_id})) == set()
    assert payload.exists()
    assert part.exists()
