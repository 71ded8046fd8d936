"""The unmodified QCoDeS drivers on the simulated instruments, over all three transports."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from pyvisa.constants import ResourceAttribute
from qcodes.instrument import VisaInstrument
from qcodes.instrument_drivers.rohde_schwarz import RohdeSchwarzSGS100A
from qcodes.instrument_drivers.tektronix import TektronixAWG5208, TektronixDPO70000
from qcodes.instrument_drivers.yokogawa import YokogawaGS200
from sim_support import loopback_rack, unique

from labd_drivers.sim.main import SimulatedRack

TRANSPORTS = ("hislip", "vxi11", "socket")


@pytest.fixture(scope="module")
def rack() -> Iterator[SimulatedRack]:
    with loopback_rack() as running:
        yield running


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def awg(rack: SimulatedRack, transport: str) -> Iterator[TektronixAWG5208]:
    driver = TektronixAWG5208(unique("awg"), rack.addresses(transport)["awg1"], visalib="@py")
    driver.write("*RST;*CLS;:WLIS:WAV:DEL ALL;:SLIS:SEQ:DEL ALL")
    yield driver
    driver.close()


@pytest.fixture
def scope(rack: SimulatedRack, transport: str) -> Iterator[TektronixDPO70000]:
    driver = TektronixDPO70000(unique("scope"), rack.addresses(transport)["scope"], visalib="@py")
    driver.write("*RST;*CLS;:HEADer OFF")
    yield driver
    driver.close()


@pytest.fixture
def source(rack: SimulatedRack, transport: str) -> Iterator[RohdeSchwarzSGS100A]:
    driver = RohdeSchwarzSGS100A(unique("lo"), rack.addresses(transport)["lo_qb1"], visalib="@py")
    driver.write("*RST;*CLS")
    yield driver
    driver.close()


@pytest.fixture
def bias(rack: SimulatedRack, transport: str) -> Iterator[YokogawaGS200]:
    driver = YokogawaGS200(unique("bias"), rack.addresses(transport)["bias_qb1"], visalib="@py")
    driver.write("*RST;*CLS")
    yield driver
    driver.close()


def errors(driver: VisaInstrument) -> str:
    return str(driver.ask("SYST:ERR?"))


NO_ERROR = '0,"No error"'


def test_every_parameter_of_the_awg_can_be_read(awg: TektronixAWG5208) -> None:
    awg.snapshot(update=True)

    assert awg.get_idn()["model"] == "AWG5208"
    assert errors(awg) == NO_ERROR


def test_awg_settings_come_back(awg: TektronixAWG5208) -> None:
    awg.sample_rate(2e9)
    awg.clock_source("Internal, 10 MHZ ref.")
    awg.ch2.resolution(14)
    awg.ch2.awg_amplitude(0.5)
    awg.ch2.marker1_high(1.2)
    awg.ch2.marker2_waitvalue("LOW")
    awg.ch2.state(1)
    awg.ch2.hold("FIRST")
    awg.ch3.fgen_type("GAUSSIAN")
    awg.all_output_off("on")

    assert awg.sample_rate.get() == 2e9
    assert awg.clock_source.get() == "Internal, 10 MHZ ref."
    assert awg.ch2.resolution.get() == 14
    assert awg.ch2.marker1_high.get() == 1.2
    assert awg.ch2.state.get() == 1
    assert awg.ch2.hold.get() == "FIRST"
    assert awg.ch3.fgen_type.get() == "GAUSSIAN"
    assert awg.all_output_off.get()
    assert errors(awg) == NO_ERROR


def test_wfmx_files_arrive_load_and_can_be_assigned(awg: TektronixAWG5208) -> None:
    rng = np.random.default_rng(5)
    data = np.stack([rng.uniform(-0.25, 0.25, 3000), *(rng.integers(0, 2, (2, 3000)))])
    expected = data[0] / 0.25
    markers = data[1] * 0x80 + data[2] * 0x40

    awg.sendWFMXFile(awg.makeWFMXFile(data.copy(), 0.5), "pulse.wfmx")
    awg.loadWFMXFile("pulse.wfmx")
    awg.ch1.setWaveform("pulse")

    assert awg.ch1.assigned_asset.get() == "pulse"
    assert awg.ask("WLIS:WAV:LENG? 'pulse'") == "3000"
    assert int(awg.ask("SYSTem:ERRor:CODE?")) == 0
    if awg.visa_handle.resource_name.endswith("SOCKET"):
        return
    awg.visa_handle.set_visa_attribute(ResourceAttribute.termchar_enabled, False)
    samples = awg.visa_handle.query_binary_values(
        'WLIS:WAV:DATA? "pulse"', datatype="f", container=np.ndarray
    )
    read_markers = awg.visa_handle.query_binary_values(
        'WLIS:WAV:MARK:DATA? "pulse"', datatype="B", container=np.ndarray
    )
    assert samples == pytest.approx(expected, abs=1e-6)
    assert (read_markers == markers).all()


def test_a_seqx_file_becomes_a_sequence_that_plays(awg: TektronixAWG5208) -> None:
    waves = [[np.full(2400, 0.1 * (ch + 1)) for _ in range(3)] for ch in range(2)]
    seqx = awg.makeSEQXFile(
        [1, 0, 0], [1, 5, 0], [0] * 3, [0] * 3, [0, 0, 1], waves, [0.5] * 2, "s"
    )

    awg.sendSEQXFile(seqx, "s.seqx")
    awg.loadSEQXFile("s.seqx")
    awg.ch1.setSequenceTrack("s", 1)
    awg.ch2.setSequenceTrack("s", 2)
    awg.play()

    assert awg.sequenceList == ["s"]
    assert len(awg.waveformList) == 6
    assert awg.ch2.assigned_asset.get() == "s"
    assert awg.run_state() == "Waiting for trigger"
    assert awg.ask('SLIS:SEQ:STEP2:RCO? "s"') == "5"
    assert awg.ask('SLIS:SEQ:STEP3:RCO? "s"') == "INF"
    assert awg.ask('SLIS:SEQ:STEP1:WINP? "s"') == "ATR"
    assert awg.ask('SLIS:SEQ:STEP3:GOTO? "s"') == "1"
    awg.stop()
    assert awg.run_state() == "Stopped"
    assert errors(awg) == NO_ERROR


def test_a_sequence_of_an_existing_name_is_not_overwritten(awg: TektronixAWG5208) -> None:
    for value, n_steps in ((0.1, 2), (0.2, 3)):
        waves = [[np.full(2400, value)] * n_steps]
        seqx = awg.makeSEQXFile(
            [0] * n_steps, [1] * n_steps, [0] * n_steps, [0] * n_steps, [0] * n_steps,
            waves, [0.5], "same",
        )  # fmt: skip
        awg.sendSEQXFile(seqx, "same.seqx")
        awg.loadSEQXFile("same.seqx")

    assert awg.ask('SLIS:SEQ:LENG? "same"') == "2"
    assert awg.waveformList == ["wfmch1pos1", "wfmch1pos2", "wfmch1pos3"]


def test_the_scope_driver_reads_its_parameters_and_an_untriggered_scope_has_no_trace(
    scope: TektronixDPO70000,
) -> None:
    scope.horizontal.mode("manual")
    scope.horizontal.record_length(2000)
    scope.horizontal.sample_rate(2e9)
    scope.channel[0].scale(0.05)
    scope.channel[0].position(1)
    scope.channel[0].offset(0.01)
    scope.channel[1].termination(50)
    scope.data.encoding("SRIbinary")
    scope.waveform.bytes_per_sample(2)
    scope.trigger.source("AUX")
    scope.trigger.edge_slope("rise")
    scope.trigger.level(0.3)
    scope.acquisition.stop_after("SEQUENCE")
    scope.acquisition.mode("sample")

    assert scope.horizontal.sample_rate.get() == 2e9
    assert scope.horizontal.mode.get() == "manual"
    assert scope.channel[0].waveform.scale.get() == pytest.approx(0.05 / 6400)
    assert scope.channel[0].waveform.raw_data_offset.get() == pytest.approx(6400)
    assert scope.channel[0].waveform.offset.get() == pytest.approx(0.01)
    assert scope.waveform.is_binary.get() is True
    assert scope.waveform.is_big_endian.get() is False
    assert scope.waveform.data_format.get() == "signed_integer"
    assert scope.trigger.level.get() == 0.3
    assert scope.trigger.edge_slope.get() == "rise"
    assert scope.trigger.state.get() == "save"
    assert scope.acquisition.stop_after.get() == "SEQUENCE"
    assert errors(scope) == NO_ERROR


def test_source_settings_come_back(source: RohdeSchwarzSGS100A) -> None:
    source.frequency(4.41e9)
    source.power(-12.34)
    source.phase(12.5)
    source.on()
    source.IQ_state("on")
    source.ref_osc_source("EXT")
    source.ref_osc_external_freq("100MHz")
    source.pulsemod_trig_ext_impedance("G10K")
    source.trigger_connector_mode("SNVAL")
    snapshot = source.snapshot(update=True)["parameters"]

    assert snapshot["frequency"]["value"] == 4.41e9
    assert snapshot["power"]["value"] == -12.34
    assert snapshot["status"]["value"] is True
    assert snapshot["IQ_state"]["value"] is True
    assert snapshot["ref_osc_source"]["value"] == "EXT"
    assert snapshot["trigger_connector_mode"]["value"] == "SNVAL"
    assert errors(source) == NO_ERROR


def test_bias_levels_have_the_digits_of_their_range(
    rack: SimulatedRack, bias: YokogawaGS200
) -> None:
    instrument = rack.rack.instruments["bias_qb1"]
    bias.voltage_range(1.0)
    bias.voltage(0.1234567)

    assert bias.voltage.get() == pytest.approx(0.12346, abs=1e-9)
    assert rack.rack.current_biases()["bias_qb1"] == 0.0
    bias.output("on")
    assert bias.ask("*OPC?") == "1"
    assert rack.rack.current_biases()["bias_qb1"] == pytest.approx(0.12346)
    bias.voltage_range(0.1)
    bias.voltage(0.05)
    assert bias.voltage_limit.get() == 30
    assert instrument.n_errors == 0


def test_a_bias_ramps_in_hardware(bias: YokogawaGS200) -> None:
    bias.output("on")

    bias.ramp_step(0.01)
    bias.ramp_rate(1.0)
    bias.ramp_voltage(0.1)

    assert bias.voltage.get() == pytest.approx(0.1)
