"""A subscription: the job's record now, then every change once and in order, then the end.

States come from the append-only event log, so that a slow reader misses none; the queue position is
a level, of which only the newest counts, told at most once a second.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import replace

from labd.core.errors import JobDeleted, NotFound
from labd.core.jobs import Job, JobEvent, JobId, JobState
from labd.desk import Desk

KEEPALIVE = None
_QUEUE_ALONE = frozenset({"queue"})


async def follow_job(desk: Desk, job_id: JobId, keepalive_s: float) -> AsyncGenerator[Job | None]:
    """The job after each change; None when nothing was said for keepalive_s.

    Ends after the final state. Raises NotFound, JobDeleted, ServerStopping.
    """
    desk.raise_if_stopping()
    job, events = desk.store.follow(job_id, 0)
    if job is None:
        raise NotFound("job", str(job_id))
    with desk.changes.watch(("job", job_id), ("queue", job.qc_id)) as watch:
        job, events = desk.store.follow(job_id, 0)
        if job is None:
            raise JobDeleted(str(job_id))
        last_event, last_position = events[-1].number, -1
        job = desk.with_position(job)
        if job.queue_position is not None:
            last_position = job.queue_position
        yield job
        said_s = time.monotonic()
        while not job.state.is_final:
            if job.state is not JobState.IN_QUEUE:
                watch.drop(("queue", job.qc_id))
            changed = await watch.wait(max(0.0, said_s + keepalive_s - time.monotonic()))
            desk.raise_if_stopping()
            # Most calls by far are those of the queue, and they leave the record as it was.
            if changed != _QUEUE_ALONE:
                job, events = desk.store.follow(job_id, last_event)
                if job is None:
                    raise JobDeleted(str(job_id))
                for event in events:
                    last_event = event.number
                    said_s = time.monotonic()
                    yield _as_of(job, event)
            if "queue" in changed and job.state is JobState.IN_QUEUE:
                position = desk.told_position(job)
                if position != last_position:
                    last_position = position
                    said_s = time.monotonic()
                    yield replace(job, queue_position=position)
            if time.monotonic() >= said_s + keepalive_s and not job.state.is_final:
                said_s = time.monotonic()
                yield KEEPALIVE


def _as_of(job: Job, event: JobEvent) -> Job:
    """The record as it stood when the event was written."""
    if event.state is job.state:
        return job
    return replace(
        job,
        state=event.state,
        error=event.error,
        updated_at_ns=event.at_ns,
        started_at_ns=None if event.state is JobState.IN_QUEUE else job.started_at_ns,
        ended_at_ns=job.ended_at_ns if event.state.is_final else None,
    )
