"""Which implementation a gate gets, and what its calibration becomes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from circuit_support import (
    OBSERVATIONS,
    STATION,
    bell,
    circuit,
    compiled_circuits,
    pulse_job,
    with_observations,
    without,
)

from labd.core.circuit import Cz, Measure, Prx
from labd.core.circuit_station import CircuitStation
from labd.core.gate_data import ObservationValue, ObservedValues
from labd.core.gates import GateLibrary, Refused
from labd.core.gates_cz import CalibratedCz, is_symmetric
from labd.core.gates_measure import CalibratedMeasurement
from labd.core.gates_prx import CalibratedPrx
from labd.core.playlist import IQPulse, Threshold
from labd.core.station_description import PREFERRED_IMPLEMENTATIONS
from labd.core.waveforms import (
    CosineRiseFall,
    GaussianSmoothedSquare,
    Samples,
    TruncatedGaussian,
    TruncatedGaussianDerivative,
    TruncatedGaussianSmoothedSquare,
    Waveform,
    sample,
)

READOUT = "PL-1__readout"


def prx_of(station: CircuitStation, implementation: str | None = None) -> CalibratedPrx:
    found = GateLibrary(station).prx("QB1", implementation)
    assert isinstance(found, CalibratedPrx)
    return found


def cz_of(station: CircuitStation, one: str = "QB1", other: str = "QB3") -> CalibratedCz:
    found = GateLibrary(station).cz(one, other)
    assert isinstance(found, CalibratedCz)
    return found


def pulse(implementation: str) -> dict[str, ObservationValue]:
    path = f"gates.prx.{implementation}.QB1"
    values = {"duration": 40e-9, "full_width": 36e-9, "amplitude_i": 0.3, "amplitude_q": 0.02}
    return {f"{path}.{name}": value for name, value in values.items()}


def test_the_default_is_the_first_that_is_calibrated_in_the_clients_order() -> None:
    assert isinstance(prx_of(STATION).wave_i.shape, CosineRiseFall)
    gaussian = with_observations(pulse("drag_gaussian"))
    assert isinstance(prx_of(gaussian).wave_i.shape, TruncatedGaussian)
    assert isinstance(prx_of(gaussian).wave_q.shape, TruncatedGaussianDerivative)
    assert isinstance(prx_of(gaussian, "drag_crf").wave_i.shape, CosineRiseFall)
    assert prx_of(without("gates.prx.drag_crf.")).is_half_pi


def test_a_default_that_is_calibrated_by_half_is_refused_and_not_replaced() -> None:
    station = with_observations({"gates.prx.drag_gaussian.QB1.duration": 40e-9})

    found = GateLibrary(station).prx("QB1")

    assert isinstance(found, Refused)
    assert "the calibration set has no gates.prx.drag_gaussian.QB1.full_width" in found.reasons


def test_the_derivative_of_a_cosine_vanishes_outside_it() -> None:
    shape = prx_of(with_observations(pulse("drag_crf"))).wave_q.shape

    assert isinstance(shape, Samples)
    assert np.count_nonzero(shape.samples) == 72
    assert np.abs(shape.samples).max() == pytest.approx(1.0, abs=1e-2)
    assert shape.samples[4] > 0 > shape.samples[-5]
    assert shape.samples.sum() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("angle", "phase", "scale", "played"),
    [
        (math.pi, 0.0, 1.0, 0.0),
        (-math.pi / 2, 0.0, 0.5, math.pi),
        (3 * math.pi / 2, 0.25, 0.5, 0.25 - math.pi),
        (4 * math.pi, 1.0, 0.0, 1.0),
        (0.3 * math.pi, 9.0, 0.3, 9.0 - 2 * math.pi),
    ],
)
def test_angles_beyond_a_half_turn_are_the_shorter_way_round(
    angle: float, phase: float, scale: float, played: float
) -> None:
    (one,) = prx_of(STATION).pulses(angle, phase)

    assert one.scale_i == pytest.approx(0.31 * scale)
    assert one.scale_q == pytest.approx(0.02 * scale)
    assert math.cos(one.phase - played) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("angle", "n_pulses"), [(0.0, 1), (math.pi / 2, 1), (math.pi, 2), (1.0, 2)]
)
def test_rotations_of_half_pi_pulses_take_one_or_two(angle: float, n_pulses: int) -> None:
    assert len(prx_of(STATION, "drag_crf_sx").pulses(angle, 0.5)) == n_pulses


CZ_SHAPES = {
    "tgss": TruncatedGaussianSmoothedSquare,
    "tgss_crf": TruncatedGaussianSmoothedSquare,
    "crf_crf": CosineRiseFall,
    "crf": CosineRiseFall,
    "gaussian_smoothed_square": GaussianSmoothedSquare,
    "slepian": Samples,
    "slepian_crf": Samples,
    "crf_acstarkcrf": CosineRiseFall,
    "slepian_acstarkcrf": Samples,
}


def test_every_implementation_that_may_be_chosen_is_compiled() -> None:
    assert tuple(CZ_SHAPES) == PREFERRED_IMPLEMENTATIONS["cz"]
    asymmetric = {name for name in CZ_SHAPES if not is_symmetric(name)}
    assert asymmetric == {"tgss_crf", "crf_crf", "slepian_crf"}


SLEPIAN_AS_MEASURED = [
    0.0250053995,
    0.6242009332,
    0.8226608807,
    0.9075167845,
    0.954007317,
    0.980610963,
    0.995011782,
    1.0,
]

COUPLER = {
    "full_width": 36e-9,
    "rise_time": 10e-9,
    "square_width": 20e-9,
    "gaussian_sigma": 5e-9,
    "amplitude": 0.4,
    "lambda_1": 0.5,
    "lambda_2": 0.05,
    "frequency_initial_normalized": 0.9,
    "frequency_to_minimize_normalized": 0.7,
    "coupling_strength_normalized": 0.03,
}
STARK = {
    "full_width": 36e-9,
    "rise_time": 8e-9,
    "modulation_frequency": 82.5e6,
    "phase": 0.4,
    "amplitude": 0.2,
    "center_offset": 0.8e-9,
}


def station_with_cz(implementation: str, changes: ObservedValues | None = None) -> CircuitStation:
    """No other cz of QB1 and QB3 is calibrated there."""
    path = f"gates.cz.{implementation}.QB1__QB3"
    values: dict[str, ObservationValue] = {"duration": 40e-9, "rz.QB1": 0.1, "rz.QB3": 0.2}
    values |= {f"coupler.{name}": value for name, value in COUPLER.items()}
    for part in ("first_qubit", "second_qubit"):
        values |= {f"{part}.{name}": value for name, value in STARK.items()}
    values |= changes or {}
    return with_observations(
        {f"{path}.{name}": value for name, value in values.items()},
        without("gates.cz.crf.QB1__QB3"),
    )


@pytest.mark.parametrize(
    "implementation",
    [name for name in CZ_SHAPES if is_symmetric(name)],
)
def test_a_cz_plays_its_shape_on_the_coupler(implementation: str) -> None:
    station = station_with_cz(implementation)

    (flux,) = cz_of(station).flux

    assert isinstance(flux.waveform.shape, CZ_SHAPES[implementation])
    assert (flux.amplitude, flux.waveform.n_samples) == (0.4, 80)


def test_a_slepian_pulse_has_the_samples_that_the_clients_compute() -> None:
    (flux,) = cz_of(station_with_cz("slepian")).flux

    wave = sample(flux.waveform, 80)

    assert wave.max() == pytest.approx(1.0)
    np.testing.assert_allclose(wave, wave[::-1], atol=1e-12)
    np.testing.assert_allclose(wave[4:40:5], SLEPIAN_AS_MEASURED, atol=1e-9)


def test_parameters_that_make_no_slepian_pulse_are_refused() -> None:
    station = station_with_cz("slepian", {"coupler.frequency_initial_normalized": 1.5})

    found = GateLibrary(station).cz("QB1", "QB3")

    assert found == Refused(("gates.cz.slepian.QB1__QB3.coupler describes no Slepian pulse",))


def test_a_cz_with_stark_pulses_drives_both_qubits_meanwhile() -> None:
    station = station_with_cz("crf_acstarkcrf")
    envelope = sample(Waveform(80, CosineRiseFall(0.9, 0.02, 0.2)), 80)
    turns = np.exp(1j * (2 * np.pi * 3.3 * ((np.arange(80) + 0.5) / 80 - 0.5) + 0.4))
    gates = (Prx("QB1", 1.0, 0.0), Cz(("QB1", "QB3")), Measure(("QB1",), "m"))

    job = pulse_job(compiled_circuits(circuit(*gates), station))

    blocks = job.program.segments[0].blocks
    starts = {name: [block.start_samples for block in each] for name, each in blocks.items()}
    assert starts["QB1__drive.awg"] == [600_000, 600_080]
    assert starts["QB3__drive.awg"] == starts["TC-1-3__flux.awg"] == [600_080]
    played = job.program.waveforms[blocks["QB3__drive.awg"][0].waveform].samples
    np.testing.assert_allclose(played, 0.2 * envelope * turns * np.exp(-0.2j), atol=1e-6)


def test_a_cz_with_a_pulse_on_one_qubit_is_found_in_the_order_that_is_calibrated() -> None:
    path = "gates.cz.crf_crf.QB3__QB1"
    shape = {"full_width": 40e-9, "rise_time": 10e-9}
    changes: dict[str, ObservationValue] = {f"{path}.duration": 40e-9}
    changes |= {f"{path}.coupler.{name}": value for name, value in shape.items()}
    changes |= {f"{path}.qubit.{name}": value for name, value in shape.items()}
    changes |= {f"{path}.coupler.amplitude": 0.3, f"{path}.qubit.amplitude": -0.2}
    changes |= {f"{path}.rz.QB1": 0.1, f"{path}.rz.QB3": 0.2}
    without_channel = with_observations(changes, without("gates.cz.crf.QB1__QB3"))
    spare = STATION.wiring.channels["TC-3-5__flux.awg"]
    channel = replace(spare, name="QB3__flux.awg", component="QB3")
    wiring = replace(STATION.wiring, channels={**STATION.wiring.channels, "QB3__flux.awg": channel})

    refused = GateLibrary(without_channel).cz("QB1", "QB3")
    found = cz_of(replace(without_channel, wiring=wiring))

    assert refused == Refused(("the rack has no flux channel for QB3",))
    assert found.qubits == ("QB3", "QB1")
    assert [(pulse.channel.name, pulse.amplitude) for pulse in found.flux] == [
        ("TC-1-3__flux.awg", 0.3),
        ("QB3__flux.awg", -0.2),
    ]


def test_a_symmetric_cz_is_found_whichever_qubit_is_named_first() -> None:
    forward, backward = cz_of(STATION), cz_of(STATION, "QB3", "QB1")

    assert forward.flux == backward.flux
    assert dict(forward.rz_rad) == dict(backward.rz_rad) == {"QB1": 0.3, "QB3": -0.7}


def test_the_last_readout_of_a_qubit_uses_its_own_calibration() -> None:
    station = with_observations({"gates.measure_fidelity.constant.QB1.integration_threshold": 0.7})
    gates = (Measure(("QB1",), "a"), Prx("QB1", 1.0, 0.0), Measure(("QB1",), "b"))

    compiled = compiled_circuits(circuit(*gates), station)

    thresholds = {
        each.label: each.method.threshold
        for each in compiled.sweep.playlist.channels[READOUT].acquisitions
        if isinstance(each.method, Threshold)
    }
    assert (thresholds["QB1__m1"], thresholds["QB1__m2"]) == (0.5, 0.7)


def test_without_a_calibration_for_last_readouts_all_are_the_same() -> None:
    station = without("gates.measure_fidelity.")

    assert compiled_circuits(bell(), station).n_distinct == 1


def test_calibrated_weights_are_used() -> None:
    weights = np.linspace(-1, 1, 2000)
    path = "gates.measure_fidelity.constant.QB1.integration_weights"
    station = with_observations({f"{path}_I": weights, f"{path}_Q": -weights})

    found = GateLibrary(station).measurement("QB1", is_final=True)

    assert isinstance(found, CalibratedMeasurement)
    assert isinstance(found.weights.wave_q.shape, Samples)
    np.testing.assert_array_equal(found.weights.wave_q.shape.samples, -weights)
    assert found.weights.operation(1, 2) == IQPulse(1, 2, 1.0, 1.0, 0.0, -0.09, 0.0)


def test_the_probe_lines_frequency_is_the_calibrated_one() -> None:
    station = with_observations({"controllers.PL-1.readout.center_frequency": 5.9e9})

    found = GateLibrary(station).measurement("QB1", is_final=True)

    assert isinstance(found, CalibratedMeasurement)
    expected = (5.82e9 - 5.9e9) / 2e9
    assert found.probe.cycles_per_sample == pytest.approx(expected)
    compiled = compiled_circuits(bell(), station)
    assert compiled.sweep.settings["PL-1__readout.center_frequency"] == 5.9e9


def test_observations_that_no_setting_can_take_are_passed_on_as_such() -> None:
    station = with_observations({"controllers.QB1.flux.awg.precompensation.amplitudes": [0.1]})

    settings = compiled_circuits(bell(), station).sweep.settings

    assert str(settings["QB1__flux.awg.precompensation.amplitudes"]) == "Unusable(kind='a list')"
    assert settings["QB2__flux.voltage"] == OBSERVATIONS["controllers.QB2.flux.voltage"]
    assert "QB2__drive.frequency" not in settings


def test_cz_frames_of_qubits_without_pulses_need_no_channel() -> None:
    compiled = compiled_circuits(circuit(Cz(("QB1", "QB3")), Measure(("QB1",), "m")))

    assert set(compiled.sweep.playlist.channels) == {"TC-1-3__flux.awg", READOUT}
