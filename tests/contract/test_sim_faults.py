"""Faults on purpose, through the control socket, as an unmodified driver sees them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
import pyvisa
from qcodes.instrument_drivers.rohde_schwarz import RohdeSchwarzSGS100A
from sim_support import loopback_rack, unique

from labd_drivers.sim.faults import FaultControl, FaultRefused
from labd_drivers.sim.main import HOST, SimulatedRack

NAME = "lo_qb2"


@pytest.fixture(scope="module")
def rack() -> Iterator[SimulatedRack]:
    with loopback_rack() as running:
        yield running


@pytest.fixture
def faults(rack: SimulatedRack) -> Iterator[FaultControl]:
    with FaultControl(rack.control.port) as control:
        yield control
        control.clear()


@pytest.fixture(params=["hislip", "vxi11", "socket"])
def source(
    rack: SimulatedRack, faults: FaultControl, request: pytest.FixtureRequest
) -> Iterator[RohdeSchwarzSGS100A]:
    address = rack.addresses(request.param)[NAME]
    driver = RohdeSchwarzSGS100A(unique("lo"), address, visalib="@py", timeout=0.3)
    driver.ask("*RST;*CLS;*OPC?")
    yield driver
    driver.close()


def skip_on_vxi11(rack: SimulatedRack, source: RohdeSchwarzSGS100A) -> None:
    if source.visa_handle.resource_name == _normal(rack.addresses("vxi11")[NAME]):
        pytest.skip("pyvisa-py takes 5 s to close a dead VXI-11 link; one test of it is enough")


def _normal(address: str) -> str:
    return address.replace("TCPIP::", "TCPIP0::")


def reconnect(rack: SimulatedRack, source: RohdeSchwarzSGS100A, address: str) -> None:
    """Open the driver's connection again, once the instrument is back."""
    deadline = time.monotonic() + 5
    while not rack.servers[NAME].is_listening:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    source.set_address(address, "@py")
    source.set_terminator("\n")


