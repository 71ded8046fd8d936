"""The clock on the wall is set while labd works: nothing is lost, nothing hangs, order is kept."""

from __future__ import annotations

import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quick_lab import HERE, QuickLab

from labd.client.convert import uuid_of
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

HOUR_S, DAY_S = 3600, 86_400
SINCE_1970_S = int(time.time()) - 1000
JUMPS = {"hour": HOUR_S, "hour back": -HOUR_S, "day": DAY_S, "to 1970": -SINCE_1970_S}


class ClockLab(QuickLab):
    """Its daemon and all its children go by a clock that the test sets."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._offset = folder / "clock"
        self.set_clock(0)
        library = folder / "set_clock.so"
        compiler = shutil.which("gcc")
        if compiler is None:
            pytest.skip("no gcc to compile another clock with")
        source = str(HERE / "set_clock.c")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), source], check=True)
        self.surroundings = {"LD_PRELOAD": str(library), "LABD_TEST_CLOCK": str(self._offset)}

    def set_clock(self, offset_s: int) -> None:
        with self._offset.open("r+b" if self._offset.exists() else "w+b") as file:
            file.write(struct.pack("<q", offset_s))

    def ahead(self, seconds: float) -> Timestamp:
        stamp = Timestamp()
        stamp.FromNanoseconds(time.time_ns() + round(seconds * 1e9))
        return stamp


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClockLab]:
    with ClockLab(tmp_path_factory.mktemp("clock")) as lab:
        yield lab


@pytest.fixture
def lab(running: ClockLab) -> Iterator[ClockLab]:
    yield running
    running.set_clock(0)
    listed = running.lab.ListTimeslots(lab_pb2.ListTimeslotsRequest(alias="star5"))
    for slot in listed.timeslots:
        running.lab.CancelTimeslot(lab_pb2.CancelTimeslotRequest(id=slot.id))


@pytest.mark.parametrize("jump_s", JUMPS.values(), ids=JUMPS)
def test_a_jump_loses_no_job_and_keeps_their_order(lab: ClockLab, jump_s: int) -> None:
    before = len(lab.started())
    running = lab.submit(s=0.8)
    queued = [lab.submit() for _ in range(3)]
    lab.wait_for(running, iqm.EXECUTING)

    lab.set_clock(jump_s)
    later = lab.submit()
    final = [lab.wait_for(job) for job in (running, *queued, later)]

    assert {job.status for job in final} == {iqm.COMPLETED}
    assert lab.started()[before:] == [_text(job.id) for job in final]
    for job in final:
        stamps = (job.created_at, job.execution_started_at, job.execution_ended_at)
        told = [stamp.ToNanoseconds() for stamp in stamps]
        assert told == sorted(told)
        details = lab.lab.GetJobDetails(iqm.JobLookupV1(id=job.id))
        events = [event.at.ToNanoseconds() for event in details.events]
        assert events == sorted(events)


@pytest.mark.parametrize("jump_s", JUMPS.values(), ids=JUMPS)
def test_a_cancel_is_enforced_after_a_jump(lab: ClockLab, jump_s: int) -> None:
    stuck, queued = lab.submit(do="deaf"), lab.submit()
    lab.wait_for(stuck, iqm.EXECUTING)

    lab.set_clock(jump_s)
    lab.jobs.CancelJobV1(iqm.JobLookupV1(id=stuck.id))

    assert lab.wait_for(stuck).status == iqm.CANCELLED
    assert lab.wait_for(queued).status == iqm.COMPLETED


def test_timeslots_go_by_the_clock_on_the_wall(lab: ClockLab) -> None:
    lab.lab.PutUser(lab_pb2.PutUserRequest(name="bob", role="USER"))
    request = lab_pb2.BookTimeslotRequest(alias="star5", user="bob")
    request.start.CopyFrom(lab.ahead(HOUR_S / 2))
    request.end.CopyFrom(lab.ahead(2 * HOUR_S))
    lab.lab.BookTimeslot(request)
    assert lab.wait_for(lab.submit()).status == iqm.COMPLETED

    lab.set_clock(HOUR_S)
    waiting = lab.submit()
    machine = lab.lab.GetMachine(lab_pb2.MachineRequest(alias="star5"))
    lab.set_clock(0)

    assert machine.current_timeslot.user == "bob"
    assert lab.wait_for(waiting).status == iqm.COMPLETED


def _text(id_: iqm.Uuid) -> str:
    return str(uuid_of(id_))
