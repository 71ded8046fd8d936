"""Instruments that are mute, gone, refuse or talk nonsense: named, and good again afterwards."""

import re
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rig_support import READOUT, Lab, lab, readout_program

from labd.core.errors import InstrumentFault, OutOfMemory
from labd.core.rig import Rig
from labd.rack.station import StationUnavailable
from labd_drivers.rigs.scpi import awg as awg_module
from labd_drivers.rigs.scpi import link as link_module
from labd_drivers.rigs.scpi import scope as scope_module
from labd_drivers.sim.faults import FaultName


@pytest.fixture
def transport() -> str:
    return "hislip"


@pytest.fixture
def star5(tmp_path: Path, transport: str) -> Iterator[Lab]:
    with lab(tmp_path, transport) as one:
        yield one


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "RECOVERY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(awg_module, "SET_UP_EXTRA_S", 0.0)
    monkeypatch.setattr(scope_module, "SET_UP_EXTRA_S", 0.0)


def hurry(rig: Rig) -> None:
    """Let all instruments of a rig give up waiting soon."""
    for link in rig._rack.links.values():  # type: ignore[attr-defined]
        link.hurry(0.5)


def work(rig: Rig) -> np.ndarray:
    """Something that needs every kind of instrument."""
    rig.apply({"QB1__flux.voltage": 0.02, "QB1__drive.frequency": 4.5e9})
    rig.load(readout_program(2))
    return rig.run(2).samples[READOUT]


FAULTS: list[tuple[str, str, FaultName]] = [
    (transport, instrument, fault)
    for fault in ("mute", "drop", "power-cycle", "garbage")
    for transport, instrument in [
        *(("hislip", name) for name in ("awg1", "scope", "lo_qb1", "bias_qb1")),
        *((other, "awg2") for other in ("vxi11", "socket")),
    ]
]


@pytest.mark.parametrize(("transport", "instrument", "fault"), FAULTS)
def test_a_fault_names_its_instrument_and_the_next_rig_works(
    star5: Lab, instrument: str, fault: FaultName
) -> None:
    with star5.rig() as rig:
        hurry(rig)
        star5.faults.inject(instrument, fault, seconds=0.05)

        with pytest.raises(InstrumentFault) as caught:
            work(rig)

        rig.make_safe()
    star5.faults.clear()
    wait_until_listening(star5, instrument)
    with star5.rig() as rig:
        records = work(rig)
    assert caught.value.instrument == instrument
    assert caught.value.doing
    assert records.shape == (2, 2, 2000)


def wait_until_listening(star5: Lab, instrument: str) -> None:
    deadline = time.monotonic() + 5
    while not star5.rack.servers[instrument].is_listening:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("instrument", "header"),
    [
        ("awg1", "WLISt:WAVeform:DATA"),
        ("awg2", "SLISt:SEQuence:STEP1:WINPut"),
        ("scope", "HORizontal:FASTframe:COUNt"),
        ("lo_qb1", "SOURce:FREQuency"),
        ("bias_qb1", "SOURce:LEVel"),
    ],
)
def test_a_refused_command_fails_with_the_instruments_own_words(
    star5: Lab, instrument: str, header: str
) -> None:
    with star5.rig() as rig:
        star5.faults.inject(instrument, "refuse", header=header, code=-222)

        with pytest.raises(InstrumentFault, match="-222,"):
            work(rig)

        star5.faults.clear()
        records = work(rig)
    assert records.shape == (2, 2, 2000)


def test_a_setting_beyond_the_instrument_is_not_believed(star5: Lab) -> None:
    with star5.rig() as rig:
        rig.apply({"PL-1__readout.center_frequency": 6.0e9})
        star5.faults.inject("lo_pl1", "refuse", header="SOURce:FREQuency", code=-222)
        with pytest.raises(InstrumentFault, match="lo_pl1, while setting frequency to 7"):
            rig.apply({"PL-1__readout.center_frequency": 7.0e9})
        star5.faults.clear()

        rig.apply({"PL-1__readout.center_frequency": 7.0e9})

    source = star5.rack.rack.instruments["lo_pl1"].source()  # type: ignore[attr-defined]
    assert source.frequency_hz == 7.0e9


def test_an_instrument_that_takes_a_setting_and_has_another_is_found_out(star5: Lab) -> None:
    with star5.rig() as rig:
        rig.apply({"PL-1__readout.center_frequency": 6.0e9})
        star5.faults.inject("lo_pl1", "lie", header="SOURce:FREQuency", answer="6.0e9")

        with pytest.raises(InstrumentFault, match=r"lo_pl1, .*was set to 7.* and says 6"):
            rig.apply({"PL-1__readout.center_frequency": 7.0e9})


