"""Whatever breaks, at whatever point of a job: it ends as promised, in time, and the next is good.

Some faults, each at one point of a job; `make faults` has all of them at all points, and prints how
each ended. Between the fault and the next job nobody does anything but heal the instrument.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from _pytest.mark.structures import ParameterSet
from fault_cases import Fault, Phase, Promise, every_cell, point_of, some_cells
from fault_lab import Ended, FaultLab

from labd.client import Job
from labd.client.values_machine import InstrumentHealth

READY_WITHIN_S = 40.0
NEXT_WITHIN_S = 40.0
IS_ALL = os.environ.get("LABD_FAULTS") == "all"
CELLS = list(every_cell() if IS_ALL else some_cells())
SLOW_S = 0.7
"""By message: slower than any answer of a healthy instrument."""


@dataclass
class Told:
    """A line of the report."""

    cell: str
    is_kept: bool = False
    ended: str = "-"
    ended_s: float = 0.0
    next_s: float = 0.0
    sentence: str = ""

    def __str__(self) -> str:
        mark = "ok" if self.is_kept else "NO"
        times = f"{self.ended_s:6.2f} {self.next_s:6.2f}"
        return f"{mark} {self.cell:52} {self.ended:11} {times}  {self.sentence[:170]}"


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    """Printed when the cell has ended, however it did: `pytest -s` shows it."""
    line = Told(request.node.callspec.id)
    yield line
    print(f"\n{line}", flush=True)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultLab]:
    with FaultLab(tmp_path_factory.mktemp("faults")) as lab:
        yield lab


def cell(fault: Fault, phase: Phase) -> ParameterSet:
    return pytest.param(fault, phase, id=f"{fault.name}, {phase.value}")


@pytest.mark.parametrize(("fault", "phase"), [cell(*one) for one in CELLS])
def test_a_fault_ends_as_promised_and_the_next_job_is_good(
    lab: FaultLab, told: Told, fault: Fault, phase: Phase
) -> None:
    lab.heal()
    lab.wait_until_ready(READY_WITHIN_S)

    n_logged = len(lab.log())
    strike(lab, fault, phase)
    promise = fault.promise(phase)
    if promise is Promise.NOTICED:
        told.ended, told.ended_s = noticed_after_s(lab, fault.limit_s)
        wait_until(lambda: named(fault, phase) in lab.log()[n_logged:])
    else:
        ended = lab.end_of(lab.client.submit(lab.program()), fault.limit_s)
        told.ended, told.ended_s = ended.job.status.name, ended.took_s
        told.sentence = ended.job.error
        demand(lab, fault, phase, ended)
    lab.heal()
    following = lab.end_of(lab.client.submit(lab.program()), NEXT_WITHIN_S)
    told.next_s = following.took_s

    assert following.is_completed, following.job.error
    assert lab.is_good(following.job), lab.values_of(following.job)
    told.is_kept = True


def strike(lab: FaultLab, fault: Fault, phase: Phase) -> None:
    point = point_of(fault, phase)
    if fault.deed:
        lab.do(fault.deed, point.instrument, point.header.rstrip("?"))
        return
    for one in fault.strikes:
        for _ in range(one.times):
            lab.faults.inject(
                fault.instrument,
                one.fault,
                seconds=one.seconds,
                header=one.header,
                code=one.code,
                answer=one.answer,
                at_header="" if phase is Phase.IDLE else point.header,
                at_instrument="" if phase is Phase.IDLE else point.instrument,
            )


def demand(lab: FaultLab, fault: Fault, phase: Phase, ended: Ended) -> None:
    """The job ended as promised."""
    promise = fault.promise(phase)
    if ended.is_completed and promise in (Promise.COMPLETED, Promise.UNHARMED):
        assert lab.is_good(ended.job), lab.values_of(ended.job)
        return
    assert promise is not Promise.COMPLETED, ended.job.error
    assert ended.job.status.name == "FAILED", (ended.job.error, values(lab, ended.job))
    assert named(fault, phase) in ended.job.error
    assert fault.word in ended.job.error
    assert len(ended.job.error) < 2000


def named(fault: Fault, phase: Phase) -> str:
    """Whose fault it is."""
    return fault.instrument or point_of(fault, phase).instrument


def values(lab: FaultLab, job: Job) -> list[float]:
    return lab.values_of(job) if job.status.name == "COMPLETED" else []


def noticed_after_s(lab: FaultLab, limit_s: float) -> tuple[str, float]:
    """After how long the rack knew that it is not ready."""
    began = time.monotonic()
    while lab.client.rack().state == "ready":
        assert time.monotonic() < began + limit_s, "nobody has noticed"
        time.sleep(0.01)
    return "noticed", time.monotonic() - began


@pytest.mark.skipif(not IS_ALL, reason="make faults")
def test_an_instrument_is_seen_as_slow_while_it_is(lab: FaultLab) -> None:
    lab.heal()
    lab.wait_until_ready(READY_WITHIN_S)

    wait_until(lambda: health_of(lab, "scope").answer_s is not None)
    lab.faults.inject("scope", "slow", seconds=SLOW_S)
    wait_until(lambda: health_of(lab, "scope").state == "SLOW")
    lab.heal()
    ended = lab.end_of(lab.client.submit(lab.program()), NEXT_WITHIN_S)
    wait_until(lambda: health_of(lab, "scope").state == "OK")

    assert ended.is_completed, ended.job.error
    assert lab.client.rack().state == "ready"


@pytest.mark.skipif(not IS_ALL, reason="make faults")
def test_another_instrument_at_an_address_is_refused_and_jobs_wait(lab: FaultLab) -> None:
    lab.heal()
    lab.wait_until_ready(READY_WITHIN_S)

    lab.faults.inject("lo_qb1", "identity")
    lab.faults.inject("lo_qb1", "power-cycle", seconds=0.1)
    wait_until(lambda: "it is another instrument now" in lab.client.rack().what)
    what = lab.client.rack().what
    job = lab.client.submit(lab.program())
    waiting = lab.client.job(job.id)
    lab.heal()
    ended = lab.end_of(job, NEXT_WITHIN_S)

    assert "lo_qb1" in what
    assert "before SGS100A 110004" in what
    assert waiting.status.name == "IN_QUEUE"
    assert ended.is_completed, ended.job.error


def health_of(lab: FaultLab, instrument: str) -> InstrumentHealth:
    instruments = lab.client.machine.status().instruments
    return next(one for one in instruments if one.instrument == instrument)


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + NEXT_WITHIN_S
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)
