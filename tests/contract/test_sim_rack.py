"""Two AWGs, a trigger cable and a scope: what is played comes back, and what is not does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
import pyvisa
from pyvisa.constants import ResourceAttribute
from pyvisa.resources import MessageBasedResource
from sim_support import DELAY_SAMPLES, LoopbackFridge, loopback_rack

from labd_drivers.sim.main import SimulatedRack
from labd_drivers.sim.scpi import definite_block

N_SAMPLES = 6000
LATENCY_SAMPLES = 480
N_SILENT = 50
SCALE_V = 0.06
DAC_STEP_V = 0.5 / 2**14
LSB_V = SCALE_V / 25

Samples = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def fridge() -> LoopbackFridge:
    return LoopbackFridge()


@pytest.fixture(scope="module")
def rack(fridge: LoopbackFridge) -> Iterator[SimulatedRack]:
    with loopback_rack(fridge) as running:
        yield running


class Bench:
    """The rack's AWGs and scope over HiSLIP."""

    def __init__(self, rack: SimulatedRack) -> None:
        self.rack = rack
        manager = pyvisa.ResourceManager("@py")
        addresses = rack.addresses("hislip")
        self.resources = {}
        for name in ("awg1", "awg2", "scope", "lo_pl1"):
            opened = manager.open_resource(addresses[name], read_termination="\n")
            assert isinstance(opened, MessageBasedResource)
            opened.write_termination = "\n"
            opened.set_visa_attribute(ResourceAttribute.termchar_enabled, False)
            opened.timeout = 5000
            self.resources[name] = opened
            self.ask(name, "*RST;*CLS;*OPC?")

    def write(self, name: str, *messages: str) -> None:
        for message in messages:
            self.resources[name].write(message)

    def ask(self, name: str, message: str) -> str:
        return self.resources[name].query(message)

    def upload(
        self, name: str, waveform: str, samples: Samples, marker1: npt.ArrayLike = 0
    ) -> None:
        n_samples = len(samples)
        resource = self.resources[name]
        resource.write(f'WLISt:WAVeform:NEW "{waveform}",{n_samples},REAL')
        head = f'WLISt:WAVeform:DATA "{waveform}",0,{n_samples},'.encode()
        resource.write_raw(head + definite_block(samples.astype("<f4").tobytes()))
        markers = np.broadcast_to(np.asarray(marker1, np.uint8) * 0x80, n_samples)
        head = f'WLISt:WAVeform:MARKer:DATA "{waveform}",0,{n_samples},'.encode()
        resource.write_raw(head + definite_block(markers.astype(np.uint8).tobytes()))

    def sequence(self, name: str, n_tracks: int, *steps: str) -> None:
        """Steps as ``waveforms by track|repeat|wait``; the last goes back to the first."""
        self.write(name, f'SLIS:SEQ:NEW "s",{len(steps)},{n_tracks}')
        for number, step in enumerate(steps, start=1):
            waveforms, repeat, wait = step.split("|")
            where = f"SLIS:SEQ:STEP{number}"
            for track, waveform in enumerate(waveforms.split(","), start=1):
                self.write(name, f'{where}:TASS{track}:WAV "s","{waveform}"')
            self.write(name, f'{where}:RCO "s",{repeat}', f'{where}:WINP "s",{wait}')
        self.write(name, f'SLIS:SEQ:STEP{len(steps)}:GOTO "s",FIRS')

    def connect(self, name: str, *channels: int) -> None:
        self.write(name, "CLOC:SRAT 2e9")
        for track, channel in enumerate(channels, start=1):
            self.write(
                name,
                f"SOUR{channel}:DAC:RES 14;:SOUR{channel}:VOLT 0.5;:OUTP{channel} ON",
                f'SOUR{channel}:CASS:SEQ "s",{track}',
            )

    def set_scope(self, n_frames: int, n_samples: int, start_s: float = 0.0) -> None:
        self.write(
            "scope",
            "HEADer OFF",
            f"HOR:MODE MAN;MODE:SAMPLER 2e9;:HOR:MODE:RECO {n_samples}",
            f"HOR:DEL:MOD ON;TIM {start_s:.12E};POS 0",
            f"CH1:SCA {SCALE_V};:CH2:SCA {SCALE_V}",
            "TRIG:A:EDGE:SOU AUX;SLO RIS;:TRIG:A:LEV 0.5",
            f"HOR:FAST:STATE ON;COUN {n_frames}",
            "ACQ:STOPA SEQ;:DATA:ENC SRI;WID 1",
        )

    def start(self) -> None:
        """Arm, then run the follower, then the leader."""
        for name, message in (
            ("scope", "ACQ:STATE ON"),
            ("awg2", "AWGC:RUN"),
            ("awg1", "AWGC:RUN"),
        ):
            self.write(name, message)
            assert self.ask(name, "SYST:ERR:CODE?") == "0"

    def records(self, channel: int) -> Samples:
        scope = self.resources["scope"]
        scope.write(f"DATA:SOU CH{channel}")
        codes = np.array(scope.query_binary_values("CURV?", datatype="b", container=np.ndarray))
        offset, factor, zero = (
            float(self.ask("scope", f"WFMO:{q}?")) for q in ("YOF", "YMU", "YZE")
        )
        n_samples = int(self.ask("scope", "WFMO:NR_P?"))
        volts: Samples = (codes - offset) * factor + zero
        return volts.reshape(-1, n_samples)


