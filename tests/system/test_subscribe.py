from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from quick_lab import QuickLab, lookup, metadata_of

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc

N_SUBSCRIBERS = 1000


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[QuickLab]:
    with QuickLab(tmp_path).edit("keepalive_s = 1.0", "keepalive_s = 0.2") as running:
        yield running


def statuses(updates: list[iqm.JobV1]) -> list[str]:
    names = [iqm.JobStatus.Name(update.status) for update in updates]
    return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]


def test_every_state_comes_once_and_in_order(lab: QuickLab) -> None:
    job = lab.submit(s=0.2)

    updates = list(lab.updates(job))

    assert statuses(updates) in (
        ["IN_QUEUE", "EXECUTING", "COMPLETED"],
        ["EXECUTING", "COMPLETED"],
    )
    instants = [update.updated_at.ToNanoseconds() for update in updates]
    assert instants == sorted(instants)
    assert len({update.SerializeToString() for update in updates}) == len(updates)


def test_queue_positions_are_told_as_they_change(lab: QuickLab) -> None:
    blocker = lab.submit(s=60)
    lab.wait_for(blocker, iqm.EXECUTING)
    queued = [lab.submit() for _ in range(4)]
    updates: list[iqm.JobV1] = []
    follower = threading.Thread(target=lambda: updates.extend(lab.updates(queued[-1])))
    follower.start()
    while not updates:
        time.sleep(0.01)

    lab.jobs.CancelJobV1(lookup(queued[1]))
    lab.jobs.CancelJobV1(lookup(blocker))
    follower.join(30)

    positions = [each.queue_position for each in updates if each.status == iqm.IN_QUEUE]
    assert positions[0] == 3
    assert positions == sorted(set(positions), reverse=True)
    assert statuses(updates)[-2:] == ["EXECUTING", "COMPLETED"]
    assert not any(each.HasField("queue_position") for each in updates[len(positions) :])


def test_a_finished_job_gives_one_update_and_the_end(lab: QuickLab) -> None:
    job = lab.submit()
    lab.wait_for(job)

    assert statuses(list(lab.updates(job))) == ["COMPLETED"]


def test_a_quiet_subscription_gets_keepalives(lab: QuickLab) -> None:
    job = lab.submit(s=1.2)

    kinds = [event.WhichOneof("value") for event in lab.jobs.SubscribeToJobV1(lookup(job))]

    assert kinds.count("keepalive") >= 3
    assert kinds[-1] == "update"


def test_a_job_that_vanishes_ends_the_subscription_with_job_deleted(lab: QuickLab) -> None:
    lab.wait_for(lab.submit(s=60), iqm.EXECUTING)
    job = lab.submit()
    stream = lab.jobs.SubscribeToJobV1(lookup(job))
    next(stream)
    with sqlite3.connect(lab.state / "labd.db") as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM jobs WHERE id = ?", (job.id.raw,))
    db.close()

    with pytest.raises(grpc.RpcError) as caught:
        list(stream)

    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert metadata_of(caught.value)["error_code"] == "job_deleted"


def test_stopping_ends_subscriptions_with_server_cancel(lab: QuickLab) -> None:
    lab.wait_for(lab.submit(s=60), iqm.EXECUTING)
    stream = lab.jobs.SubscribeToJobV1(lookup(lab.submit()))
    next(stream)

    lab.signal(15)
    lab.signal(15)
    with pytest.raises(grpc.RpcError) as caught:
        list(stream)

    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert metadata_of(caught.value)["error_code"] == "server_cancel"
    assert lab.wait() == 0


def test_a_subscriber_that_goes_away_leaves_nothing_behind(lab: QuickLab) -> None:
    job = lab.submit(s=1.0)
    for _ in range(50):
        stream = lab.jobs.SubscribeToJobV1(lookup(job))
        next(stream)
        stream.cancel()

    assert lab.wait_for(job).status == iqm.COMPLETED
    assert "Traceback" not in lab.log()


async def follow(jobs: iqm_grpc.JobsStub, job: iqm.JobV1, begun: asyncio.Event) -> list[str]:
    """The states of a job, until its end; begun is set at the first."""
    updates = []
    async for event in jobs.SubscribeToJobV1(lookup(job)):
        if event.HasField("update"):
            updates.append(event.update)
            begun.set()
    return statuses(updates)


async def follow_a_thousand_times(
    lab: QuickLab, blocker: iqm.JobV1
) -> tuple[list[list[str]], float]:
    """What the followers of a job behind the blocker saw, and how long a call took meanwhile."""
    job = lab.submit()
    async with grpc.aio.insecure_channel(lab.address) as channel:
        jobs = iqm_grpc.JobsStub(channel)
        begun = [asyncio.Event() for _ in range(N_SUBSCRIBERS)]
        followers = [asyncio.create_task(follow(jobs, job, event)) for event in begun]
        await asyncio.gather(*(event.wait() for event in begun))
        asked_s = time.perf_counter()
        await jobs.GetJobV1(lookup(job))
        answered_s = time.perf_counter() - asked_s
        await jobs.CancelJobV1(lookup(blocker))
        return await asyncio.gather(*followers), answered_s


@pytest.mark.slow
def test_a_thousand_subscribers_all_see_the_end(tmp_path: Path) -> None:
    with QuickLab(tmp_path) as lab:
        blocker = lab.submit(s=60)
        lab.wait_for(blocker, iqm.EXECUTING)

        seen, answered_s = asyncio.run(follow_a_thousand_times(lab, blocker))

    assert seen == [["IN_QUEUE", "EXECUTING", "COMPLETED"]] * N_SUBSCRIBERS
    assert answered_s < 1.0
