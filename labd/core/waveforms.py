"""The shapes a waveform may have, and their samples.

A window of n samples is evaluated at the midpoints t_k = (k + 1/2) / n - 1/2; every parameter is a
fraction of the window; u = t - center_offset. The truncated shapes are cut where the Gaussian has
fallen to G0 and rescaled to reach 0 there. Formulas: IQM's pulse library, as measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import assert_never

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]

G0 = 0.003
"""Height at which truncated Gaussians are cut."""

_SIGMA_OF_FULL_WIDTH = 1 / math.sqrt(8 * math.log(1 / G0))
# rise_time / sigma of the truncated smoothed square: sqrt(8) * erfinv(1 - 2 G0)
_RISE_PER_SIGMA = 2 * NormalDist().inv_cdf(1 - G0)
_PHASOR_STEP = 64
_LONGEST_KEPT = 8192
# Bounds of a parameter in windows, and of a sample: beyond them formulas overflow, mean nothing.
_SMALLEST, _LARGEST = 1e-9, 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """The samples as given: float64, 1-D, read-only."""

    samples: FloatArray


@dataclass(frozen=True, slots=True)
class Constant:
    """1 everywhere."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """exp(-u**2 / (2 sigma**2))."""

    sigma: float
    center_offset: float


@dataclass(frozen=True, slots=True)
class GaussianDerivative:
    """A Gaussian's derivative, peak 1: -sqrt(e) (u / sigma) exp(-u**2 / (2 sigma**2))."""

    sigma: float
    center_offset: float


@dataclass(frozen=True, slots=True)
class GaussianSmoothedSquare:
    """A square of square_width convolved with a Gaussian of gaussian_sigma."""

    square_width: float
    gaussian_sigma: float
    center_offset: float


@dataclass(frozen=True, slots=True)
class TruncatedGaussian:
    """A Gaussian that is 0 at the edges of full_width."""

    full_width: float
    center_offset: float


@dataclass(frozen=True, slots=True)
class TruncatedGaussianDerivative:
    """The derivative of a Gaussian that falls to G0 at the edges of full_width; not cut there."""

    full_width: float
    center_offset: float


@dataclass(frozen=True, slots=True)
class TruncatedGaussianSmoothedSquare:
    """A smoothed square that is 0 at the edges of full_width and rises within rise_time."""

    full_width: float
    center_offset: float
    rise_time: float


@dataclass(frozen=True, slots=True)
class CosineRiseFall:
    """1 on a plateau of full_width - 2 rise_time, with raised-cosine flanks of rise_time."""

    full_width: float
    center_offset: float
    rise_time: float


Shape = (
    Samples
    | Constant
    | Gaussian
    | GaussianDerivative
    | GaussianSmoothedSquare
    | TruncatedGaussian
    | TruncatedGaussianDerivative
    | TruncatedGaussianSmoothedSquare
    | CosineRiseFall
)


@dataclass(frozen=True, slots=True)
class Waveform:
    """A shape over a window of n_samples; None where the job names no shape that labd knows."""

    n_samples: int
    shape: Shape | None


def mistakes_in(waveform: Waveform) -> list[str]:
    """What is wrong with a waveform, a sentence each; one without mistakes can be sampled."""
    shape = waveform.shape
    found = []
    if waveform.n_samples < 1:
        found.append("n_samples is 0; a waveform has at least one sample")
    if shape is None:
        return [*found, "names no shape that labd knows"]
    if isinstance(shape, Samples):
        if shape.samples.size != waveform.n_samples:
            found.append(f"has {shape.samples.size} samples, but n_samples is {waveform.n_samples}")
        if not np.isfinite(shape.samples).all():
            first = int(np.flatnonzero(~np.isfinite(shape.samples))[0])
            found.append(f"sample {first} is {shape.samples[first]}, not a finite number")
        elif shape.samples.size and np.abs(shape.samples).max() > _LARGEST:
            first = int(np.argmax(np.abs(shape.samples)))
            found.append(f"sample {first} is {shape.samples[first]:g}; the largest is {_LARGEST:g}")
        return found
    for name in shape.__dataclass_fields__:
        value: float = getattr(shape, name)
        if not math.isfinite(value):
            found.append(f"{name} is {value}, not a finite number")
        elif name in ("sigma", "gaussian_sigma") and value < _SMALLEST:
            found.append(f"{name} is {value:g} windows; the smallest is {_SMALLEST:g}")
        elif name.endswith(("width", "time")) and value != 0 and value < _SMALLEST:
            found.append(f"{name} is {value:g} windows; it is 0 or at least {_SMALLEST:g}")
        elif abs(value) > _LARGEST:
            found.append(f"{name} is {value:g} windows; the largest is {_LARGEST:g}")
    return found


