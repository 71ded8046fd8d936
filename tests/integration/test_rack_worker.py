"""The rack process: jobs from payload to result, and whatever may happen to it on the way."""

import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rack_support import RackProcess, SimRack, payload, rack_process, results, sim_rack

from labd.rack.messages import (
    Cancel,
    Cancelled,
    Completed,
    Failed,
    Faulted,
    Instrument,
    Progress,
    Ready,
    Shutdown,
    Started,
    Stopped,
    Unavailable,
)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimRack]:
    with sim_rack(tmp_path_factory.mktemp("simrack")) as rack:
        yield rack


@pytest.fixture
def rack(simulated: SimRack, tmp_path: Path) -> Iterator[RackProcess]:
    with rack_process(simulated.station_file, tmp_path / "rack") as process:
        yield process
        simulated.faults.clear()


def test_a_bell_job_gives_correlated_bits(rack: RackProcess) -> None:
    ready = rack.receive(Ready)
    path = rack.run("bell", payload("bell"))
    started = rack.next()
    done = rack.receive(Completed)

    bits = results(path)
    one, other = np.array(bits["QB1__m1"][0]), np.array(bits["QB3__m1"][0])
    assert len(ready.instruments) == 18
    assert ready.instruments[0].model == "AWG5208"
    assert started == Started("bell")
    assert done.job_id == "bell"
    assert {"decode", "compile", "apply", "load", "run", "demodulate", "total"} <= set(
        done.timings_s
    )
    assert one.shape == other.shape == (1000,)
    assert np.mean(one == other) > 0.9
    assert 0.35 < one.mean() < 0.65
    assert not path.with_name(path.name + ".part").exists()


def test_progress_counts_the_shots_of_all_spots(rack: RackProcess) -> None:
    rack.receive(Ready)
    rack.run("soft", payload("readout_spectroscopy_soft", repeats=20))

    messages = [rack.next()]
    while not isinstance(messages[-1], Completed | Failed):
        messages.append(rack.next())

    progress = [message for message in messages if isinstance(message, Progress)]
    assert isinstance(messages[-1], Completed)
    assert progress[-1].shots_done == progress[-1].shots_total > 20
    assert all(a.shots_done < b.shots_done for a, b in pairwise(progress))


def test_a_running_job_is_cancelled_within_a_second(rack: RackProcess) -> None:
    rack.receive(Ready)
    rack.run("long", payload("bell", repeats=1_000_000))
    rack.receive(Progress)
    asked = time.monotonic()
    rack.send(Cancel("long"))

    rack.receive(Cancelled)

    assert time.monotonic() - asked < 1.0
    rack.run("next", payload("bell", repeats=100))
    assert rack.receive(Completed).job_id == "next"


def test_a_cancel_of_another_job_is_ignored(rack: RackProcess) -> None:
    rack.receive(Ready)
    rack.run("mine", payload("bell", repeats=2000))
    rack.send(Cancel("other"))

    assert rack.receive(Completed).job_id == "mine"


def test_a_payload_that_is_none_fails_with_a_sentence(rack: RackProcess) -> None:
    rack.receive(Ready)
    rack.run("bad", b"\x00nonsense")

    failed = rack.receive(Failed)

    assert "payload" in failed.error
    rack.run("good", payload("bell", repeats=10))
    assert rack.receive(Completed).job_id == "good"


def test_a_fault_fails_the_job_and_the_next_one_runs(rack: RackProcess, simulated: SimRack) -> None:
    rack.receive(Ready)
    rack.run("faulty", payload("bell", repeats=1_000_000))
    rack.receive(Progress)
    simulated.faults.inject("awg2", "drop", seconds=0.3)

    unavailable = rack.receive(Unavailable)
    failed = rack.receive(Failed)
    rack.receive(Ready)

    assert failed.job_id == "faulty"
    assert failed.error.startswith("awg2, while ")
    assert unavailable.what == failed.error
    rack.run("next", payload("bell", repeats=100))
    assert rack.receive(Completed).job_id == "next"


def test_an_instrument_lost_between_jobs_costs_no_job(
    rack: RackProcess, simulated: SimRack
) -> None:
    rack.receive(Ready)
    simulated.faults.inject("scope", "power-cycle", seconds=0.01)
    time.sleep(2.1)  # the rack trusts instruments that it has just used
    rack.run("after", payload("bell", repeats=100))

    assert rack.receive(Completed).job_id == "after"


def test_a_rack_that_cannot_be_opened_says_why_and_then_opens(
    simulated: SimRack, tmp_path: Path
) -> None:
    simulated.faults.inject("lo_qb2", "drop", seconds=600.0)
    with rack_process(simulated.station_file, tmp_path / "rack") as rack:
        unavailable = rack.receive(Unavailable)
        simulated.faults.clear("lo_qb2")
        ready = rack.receive(Ready)

    assert unavailable.what.startswith("lo_qb2 at TCPIP")
    assert len(ready.instruments) == 18


def test_an_instrument_that_was_replaced_is_refused_by_its_serial_number(
    simulated: SimRack, tmp_path: Path
) -> None:
    known = (
        Instrument("lo_qb2", "SGS100A", "999999", "any"),
        Instrument("awg1", "AWG5208", "B020001", "another firmware"),
    )
    with rack_process(simulated.station_file, tmp_path / "rack", known) as rack:
        faulted = rack.receive(Faulted)
        unavailable = rack.receive(Unavailable)
        rack.receive(Ready)  # granted again, with nothing that is known

    what = (
        "lo_qb2: it is another instrument now: SGS100A 110005, before SGS100A 999999; if that is"
        " meant, restart labd"
    )
    assert faulted == Faulted("lo_qb2", what)
    assert unavailable == Unavailable(what)


def test_a_shutdown_gives_up_the_job_and_leaves_the_rack_safe(rack: RackProcess) -> None:
    rack.receive(Ready)
    rack.run("long", payload("bell", repeats=1_000_000))
    rack.receive(Progress)
    rack.send(Shutdown())

    cancelled = rack.receive(Cancelled)
    rack.receive(Stopped)

    assert cancelled.job_id == "long"
    assert rack.process.wait(10) == 0


@pytest.mark.parametrize("end", ["hang-up", "SIGTERM"])
def test_the_process_ends_when_nobody_needs_it(rack: RackProcess, end: str) -> None:
    rack.receive(Ready)
    rack.run("long", payload("bell", repeats=1_000_000))
    rack.receive(Progress)

    if end == "hang-up":
        rack.connection.close()
    else:
        os.kill(rack.process.pid, signal.SIGTERM)

    assert rack.process.wait(10) == 0


def test_a_station_file_of_others_is_refused(simulated: SimRack, tmp_path: Path) -> None:
    station_file = tmp_path / "station.yaml"
    station_file.write_bytes(simulated.station_file.read_bytes())
    station_file.chmod(0o666)
    with rack_process(station_file, tmp_path / "rack") as rack:
        unavailable = rack.receive(Unavailable)

    assert "may be written by everybody" in unavailable.what
