"""What pulses become: places, phases, shared waveforms, windows."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sweep_support import (
    DRIVE,
    FLUX,
    PAYLOADS,
    RATE_HZ,
    READOUT,
    WIRING,
    channel,
    compiled,
    iq_pulse,
    payload_of,
    problems_of,
    sweep_of,
)

from labd.core.compile import PulseJob
from labd.core.compile_readout import AcquisitionKind
from labd.core.playlist import (
    Acquisition,
    Integration,
    IQEntry,
    MultiplexedIQPulse,
    Operation,
    PlaylistChannel,
    ReadoutTrigger,
    RealPulse,
    Threshold,
    TimeTrace,
    VirtualRZ,
    Wait,
)
from labd.core.program import ComplexSamples
from labd.core.sweep import Sweep
from labd.core.waveforms import Constant, Samples, Waveform
from labd.core.wiring import ChannelKind

WEIGHTS = iq_pulse(1.0)

Instructions = Sequence[tuple[int, Operation]]


def readout_channel(acquisitions: Sequence[Acquisition] = ()) -> PlaylistChannel:
    acquisitions = acquisitions or [Acquisition("QB1__m1", 32, Threshold(WEIGHTS, 0.5, ""))]
    trigger = ReadoutTrigger(0, tuple(range(len(acquisitions))))
    instructions: Instructions = [(64, iq_pulse(0.1)), (160, trigger), (512, Wait())]
    return channel(ChannelKind.READOUT, instructions, acquisitions=acquisitions)


def driven(instructions: Instructions, rows: Sequence[Sequence[int]]) -> Sweep:
    drive = channel(ChannelKind.IQ, instructions)
    segments = [{DRIVE: row, READOUT: [1]} for row in rows]
    return sweep_of({DRIVE: drive, READOUT: readout_channel()}, segments, ["QB1__m1"])


def wave_of(job: PulseJob, name: str, segment: int = 0, block: int = 0) -> ComplexSamples:
    found = job.program.segments[job.program.order[segment]].blocks[name][block]
    return job.program.waveforms[found.waveform].samples


def test_a_captured_bell_pair_plays_where_and_what_it_says() -> None:
    job = compiled(payload_of("bell"))

    segment = job.program.segments[0]
    starts = {name: [b.start_samples for b in blocks] for name, blocks in segment.blocks.items()}
    assert starts == {
        "QB1__drive.awg": [600_000],
        "QB3__drive.awg": [600_000, 600_160],
        "TC-1-3__flux.awg": [600_080],
        "PL-1__readout": [600_240],
    }
    assert [trigger.start_samples for trigger in segment.triggers] == [600_240]
    assert segment.duration_samples == 602_816
    assert (job.program.record_delay_samples, job.program.record_samples) == (480, 2000)
    assert job.program.end_delay_samples == 600_000
    assert job.result_bytes == len((PAYLOADS / "bell.results.bin").read_bytes())
    # the second pulse on QB3 is turned by its own phase and by the virtual z before it
    turn = wave_of(job, "QB3__drive.awg", block=1) / wave_of(job, "QB3__drive.awg", block=0)
    np.testing.assert_allclose(np.angle(turn), 0.7 - 2 * 1.57079633, atol=1e-3)


def test_the_own_increment_of_a_pulse_counts_before_it_plays() -> None:
    pulses: Instructions = [
        (64, iq_pulse(0.5, increment=0.3)),
        (64, iq_pulse(0.5)),
        (64, VirtualRZ(0.2)),
    ]

    job = compiled(driven(pulses, [[0, 1, 2, 0]]))

    angles = [float(np.angle(wave_of(job, DRIVE, block=k)[0])) for k in range(3)]
    assert angles == pytest.approx([0.3, 0.3, 0.3 + 0.2 + 0.3], abs=1e-6)


def test_the_frame_begins_anew_in_every_segment() -> None:
    pulses = [(64, iq_pulse(0.5, increment=0.3))]

    job = compiled(driven(pulses, [[0, 0], [0]]))

    assert np.angle(wave_of(job, DRIVE, segment=1)[0]) == pytest.approx(0.3, abs=1e-6)


def test_the_modulation_restarts_with_every_pulse() -> None:
    pulses = [(64, iq_pulse(0.5, mod=0.01))]

    job = compiled(driven(pulses, [[0, 0]]))

    blocks = job.program.segments[0].blocks[DRIVE]
    assert [block.waveform for block in blocks] == [blocks[0].waveform] * 2
    expected = 0.5 * np.exp(2j * np.pi * 0.01 * np.arange(64))
    np.testing.assert_allclose(wave_of(job, DRIVE), expected, atol=1e-6)


def test_an_intermediate_frequency_is_continuous_from_the_start_of_the_segment() -> None:
    wired = replace(WIRING.channels[DRIVE], if_hz=123.4e6, delay_samples=7)
    wiring = replace(WIRING, channels={**WIRING.channels, DRIVE: wired})
    pulses: Instructions = [(64, iq_pulse(0.5)), (48, Wait())]

    job = compiled(driven(pulses, [[1, 0, 1, 0]]), wiring)

    for block in job.program.segments[0].blocks[DRIVE]:
        times = block.start_samples - 7 + np.arange(64)
        expected = 0.5 * np.exp(2j * np.pi * 123.4e6 / RATE_HZ * times)
        samples = job.program.waveforms[block.waveform].samples
        np.testing.assert_allclose(samples, expected, atol=1e-6)


def test_equal_angles_summed_in_another_order_share_their_waveform() -> None:
    pulses: Instructions = [
        (64, iq_pulse(0.5)),
        *((16, VirtualRZ(x)) for x in (0.1, 0.2, 0.7, -1.0)),
    ]

    job = compiled(driven(pulses, [[0], [1, 2, 3, 4, 0], [4, 3, 2, 1, 0], [2, 1, 4, 3, 0]]))

    assert len({each.blocks[DRIVE][0].waveform for each in job.program.segments}) == 1


def test_a_thousand_equal_pulses_stand_once() -> None:
    pulses = [(64, iq_pulse(0.5))]

    job = compiled(driven(pulses, [[0] * 1000]))

    assert len(job.program.segments[0].blocks[DRIVE]) == 1000
    assert len(job.program.waveforms) == 2


def test_equal_segments_stand_once_and_the_order_names_them() -> None:
    pulses: Instructions = [(64, iq_pulse(0.5)), (64, iq_pulse(0.5)), (64, Wait())]

    job = compiled(driven(pulses, [[0], [2], [1], [0], [2]]))

    assert len(job.program.segments) == 2
    assert job.program.order == (0, 1, 0, 0, 1)
    assert job.layout.labels[0].n_triggers == 5


def test_a_wait_of_a_second_costs_nothing() -> None:
    pulses: Instructions = [(64, iq_pulse(0.5)), (1_999_999_936, Wait())]

    job = compiled(driven(pulses, [[1, 0]]))

    assert job.program.segments[0].duration_samples == 2_000_000_000
    assert sum(each.samples.size for each in job.program.waveforms) == 128


def test_entries_of_a_multiplexed_pulse_are_summed_shifted_and_cut() -> None:
    entries = (
        IQEntry(1, 16),
        IQEntry(iq_pulse(0.25, phase=np.pi / 2), -32),
        IQEntry(1, 10_000),
        IQEntry(1, -10_000),
    )
    pulses: Instructions = [
        (48, MultiplexedIQPulse(entries)),
        (64, iq_pulse(0.5)),
        (16, VirtualRZ(0.3)),
    ]

    job = compiled(driven(pulses, [[2, 0]]))

    expected = np.zeros(48, dtype=complex)
    expected[16:] += 0.5
    expected[:32] += 0.25j
    np.testing.assert_allclose(wave_of(job, DRIVE), expected * np.exp(0.3j), atol=1e-6)


def test_the_instruction_rules_the_time_line_when_its_waveform_is_longer_or_shorter() -> None:
    drive = channel(
        ChannelKind.IQ,
        [(32, iq_pulse(0.5, wave_i=0)), (128, iq_pulse(0.5, 0.5, wave_i=1, wave_q=2))],
        [Waveform(64, Constant()), Waveform(16, Constant()), Waveform(24, Constant())],
    )
    sweep = sweep_of(
        {DRIVE: drive, READOUT: readout_channel()}, [{DRIVE: [1, 0], READOUT: [1]}], ["QB1__m1"]
    )

    job = compiled(sweep)

    first, second = job.program.segments[0].blocks[DRIVE]
    assert (first.start_samples, second.start_samples) == (0, 128)
    samples = job.program.waveforms[first.waveform].samples
    np.testing.assert_allclose(samples, np.r_[np.full(16, 0.5 + 0.5j), np.full(8, 0.5j)])
    assert job.program.waveforms[second.waveform].samples.size == 32


def test_a_real_pulse_has_its_voltage_in_the_real_part() -> None:
    flux = channel(
        ChannelKind.REAL,
        [(16, RealPulse(0, -0.5))],
        [Waveform(16, Samples(np.linspace(0, 1, 16)))],
    )
    sweep = sweep_of(
        {FLUX: flux, READOUT: readout_channel()}, [{FLUX: [0], READOUT: [1]}], ["QB1__m1"]
    )

    job = compiled(sweep)

    np.testing.assert_allclose(wave_of(job, FLUX), -0.5 * np.linspace(0, 1, 16), atol=1e-7)
    assert wave_of(job, FLUX).dtype == np.complex64


def test_the_delay_of_a_channel_moves_its_blocks_and_triggers() -> None:
    wired = replace(WIRING.channels[READOUT], delay_samples=24)
    wiring = replace(WIRING, channels={**WIRING.channels, READOUT: wired})
    sweep = sweep_of({READOUT: readout_channel()}, [{READOUT: [2, 1]}], ["QB1__m1"])

    segment = compiled(sweep, wiring).program.segments[0]

    assert segment.blocks[READOUT][0].start_samples == 536
    assert segment.triggers[0].start_samples == 536
    assert segment.duration_samples == 512 + 160 + 24


def test_the_record_covers_every_acquisition_that_is_played() -> None:
    acquisitions = [
        Acquisition("QB1__m1", 40, Threshold(WEIGHTS, 0.5, "")),
        Acquisition("PL-1__t", 8, TimeTrace(20)),
        Acquisition("QB2__m1", 100, Integration(WEIGHTS)),
    ]
    sweep = sweep_of({READOUT: readout_channel(acquisitions)}, [{READOUT: [1]}], ["PL-1__t"])

    job = compiled(sweep)

    assert job.program.record_delay_samples == 8
    assert job.program.record_samples == 100 + 64 - 8
    trace = job.acquisitions[READOUT][1]
    assert trace.kind is AcquisitionKind.TIME_TRACE
    assert (trace.first_sample, trace.n_samples) == (0, 20)
    assert job.acquisitions[READOUT][2].first_sample == 92
    assert [label.label for label in job.layout.labels] == ["PL-1__t"]


def test_spots_go_through_the_values_with_the_last_axis_fastest() -> None:
    job = compiled(payload_of("readout_spectroscopy_soft"))

    pairs = [(s["QB2__drive.frequency"], s["QB1__drive.frequency"]) for s in job.spots]
    assert pairs == [(a, b) for a in (4.52e9, 4.53e9) for b in (4.40e9, 4.41e9, 4.42e9)]
    assert job.layout.n_spots == 6


def test_settings_that_nothing_follows_are_named_and_the_rest_is_kept() -> None:
    job = compiled(payload_of("bell"))

    assert job.settings["QB1__drive.frequency"] == 4.41e9
    assert job.settings["QB1__drive.local_oscillator.status"] is True
    assert "QB1__drive.awg.status" in job.ignored_settings
    assert not any(name.startswith("options.") for name in job.ignored_settings)


def test_feedback_is_refused_with_the_reason_of_the_rig() -> None:
    problems = problems_of(payload_of("reset_feedback"))

    assert len(problems) == 4
    assert all("nothing can depend on a bit measured on the way" in each for each in problems)
    assert any(each.startswith("QB1__drive.awg, instruction 4") for each in problems)


@pytest.mark.parametrize("name", [p.name.split(".")[0] for p in PAYLOADS.glob("*.sweep.bin")])
def test_compiling_twice_gives_the_same_digests(name: str) -> None:
    if name == "reset_feedback":
        pytest.skip("needs feedback")

    first, second = compiled(payload_of(name)), compiled(payload_of(name))

    digests = [wave.digest for wave in first.program.waveforms]
    assert digests == [wave.digest for wave in second.program.waveforms]
    assert len(set(digests)) == len(digests)
