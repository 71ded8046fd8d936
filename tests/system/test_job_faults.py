"""Jobs whose rack crashes, hangs or faults: how they end, and that the next one passes."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from quick_lab import QuickLab, lookup

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[QuickLab]:
    with_keys = QuickLab(tmp_path)
    try:
        yield with_keys
    finally:
        with_keys.__exit__(None, None, None)


def started(lab: QuickLab, *keys: str) -> QuickLab:
    text = lab.config.read_text()
    for line in keys:
        name = line.partition(" ")[0]
        text = re.sub(rf"^{name} = .*$", line, text, flags=re.MULTILINE)
    lab.config.write_text(text)
    return lab.start()


def machine(lab: QuickLab) -> lab_pb2.Machine:
    found: lab_pb2.Machine = lab.lab.GetMachine(lab_pb2.MachineRequest(alias="star5"))
    return found


def instruments(lab: QuickLab) -> dict[str, str]:
    return {one.instrument: one.state for one in machine(lab).instruments}


def reasons(lab: QuickLab, job: iqm.JobV1) -> list[str]:
    details = lab.lab.GetJobDetails(lookup(job))
    return [each.error for each in details.events if each.error]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGABRT])
def test_a_crash_fails_the_job_and_the_next_one_passes(lab: QuickLab, number: int) -> None:
    started(lab)

    crashed = lab.wait_for(lab.submit(do="crash", signal=number))

    assert crashed.status == iqm.FAILED
    assert signal.Signals(number).name in crashed.error
    assert "nothing was said to an instrument in this job" in crashed.error
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED


def test_a_process_that_leaves_by_itself_fails_the_job(lab: QuickLab) -> None:
    started(lab)

    left = lab.wait_for(lab.submit(do="leave"))

    assert left.status == iqm.FAILED
    assert "exit status 3" in left.error
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED


def test_a_process_that_somebody_kills_interrupts_the_job(lab: QuickLab) -> None:
    started(lab)
    job = lab.submit(s=60.0)
    lab.wait_for(job, iqm.EXECUTING)

    os.kill(lab.child("quick_rack"), signal.SIGKILL)

    assert lab.wait_for(job).status == iqm.INTERRUPTED
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED


def test_a_job_beyond_its_budget_fails_with_budget_and_time(lab: QuickLab) -> None:
    started(lab, "job_patience_s = 1.0")

    stalled = lab.wait_for(lab.submit(do="stall"))

    assert stalled.status == iqm.FAILED
    assert "its time budget is over" in stalled.error
    assert "of 1 s allowed" in stalled.error
    assert stalled.error.endswith("the rack process was killed")
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED


def test_a_job_that_goes_on_is_left_alone_however_long_it_takes(lab: QuickLab) -> None:
    started(lab, "job_patience_s = 2.0")

    # Ten signs of progress; the budget before the first is the payload's and the patience.
    assert lab.wait_for(lab.submit(s=1.5)).status == iqm.COMPLETED


def test_a_process_that_answers_no_pings_fails_the_job(lab: QuickLab) -> None:
    lab.surroundings["QUICK_PING_S"] = "0.3"
    started(lab)

    hung = lab.wait_for(lab.submit(do="deaf"))

    assert hung.status == iqm.FAILED
    assert "gave no sign of life" in hung.error


def test_an_instruments_fault_is_seen_in_its_health_and_forgiven_by_a_good_job(
    lab: QuickLab,
) -> None:
    started(lab)

    faulted = lab.wait_for(lab.submit(do="fault"))
    again = lab.wait_for(lab.submit(do="fault"))
    waiting = instruments(lab)
    good = lab.wait_for(lab.submit())

    assert (faulted.status, again.status) == (iqm.FAILED, iqm.FAILED)
    assert faulted.error == "awg1, while playing: it is mute"
    assert waiting["awg1"] in ("QUARANTINED", "OK")
    assert good.status == iqm.COMPLETED
    assert set(instruments(lab).values()) == {"OK"}
    assert len(instruments(lab)) == 18


@pytest.mark.parametrize("do", ["fault once", "crash once"])
def test_a_station_may_have_a_job_executed_once_more(lab: QuickLab, do: str) -> None:
    started(lab, "retry_once = true")

    job = lab.submit(do=do)
    ended = lab.wait_for(job)

    assert ended.status == iqm.COMPLETED
    assert lab.started() == [str_id(job)] * 2
    assert lab.result(job).endswith(f"result of {str_id(job)}".encode())
    said = reasons(lab, job)
    assert len(said) == 1
    assert said[0].startswith("attempt 1 of 2: ")


def test_an_instrument_that_becomes_slow_is_seen_as_slow_and_jobs_run(lab: QuickLab) -> None:
    started(lab)

    first = lab.wait_for(lab.submit(do="slow"))
    seen = machine(lab).instruments[0]
    second = lab.wait_for(lab.submit())

    assert (first.status, second.status) == (iqm.COMPLETED, iqm.COMPLETED)
    assert (seen.instrument, seen.state) == ("awg1", "SLOW")
    assert seen.what == "it takes 2.0 s to answer; 2 ms are usual"


def test_without_the_key_no_job_is_executed_twice(lab: QuickLab) -> None:
    started(lab)

    job = lab.submit(do="fault once")

    assert lab.wait_for(job).status == iqm.FAILED
    assert lab.started() == [str_id(job)]


def test_a_second_fault_is_the_end_and_both_are_told(lab: QuickLab) -> None:
    started(lab, "retry_once = true")

    job = lab.submit(do="fault")
    ended = lab.wait_for(job)

    assert ended.status == iqm.FAILED
    assert "(second attempt; the first: awg1, while playing: it is mute)" in ended.error
    assert lab.started() == [str_id(job)] * 2


def test_what_is_the_jobs_own_fault_is_not_tried_again(lab: QuickLab) -> None:
    started(lab, "retry_once = true")

    job = lab.submit(do="fail")

    assert lab.wait_for(job).status == iqm.FAILED
    assert lab.started() == [str_id(job)]


def test_a_job_that_no_rack_begins_is_given_up_too(lab: QuickLab) -> None:
    started(lab, "job_patience_s = 1.0")

    ignored = lab.wait_for(lab.submit(do="ignore"))

    assert ignored.status == iqm.FAILED
    assert "its time budget is over" in ignored.error
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED


def test_a_driver_that_does_not_come_back_is_named_long_before_the_budget_is_over(
    lab: QuickLab,
) -> None:
    lab.surroundings["QUICK_PING_S"] = "0.5"
    started(lab, "job_patience_s = 1.0")

    hung = lab.wait_for(lab.submit(do="hang"))

    assert hung.status == iqm.FAILED
    assert "the driver of awg1 has not come back for " in hung.error
    assert "was AWGControl:RUN" in hung.error
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED


def away(lab: QuickLab) -> Path:
    """While that file is there, the rack is not ready again."""
    return lab.state / "run" / "star5" / "away"


@pytest.fixture
def waiting(lab: QuickLab) -> iqm.JobV1:
    """A job that waits for its second attempt, which cannot begin."""
    lab.surroundings["QUICK_PING_S"] = "0.5"
    lab.edit("stop_grace_s = 5.0", "stop_grace_s = 0.1")
    started(lab, "retry_once = true")
    lab.wait_for(lab.submit())
    away(lab).touch()
    job = lab.submit(do="fault once")
    for _ in lab.updates(job):
        if reasons(lab, job):
            break
    return job


def test_a_job_is_cancelled_between_its_attempts(lab: QuickLab, waiting: iqm.JobV1) -> None:
    lab.jobs.CancelJobV1(lookup(waiting))
    cancelled = lab.wait_for(waiting)
    away(lab).unlink()

    assert cancelled.status == iqm.CANCELLED
    assert cancelled.error == (
        "cancelled between its first and its second attempt (the first: awg1, while playing: it is"
        " mute)"
    )
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED
    assert lab.started().count(str_id(waiting)) == 1


def test_a_job_between_its_attempts_is_interrupted_when_labd_is_stopped(
    lab: QuickLab, waiting: iqm.JobV1
) -> None:
    assert lab.stop() == 0
    away(lab).unlink()
    lab.restart()

    ended = lab.get(waiting)

    assert ended.status == iqm.INTERRUPTED
    assert "labd was stopped" in ended.error
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED
    assert lab.started().count(str_id(waiting)) == 1


def test_a_rack_that_is_at_opening_for_ever_is_replaced(lab: QuickLab) -> None:
    lab.surroundings |= {"QUICK_PING_S": "0.5", "QUICK_OPENING_S": "1.0"}
    started(lab)
    lab.wait_for(lab.submit())
    first = lab.child("quick_rack")
    away(lab).touch()

    lab.wait_for(lab.submit(do="fault"))
    until = time.monotonic() + 30.0
    while "did not open its instruments in 1 s" not in lab.log():
        assert time.monotonic() < until
        time.sleep(0.05)
    away(lab).unlink()

    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED
    assert lab.child("quick_rack") != first


def str_id(job: iqm.JobV1) -> str:
    return str(UUID(bytes=job.id.raw))