@pytest.fixture
def bench(rack: SimulatedRack) -> Iterator[Bench]:
    opened = Bench(rack)
    for name in ("awg1", "awg2"):
        opened.write(name, "WLIS:WAV:DEL ALL;:SLIS:SEQ:DEL ALL")
    yield opened
    for resource in opened.resources.values():
        resource.close()


def pulse(seed: int) -> Samples:
    samples = np.zeros(N_SAMPLES)
    samples[1000:3000] = np.random.default_rng(seed).uniform(-1, 1, 2000)
    return samples


def high(*spans: tuple[int, int]) -> npt.NDArray[np.uint8]:
    marker = np.zeros(N_SAMPLES, np.uint8)
    for start, stop in spans:
        marker[start:stop] = 1
    return marker


def load_two_awgs(bench: Bench, readouts: int = 1) -> tuple[Samples, Samples]:
    """Leader: a trigger and silence. Follower: a readout pulse for each trigger."""
    pulse_i, pulse_q = pulse(1), pulse(2)
    bench.upload("awg1", "lead", np.zeros(N_SAMPLES), high((0, 200)))
    bench.upload("awg1", "silence", np.zeros(N_SAMPLES))
    bench.sequence("awg1", 1, *["lead|1|OFF", f"silence|{N_SILENT}|OFF"] * readouts)
    bench.connect("awg1", 1)
    bench.upload("awg2", "i", pulse_i, high((1000, 1100)))
    bench.upload("awg2", "q", pulse_q)
    bench.sequence("awg2", 2, "i,q|1|ATR")
    bench.connect("awg2", 3, 4)
    return pulse_i, pulse_q


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def test_records_are_the_played_samples_within_the_converters_step(
    bench: Bench, fridge: LoopbackFridge
) -> None:
    played = load_two_awgs(bench)
    bench.set_scope(n_frames=50, n_samples=2000, start_s=DELAY_SAMPLES / 2e9)

    bench.start()
    assert bench.ask("scope", "*OPC?") == "1"

    for channel, samples in zip((1, 2), played, strict=True):
        records = bench.records(channel)
        expected = samples[1000:3000] * 0.25
        assert records.shape == (50, 2000)
        assert np.abs(records - expected).max() <= LSB_V / 2 + DAC_STEP_V / 2
    assert bench.ask("scope", "ACQ:STATE?;NUMFRAMESACQ?") == "0;50"
    shot = fridge.shots[-1]
    assert shot.duration_samples == (1 + N_SILENT) * N_SAMPLES
    assert shot.triggers_samples == (LATENCY_SAMPLES + 1000,)
    assert [piece.start_samples for piece in shot.outputs["awg2.ch3"]] == [LATENCY_SAMPLES + 1000]
    assert shot.outputs["awg1.ch1"] == ()


