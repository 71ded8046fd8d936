"""What experiments conclude from their data: what they propose, and when they propose nothing."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from labd.calibrate import amplitude, cz, drag, fits, frequency, readout, relaxation
from labd.calibrate.benchmark import RB1, Order, coherence_limit, judge_decay
from labd.calibrate.lab import Pair
from labd.calibrate.values import Finding, FloatArray, Grade, Quantity
from labd.calibrate.working_set import WorkingSet

SHIPPED = Path(__file__).parents[2] / "config" / "star5" / "calibration-set.json"
WORKING = WorkingSet.of(SHIPPED.read_bytes())
PAIR = Pair("QB1__QB3", ("QB1", "QB3"), "TC-1-3")
CZ = "gates.cz.crf.QB1__QB3"
NOISE = 0.05


def noisy(clean: FloatArray, seed: int = 1) -> FloatArray:
    return clean + np.random.default_rng(seed).normal(0.0, NOISE, clean.shape)


def assert_useless(finding: Finding, why: str) -> None:
    assert finding.verdict.grade is Grade.BAD
    assert why in finding.verdict.reason
    assert finding.changes == {}


def fringes(error_hz: float, reach: frequency.Reach, swing: float = 0.5) -> Finding:
    pauses = np.arange(1, reach.n_points + 1) * reach.span_s / reach.n_points
    rows = [
        fits.oscillation(pauses, 0.5, swing, abs(reach.offset_hz + sign * error_hz), 0.3, 2e4)
        for sign in (1, -1)
    ]
    return frequency.judge("QB1", pauses, noisy(np.stack(rows)), NOISE, 4.41e9, reach)


@pytest.mark.parametrize("error_hz", [-1.9e6, -3e5, 0.0, 1.2e6])
def test_a_frequency_is_corrected_towards_the_qubit(error_hz: float) -> None:
    finding = fringes(error_hz, frequency.COARSE)

    new = finding.changes["controllers.QB1.drive.frequency"]
    assert finding.verdict.grade is Grade.GOOD
    assert new.value == pytest.approx(4.41e9 + error_hz, abs=5 * new.uncertainty)
    assert 1e3 < new.uncertainty < 2e4
    assert finding.is_settled == (abs(error_hz) < 2e5)


def test_a_qubit_that_is_too_far_away_is_noticed() -> None:
    assert_useless(fringes(4.7e5, frequency.FINE), "not within 0.25 MHz")


def test_no_fringes_are_no_frequency() -> None:
    assert_useless(fringes(0.0, frequency.FINE, swing=0.02), "no fringes")


@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.23])
def test_rabi_scales_both_quadratures(ratio: float) -> None:
    scales = np.linspace(0.0, 2.0, 21)
    populations = noisy(fits.rabi(scales, 0.5, 0.5, 1.0 / ratio))

    finding = amplitude.judge_rabi("QB1", "drag_crf", scales, populations, NOISE, WORKING)

    changes = {path.rpartition("_")[2]: new.value for path, new in finding.changes.items()}
    assert finding.verdict.grade is Grade.GOOD
    assert changes == pytest.approx({"i": 0.31 * ratio, "q": 0.02 * ratio}, rel=0.03)


def test_a_pulse_that_full_scale_does_not_reach_is_bad() -> None:
    scales = np.linspace(0.0, 2.0, 21)
    wide = WORKING.with_changes(
        {"gates.prx.drag_crf.QB1.amplitude_i": Quantity(0.8, 0.0)}, datetime.now(UTC)
    )
    populations = fits.rabi(scales, 0.5, 0.5, 1.0 / 1.5)

    finding = amplitude.judge_rabi("QB1", "drag_crf", scales, populations, NOISE, wide)

    assert_useless(finding, "full scale is 1")


def test_noise_is_no_rabi_oscillation() -> None:
    scales = np.linspace(0.0, 2.0, 21)

    finding = amplitude.judge_rabi(
        "QB1", "drag_crf", scales, noisy(np.full(21, 0.5)), NOISE, WORKING
    )

    assert_useless(finding, "")


@pytest.mark.parametrize("error", [-0.05, -0.004, 0.03])
def test_amplified_errors_are_divided_out(error: float) -> None:
    n_pulses = np.arange(0, 37, 3).astype(np.float64)
    populations = noisy(fits.amplified(n_pulses, 0.5, 0.01, error))

    finding = amplitude.judge_amplified("QB1", "drag_crf", n_pulses, populations, NOISE, WORKING)

    new = finding.changes["gates.prx.drag_crf.QB1.amplitude_i"]
    assert finding.numbers["error"].value == pytest.approx(error, abs=0.005)
    assert new.value == pytest.approx(0.31 * math.pi / (math.pi + error), abs=1e-3)


@pytest.mark.parametrize("true", [0.015, 0.02, 0.026])
def test_drag_takes_the_zero_beside_the_present_value(true: float) -> None:
    values = 0.02 + 0.31 * 0.06 * np.linspace(-1.0, 1.0, 9)
    differences = noisy(np.sin(110.0 * (values - true)))

    finding = drag.judge("QB1", "drag_crf", values, differences, NOISE * 1.4, 0.31)

    assert finding.changes["gates.prx.drag_crf.QB1.amplitude_q"].value == pytest.approx(
        true, abs=1.5e-3
    )


def test_drag_that_does_not_matter_changes_nothing() -> None:
    values = np.linspace(0.0, 0.04, 9)

    assert_useless(drag.judge("QB1", "drag_crf", values, values * 0.0, NOISE, 0.31), "")


@pytest.mark.parametrize("which", [relaxation.T1, relaxation.T2, relaxation.ECHO])
def test_lifetimes_are_known_with_their_uncertainty(which: str) -> None:
    pauses = np.linspace(0.0, 150e-6, 24)
    clean = {
        relaxation.T1: fits.decay(pauses, 0.0, 1.0, 1 / 45e-6),
        relaxation.T2: fits.oscillation(pauses, 0.5, 0.5, 4e4, 0.0, 1 / 45e-6),
        relaxation.ECHO: fits.decay(pauses, 0.5, -0.5, 1 / 45e-6),
    }[which]

    finding = relaxation.judge("QB1", which, pauses, noisy(clean), NOISE)

    (time,) = finding.changes.values()
    assert time.value == pytest.approx(45e-6, abs=4 * time.uncertainty)
    assert time.uncertainty < 11e-6
    assert finding.is_settled


def test_a_level_line_has_no_lifetime() -> None:
    pauses = np.linspace(0.0, 150e-6, 24)

    assert_useless(relaxation.judge("QB1", relaxation.T1, pauses, noisy(pauses * 0.0), NOISE), "")


@pytest.mark.parametrize(("true", "sign"), [(0.82, 1), (1.0, -1), (1.22, 1)])
def test_the_conditional_phase_is_followed_beyond_a_turn(true: float, sign: int) -> None:
    scales = np.linspace(0.45, 1.4, 11)
    turns = np.angle(np.exp(1j * noisy(sign * np.pi * (scales / true) ** 2)))

    finding = cz.judge_far("QB1__QB3", f"{CZ}.coupler.amplitude", scales, turns, 0.5, 0.08, WORKING)

    assert finding.changes[f"{CZ}.coupler.amplitude"].value == pytest.approx(0.42 * true, rel=0.03)


@pytest.mark.parametrize("true", [0.975, 1.0, 1.03])
def test_five_gates_tell_the_amplitude_better(true: float) -> None:
    scales = np.linspace(0.96, 1.04, 5)
    turns = np.angle(np.exp(5j * np.pi * (scales / true) ** 2))

    finding = cz.judge_near(
        "QB1__QB3", f"{CZ}.coupler.amplitude", scales, turns, 0.5, 0.08, WORKING, n_gates=5
    )

    assert finding.changes[f"{CZ}.coupler.amplitude"].value == pytest.approx(0.42 * true, rel=2e-3)


def test_a_phase_that_never_reaches_pi_is_bad() -> None:
    scales = np.linspace(0.45, 1.0, 11)

    finding = cz.judge_far(
        "QB1__QB3", f"{CZ}.coupler.amplitude", scales, 1.2 * scales**2, 0.5, 0.08, WORKING
    )

    assert_useless(finding, "stays below π")


def test_frames_are_turned_back_by_what_is_left_of_each_gate() -> None:
    steps = np.arange(8) * np.pi / 4
    curves = {"QB1": 0.5 + 0.5 * np.cos(steps - 0.8), "QB3": 0.5 + 0.5 * np.cos(steps + 0.4)}

    finding = cz.judge_phases(PAIR, CZ, curves, NOISE, WORKING, 4)

    assert finding.changes[f"{CZ}.rz.QB1"].value == pytest.approx(0.3 - 0.2)
    assert finding.changes[f"{CZ}.rz.QB3"].value == pytest.approx(-0.7 + 0.1)
    assert not finding.is_settled


def test_readout_turns_the_probe_and_moves_the_threshold_of_both_measurements() -> None:
    dice = np.random.default_rng(5)
    noise = (dice.normal(size=(2, 1000)) + 1j * dice.normal(size=(2, 1000))) / 6

    finding = readout.judge_clouds("QB1", 0.2 + noise[0], 0.2 + np.exp(0.7j) + noise[1], WORKING)

    own = "gates.measure.constant.QB1"
    assert finding.changes[f"{own}.phase"].value == pytest.approx(-0.7, abs=0.02)
    threshold = 0.2 * math.cos(0.7) + 0.5
    assert finding.changes[f"{own}.integration_threshold"].value == pytest.approx(
        threshold, abs=0.02
    )
    assert "gates.measure_fidelity.constant.QB1.phase" in finding.changes
    assert not finding.is_settled


def test_one_cloud_is_no_readout() -> None:
    dice = np.random.default_rng(6)
    noise = (dice.normal(size=(2, 1000)) + 1j * dice.normal(size=(2, 1000))) / 6

    assert_useless(readout.judge_clouds("QB1", noise[0], noise[1] + 0.05, WORKING), "apart")


def test_the_best_probe_is_between_the_edges() -> None:
    offsets = np.linspace(-6e6, 6e6, 25)
    ground = np.full(25, 0.1 + 0j)

    def excited(peak_hz: float) -> Finding:
        echo = 1.0 / (1.0 + 1j * (offsets - peak_hz) / 1.5e6)
        return readout.judge_scan("QB1", offsets, np.stack([ground, echo]), WORKING)

    found = excited(1.4e6).changes["gates.measure.constant.QB1.frequency"].value
    assert found == pytest.approx(5.82e9 + 1.4e6, abs=5e5)
    assert_useless(excited(8e6), "edge")


def test_a_decay_of_random_walks_is_an_error_per_clifford() -> None:
    depths = np.repeat([1.0, 60.0, 150.0, 300.0, 600.0], 4)
    survivals = 0.5 + 0.49 * (1 - 6e-4) ** depths

    finding = judge_decay(
        RB1,
        "QB1",
        depths,
        survivals + np.random.default_rng(1).normal(0, 0.02, 20),
        Order(300, 1),
        3e-4,
    )

    assert finding.numbers["error_per_clifford"].value == pytest.approx(3e-4, rel=0.3)
    assert finding.verdict.grade is Grade.GOOD


def test_bad_gates_are_told_from_short_lifetimes() -> None:
    depths = np.repeat([1.0, 20.0, 60.0, 150.0], 4)

    finding = judge_decay(RB1, "QB1", depths, 0.5 + 0.5 * 0.98**depths, Order(300, 1), 3e-4)

    assert finding.verdict.grade is Grade.DOUBTFUL
    assert "the gates are to blame" in finding.verdict.reason


def test_the_coherence_limit_is_that_of_short_times() -> None:
    one = coherence_limit([(50e-6, 40e-6)], 40e-9)

    assert one == pytest.approx(40e-9 / (6 * 50e-6) + 40e-9 / (3 * 40e-6), rel=1e-3)
    assert coherence_limit([(50e-6, 40e-6)] * 2, 40e-9) == pytest.approx(12 / 5 * one, rel=1e-2)


def test_a_working_set_keeps_what_it_was_made_from() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    path = "controllers.QB1.drive.frequency"

    changed = WORKING.with_changes({path: Quantity(4.42e9, 1e3, "Hz"), "x.y": Quantity(1, 0)}, at)
    back = changed.restored(WORKING, [path, "x.y"])

    document = json.loads(changed.document())["observations"]
    assert document[path] == {
        "value": 4.42e9,
        "unit": "Hz",
        "uncertainty": 1e3,
        "created_timestamp": "2026-01-02T00:00:00+00:00",
    }
    assert changed.changed == {path, "x.y"}
    assert (back.observations, back.changed) == (WORKING.observations, frozenset())
    assert changed.parent_id == UUID("5c1e5000-0000-4000-8000-000000000001")
