"""Programs built from arrays become the payload that IQM's own client would send."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from labd.client import (
    CalibrationSet,
    Constant,
    CosineRiseFall,
    Grid,
    Program,
    Readout,
    TimeTrace,
    gates,
)
from labd.client.shape import Method, shape_of
from labd.client.values_observations import calibration_of
from labd.payloads.sweep import check_payload
from labd.wire import playlist_pb2, sweep_pb2
from labd.wiring_file import read_wiring
from labd_drivers.rigs import scpi

ROOT = Path(__file__).parents[2]
TONE = Readout("QB1__m1", -180e6, 0.12, 1e-6, 240e-9, 1e-6, threshold=0.5)


@pytest.fixture(scope="module")
def calibration() -> CalibrationSet:
    return calibration_of((ROOT / "config/star5/calibration-set.json").read_bytes())


def unpack_request(payload: bytes) -> sweep_pb2.SweepRequest:
    task = sweep_pb2.SweepTaskRequest.FromString(payload)
    return sweep_pb2.SweepRequest.FromString(task.payload.value)


def channel_of(program: Program, name: str) -> playlist_pb2.ChannelDescription:
    return unpack_request(program.pack()).playlist.channels[name]


def test_a_wait_is_one_instruction_however_long() -> None:
    program = Program(shots=10)
    segment = program.segment()
    segment.drive("QB1", Constant(40e-9))
    segment.wait("QB1", 100e-6)
    segment.sync()
    segment.measure("PL-1", [TONE])

    readout = channel_of(program, "PL-1__readout")

    durations = [item.duration_samples for item in readout.instruction_table]
    assert durations == [2000, 2032, 200_080, 2576]


def test_equal_pulses_stand_once_in_the_tables() -> None:
    program = Program(shots=10)
    for _ in range(50):
        segment = program.segment()
        segment.drive("QB1", CosineRiseFall(40e-9), scale_i=0.31)
        segment.sync("QB1", "PL-1")
        segment.measure("PL-1", [TONE])

    drive = channel_of(program, "QB1__drive.awg")
    readout = channel_of(program, "PL-1__readout")

    assert len(drive.instruction_table) == len(drive.waveform_table) == 1
    assert len(readout.acquisition_table) == 1
    assert len(shape_of(program.pack()).labels["QB1__m1"].segments) == 50


def test_a_complex_array_is_both_quadratures() -> None:
    program = Program(shots=1)
    wave = 0.3 * np.exp(1j * np.linspace(0, 1, 80))
    program.segment().drive("QB1", wave)

    waveforms = channel_of(program, "QB1__drive.awg").waveform_table

    np.testing.assert_array_equal(waveforms[0].samples.samples, wave.real)
    np.testing.assert_array_equal(waveforms[1].samples.samples, wave.imag)


def test_a_virtual_z_turns_the_frame_of_the_next_pulse_backwards() -> None:
    program = Program(shots=1)
    segment = program.segment()
    segment.virtual_z("QB1", 0.3)
    segment.virtual_z("QB1", 0.4)
    segment.drive("QB1", Constant(40e-9))
    segment.drive("QB1", Constant(40e-9))

    pulses = [item.iq_pulse for item in channel_of(program, "QB1__drive.awg").instruction_table]

    assert [pulse.phase_increment for pulse in pulses] == [pytest.approx(-0.7), 0.0]


def test_a_duration_between_two_samples_is_refused_with_both_numbers() -> None:
    with pytest.raises(ValueError, match=r"4\.03e-08 s is 80\.6 samples at 2e\+09"):
        Program(shots=1).segment().drive("QB1", Constant(40.3e-9))


def test_settings_become_a_tree_of_dotted_names(calibration: CalibrationSet) -> None:
    program = Program(shots=123, averaging_bins=1)
    program.use(calibration)
    program.segment().drive("QB1", Constant(40e-9))

    root = unpack_request(program.pack()).settings

    assert root.subnodes["options"].settings["playlist_repeats"].value.sint64_value == 123
    assert root.subnodes["options"].settings["averaging_bins"].value.sint64_value == 1
    drive = root.subnodes["QB1__drive"]
    assert drive.settings["frequency"].value.float64_value == 4.41e9
    source = drive.subnodes["local_oscillator"]
    assert source.name == "QB1__drive.local_oscillator"
    assert source.settings["status"].value.bool_value
    assert root.subnodes["PL-1__readout"].settings["center_frequency"].value.float64_value == 6e9


def test_sweeps_nest_in_the_order_they_are_added() -> None:
    program = Program(shots=1)
    program.sweep({"QB1__drive.frequency": [4.3e9, 4.4e9]})
    program.sweep({"QB1__flux.voltage": [0.0, 0.1, 0.2], "QB2__flux.voltage": [0.1, 0.2, 0.3]})

    shape = shape_of(program.pack())

    assert [axis.n_points for axis in shape.axes] == [2, 3]
    assert shape.n_spots == 6


def test_sweeps_that_step_together_have_equal_lengths() -> None:
    with pytest.raises(ValueError, match="equally many"):
        Program(shots=1).sweep({"a": [1.0], "b": [1.0, 2.0]})


def test_a_trace_beside_a_readout_is_acquired_with_the_same_trigger() -> None:
    program = Program(shots=5, averaging_bins=1)
    program.segment().measure("PL-1", [TONE], [TimeTrace("PL-1__trace", 240e-9, 1e-6)])

    shape = shape_of(program.pack())

    assert shape.labels["PL-1__trace"].method is Method.TIME_TRACE
    assert shape.labels["PL-1__trace"].n_samples == 2000
    assert shape.labels["QB1__m1"].method is Method.THRESHOLD


def test_the_bell_pulses_are_those_of_the_captured_bell_job(calibration: CalibrationSet) -> None:
    program = Program(shots=1000)
    segment = program.segment()
    gates.prx(segment, calibration, "QB1", math.pi / 2, math.pi / 2)
    gates.prx(segment, calibration, "QB3", math.pi / 2, math.pi / 2)
    gates.cz(segment, calibration, "TC-1-3", ("QB1", "QB3"))
    gates.prx(segment, calibration, "QB3", math.pi / 2, -math.pi / 2)
    gates.measure(segment, calibration, "PL-1", ["QB1", "QB3"])

    ours = unpack_request(program.pack()).playlist.channels
    captured_bytes = (ROOT / "tests/data/payloads/bell.sweep.bin").read_bytes()
    theirs = unpack_request(captured_bytes).playlist.channels

    assert waves(ours["QB3__drive.awg"]) == waves(theirs["QB3__drive.awg"])
    assert pulses_of(ours["QB1__drive.awg"])[0] == pulses_of(theirs["QB1__drive.awg"])[0]
    flux, captured = ours["TC-1-3__flux.awg"], theirs["TC-1-3__flux.awg"]
    assert flux.waveform_table[0] == captured.waveform_table[0]
    assert [p.real_pulse.scale for p in flux.instruction_table if p.HasField("real_pulse")] == [
        0.42
    ]
    trigger = ours["PL-1__readout"].acquisition_table[0]
    assert trigger in theirs["PL-1__readout"].acquisition_table


def test_the_shipped_rack_can_play_what_is_built(calibration: CalibrationSet) -> None:
    wiring = read_wiring(ROOT / "config/star5/wiring.toml")
    program = Program(shots=100)
    program.use(calibration)
    program.sweep({"QB1__drive.frequency": [4.40e9, 4.41e9]})
    segment = program.segment()
    gates.prx(segment, calibration, "QB1", math.pi)
    segment.wait("QB1", 80e-9)
    gates.measure(segment, calibration, "PL-1", ["QB1", "QB2"])

    summary = check_payload(program.pack(), wiring, scpi, max_result_bytes=1 << 30)

    assert (summary.shots, summary.circuits) == (100, 1)
    assert 2 * 100 * 80e-9 < summary.playing_s < 0.1


def test_the_grid_comes_from_the_channel_properties() -> None:
    document = (ROOT / "tests/data/chip/channel-properties.json").read_text()

    grid = Grid.of(json.loads(document))

    assert grid == Grid(2.0e9, 32, 96)


def waves(channel: playlist_pb2.ChannelDescription) -> list[list[float]]:
    rounded = [np.round(item.samples.samples, 12).tolist() for item in channel.waveform_table]
    return [list(samples) for samples in rounded]


def pulses_of(channel: playlist_pb2.ChannelDescription) -> list[tuple[float, ...]]:
    return [
        (round(p.iq_pulse.scale_i, 9), round(p.iq_pulse.scale_q, 9), round(p.iq_pulse.phase, 6))
        for p in channel.instruction_table
        if p.HasField("iq_pulse")
    ]