def test_a_mute_instrument_says_nothing_until_it_is_cleared(
    source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    source.frequency(2e9)
    source.ask("*OPC?")
    faults.inject(NAME, "mute")

    with pytest.raises((pyvisa.VisaIOError, OSError)):
        source.frequency.get()

    faults.clear(NAME)
    source.visa_handle.clear()
    assert source.frequency.get() == 2e9


def test_a_slow_instrument_takes_its_time(
    source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    faults.inject(NAME, "slow", seconds=0.05)
    start = time.monotonic()

    source.frequency.get()

    assert time.monotonic() - start >= 0.05


def test_garbage_is_no_answer(source: RohdeSchwarzSGS100A, faults: FaultControl) -> None:
    faults.inject(NAME, "garbage")

    with pytest.raises((ValueError, UnicodeDecodeError)):
        source.frequency.get()

    faults.clear(NAME)
    assert source.frequency.get() == 1e9


def test_a_refused_command_does_nothing_but_an_error(
    source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    faults.inject(NAME, "refuse", header="SOUR:FREQ", code=-221)

    source.frequency(3e9)

    assert source.ask("SYST:ERR?").startswith("-221,")
    faults.clear(NAME)
    assert source.frequency.get() == 1e9


def test_a_dropped_connection_is_refused_for_a_while_and_state_is_kept(
    rack: SimulatedRack, source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    address = str(source.visa_handle.resource_name)
    source.frequency(2e9)
    assert source.ask("*OPC?") == "1"
    faults.inject(NAME, "drop", seconds=0.2)

    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HOST, rack.servers[NAME].port))
    with pytest.raises((pyvisa.VisaIOError, OSError, RuntimeError)):
        source.frequency.get()

    reconnect(rack, source, address)
    assert source.frequency.get() == 2e9


def test_a_power_cycle_loses_everything(
    rack: SimulatedRack, source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    skip_on_vxi11(rack, source)
    address = str(source.visa_handle.resource_name)
    source.frequency(2e9)
    source.write("NONSENSE")
    assert source.ask("*OPC?") == "1"
    faults.inject(NAME, "power-cycle", seconds=0.05)

    reconnect(rack, source, address)

    assert source.frequency.get() == 1e9
    assert source.ask("SYST:ERR:COUN?") == "0"
    assert int(source.ask("*ESR?")) & 0x80


def test_a_fault_strikes_at_the_message_it_is_planned_for(
    source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    faults.inject(NAME, "error", code=-300, at_message=3)

    assert source.ask("SYST:ERR:COUN?") == "0"
    assert source.ask("SYST:ERR:COUN?") == "0"
    assert source.ask("SYST:ERR:COUN?") == "1"
    assert source.ask("SYST:ERR?").startswith("-300,")


def test_a_planned_drop_cuts_the_line_under_the_message(
    rack: SimulatedRack, source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    skip_on_vxi11(rack, source)
    address = str(source.visa_handle.resource_name)
    faults.inject(NAME, "drop", seconds=0.05, at_message=2)

    assert source.frequency.get() == 1e9
    with pytest.raises((pyvisa.VisaIOError, OSError, RuntimeError)):
        source.frequency.get()

    reconnect(rack, source, address)
    assert source.frequency.get() == 1e9


def test_a_fault_strikes_just_before_the_command_it_waits_for(
    source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    faults.inject(NAME, "error", code=-300, at_header="SOUR:POW", at_message=2)

    source.write("SOUR:POW 1;:SOUR:POW?;:SYST:ERR:COUN?")
    before = source.visa_handle.read()
    source.write("SOUR:FREQ 2 GHz;:SOUR:POW 2;:SYST:ERR:COUN?")

    assert before.endswith(";0")
    assert source.visa_handle.read() == "1"


def test_a_fault_strikes_when_another_instrument_gets_a_command(
    rack: SimulatedRack, source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    other = RohdeSchwarzSGS100A(unique("lo"), rack.addresses("hislip")["lo_qb3"], visalib="@py")
    faults.inject(NAME, "error", code=-300, at_header="*OPC?", at_instrument="lo_qb3")

    assert source.ask("*OPC?;SYST:ERR:COUN?") == "1;0"
    assert other.ask("*OPC?") == "1"
    other.close()

    assert source.ask("SYST:ERR:COUN?") == "1"


def test_a_mute_instrument_is_so_from_the_awaited_command_on(
    source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    faults.inject(NAME, "mute", at_header="SOURce:POWer")
    source.write("SOUR:FREQ 2 GHz;:SOUR:POW 3;:SOUR:FREQ 3 GHz")

    with pytest.raises((pyvisa.VisaIOError, OSError)):
        source.frequency.get()

    faults.clear(NAME)
    source.visa_handle.clear()
    assert source.frequency.get() == 2e9


def test_a_liar_takes_a_setting_and_does_not_do_it(
    source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    faults.inject(NAME, "lie", header="SOUR:FREQ")
    source.frequency(3e9)
    kept = source.frequency.get()
    faults.inject(NAME, "lie", header="SOUR:POW", answer="NAN")

    assert (kept, source.ask("SOUR:POW?")) == (1e9, "NAN")
    assert source.ask("SYST:ERR:COUN?") == "0"
    faults.clear(NAME)
    assert source.ask("SOUR:POW?") != "NAN"


def test_a_stranger_has_another_serial_number(
    source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    own = source.get_idn()

    faults.inject(NAME, "identity", answer="4711")

    assert source.ask("*IDN?").split(",")[2] == "4711"
    faults.clear(NAME)
    assert source.get_idn() == own


def test_half_an_answer_has_no_end(source: RohdeSchwarzSGS100A, faults: FaultControl) -> None:
    faults.inject(NAME, "half")

    with pytest.raises((pyvisa.VisaIOError, OSError)):
        source.ask("*IDN?")

    faults.clear(NAME)
    source.visa_handle.clear()
    assert source.frequency.get() == 1e9


def test_a_long_answer_goes_on_with_the_same(
    source: RohdeSchwarzSGS100A, faults: FaultControl
) -> None:
    source.visa_handle.timeout = 5000
    faults.inject(NAME, "long")

    answer = source.ask("*OPC?")

    assert len(answer) > 4 << 20
    assert set(answer) == {"1"}
    faults.clear(NAME)
    assert source.frequency.get() == 1e9


def test_a_short_block_has_half_of_its_data(rack: SimulatedRack, faults: FaultControl) -> None:
    manager = pyvisa.ResourceManager("@py")
    awg = manager.open_resource(rack.addresses("hislip")["awg1"])
    awg.write('WLIS:WAV:NEW "short",8,REAL')  # type: ignore[attr-defined]
    faults.inject("awg1", "short")

    block = awg.query_binary_values('WLIS:WAV:DATA? "short",0,8')  # type: ignore[attr-defined]
    size = awg.query("WLIS:SIZE?")  # type: ignore[attr-defined]
    awg.write('WLIS:WAV:DEL "short"')  # type: ignore[attr-defined]
    awg.close()
    manager.close()

    assert block == [0.0] * 4
    assert int(size) == 1


def test_status_shows_what_is_wrong(source: RohdeSchwarzSGS100A, faults: FaultControl) -> None:
    source.write("NONSENSE")
    source.ask("*OPC?")
    faults.inject(NAME, "slow", seconds=0.001)
    faults.inject(NAME, "mute", at_message=1000)

    status = faults.status()[NAME]

    assert (status.model, status.fault, status.n_planned, status.n_errors) == (
        "SGS100A",
        "slow",
        1,
        1,
    )
    assert status.is_listening
    assert status.n_connections >= 1
    assert len(faults.status()) == 18


@pytest.mark.parametrize(
    ("request_line", "named"),
    [
        (b"nonsense", "Expecting value"),
        (b"[]", "JSON object"),
        (b'{"do": "fault", "instrument": "toaster", "fault": "mute"}', "no instrument 'toaster'"),
        (b'{"do": "fault", "instrument": "awg1", "fault": "fire"}', "no fault 'fire'"),
        (b'{"do": "fault", "instrument": "awg1", "fault": "refuse", "header": "X"}', "command 'X'"),
        (b'{"do": "fault", "instrument": "awg1", "fault": "lie", "header": "X"}', "command 'X'"),
        (
            b'{"do": "fault", "instrument": "awg1", "fault": "mute", "at_header": "X?"}',
            "awg1 has no command 'X?'",
        ),
        (b'{"do": "fault", "instrument": 3, "fault": "mute"}', "instrument has to be str"),
        (b'{"do": "dance"}', "do dance"),
        (b'{"do": "status", "loudly": true}', "keys"),
    ],
)
def test_bad_requests_are_refused_with_a_sentence(
    rack: SimulatedRack, request_line: bytes, named: str
) -> None:
    with socket.create_connection((HOST, rack.control.port)) as client:
        client.sendall(request_line + b"\n")
        answer = json.loads(client.makefile().readline())

    assert not answer["ok"]
    assert named in answer["error"]


def test_the_helper_raises_what_the_rack_refuses(faults: FaultControl) -> None:
    with pytest.raises(FaultRefused, match="toaster"):
        faults.inject("toaster", "mute")