def test_frames_of_several_triggers_come_in_their_order(bench: Bench) -> None:
    load_two_awgs(bench, readouts=2)
    bench.upload("awg2", "other", -pulse(1), high((1000, 1100)))
    bench.write("awg2", 'SLIS:SEQ:DEL "s"')
    bench.sequence("awg2", 2, "i,q|1|ATR", "other,q|1|ATR")
    bench.connect("awg2", 3, 4)
    bench.set_scope(n_frames=5, n_samples=500, start_s=DELAY_SAMPLES / 2e9)

    bench.start()
    bench.ask("scope", "*OPC?")

    first = bench.records(1)[:, 100]
    assert np.sign(first).tolist() == [np.sign(first[0]) * s for s in (1, -1, 1, -1, 1)]


def test_the_same_program_gives_the_same_shot_and_a_setting_another(
    bench: Bench, fridge: LoopbackFridge
) -> None:
    shots = []
    for power in (-10, -10, -20, -10):
        bench.write("lo_pl1", f"POW {power}")
        bench.ask("lo_pl1", "*OPC?")
        for name in ("awg1", "awg2"):
            bench.write(name, "AWGC:STOP;:WLIS:WAV:DEL ALL;:SLIS:SEQ:DEL ALL")
        load_two_awgs(bench)
        bench.set_scope(n_frames=1, n_samples=500)
        bench.start()
        bench.ask("scope", "*OPC?")
        shots.append(fridge.shots[-1])

    assert shots[0] is shots[1] is shots[3]
    assert shots[2] is not shots[0]
    assert shots[2].sources["lo_pl1"].power_dbm == -20


def test_repeated_waveforms_share_one_array(bench: Bench, fridge: LoopbackFridge) -> None:
    load_two_awgs(bench)
    bench.upload("awg1", "drive", pulse(3)[:3000])
    bench.upload("awg1", "trigger", np.zeros(3000), 1)
    bench.write("awg1", 'SLIS:SEQ:DEL "s"')
    bench.sequence(
        "awg1", 2, "trigger,drive|1|OFF", "silence,silence|1|OFF", "drive,drive|1000|OFF"
    )
    bench.connect("awg1", 1, 2)
    bench.set_scope(n_frames=1, n_samples=500)

    bench.start()
    bench.ask("scope", "*OPC?")

    pieces = fridge.shots[-1].outputs["awg1.ch2"]
    assert len(pieces) == 1001
    assert len({id(piece.volts) for piece in pieces}) == 1
    assert pieces[2].start_samples - pieces[1].start_samples == 3000


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("awg2", "OUTP3 OFF"),
        ("awg2", "OUTP:OFF ON"),
        ("awg2", "SOUR3:DAC:RES 16"),
        ("awg2", "SOUR3:MARK1:VOLT:HIGH 0.4"),
        ("awg1", "OUTP1 OFF"),
        ("scope", "TRIG:A:LEV 1.5"),
        ("scope", "TRIG:A:EDGE:SOU CH1"),
    ],
)
def test_without_a_marker_edge_there_is_no_record(bench: Bench, name: str, message: str) -> None:
    load_two_awgs(bench)
    bench.set_scope(n_frames=1, n_samples=500)
    bench.write(name, message)
    bench.ask(name, "*OPC?")

    bench.start()

    assert bench.ask("scope", "ACQ:STATE?;NUMFRAMESACQ?;:TRIG:STATE?") == "1;0;READY"
    assert bench.ask("scope", "CURV?;SYST:ERR:CODE?") == "2244"


def test_a_missing_marker_is_noticed_when_it_comes(bench: Bench) -> None:
    load_two_awgs(bench)
    bench.set_scope(n_frames=3, n_samples=500)
    bench.write("awg2", "OUTP3 OFF")
    bench.start()

    bench.write("awg2", "OUTP3 ON")

    assert eventually(lambda: bench.ask("scope", "ACQ:STATE?") == "0")


def test_a_follower_that_is_not_running_gives_no_record(bench: Bench) -> None:
    load_two_awgs(bench)
    bench.set_scope(n_frames=1, n_samples=500)
    bench.write("scope", "ACQ:STATE ON")
    bench.write("awg1", "AWGC:RUN")

    assert bench.ask("awg1", "AWGC:RST?") == "2"
    assert bench.ask("scope", "ACQ:STATE?") == "1"


