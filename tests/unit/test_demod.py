"""Tones in records become the amplitudes, bits and traces that the acquisitions ask for."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from sweep_support import READOUT, WIRING, channel, compiled, iq_pulse, payload_of, sweep_of

from labd.core.compile import PulseJob
from labd.core.demod import Demodulator
from labd.core.playlist import (
    Acquisition,
    Integration,
    Operation,
    ReadoutTrigger,
    Threshold,
    TimeTrace,
    Wait,
)
from labd.core.program import Records
from labd.core.waveforms import ComplexArray, Constant, Samples, Waveform
from labd.core.wiring import ChannelKind

RAMP = np.linspace(0.2, 1.0, 100)
WAVEFORMS = [Waveform(200, Constant()), Waveform(100, Samples(RAMP)), Waveform(40, Constant())]
GAINS = {"": 2.0 + 0j, "QB2": 4j}
WIRED = replace(
    WIRING, readouts={READOUT: replace(WIRING.readouts[READOUT], gain=GAINS, rearm_samples=0)}
)


Volts = npt.NDArray[np.generic] | complex
"""A record, or its value throughout."""


def tone(freq: float, n: int) -> ComplexArray:
    volts: ComplexArray = np.exp(2j * np.pi * freq * np.arange(n))
    return volts


def job_of(
    acquisitions: Sequence[Acquisition],
    triggers: Sequence[tuple[int, ...]],
    labels: Sequence[str],
    rows: Sequence[Sequence[int]] = (),
) -> PulseJob:
    instructions: list[tuple[int, Operation]] = [(64, iq_pulse(0.1, wave_i=2)), (512, Wait())]
    instructions += [(320, ReadoutTrigger(0, each)) for each in triggers]
    rows = rows or [[k for number in range(len(triggers)) for k in (number + 2, 1)]]
    tables = channel(ChannelKind.READOUT, instructions, WAVEFORMS, acquisitions)
    return compiled(sweep_of({READOUT: tables}, [{READOUT: row} for row in rows], labels), WIRED)


def records_of(job: PulseJob, fill: Callable[[int, int], Volts]) -> Records:
    n_shots = 3
    shape = (n_shots, job.program.n_triggers, job.program.record_samples)
    samples = np.zeros(shape, dtype=np.complex64)
    for shot in range(n_shots):
        for trigger in range(job.program.n_triggers):
            samples[shot, trigger] = fill(shot, trigger)
    return Records(n_shots, {READOUT: samples})


def test_an_integral_is_the_mean_of_the_demodulated_tone_times_the_gain() -> None:
    acquisitions = [
        Acquisition("QB1__m1", 16, Integration(iq_pulse(1.0, mod=-0.09))),
        Acquisition("QB2__m1", 16, Integration(iq_pulse(0.5, mod=0.05, phase=0.4))),
    ]
    job = job_of(acquisitions, [(0, 1)], ["QB1__m1", "QB2__m1"])
    amplitude = 0.01 * np.exp(0.7j)
    records = records_of(
        job, lambda shot, _: (shot + 1) * amplitude * (tone(-0.09, 200) + tone(0.05, 200))
    )

    values = Demodulator(job).values(records)

    shots = np.arange(1, 4)[:, np.newaxis]
    assert values["QB1__m1"].dtype == np.complex128
    np.testing.assert_allclose(values["QB1__m1"], 2 * shots * amplitude, rtol=1e-4)
    expected = 4j * 0.5 * np.exp(-0.4j) * shots * amplitude
    np.testing.assert_allclose(values["QB2__m1"], expected, rtol=1e-4)


def test_each_label_has_its_own_window_and_is_divided_by_its_own_length() -> None:
    acquisitions = [
        Acquisition("QB1__m1", 10, Integration(iq_pulse(1.0))),
        Acquisition("QB3__m1", 60, Integration(iq_pulse(1.0, wave_i=1))),
    ]
    job = job_of(acquisitions, [(0, 1)], ["QB1__m1", "QB3__m1"])
    wave = np.arange(200.0)

    values = Demodulator(job).values(records_of(job, lambda *_: wave))

    assert job.program.record_delay_samples == 10
    np.testing.assert_allclose(values["QB1__m1"], 2 * wave.mean(), rtol=1e-5)
    expected = 2 * np.mean(wave[50:150] * RAMP)
    np.testing.assert_allclose(values["QB3__m1"], expected, rtol=1e-5)


def test_a_bit_is_one_where_the_real_part_is_larger_than_the_threshold() -> None:
    acquisitions = [
        Acquisition("QB1__m1", 0, Threshold(iq_pulse(1.0), 0.5, "")),
        Acquisition("QB1__m1", 0, Threshold(iq_pulse(1.0), -0.5, "")),
    ]
    job = job_of(acquisitions, [(0,), (1,)], ["QB1__m1"])

    values = Demodulator(job).values(records_of(job, lambda shot, _: 0.24 + 0.02 * shot + 5j))

    assert values["QB1__m1"].dtype == np.uint8
    assert values["QB1__m1"].tolist() == [[0, 1], [1, 1], [1, 1]]


def test_triggers_of_a_label_stand_in_the_order_of_play_and_others_do_not_count() -> None:
    acquisitions = [
        Acquisition("QB1__m1", 0, Integration(iq_pulse(1.0))),
        Acquisition("QB3__m1", 0, Integration(iq_pulse(1.0))),
        Acquisition("QB4__m1", 0, Integration(iq_pulse(0.5))),
        Acquisition("QB5____MEASUREMENT_MODE", 0, Integration(iq_pulse(0.5))),
    ]
    triggers = [(0, 3), (1, 2), (2, 0, 1)]
    rows = [[2, 1, 3], [4], [2, 1, 4, 1, 4]]
    job = job_of(acquisitions, triggers, ["QB1__m1", "QB3__m1", "QB4__m1"], rows)

    values = Demodulator(job).values(records_of(job, lambda shot, k: 10 * shot + k + 1))

    shots = 10 * np.arange(3)[:, np.newaxis]
    first, others = shots + np.array([1, 3, 4, 5, 6]), shots + np.array([2, 3, 5, 6])
    np.testing.assert_allclose(values["QB1__m1"], 2 * first, rtol=1e-5)
    np.testing.assert_allclose(values["QB3__m1"], 2 * others, rtol=1e-5)
    np.testing.assert_allclose(values["QB4__m1"], others, rtol=1e-5)
    assert set(values) == {"QB1__m1", "QB3__m1", "QB4__m1"}


def test_a_time_trace_is_the_record_in_volts() -> None:
    acquisitions = [
        Acquisition("PL-1__t", 30, TimeTrace(50)),
        Acquisition("QB1__m1", 10, Integration(iq_pulse(1.0))),
    ]
    job = job_of(acquisitions, [(0, 1), (1,), (0,)], ["PL-1__t"])

    values = Demodulator(job).values(records_of(job, lambda s, k: s + 10j * k + np.arange(200)))

    assert values["PL-1__t"].shape == (3, 2, 50)
    np.testing.assert_array_equal(values["PL-1__t"][2, 1], 2 + 20j + np.arange(20, 70))


def test_the_captured_readout_of_five_qubits_tells_them_apart() -> None:
    job = compiled(payload_of("readout_all"))
    freqs = {"QB1": -0.09, "QB2": -0.045, "QB3": 0.015, "QB4": 0.06, "QB5": 0.105}
    excited = {("QB2", 0), ("QB5", 0), ("QB1", 1), ("QB5", 1)}
    samples = np.zeros((4, 2, 2000), dtype=np.complex64)
    for name, freq in freqs.items():
        for trigger in range(2):
            is_excited = (name, trigger) in excited
            volts = (0.8 if is_excited else 0.2) / WIRING.readouts[READOUT].gain_of(name)
            samples[:, trigger] += volts * tone(freq, 2000)

    values = Demodulator(job).values(Records(4, {READOUT: samples}))

    for name in freqs:
        expected = [int((name, trigger) in excited) for trigger in range(2)]
        assert values[f"{name}__m1"].tolist() == [expected] * 4


def test_a_block_is_the_sum_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    job = compiled(payload_of("ghz3_x2"))
    rng = np.random.default_rng(3)
    samples = rng.normal(0.02, 0.5, (9, 2, 2000, 2)).astype(np.float32).view(np.complex64)[..., 0]
    demodulator = Demodulator(job)
    whole = demodulator.values(Records(9, {READOUT: samples}))

    monkeypatch.setattr("labd.core.demod._COPY_BYTES", 1)

    parts = demodulator.values(Records(9, {READOUT: samples}))
    for label, values in whole.items():
        np.testing.assert_array_equal(values, parts[label])


def test_records_of_another_shape_are_refused() -> None:
    job = compiled(payload_of("bell"))

    with pytest.raises(ValueError, match="records of shape"):
        Demodulator(job).values(Records(1, {READOUT: np.zeros((1, 1, 1999), np.complex64)}))
