"""Fits of calibration experiments find what went into made-up data, and know how well they do."""

from __future__ import annotations

import numpy as np
import pytest

from labd.calibrate import fits
from labd.calibrate.clouds import separate
from labd.calibrate.values import FloatArray, wrapped

NOISE = 0.05


def noisy(clean: FloatArray, seed: int) -> FloatArray:
    return clean + np.random.default_rng(seed).normal(0.0, NOISE, clean.shape)


@pytest.mark.parametrize("frequency", [0.6, 1.7, 4.2, 9.3])
def test_a_fringe_is_found_wherever_it_is(frequency: float) -> None:
    x = np.linspace(0.0, 1.5, 40)
    y = noisy(fits.oscillation(x, 0.5, 0.45, frequency, 0.7, 0.3), 1)

    found = fits.fit_oscillation(x, y)

    assert found["frequency"].value == pytest.approx(frequency, abs=0.05)
    assert found["frequency"].uncertainty < 0.05
    assert found.residual == pytest.approx(NOISE, rel=0.4)


def test_uncertainties_are_those_of_many_repetitions() -> None:
    x = np.linspace(0.0, 12.0, 31)
    clean = fits.oscillation(x, 0.5, 0.48, 0.25, 0.1, 0.02)

    found = [fits.fit_oscillation(x, noisy(clean, seed))["frequency"] for seed in range(80)]

    pulls = [(one.value - 0.25) / one.uncertainty for one in found]
    assert abs(np.mean(pulls)) < 0.4
    assert 0.75 < np.std(pulls) < 1.35


@pytest.mark.parametrize("turns", [0.62, 1.0, 1.8])
def test_the_amplitude_of_a_half_turn_is_found(turns: float) -> None:
    x = np.linspace(0.0, 2.0, 21)

    found = fits.fit_rabi(x, noisy(fits.rabi(x, 0.52, 0.5, turns), 2))

    assert found["turns"].value == pytest.approx(turns, abs=0.03)


def test_a_decay_towards_a_known_level_is_found() -> None:
    x = np.linspace(0.0, 150.0, 24)

    found = fits.fit_decay(x, noisy(fits.decay(x, 0.005, 0.99, 1 / 55.0), 3), 0.0)

    assert 1.0 / found["rate"].value == pytest.approx(55.0, abs=8.0)


@pytest.mark.parametrize("phase", [-3.0, -1.0, 0.0, 0.4, 2.9])
def test_a_phase_is_found_from_four_points(phase: float) -> None:
    steps = np.arange(4) * np.pi / 2

    found, swing = fits.phase_of(steps, 0.5 + 0.48 * np.cos(steps - phase), NOISE)

    assert found.value == pytest.approx(phase)
    assert swing.value == pytest.approx(0.48)
    assert found.uncertainty == pytest.approx(NOISE / np.sqrt(2.0) / 0.48)


def test_the_zero_of_a_line_is_known_as_well_as_its_points() -> None:
    x = np.linspace(0.96, 1.04, 5)

    found = fits.fit_line(x, 6.0 * (x - 1.013))

    assert found["zero"].value == pytest.approx(1.013)


def test_angles_are_wrapped_into_one_turn() -> None:
    assert wrapped(3.5) == pytest.approx(3.5 - 2 * np.pi)
    assert wrapped(-np.pi) == pytest.approx(np.pi)
    assert wrapped(-7.0) == pytest.approx(-7.0 + 2 * np.pi)


@pytest.mark.parametrize("angle", [-2.5, 0.0, 1.2])
def test_clouds_are_separated_whatever_their_angle_and_preparation(angle: float) -> None:
    dice = np.random.default_rng(4)
    centres = (0.3 + 0.2j) + np.array([0.0, np.exp(1j * angle)])
    true = [dice.random(4000) < share for share in (0.02, 0.85)]
    noise = dice.normal(0.0, 1 / 6, (2, 4000)) + 1j * dice.normal(0.0, 1 / 6, (2, 4000))

    found = separate(
        *(centres[state.astype(int)] + n for state, n in zip(true, noise, strict=True))
    )

    middle = ((centres.mean()) * np.exp(-1j * found.angle.value)).real
    assert found.angle.value == pytest.approx(angle, abs=0.01)
    assert found.threshold.value == pytest.approx(middle, abs=0.015)
    assert found.apart == pytest.approx(6.0, rel=0.05)
    assert found.error_1_to_0.value == pytest.approx(0.15, abs=0.02)
    assert found.error_0_to_1.value == pytest.approx(0.02, abs=0.01)
