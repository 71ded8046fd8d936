"""Every shape, at the midpoints, against its formula evaluated another way."""

import math

import numpy as np
import pytest
from scipy.special import erf, erfinv

from labd.core.waveforms import (
    Constant,
    CosineRiseFall,
    FloatArray,
    Gaussian,
    GaussianDerivative,
    GaussianSmoothedSquare,
    Samples,
    Shape,
    TruncatedGaussian,
    TruncatedGaussianDerivative,
    TruncatedGaussianSmoothedSquare,
    Waveform,
    mistakes_in,
    phasor,
    sample,
)

N = 81
T = (np.arange(N) + 0.5) / N - 0.5
G0 = 0.003
SIGMA = 0.8 / math.sqrt(8 * math.log(1 / G0))


def gauss(u: FloatArray, sigma: float) -> FloatArray:
    return np.exp(-(u**2) / (2 * sigma**2))


def smoothed(u: FloatArray, width: float, sigma: float) -> FloatArray:
    root = math.sqrt(2) * sigma
    rise: FloatArray = erf((u + width / 2) / root)
    fall: FloatArray = erf((u - width / 2) / root)
    return 0.5 * (rise - fall)


def cut(values: FloatArray) -> FloatArray:
    return np.maximum(0, (values - G0) / (1 - G0))


def rise_fall(u: FloatArray, width: float, rise: float) -> FloatArray:
    plateau = width - 2 * rise
    flank = 0.5 * (1 + np.cos(np.pi * (np.abs(u) - plateau / 2) / rise))
    return np.where(np.abs(u) <= plateau / 2, 1, np.where(np.abs(u) <= width / 2, flank, 0))


RISE_SIGMA: float = 0.2 / (math.sqrt(8) * erfinv(1 - 2 * G0))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Constant(), np.ones(N)),
        (Gaussian(0.2, 0.1), gauss(T - 0.1, 0.2)),
        (
            GaussianDerivative(0.2, 0.1),
            -math.sqrt(math.e) * (T - 0.1) / 0.2 * gauss(T - 0.1, 0.2),
        ),
        (GaussianSmoothedSquare(0.5, 0.05, -0.1), smoothed(T + 0.1, 0.5, 0.05)),
        (TruncatedGaussian(0.8, 0.05), cut(gauss(T - 0.05, SIGMA))),
        (
            TruncatedGaussianDerivative(0.8, 0.05),
            -math.sqrt(math.e) * (T - 0.05) / SIGMA * gauss(T - 0.05, SIGMA),
        ),
        (
            TruncatedGaussianSmoothedSquare(0.8, 0.0, 0.2),
            cut(smoothed(T, 0.6, RISE_SIGMA)),
        ),
        (
            TruncatedGaussianSmoothedSquare(0.3, 0.0, 0.2),
            cut(smoothed(T, 0.3 / (2 * (0.4 / 0.3) ** 2), RISE_SIGMA)),
        ),
        (CosineRiseFall(0.9, 0.02, 0.2), rise_fall(T - 0.02, 0.9, 0.2)),
        (CosineRiseFall(1.0, 0.0, 0.5), rise_fall(T, 1.0, 0.5)),
    ],
)
def test_a_shape_follows_its_formula(shape: Shape, expected: FloatArray) -> None:
    np.testing.assert_allclose(sample(Waveform(N, shape), N), expected, atol=1e-12)


@pytest.mark.parametrize(
    "shape",
    [
        TruncatedGaussian(0.0, 0.0),
        TruncatedGaussianDerivative(0.0, 0.0),
        TruncatedGaussianSmoothedSquare(0.0, 0.0, 0.0),
        CosineRiseFall(0.0, 0.0, 0.1),
    ],
)
def test_a_shape_without_width_is_flat_and_finite(shape: Shape) -> None:
    values = sample(Waveform(N, shape), N)

    assert np.isfinite(values).all()
    assert np.abs(values).sum() <= 1


def test_the_beginning_of_a_long_waveform_does_not_need_the_whole() -> None:
    huge = Waveform(10**15, Gaussian(0.3, 0.0))

    assert sample(huge, 4).shape == (4,)


def test_a_phasor_is_an_exponential() -> None:
    expected = np.exp(2j * np.pi * -0.09 * np.arange(5000))

    np.testing.assert_allclose(phasor(-0.09, 5000), expected, atol=1e-11)


@pytest.mark.parametrize(
    ("waveform", "sentence"),
    [
        (Waveform(0, Constant()), "n_samples is 0"),
        (Waveform(4, None), "no shape"),
        (Waveform(4, Samples(np.zeros(3))), "has 3 samples, but n_samples is 4"),
        (Waveform(2, Samples(np.array([0.0, np.nan]))), "sample 1 is nan"),
        (Waveform(2, Samples(np.array([0.0, 1e300]))), "sample 1 is 1e+300"),
        (Waveform(4, Gaussian(0.0, 0.0)), "sigma is 0 windows"),
        (Waveform(4, Gaussian(0.1, float("inf"))), "center_offset is inf"),
        (Waveform(4, CosineRiseFall(1.0, 0.0, -0.1)), "rise_time is -0.1 windows"),
        (Waveform(4, CosineRiseFall(1e9, 0.0, 0.1)), "full_width is 1e+09 windows"),
        (Waveform(4, CosineRiseFall(1.0, 0.0, 1e-300)), "rise_time is 1e-300 windows"),
    ],
)
def test_a_mistake_in_a_waveform_is_told(waveform: Waveform, sentence: str) -> None:
    assert any(sentence in each for each in mistakes_in(waveform))
