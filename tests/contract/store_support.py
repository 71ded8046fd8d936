"""A store on a real directory, with one user and one quantum computer, and jobs in it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import UUID

from labd.core.access import Role
from labd.core.audit import AuditEntry
from labd.core.jobs import Job, JobState, JobType, NewJob, Priority, QcId
from labd.core.openings import TimeslotRules
from labd.store.jobs import Ending
from labd.store.store import Store

QC = QcId(UUID(int=1))
DAY_NS = 86_400 * 10**9
RULES = TimeslotRules(
    is_required=False, refuses_overrun=False, idle_release_s=600.0, shows_owners=True
)
BY = AuditEntry("alice", "uid 7", "here", "job.pin", "job")


class Clock:
    """Nanoseconds that move on with every look, and by hand."""

    def __init__(self) -> None:
        self.now_ns = 1_800_000_000_000_000_000

    def __call__(self) -> int:
        self.now_ns += 1000
        return self.now_ns


def open_store(path: Path, clock: Clock | None = None, reserve_bytes: int = 0) -> Store:
    store = Store.open(path, clock_ns=clock or Clock(), reserve_bytes=reserve_bytes)
    store.put_quantum_computer(QC, "star5", "Star")
    store.ensure_local_user(7, "alice", Role.USER)
    return store


def new_job(store: Store, payload: bytes, needed_bytes: int = 0) -> NewJob:
    return NewJob(
        id=store.new_job_id(),
        qc_id=QC,
        job_type=JobType.PULSE,
        shots=100,
        circuits=1,
        is_timeslot=False,
        user_id=1,
        submitted_by="alice",
        payload_bytes=len(payload),
        playing_s=0.0,
        kind="",
        priority=Priority.NORMAL,
        needed_bytes=needed_bytes,
        payload_sha256=hashlib.sha256(payload).digest(),
    )


async def submit(store: Store, payload: bytes = b"payload", needed_bytes: int = 0) -> Job:
    return await store.submit(new_job(store, payload, needed_bytes), payload)


async def claim(store: Store) -> Job | None:
    return (await store.timeslots.claim(QC, RULES)).job


async def completed(store: Store, payload: bytes = b"payload", result: bytes = b"result") -> Job:
    """A job that ran and left a result."""
    await submit(store, payload)
    return await complete_next(store, result)


async def complete_next(store: Store, result: bytes = b"result") -> Job:
    job = await claim(store)
    assert job is not None
    store.result_path(job.id).write_bytes(result)
    ended = await store.end_executing(job.id, Ending(JobState.COMPLETED))
    assert ended is not None
    return ended
