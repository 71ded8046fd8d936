"""Two clouds in the IQ plane: the line that joins them, the border between them, the errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labd.calibrate.values import ComplexArray, FloatArray, Quantity

_N_ROUNDS = 200
_LEAST_CHANGE = 1e-9


@dataclass(frozen=True, slots=True)
class Clouds:
    """What single shots of both states say.

    angle: of the line from |0> to |1>, rad. threshold: along that line, turned onto the real axis.
    distance: between the centres; apart: in standard deviations of a cloud. height: of the line
    above the origin. error_0_to_1: bits that are 1 where |0> was prepared, and so on.
    """

    angle: Quantity
    threshold: Quantity
    distance: float
    apart: float
    height: float
    fidelity: Quantity
    error_0_to_1: Quantity
    error_1_to_0: Quantity


def separate(ground: ComplexArray, excited: ComplexArray) -> Clouds:
    """ground, excited: complex128 (n_shots,). Both may hold shots of the other state."""
    between = excited.mean() - ground.mean()
    angle = float(np.angle(between))
    turn = np.exp(-1j * angle)
    low, high = (ground * turn).real, (excited * turn).real
    zero, one, width = _centres(low, high)
    n_shots = ground.size + excited.size
    threshold = Quantity((zero + one) / 2.0, width / math.sqrt(n_shots))
    wrong_low = _rate(low > threshold.value)
    wrong_high = _rate(high <= threshold.value)
    distance = one - zero
    return Clouds(
        angle=Quantity(angle, 2.0 * width / max(distance, 1e-12) / math.sqrt(n_shots), "rad"),
        threshold=threshold,
        distance=distance,
        apart=distance / width,
        height=float((np.concatenate([ground, excited]) * turn).imag.mean()),
        fidelity=Quantity(
            1.0 - (wrong_low.value + wrong_high.value) / 2.0,
            math.hypot(wrong_low.uncertainty, wrong_high.uncertainty) / 2.0,
        ),
        error_0_to_1=wrong_low,
        error_1_to_0=wrong_high,
    )


def _rate(wrong: npt.NDArray[np.bool_]) -> Quantity:
    """A fraction; its uncertainty is not zero where nothing was wrong (Laplace's rule)."""
    n = wrong.size
    smoothed = (float(wrong.sum()) + 1.0) / (n + 2.0)
    return Quantity(float(wrong.mean()), math.sqrt(smoothed * (1.0 - smoothed) / n))


def _centres(low: FloatArray, high: FloatArray) -> tuple[float, float, float]:
    """Centres and common width of two Gaussians that both sets are mixtures of.

    Expectation maximisation: each set has its own share of the other's Gaussian.
    """
    zero, one = float(np.median(low)), float(np.median(high))
    width = float(min(np.std(low), np.std(high))) or 1e-12
    shares = [0.1, 0.9]
    for _ in range(_N_ROUNDS):
        weights = []
        for number, x in enumerate((low, high)):
            bias = math.log(shares[number] / (1.0 - shares[number]))
            tilt = ((x - zero) ** 2 - (x - one) ** 2) / (2.0 * width**2)
            weights.append(1.0 / (1.0 + np.exp(np.clip(-bias - tilt, -500, 500))))
        x, upper = np.concatenate([low, high]), np.concatenate(weights)
        before = (zero, one, width)
        one = float(np.sum(upper * x) / max(np.sum(upper), 1e-12))
        zero = float(np.sum((1.0 - upper) * x) / max(np.sum(1.0 - upper), 1e-12))
        spread = upper * (x - one) ** 2 + (1.0 - upper) * (x - zero) ** 2
        width = math.sqrt(float(spread.mean())) or 1e-12
        shares = [min(max(float(each.mean()), 1e-4), 1.0 - 1e-4) for each in weights]
        if max(abs(a - b) for a, b in zip(before, (zero, one, width), strict=True)) < _LEAST_CHANGE:
            break
    return zero, one, width
