"""What the instruments refuse, and the error queue that says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from sim_support import loopback_rack

from labd_drivers.sim.fault_board import FaultBoard
from labd_drivers.sim.main import SimulatedRack
from labd_drivers.sim.scpi import definite_block
from labd_drivers.sim.session import Session

Ask = Callable[[str | bytes], str]


@pytest.fixture(scope="module")
def rack() -> Iterator[SimulatedRack]:
    with loopback_rack() as running:
        yield running


def asker(rack: SimulatedRack, name: str) -> Ask:
    session = Session(rack.rack.instruments[name], FaultBoard(0))

    def ask(message: str | bytes) -> str:
        assert session.submit(message.encode() if isinstance(message, str) else message)
        return (session.take_output() or b"").decode("latin-1").rstrip("\n")

    with rack.rack.room:
        rack.rack.instruments[name].forget()
    ask("*CLS")
    return ask


@pytest.fixture
def awg(rack: SimulatedRack) -> Ask:
    return asker(rack, "awg1")


@pytest.fixture
def scope(rack: SimulatedRack) -> Ask:
    ask = asker(rack, "scope")
    ask("HEADer OFF")
    return ask


@pytest.fixture
def source(rack: SimulatedRack) -> Ask:
    return asker(rack, "lo_qb1")


@pytest.fixture
def bias(rack: SimulatedRack) -> Ask:
    return asker(rack, "bias_qb1")


def code(ask: Ask) -> int:
    return int(ask("SYSTem:ERRor:CODE?"))


def samples(values: np.ndarray) -> bytes:
    return definite_block(values.astype("<f4").tobytes())


def upload(awg: Ask, name: str, n_samples: int = 2400) -> None:
    awg(f'WLISt:WAVeform:NEW "{name}",{n_samples},REAL')


# ---- common


def test_an_empty_queue_says_no_error(source: Ask) -> None:
    assert source("SYST:ERR?") == '0,"No error"'


def test_errors_come_out_oldest_first_and_leave_their_mark_in_esr(source: Ask) -> None:
    source("FREQ 99e9")
    source("NONSENSE 1")
    source("FREQ")

    assert source("*ESR?") == str(0x10 | 0x20)
    assert source("SYST:ERR?").startswith('-222,"Data out of range;FREQ 9.9e+10')
    assert [code(source) for _ in range(3)] == [-113, -109, 0]


def test_the_queue_overflows_into_one_350(source: Ask) -> None:
    for _ in range(50):
        source("NONSENSE")

    codes = [code(source) for _ in range(33)]

    assert codes == [-113] * 31 + [-350, 0]


def test_cls_empties_the_queue(source: Ask) -> None:
    source("NONSENSE")

    assert source("*CLS;SYST:ERR:COUN?") == "0"


def test_a_command_error_ends_its_message_an_execution_error_does_not(source: Ask) -> None:
    assert source("FREQ 99e9;*OPC?") == "1"
    assert source("NONSENSE;*OPC?") == ""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("FREQ 1,2", -108),
        ("FREQ 'x'", -104),
        ("FREQ ON", -104),
        ("ROSC:SOUR SIDEWAYS", -224),
        ("FREQ 1 lightyear", -224),
        ("*ESE 256", -222),
        ("*IDN", -113),
        ("*CLS?", -113),
        ("OUTP 1,", -102),
    ],
)
def test_common_mistakes_have_their_codes(source: Ask, message: str, expected: int) -> None:
    source(message)

    assert code(source) == expected


def test_several_queries_answer_on_one_line(source: Ask) -> None:
    assert source("*OPC?;:FREQ 2e9;POW -5;FREQ?;POW?") == "1;2000000000.000;-5.00"


def test_status_byte_and_service_request(source: Ask) -> None:
    source("*ESE 255;*SRE 32")
    source("NONSENSE")

    assert int(source("*STB?")) == 0x04 | 0x20 | 0x40
    assert (source("*ESE?"), source("*SRE?"), source("*TST?")) == ("255", "32", "0")


def test_opc_sets_its_bit_at_once_when_nothing_runs(source: Ask) -> None:
    source("*OPC")

    assert source("*ESR?") == "1"


def test_limits_and_defaults_by_name(source: Ask) -> None:
    source("FREQ MAX")

    assert source("FREQ?") == "12750000000.000"
    assert source("POW? MIN") == "-120.00"


# ---- source and bias


def test_a_source_stays_below_its_option(source: Ask) -> None:
    source("FREQ 4.5e9")
    source("SOUR:FREQ 12750000000.01")

    assert (code(source), source("FREQ?")) == (-222, "4500000000.000")


def test_a_bias_stays_within_its_range(bias: Ask) -> None:
    bias(":SOUR:LEV 1.19")
    bias(":SOUR:LEV 1.3")

    assert (code(bias), float(bias(":SOUR:LEV?"))) == (-222, 1.19)
    bias(":SOUR:RANG 100")
    assert (code(bias), float(bias(":SOUR:RANG?"))) == (-222, 1.0)
    bias(":SOUR:LEV:AUTO 1.3")
    assert (code(bias), float(bias(":SOUR:RANG?"))) == (0, 10.0)


def test_a_bias_that_is_on_keeps_its_function(bias: Ask) -> None:
    bias("OUTPUT 1")
    bias("SOUR:FUNC CURR")

    assert (code(bias), bias(":SOUR:FUNC?")) == (-221, "VOLT")


# ---- AWG


def test_a_waveform_of_an_existing_name_is_refused(awg: Ask) -> None:
    upload(awg, "w")
    upload(awg, "w", 100)

    assert (code(awg), awg('WLIS:WAV:LENG? "w"')) == (-224, "2400")


@pytest.mark.parametrize("bad", [1.0001, -2.0, np.nan, np.inf])
def test_samples_beyond_full_scale_or_no_numbers_are_refused(awg: Ask, bad: float) -> None:
    upload(awg, "w", 4)
    good = np.array([0.5, -1.0, 1.0, 0.0])
    awg(b'WLIS:WAV:DATA "w",0,4,' + samples(good))
    awg(b'WLIS:WAV:DATA "w",1,1,' + samples(np.array([bad])))

    assert code(awg) == -222
    assert awg('WLIS:WAV:DATA? "w"').encode("latin-1") == samples(good)


def test_data_goes_where_it_is_addressed(awg: Ask) -> None:
    upload(awg, "w", 6)
    awg(b'WLIS:WAV:DATA "w",2,3,' + samples(np.array([0.1, 0.2, 0.3])))
    awg(b'WLIS:WAV:MARK:DATA "w",4,2,' + definite_block(b"\x80\xc0"))

    expected = samples(np.array([0, 0, 0.1, 0.2, 0.3, 0]))
    assert awg('WLIS:WAV:DATA? "w",0,6').encode("latin-1") == expected
    assert awg('WLIS:WAV:MARK:DATA? "w",3,3').encode("latin-1") == definite_block(b"\x00\x80\xc0")
    assert code(awg) == 0


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b'WLIS:WAV:DATA "w",0,5,#14abcd', -161),
        (b'WLIS:WAV:DATA "w",5,1,#14abcd', -222),
        (b'WLIS:WAV:DATA "w",0,5,#220abcd', -161),
        (b'WLIS:WAV:DATA "none",0,1,#14abcd', -224),
        (b'WLIS:WAV:DATA "w",0,1', -104),
        (b'WLIS:WAV:NEW "x",0,REAL', -222),
        (b'WLIS:WAV:NEW "x",999999999999,REAL', -222),
        (b'WLIS:WAV:NEW "x",128000000,REAL', -225),
        (b'WLIS:WAV:NEW "x",10,IQ', -224),
        (b'WLIS:WAV:DEL "none"', -224),
        (b'SLIS:SEQ:NEW "s",16384', -222),
        (b'SLIS:SEQ:NEW "s",1,9', -222),
        (b'SLIS:SEQ:STEP1:RCO "none",2', -224),
        (b"SLIS:SEQ:STEP16384:RCO 's',2", -114),
        (b'SOUR1:CASS:WAV "none"', -224),
        (b'SOUR1:CASS:SEQ "none",1', -224),
        (b"SOUR9:VOLT 0.5", -114),
        (b"SOUR1:VOLT 0.024", -222),
        (b"SOUR1:VOLT 0.751", -222),
        (b"SOUR1:DAC:RES 11", -222),
        (b"SOUR1:VOLT:OFFS 0.1", -222),
        (b"CLOC:SRAT 2.6e9", -222),
        (b"AWGC:RUN", -221),
        (b'MMEM:OPEN "C:\\none.wfmx"', -256),
        (b'MMEM:DEL "none.wfmx"', -256),
        (b"TRIG:IMM ATR", -300),
    ],
)
def test_awg_refusals(awg: Ask, message: bytes, expected: int) -> None:
    upload(awg, "w", 5)
    awg(message)

    assert code(awg) == expected


def test_sequence_steps_need_waveforms_that_are_there_and_long_enough(awg: Ask) -> None:
    upload(awg, "short", 2399)
    awg('SLIS:SEQ:NEW "s",2,2')
    for step in (
        'STEP1:TASS1:WAV "s","none"',
        'STEP1:TASS1:WAV "s","short"',
        'STEP3:RCO "s",1',
        'STEP1:TASS3:WAV "s","short"',
        'STEP1:RCO "s",1048577',
        'STEP1:GOTO "s",3',
        'STEP1:WINP "s",MAYBE',
    ):
        awg(f"SLIS:SEQ:{step}")

    assert [code(awg) for _ in range(8)] == [-224, -222, -222, -222, -222, -222, -224, 0]


def test_a_repeat_of_two_to_the_twenty_is_taken(awg: Ask) -> None:
    awg('SLIS:SEQ:NEW "s",1')
    awg('SLIS:SEQ:STEP1:RCO "s",1048576')

    assert awg('SLIS:SEQ:STEP1:RCO? "s"') == "1048576"


def test_run_is_refused_until_every_step_of_an_assigned_track_has_a_waveform(awg: Ask) -> None:
    upload(awg, "w")
    upload(awg, "longer", 4800)
    awg('SLIS:SEQ:NEW "s",2,2')
    awg('SLIS:SEQ:STEP1:TASS1:WAV "s","w"')
    awg('SOUR1:CASS:SEQ "s",1')
    awg("AWGC:RUN")
    assert (code(awg), awg("AWGC:RST?")) == (-221, "0")

    awg('SLIS:SEQ:STEP2:TASS1:WAV "s","w"')
    awg("AWGC:RUN")
    assert (code(awg), awg("AWGC:RST?")) == (0, "2")

    awg("AWGC:STOP")
    for step, name in ((1, "w"), (2, "longer")):
        awg(f'SLIS:SEQ:STEP{step}:TASS2:WAV "s","{name}"')
    awg('SOUR2:CASS:SEQ "s",2')
    awg("AWGC:RUN")
    assert code(awg) == -221


def test_a_deleted_waveform_is_no_longer_assigned(awg: Ask) -> None:
    upload(awg, "w")
    awg('SOUR1:CASS:WAV "w"')
    awg('WLIS:WAV:DEL "w"')

    assert (awg("SOUR1:CASS?"), awg("WLIS:LIST?")) == ('""', '""')


def test_sixteen_bits_leave_no_marker(awg: Ask) -> None:
    awg("SOUR1:DAC:RES 16")
    awg("SOUR1:MARK1:VOLT:HIGH 1.2")
    assert code(awg) == -221

    awg("SOUR1:DAC:RES 14")
    awg("SOUR1:MARK2:VOLT:HIGH 1.2")
    awg("SOUR1:MARK3:VOLT:HIGH 1.2")
    assert [code(awg), code(awg)] == [-221, 0]


def test_samples_out_of_range_in_a_file_are_clipped_like_the_driver_warns(awg: Ask) -> None:
    header = (
        '<DataFile offset="000000000"><NumberSamples>2</NumberSamples>'
        "<MarkersIncluded>false</MarkersIncluded><NumberFormat>Single</NumberFormat>"
        "<Endian>Little</Endian></DataFile>"
    )
    header = header.replace("000000000", f"{len(header):09d}")
    body = np.array([3.0, -0.5], "<f4").tobytes()

    awg(b'MMEM:DATA "f.wfmx",' + definite_block(header.encode() + body))
    awg('MMEM:OPEN "f.wfmx"')

    assert code(awg) == 0
    assert awg('WLIS:WAV:DATA? "f"').encode("latin-1") == samples(np.array([1.0, -0.5]))


@pytest.mark.parametrize("content", [b"", b"nothing", b"<DataFile offset='9'", b"PK\x03\x04"])
@pytest.mark.parametrize("extension", ["wfmx", "seqx"])
def test_broken_files_are_refused(awg: Ask, content: bytes, extension: str) -> None:
    awg(f'MMEM:DATA "f.{extension}",'.encode() + definite_block(content))
    awg(f'MMEM:OPEN "f.{extension}"')

    assert code(awg) == -300


# ---- scope


def test_the_scope_answers_with_headers_until_they_are_switched_off(rack: SimulatedRack) -> None:
    ask = asker(rack, "scope")

    assert ask("CH2:SCA?") == ":CH2:SCALE 0.1"
    ask("HEADer OFF")
    assert ask("CH2:SCA?") == "0.1"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("HOR:MODE:RECO 1000", -221),
        ("HOR:MODE:SAMPLER 2e9", -221),
        ("CURVe?", 2244),
        ("WFMO:BYT_N 4", -222),
        ("WFMO:BN_F FP", -224),
        ("DATA:SOU MATH1", -224),
        ("ACQ:MOD AVERAGE", -224),
        ("CH5:SCA 1", -114),
    ],
)
def test_scope_refusals(scope: Ask, message: str, expected: int) -> None:
    scope(message)

    assert code(scope) == expected


def test_sample_rates_are_coerced_and_read_back_as_coerced(scope: Ask) -> None:
    scope("HOR:MODE MAN")

    for wanted, taken in (("2e9", 2e9), ("2.1e9", 2e9), ("3E9", 2.5e9), ("1e12", 50e9)):
        scope(f"HOR:MODE:SAMPLER {wanted}")
        assert float(scope("HOR:MODE:SAMPLER?")) == taken


def test_frames_are_limited_by_the_memory(scope: Ask) -> None:
    scope("HOR:MODE MAN;MODE:RECO 10000")
    scope("HOR:FAST:COUN 1000000")

    assert scope("HOR:FAST:MAXFR?") == "6250"
    assert scope("HOR:FAST:COUN?") == "6250"


def test_the_events_come_out_all_at_once(scope: Ask) -> None:
    scope("CURVe?")

    assert scope("ALLEv?").startswith('2244,"Source waveform is not active')
    assert scope("ALLEv?") == '0,"No events to report - queue empty"'


def test_encodings_set_format_and_byte_order(scope: Ask) -> None:
    scope("DATA:ENC SRPbinary;WID 2")

    answers = [scope(query) for query in ("WFMO:BN_F?", "WFMO:BYT_O?", "DATA:ENC?", "WFMO:BYT_N?")]
    assert answers == ["RP", "LSB", "SRPBINARY", "2"]
    assert code(scope) == 0