def test_one_dead_instrument_does_not_keep_the_others_from_being_safe(star5: Lab) -> None:
    instruments = star5.rack.rack.instruments
    with star5.rig() as rig:
        star5.faults.inject("awg1", "mute")
        star5.faults.inject("lo_qb1", "drop", seconds=0.1)
        started = time.monotonic()

        rig.make_safe()

        elapsed = time.monotonic() - started
    assert not instruments["lo_qb2"].source().is_on  # type: ignore[attr-defined]
    assert not instruments["awg2"].is_output_on(1)  # type: ignore[attr-defined]
    assert elapsed < 8


def test_lost_instruments_are_found_without_a_job(star5: Lab) -> None:
    with star5.rig() as rig:
        hurry(rig)
        healthy = rig.probe()
        star5.faults.inject("scope", "mute")
        star5.faults.inject("bias_qb3", "power-cycle", seconds=0.01)

        signs = rig.probe()

    assert not any(sign.trouble for sign in healthy)
    assert all(sign.took_s > 0 for sign in healthy)
    assert {sign.instrument for sign in signs if sign.trouble} == {"scope", "bias_qb3"}
    assert all(sign.instrument not in sign.trouble.split(":")[0] for sign in signs)


def test_a_station_with_a_mute_instrument_is_unavailable_by_name(star5: Lab) -> None:
    star5.faults.inject("bias_qb2", "mute")
    port = star5.rack.servers["bias_qb2"].port

    said = rf"bias_qb2 at TCPIP.*{port}.*: VI_ERROR_TMO"
    with pytest.raises(StationUnavailable, match=said), star5.rig():
        pass

    star5.faults.clear()
    with star5.rig() as rig:
        assert work(rig).shape == (2, 2, 2000)


def test_errors_that_nobody_asked_for_are_read_with_the_next_probe(star5: Lab) -> None:
    with star5.rig() as rig:
        star5.faults.inject("lo_qb1", "error", code=-300)
        for _ in range(40):
            star5.faults.inject("awg2", "error", code=-310)
        star5.faults.inject("scope", "error", code=-320)

        signs = {sign.instrument: sign.trouble for sign in rig.probe() if sign.trouble}
        after = [sign for sign in rig.probe() if sign.trouble]

    assert set(signs) == {"lo_qb1", "awg2", "scope"}
    assert signs["lo_qb1"].startswith("its error queue says -300,")
    assert signs["awg2"].endswith('(31 times); -350,"Queue overflow"')
    assert "-320" in signs["scope"]
    assert not after


def test_an_awg_that_refuses_to_run_is_not_waited_for(
    star5: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awg_module, "START_LOOK_S", 0.02)
    with star5.rig() as rig:
        star5.faults.inject("awg1", "refuse", header="AWGControl:RUN", code=-221)

        with pytest.raises(InstrumentFault, match=r"awg1, while starting it: .*-221"):
            work(rig)


@pytest.mark.parametrize("transport", ["hislip", "socket"])
@pytest.mark.parametrize(("instrument", "header"), [("scope", "CURVe?"), ("bias_qb1", "*OPC?")])
def test_an_answer_without_end_is_cut_off(star5: Lab, instrument: str, header: str) -> None:
    with star5.rig() as rig:
        star5.faults.inject(instrument, "long", at_header=header)

        with pytest.raises(InstrumentFault) as caught:
            work(rig)

        assert caught.value.instrument == instrument
        beyond = rf"its answer to {re.escape(header)} goes on beyond \d+ bytes: its line is closed"
        assert re.match(beyond, caught.value.what)
        assert len(str(caught.value)) < 1000
        assert not rig.make_safe()


def test_a_block_that_is_none_is_not_waited_for(star5: Lab) -> None:
    with star5.rig() as rig:
        for answer in ("#41000abc", "#0abc", "41000abc", "#4xyzwabc"):
            star5.faults.inject("scope", "lie", header="CURVe", answer=answer)

            with pytest.raises(InstrumentFault, match="scope, while reading the records of inp"):
                work(rig)


def test_whatever_a_driver_raises_is_its_instruments_fault(star5: Lab) -> None:
    raised: list[BaseException] = []

    def ask(_: str) -> str:
        raise raised[-1]

    with star5.rig() as rig:
        rig._rack.links["lo_qb1"].driver.ask = ask  # type: ignore[attr-defined]
        for error in (SystemExit(3), KeyboardInterrupt(), ZeroDivisionError("by 0")):
            raised.append(error)

            with pytest.raises(InstrumentFault, match=f"its driver raised {type(error).__name__}"):
                work(rig)


def test_memory_that_a_driver_fills_is_given_back_and_its_instrument_named(star5: Lab) -> None:
    class Eaten:
        pass

    eaten: list[weakref.ref[Eaten]] = []

    def ask(_: str) -> str:
        mine = Eaten()
        eaten.append(weakref.ref(mine))
        raise MemoryError

    with star5.rig() as rig:
        rig._rack.links["lo_qb1"].driver.ask = ask  # type: ignore[attr-defined]

        with pytest.raises(OutOfMemory, match="lo_qb1, while setting frequency"):
            work(rig)

        assert eaten
        assert all(one() is None for one in eaten)
