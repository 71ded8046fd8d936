"""The guard's hand on simulated instruments: what comes out is read from the instruments."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rig_support import CONFIG, WIRING, Lab, lab, readout_program

from labd.core.outputs import OutputRule
from labd.guard.hand import make_safe
from labd.guard.plan import PATIENCE_S, Plan, pack_plan, plan_of, unpack_plan
from labd.station_file import read_station

# pyvisa-py leaves the sockets of openings that failed to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SAFE_WITHIN_S = 3.0
SAFE = {name: rule.safe for name, rule in WIRING.outputs.items() if rule.safe is not None}
LOUD = {
    "QB1__flux.voltage": 0.8,
    "TC-1-3__flux.voltage": -0.5,
    "QB1__drive.local_oscillator.status": True,
    "PL-1__readout.local_oscillator.status": True,
}


@pytest.fixture(params=["hislip", "vxi11", "socket"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Lab]:
    with lab(tmp_path, request.param) as bench:
        yield bench


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def star5(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as bench:
        yield bench


def plan_for(bench: Lab, rules: dict[str, OutputRule] | None = None) -> Plan:
    return plan_of(rules or WIRING.outputs, read_station(bench.station_file))


def outputs(bench: Lab) -> dict[str, float | bool]:
    return bench.faults.outputs()


def bias_v(bench: Lab, name: str) -> float:
    instrument = bench.rack.servers[name].instrument
    with instrument.room:
        return float(instrument.outputs()["voltage"])


def make_loud(bench: Lab) -> None:
    """As a job leaves it that was killed with its process: AWGs playing, carriers on, biases up."""
    with bench.rig() as rig:
        rig.apply(LOUD)
        rig.load(readout_program())
        rig.run(10)
    for name in ("awg1", "awg2"):
        instrument = bench.rack.servers[name].instrument
        with instrument.room:
            instrument.is_running = True  # type: ignore[attr-defined]
    assert outputs(bench)["bias_qb1.voltage"] == pytest.approx(0.8)
    assert outputs(bench)["awg1.ch1.state"]


def test_every_output_is_safe_and_read_back_over_each_transport(bench: Lab) -> None:
    make_loud(bench)

    outcome = make_safe(plan_for(bench))

    assert outcome.problems == ()
    assert outcome.n_outputs == len(SAFE)
    assert outcome.took_s < SAFE_WITHIN_S
    now = outputs(bench)
    assert {name: now[name] for name in SAFE} == pytest.approx(SAFE)
    assert not now["awg1.is_running"]
    assert not now["awg2.is_running"]


def test_a_bias_is_walked_no_faster_than_its_slew(star5: Lab) -> None:
    make_loud(star5)
    seen = [(time.monotonic(), 0.8)]

    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(make_safe, plan_for(star5))
        while not acting.done():
            seen.append((time.monotonic(), bias_v(star5, "bias_qb1")))
            time.sleep(0.001)

    assert acting.result().problems == ()
    assert bias_v(star5, "bias_qb1") == 0.0
    steps_v = [abs(after - before) for (_, before), (_, after) in itertools.pairwise(seen)]
    ramp_s = [at for at, volts in seen if 0.0 < volts < 0.8]
    assert sum(step > 0 for step in steps_v) > 5
    assert ramp_s[-1] - ramp_s[0] > 0.5 * 0.8 / 10.0


def test_one_mute_instrument_keeps_no_other_from_being_safe(star5: Lab) -> None:
    make_loud(star5)
    star5.faults.inject("lo_qb3", "mute")

    outcome = make_safe(plan_for(star5))

    assert [problem.split(" ")[0] for problem in outcome.problems] == ["lo_qb3"]
    assert outcome.took_s < SAFE_WITHIN_S + 0.5
    now = outputs(star5)
    others = {name: value for name, value in SAFE.items() if not name.startswith("lo_qb3")}
    assert {name: now[name] for name in others} == pytest.approx(others)


def test_an_instrument_that_is_away_for_a_moment_is_tried_again(star5: Lab) -> None:
    make_loud(star5)
    star5.faults.inject("bias_qb1", "drop", seconds=0.5)

    outcome = make_safe(plan_for(star5))

    assert outcome.problems == ()
    assert outputs(star5)["bias_qb1.voltage"] == 0.0


def test_an_instrument_that_does_not_take_the_value_is_told_of(star5: Lab) -> None:
    beyond_its_range = {"bias_qb2.voltage": OutputRule("bias_qb2.voltage", safe=5.0)}

    outcome = make_safe(plan_for(star5, beyond_its_range))

    (problem,) = outcome.problems
    assert "bias_qb2.voltage is " in problem
    assert problem.endswith("and does not become 5.0")


def test_a_source_in_another_function_is_left_alone_and_told_of(star5: Lab) -> None:
    rules = {"bias_qb2.current": OutputRule("bias_qb2.current", safe=0.001)}

    outcome = make_safe(plan_for(star5, rules))

    assert "FUNC? says 'VOLT'" in outcome.problems[0]
    assert outcome.took_s < PATIENCE_S + 1.0


def test_a_plan_survives_its_way_to_the_guard() -> None:
    plan = plan_of(WIRING.outputs, read_station(CONFIG / "station.yaml"))

    assert unpack_plan(pack_plan(plan)) == plan
    assert len(plan) == 17