def test_a_follower_waits_while_its_leader_stands(bench: Bench) -> None:
    load_two_awgs(bench)

    bench.write("awg2", "AWGC:RUN")
    assert bench.ask("awg2", "AWGC:RST?") == "1"
    bench.write("awg1", "AWGC:RUN")
    assert bench.ask("awg1", "*OPC?") == "1"

    assert bench.ask("awg2", "AWGC:RST?") == "2"


def test_a_scope_that_is_stopped_keeps_what_it_has_and_takes_no_more(bench: Bench) -> None:
    load_two_awgs(bench)
    bench.set_scope(n_frames=2, n_samples=500)
    bench.write("scope", "ACQ:STATE ON", "ACQ:STATE OFF")

    assert bench.ask("scope", "*OPC?;ACQ:NUMFRAMESACQ?") == "1;0"


def test_triggers_that_come_too_fast_are_lost(bench: Bench) -> None:
    load_two_awgs(bench)
    bench.upload("awg2", "fast", pulse(1), high((1000, 1100), (1300, 1400), (3000, 3100)))
    bench.write("awg2", 'SLIS:SEQ:DEL "s"')
    bench.sequence("awg2", 2, "fast,q|1|ATR")
    bench.connect("awg2", 3, 4)
    bench.set_scope(n_frames=4, n_samples=1000, start_s=DELAY_SAMPLES / 2e9)

    bench.start()
    bench.ask("scope", "*OPC?")

    records = bench.records(1)
    assert np.abs(records[0] - records[2]).max() == 0
    assert np.abs(records[0] - pulse(1)[1000:2000] * 0.25).max() <= LSB_V
    assert np.abs(records[1]).max() == 0


def test_a_slower_scope_sees_every_other_sample(bench: Bench) -> None:
    load_two_awgs(bench)
    bench.set_scope(n_frames=1, n_samples=500, start_s=DELAY_SAMPLES / 2e9)
    bench.write("scope", "HOR:MODE:SAMPLER 1e9")

    bench.start()
    bench.ask("scope", "*OPC?")

    assert np.abs(bench.records(1) - pulse(1)[1000:2000:2] * 0.25).max() <= LSB_V


def test_two_bytes_ascii_and_parts_show_the_same_record(bench: Bench) -> None:
    load_two_awgs(bench)
    bench.set_scope(n_frames=3, n_samples=500, start_s=DELAY_SAMPLES / 2e9)
    bench.start()
    bench.ask("scope", "*OPC?")
    whole = bench.records(1)

    bench.write("scope", "DATA:STAR 101;STOP 110;FRAMESTAR 2;FRAMESTOP 2")
    part = bench.records(1)
    bench.write("scope", "DATA:ENC RPB;WID 2")
    wide = bench.resources["scope"].query_binary_values("CURV?", datatype="H", is_big_endian=True)
    bench.write("scope", "DATA:ENC ASCI;WID 1")
    text = [int(code) for code in bench.ask("scope", "CURV?").split(",")]

    assert (part == whole[1:2, 100:110]).all()
    assert [code // 256 for code in wide] == text
    assert np.array(text) - 128 == pytest.approx(part[0] / LSB_V)


def test_an_input_without_a_cable_sees_nothing(bench: Bench) -> None:
    load_two_awgs(bench)
    bench.set_scope(n_frames=2, n_samples=500)
    bench.start()
    bench.ask("scope", "*OPC?")

    assert (bench.records(3) == np.zeros((2, 500))).all()


def test_two_thousand_samples_of_a_thousand_frames_come_in_well_under_a_tenth_of_a_second(
    bench: Bench,
) -> None:
    load_two_awgs(bench)
    bench.set_scope(n_frames=1000, n_samples=2000)
    bench.start()
    bench.ask("scope", "*OPC?")

    def transfer_s() -> float:
        start = time.perf_counter()
        for channel in (1, 2):
            bench.write("scope", f"DATA:SOU CH{channel}")
            bench.resources["scope"].query_binary_values(
                "CURV?", datatype="b", container=np.ndarray, chunk_size=1 << 20
            )
        return time.perf_counter() - start

    assert min(transfer_s() for _ in range(5)) < 0.1
