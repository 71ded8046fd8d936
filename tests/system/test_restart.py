from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from quick_lab import QuickLab, lookup, metadata_of

from labd.wire import iqm_server_pb2 as iqm


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[QuickLab]:
    with QuickLab(tmp_path).edit("stop_grace_s = 5.0", "stop_grace_s = 0.5") as running:
        yield running


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_within(pid: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not is_alive(pid)


def test_a_stop_without_jobs_is_quick_and_clean(lab: QuickLab) -> None:
    rack, front = lab.child("quick_rack"), lab.child("labd/front")
    started = time.monotonic()

    assert lab.stop() == 0

    assert time.monotonic() - started < 3
    assert not is_alive(rack)
    assert not is_alive(front)
    assert not (lab.state / "labd.sock").exists()


def test_a_short_job_ends_before_the_stop(lab: QuickLab) -> None:
    job, waiting = lab.submit(s=0.3), lab.submit()
    lab.wait_for(job, iqm.EXECUTING)

    lab.stop()
    lab.restart()

    assert lab.get(job).status == iqm.COMPLETED
    assert lab.wait_for(waiting).status == iqm.COMPLETED


def test_a_long_job_is_interrupted_by_the_stop(lab: QuickLab) -> None:
    job, waiting = lab.submit(s=60), lab.submit()
    lab.wait_for(job, iqm.EXECUTING)

    assert lab.stop() == 0
    lab.restart()

    found = lab.get(job)
    assert found.status == iqm.INTERRUPTED
    assert found.error == "labd was stopped; it waits 0.5 s for a job"
    assert lab.wait_for(waiting).status == iqm.COMPLETED


def test_a_second_signal_hurries(tmp_path: Path) -> None:
    with QuickLab(tmp_path).edit("stop_grace_s = 5.0", "stop_grace_s = 600.0") as lab:
        lab.wait_for(lab.submit(s=60), iqm.EXECUTING)
        started = time.monotonic()
        lab.signal(signal.SIGTERM)
        time.sleep(0.2)
        lab.signal(signal.SIGINT)

        assert lab.wait() == 0

    assert time.monotonic() - started < 5


def test_a_rack_that_hangs_does_not_hold_up_the_stop(lab: QuickLab) -> None:
    lab.wait_for(lab.submit(do="deaf"), iqm.EXECUTING)
    rack = lab.child("quick_rack")
    lab.signal(signal.SIGTERM)
    time.sleep(0.6)
    lab.signal(signal.SIGTERM)

    assert lab.wait() == 0

    assert not is_alive(rack)


def test_a_subscriber_survives_a_restart_by_coming_back(lab: QuickLab) -> None:
    lab.wait_for(lab.submit(s=60), iqm.EXECUTING)
    waiting = lab.submit()
    stream = lab.jobs.SubscribeToJobV1(lookup(waiting))
    next(stream)

    lab.signal(signal.SIGTERM)
    with pytest.raises(grpc.RpcError) as caught:
        list(stream)
    ended = time.monotonic()
    lab.wait()
    lab.restart()

    assert metadata_of(caught.value)["error_code"] == "server_cancel"
    assert time.monotonic() - ended < 5.0, "IQM's client comes back after 5 s"
    assert lab.wait_for(waiting).status == iqm.COMPLETED


def test_a_killed_daemon_leaves_no_process_behind(lab: QuickLab) -> None:
    lab.wait_for(lab.submit(s=60), iqm.EXECUTING)
    rack, front = lab.child("quick_rack"), lab.child("labd/front")

    lab.kill()

    assert gone_within(rack, 3.0)
    assert gone_within(front, 3.0)


def test_a_hanging_rack_of_a_killed_daemon_is_ended_by_the_next_one(lab: QuickLab) -> None:
    job = lab.submit(do="deaf")
    lab.wait_for(job, iqm.EXECUTING)
    rack = lab.child("quick_rack")
    lab.kill()
    assert is_alive(rack)

    lab.restart()

    assert gone_within(rack, 5.0)
    assert lab.get(job).status == iqm.INTERRUPTED
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED


def test_a_rack_that_dies_interrupts_its_job_alone(lab: QuickLab) -> None:
    job, after = lab.submit(do="die"), lab.submit()

    final = lab.wait_for(job)

    assert final.status == iqm.INTERRUPTED
    assert final.error == (
        "the rack process was ended by signal 9 (SIGKILL) while the job was executing"
    )
    assert lab.wait_for(after).status == iqm.COMPLETED


def test_a_rack_that_is_killed_while_idle_is_replaced(lab: QuickLab) -> None:
    lab.wait_for(lab.submit())
    before = lab.child("quick_rack")

    os.kill(before, signal.SIGKILL)

    assert gone_within(before, 5.0)
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED
    assert lab.child("quick_rack") != before


def test_jobs_wait_while_the_rack_is_unavailable(lab: QuickLab) -> None:
    failed = lab.submit(do="unavailable", s=0.7)
    waiting = lab.submit()
    assert lab.wait_for(failed).status == iqm.FAILED
    time.sleep(0.2)

    assert lab.get(waiting).status == iqm.IN_QUEUE
    assert lab.wait_for(waiting).status == iqm.COMPLETED


def test_a_running_job_is_cancelled_within_a_second(lab: QuickLab) -> None:
    job = lab.submit(s=60)
    lab.wait_for(job, iqm.EXECUTING)
    started = time.monotonic()

    lab.jobs.CancelJobV1(lookup(job))
    final = lab.wait_for(job)

    assert (final.status, final.error) == (iqm.CANCELLED, "cancelled while it was executing")
    assert time.monotonic() - started < 1.0


def test_a_rack_that_does_not_hear_a_cancel_is_killed(lab: QuickLab) -> None:
    job, after = lab.submit(do="deaf"), lab.submit()
    lab.wait_for(job, iqm.EXECUTING)
    started = time.monotonic()

    lab.jobs.CancelJobV1(lookup(job))
    final = lab.wait_for(job)

    assert final.status == iqm.CANCELLED
    assert "did not answer for 5 s" in final.error
    assert time.monotonic() - started < 7
    assert lab.wait_for(after).status == iqm.COMPLETED


def test_after_a_kill_the_running_job_is_interrupted_soon_and_the_queue_goes_on(
    lab: QuickLab,
) -> None:
    running = lab.submit(s=60)
    lab.wait_for(running, iqm.EXECUTING)
    queued = [lab.submit() for _ in range(5)]

    lab.kill()
    restarted = time.monotonic()
    lab.restart()
    found = lab.get(running)

    assert found.status == iqm.INTERRUPTED
    assert found.error == "labd stopped while the job was executing"
    assert time.monotonic() - restarted < 10
    assert lab.wait_for(queued[-1]).status == iqm.COMPLETED
    assert [lab.get(job).status for job in queued] == [iqm.COMPLETED] * 5
    runs = lab.started()
    assert len(runs) == len(set(runs)) == 6
