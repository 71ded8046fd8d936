"""What is kept of jobs: hashes, room on the disk, pins, retention."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from store_support import BY, DAY_NS, Clock, claim, complete_next, completed, open_store, submit

from labd.audit_trail import own_entry
from labd.core.audit import AuditEntry
from labd.core.errors import InvalidPayload, NotFound, Unavailable
from labd.core.jobs import Job
from labd.store.keeping import HASHED_AT_ONCE_BYTES, Expired, Retention
from labd.store.store import MAX_PAYLOAD_IN_ROW_BYTES, Store

pytestmark = pytest.mark.anyio

LARGE = b"L" * (MAX_PAYLOAD_IN_ROW_BYTES + 1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    opened = open_store(tmp_path, clock)
    yield opened
    opened.close()


def entry(expired: Expired, why: str) -> AuditEntry:
    return own_entry("job.expire", str(expired.id), n_bytes=expired.n_bytes, why=why)


def is_there(store: Store, job: Job) -> tuple[bool, bool]:
    """Whether payload and result are there."""
    payload = store.payload(job)
    has_payload = isinstance(payload, bytes) or payload.exists()
    return has_payload, store.result_path(job.id).exists()


# ---- hashes


async def test_a_small_result_has_its_hash_when_its_job_has_ended(store: Store) -> None:
    job = await completed(store, result=b"r" * 1000)

    assert store.keeping.of(job.id).result_sha256 == hashlib.sha256(b"r" * 1000).digest()
    assert await store.keeping.hash_all() == 0


async def test_a_large_result_gets_its_hash_after_its_job_has_ended(store: Store) -> None:
    result = os.urandom(HASHED_AT_ONCE_BYTES + 1)
    job = await completed(store, result=result)
    assert store.keeping.of(job.id).result_sha256 is None

    assert await store.keeping.hash_all() == 1

    assert store.keeping.of(job.id).result_sha256 == hashlib.sha256(result).digest()


async def test_a_result_that_cannot_be_read_is_noted_once(store: Store) -> None:
    job = await completed(store, result=bytes(HASHED_AT_ONCE_BYTES + 1))
    store.result_path(job.id).unlink()

    assert await store.keeping.hash_all() == 0

    assert "its result cannot be read" in store.keeping.of(job.id).damage


# ---- room


def room_of(store: Store) -> int:
    stat = os.statvfs(store.directory.path)
    return stat.f_bavail * stat.f_frsize


async def test_a_job_that_needs_more_than_there_is_waits_and_others_pass_it(
    tmp_path: Path,
) -> None:
    with closing(open_store(tmp_path)) as store:
        stat = os.statvfs(tmp_path)
        used = (stat.f_blocks - stat.f_bavail) * stat.f_frsize
        if used < 1 << 20:
            pytest.skip("the disk is empty: nothing that fits on it has no room")
        needed = room_of(store) + used // 2
        large = await submit(store, needed_bytes=needed)
        small = await submit(store, needed_bytes=100)

        claimed = await claim(store)

        assert claimed is not None
        assert claimed.id == small.id
        shortage = store.shortage(large.id)
        assert shortage is not None
        assert shortage.needed_bytes == needed
        assert "it starts when there is room" in str(shortage)


async def test_a_queue_that_waits_for_room_is_looked_at_again(tmp_path: Path) -> None:
    reserve = room_of_path(tmp_path) - (64 << 20)
    with closing(open_store(tmp_path, reserve_bytes=reserve)) as store:
        from store_support import QC, RULES

        await submit(store, needed_bytes=96 << 20)
        decision = await store.timeslots.claim(QC, RULES)

        assert decision.job is None
        assert decision.next_change_ns is not None
        assert decision.next_change_ns - decision.at_ns < 10 * 10**9


def room_of_path(path: Path) -> int:
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize


async def test_what_running_jobs_will_take_is_not_given_twice(tmp_path: Path) -> None:
    reserve = room_of_path(tmp_path) - (256 << 20)
    with closing(open_store(tmp_path, reserve_bytes=reserve)) as store:
        await submit(store, needed_bytes=200 << 20)
        assert await claim(store) is not None
        second = await submit(store, needed_bytes=200 << 20)

        assert store.shortage(second.id) is not None
        await complete_next_running(store)
        assert store.shortage(second.id) is None


async def complete_next_running(store: Store) -> None:
    from labd.core.jobs import JobState
    from labd.store.jobs import Ending

    page = [job for job in await listed(store) if job.state is JobState.EXECUTING]
    store.result_path(page[0].id).write_bytes(b"short")
    await store.end_executing(page[0].id, Ending(JobState.COMPLETED))


async def listed(store: Store) -> list[Job]:
    from labd.store.search import NEWEST, Conditions

    page = await store.search.page(Conditions(), NEWEST, 1000)
    return [job for job, _ in page.jobs]


async def test_the_reserve_refuses_payloads_and_lets_running_jobs_end(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        await submit(store)
        running = await claim(store)
        assert running is not None
        store.result_path(running.id).write_bytes(b"result")
        store._disk._reserve_bytes = room_of(store) + (1 << 30)

        with pytest.raises(Unavailable, match=r"are kept in reserve .* nothing was stored"):
            await submit(store)
        ended = await complete_job(store, running)

        assert ended.result_bytes == 6
        store._disk._reserve_bytes = 0
        await submit(store)


async def complete_job(store: Store, job: Job) -> Job:
    from labd.core.jobs import JobState
    from labd.store.jobs import Ending

    ended = await store.end_executing(job.id, Ending(JobState.COMPLETED))
    assert ended is not None
    return ended


async def test_a_job_that_can_never_fit_is_refused(store: Store) -> None:
    with pytest.raises(InvalidPayload, match=r"result: would take .* labd's disk has"):
        await submit(store, needed_bytes=1 << 60)


# ---- retention


async def test_what_is_too_old_goes_and_its_record_stays(store: Store, clock: Clock) -> None:
    old = await completed(store, LARGE)
    small = await completed(store)
    clock.now_ns += 10 * DAY_NS
    young = await completed(store, LARGE)

    found = await store.keeping.expire(Retention(max_age_ns=7 * DAY_NS), entry)

    assert {each.id for each in found} == {old.id, small.id}
    assert is_there(store, old) == is_there(store, small) == (False, False)
    assert is_there(store, young) == (True, True)
    kept = store.keeping.of(old.id)
    assert kept.expired_at_ns is not None
    assert store.job(old.id).state.value == "COMPLETED"
    assert len(store.events_after(old.id, 0)) == 3
    assert await store.keeping.expire(Retention(max_age_ns=7 * DAY_NS), entry) == ()


async def test_beyond_its_share_the_oldest_goes_first_and_no_more_than_must(store: Store) -> None:
    jobs = [await completed(store, b"p", bytes(1000)) for _ in range(5)]

    found = await store.keeping.expire(Retention(max_bytes=2500), entry)

    assert [each.id for each in found] == [job.id for job in jobs[:3]]
    assert [is_there(store, job)[1] for job in jobs] == [False, False, False, True, True]


async def test_queued_running_and_pinned_jobs_are_never_touched(store: Store, clock: Clock) -> None:
    pinned = await completed(store, LARGE)
    await store.keeping.set_pin(pinned.id, "for the paper", BY)
    await submit(store, LARGE)
    running = await claim(store)
    queued = await submit(store, LARGE)
    assert running is not None
    clock.now_ns += 100 * DAY_NS

    for retention in (Retention(max_age_ns=DAY_NS), Retention(max_bytes=0)):
        assert await store.keeping.expire(retention, entry) == ()

    assert is_there(store, pinned) == (True, True)
    assert is_there(store, running)[0]
    assert is_there(store, queued)[0]
    await store.keeping.set_pin(pinned.id, None, BY)
    found = await store.keeping.expire(Retention(max_age_ns=DAY_NS), entry)
    assert [each.id for each in found] == [pinned.id]


async def test_files_that_outlive_an_expiry_are_leftovers(store: Store, clock: Clock) -> None:
    job = await completed(store, LARGE)
    saved = store.directory.payload_path(job.id).read_bytes()
    clock.now_ns += 10 * DAY_NS
    await store.keeping.expire(Retention(max_age_ns=DAY_NS), entry)
    store.directory.payload_path(job.id).write_bytes(saved)
    store.result_path(job.id).write_bytes(b"result")

    removed = [name for step in store.leftovers_removed() for name in step]

    assert sorted(removed) == [f"payloads/{job.id}.bin", f"results/{job.id}.bin"]


async def test_what_is_used_is_counted_without_what_expired(store: Store) -> None:
    await completed(store, b"p", bytes(1000))
    await store.keeping.expire(Retention(max_bytes=0), entry)

    with closing(sqlite3.connect(store.directory.database)) as db:
        assert db.execute("SELECT result_bytes FROM users").fetchone() == (0,)


def test_nothing_is_pinned_that_is_not_there(store: Store) -> None:
    with pytest.raises(NotFound):
        store.keeping.of(store.new_job_id())


async def test_the_next_job_runs_beside_retention(store: Store) -> None:
    await completed(store)
    await submit(store)
    await store.keeping.expire(Retention(max_bytes=0), entry)

    assert (await complete_next(store)).result_bytes == 6
