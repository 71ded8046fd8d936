"""Limits and slews hold around the drivers' own parameters, whoever sets them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from qcodes.parameters import ParameterBase
from rig_support import WIRING, Lab, lab

from labd.core.errors import OutputLimitBroken
from labd.core.outputs import OutputRule
from labd.rack.fence import OutputsUnknown, fence_in
from labd.rack.station import open_station
from labd_drivers.rigs.scpi import open_rig

Station = Mapping[str, object]


@pytest.fixture
def star5(tmp_path: Path) -> Iterator[Lab]:
    with lab(tmp_path) as bench:
        yield bench


@pytest.fixture
def station(star5: Lab) -> Iterator[Station]:
    station = open_station(star5.station_file)
    try:
        yield station
    finally:
        station.close()


def parameter(station: Station, name: str, path: str) -> ParameterBase:
    target = station[name]
    for step in path.split("."):
        target = getattr(target, step)
    assert isinstance(target, ParameterBase)
    return target


def rules(*rules: OutputRule) -> dict[str, OutputRule]:
    return {rule.parameter: rule for rule in rules}


@pytest.mark.parametrize("value", [1.0001, -5.0, math.nan, math.inf])
def test_no_driver_sets_a_parameter_beyond_its_limits(
    star5: Lab, station: Station, value: float
) -> None:
    fence_in(station, WIRING.outputs)
    parameter(station, "bias_qb1", "output").set("on")
    parameter(station, "bias_qb1", "voltage").set(0.25)
    assert parameter(station, "bias_qb1", "voltage").get() == 0.25  # all that was sent is done

    with pytest.raises(OutputLimitBroken) as caught:
        parameter(station, "bias_qb1", "voltage").set(value)

    told = caught.value
    assert (told.instrument, told.parameter, told.unit) == ("bias_qb1", "voltage", "V")
    assert abs(told.limit) == 1.0
    assert star5.faults.outputs()["bias_qb1.voltage"] == pytest.approx(0.25)


def test_a_limit_of_a_channel_of_an_awg_holds_too(station: Station) -> None:
    fence_in(station, rules(OutputRule("awg1.ch1.awg_amplitude", maximum=0.3, unit="Vpp")))

    with pytest.raises(OutputLimitBroken, match=r"ch1\.awg_amplitude was to be set to 0\.5 Vpp"):
        parameter(station, "awg1", "ch1.awg_amplitude").set(0.5)


def test_a_setting_that_passes_its_own_limits_fails_at_the_rack_and_sets_nothing(
    star5: Lab, station: Station
) -> None:
    tight = rules(OutputRule("lo_qb1.power", maximum=5.0, unit="dBm"))
    wiring = replace(WIRING, outputs={**WIRING.outputs, **tight})
    fence_in(station, wiring.outputs)
    rig = open_rig(station, wiring)

    with pytest.raises(OutputLimitBroken) as caught:
        rig.apply({"QB1__drive.local_oscillator.power": 7.0, "QB1__drive.frequency": 4.5e9})
    rig.apply({"QB1__drive.local_oscillator.power": 4.0, "QB1__drive.frequency": 4.6e9})

    assert str(caught.value) == (
        "lo_qb1: power was to be set to 7 dBm; the station's limit is 5 dBm"
    )
    assert all(not sign.trouble for sign in rig.probe())
    frequency_hz = parameter(station, "lo_qb1", "frequency").get()
    assert isinstance(frequency_hz, float)
    assert frequency_hz == 4.6e9


def test_a_parameter_is_walked_no_faster_than_its_slew(station: Station) -> None:
    fence_in(station, rules(OutputRule("bias_qb1.voltage", slew_per_s=2.0)))
    voltage = parameter(station, "bias_qb1", "voltage")
    voltage.set(0.0)

    started = time.monotonic()
    voltage.set(0.4)

    assert time.monotonic() - started > 0.9 * 0.4 / 2.0


def test_a_slower_walk_of_the_station_file_stays(station: Station) -> None:
    voltage = parameter(station, "bias_qb1", "voltage")
    voltage.step, voltage.inter_delay = 0.001, 0.01

    fence_in(station, rules(OutputRule("bias_qb1.voltage", slew_per_s=2.0)))

    assert (voltage.step, voltage.inter_delay) == (0.001, 0.01)


def test_outputs_that_the_drivers_do_not_have_are_told_all_at_once(station: Station) -> None:
    with pytest.raises(OutputsUnknown) as caught:
        fence_in(
            station,
            rules(
                OutputRule("bias_qb1.volts", maximum=1.0),
                OutputRule("awg1.ch9.state", safe=False),
                OutputRule("lo_qb1.ref_osc_source", slew_per_s=1.0),
            ),
        )

    assert [problem.where for problem in caught.value.problems] == [
        "outputs.bias_qb1.volts",
        "outputs.awg1.ch9.state",
        "outputs.lo_qb1.ref_osc_source",
    ]