def sample(waveform: Waveform, n_first: int) -> FloatArray:
    """The first n_first samples of a waveform without mistakes.

    Returns float64, shape (min(n_first, n_samples),), dimensionless.
    """
    n = min(n_first, waveform.n_samples)
    if isinstance(waveform.shape, Samples):
        return waveform.shape.samples[:n]
    if isinstance(waveform.shape, Constant) or waveform.shape is None:
        return np.ones(n)
    times = (np.arange(n) + 0.5) / waveform.n_samples - 0.5
    return _shape_at(waveform.shape, times - waveform.shape.center_offset)


def cosine_derivative(
    n_samples: int, full_width: float = 1.0, center_offset: float = 0.0
) -> FloatArray:
    """The DRAG partner of a raised cosine without plateau: its derivative, peak 1.

    full_width (above 0), center_offset: in windows. Returns float64, shape (n_samples,), read-only.
    """
    u = (np.arange(n_samples) + 0.5) / n_samples - 0.5 - center_offset
    wave = np.where(np.abs(u) <= full_width / 2, -np.sin(2 * np.pi * u / full_width), 0.0)
    wave.flags.writeable = False
    return wave


def phasor(cycles_per_sample: float, n_samples: int) -> ComplexArray:
    """exp(2 pi i f n) for n = 0 .. n_samples - 1, complex128, read-only, to 1e-11.

    Short ones are kept: a job's probe tones and weights, and those of the next job, are the same.
    """
    if n_samples > _LONGEST_KEPT:
        return _phasor(cycles_per_sample, n_samples)
    return _kept_phasor(cycles_per_sample, n_samples)


def _phasor(cycles_per_sample: float, n_samples: int) -> ComplexArray:
    """The product of a coarse and a fine phasor: 30 times as fast as an exponential per sample."""
    turns = 2j * np.pi * math.remainder(cycles_per_sample, 1.0)
    n_coarse = -(-n_samples // _PHASOR_STEP)
    fine = np.exp(turns * np.arange(_PHASOR_STEP))
    coarse = np.exp(turns * _PHASOR_STEP * np.arange(n_coarse))
    product: ComplexArray = np.multiply.outer(coarse, fine).reshape(-1)[:n_samples]
    product.flags.writeable = False
    return product


_kept_phasor = lru_cache(maxsize=128)(_phasor)


def _shape_at(
    shape: Gaussian
    | GaussianDerivative
    | GaussianSmoothedSquare
    | TruncatedGaussian
    | TruncatedGaussianDerivative
    | TruncatedGaussianSmoothedSquare
    | CosineRiseFall,
    u: FloatArray,
) -> FloatArray:
    match shape:
        case Gaussian():
            return _gauss(u, shape.sigma)
        case GaussianDerivative():
            return _gauss_derivative(u, shape.sigma)
        case GaussianSmoothedSquare():
            return _smoothed_square(u, shape.square_width, shape.gaussian_sigma)
        case TruncatedGaussian(full_width=width):
            return _cut(_gauss(u, width * _SIGMA_OF_FULL_WIDTH)) if width > 0 else np.zeros(u.size)
        case TruncatedGaussianDerivative(full_width=width):
            sigma = width * _SIGMA_OF_FULL_WIDTH
            return _gauss_derivative(u, sigma) if width > 0 else np.zeros(u.size)
        case TruncatedGaussianSmoothedSquare():
            return _truncated_smoothed_square(u, shape.full_width, shape.rise_time)
        case CosineRiseFall():
            return _cosine_rise_fall(u, shape.full_width, shape.rise_time)
        case _:
            assert_never(shape)


def _gauss(u: FloatArray, sigma: float) -> FloatArray:
    return np.exp(-((u / sigma) ** 2) / 2)


def _gauss_derivative(u: FloatArray, sigma: float) -> FloatArray:
    return -math.sqrt(math.e) * (u / sigma) * _gauss(u, sigma)


def _cut(values: FloatArray) -> FloatArray:
    return np.maximum(0.0, (values - G0) / (1 - G0))


def _smoothed_square(u: FloatArray, width: float, sigma: float) -> FloatArray:
    step = math.sqrt(2) * sigma
    return 0.5 * (_erf((u + width / 2) / step) - _erf((u - width / 2) / step))


def _truncated_smoothed_square(u: FloatArray, width: float, rise: float) -> FloatArray:
    square = width - rise
    if 0 < width <= 2 * rise:
        square = width / (2 * (2 * rise / width) ** 2)
    if square <= 0:
        return np.zeros(u.size)
    if rise == 0:
        return (np.abs(u) <= width / 2).astype(np.float64)
    return _cut(_smoothed_square(u, square, rise / _RISE_PER_SIGMA))


def _cosine_rise_fall(u: FloatArray, width: float, rise: float) -> FloatArray:
    from_plateau = np.abs(u) - (width - 2 * rise) / 2
    if rise == 0:
        return (from_plateau <= 0).astype(np.float64)
    flank = 0.5 * (1 + np.cos(np.pi * np.clip(from_plateau / rise, 0.0, 1.0)))
    return np.where(np.abs(u) <= width / 2, flank, 0.0)


def _erf(x: FloatArray) -> FloatArray:
    return np.fromiter(map(math.erf, x.tolist()), np.float64, x.size)
