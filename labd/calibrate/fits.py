"""Fits with uncertainties. Pure: values in, parameters out.

Uncertainties are one standard deviation, scaled with the scatter that the fit leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import lmfit
import numpy as np

from labd.calibrate.values import FloatArray, Quantity, wrapped

Start = float | tuple[float, float, float]
"""Where a parameter starts, or start, minimum and maximum."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Parameters by name, the model at the points, and the rms of what is left.

    curve: the model with these parameters, at any x.
    """

    parameters: Mapping[str, Quantity]
    curve: Callable[[FloatArray], FloatArray]
    residual: float

    def __getitem__(self, name: str) -> Quantity:
        return self.parameters[name]


def fit(
    model: Callable[..., FloatArray], x: FloatArray, y: FloatArray, starts: Mapping[str, Start]
) -> Fit:
    """Least squares. model(x, **parameters); starts: one per parameter, in any order."""
    parameters = lmfit.Parameters()
    for name, start in starts.items():
        value, low, high = start if isinstance(start, tuple) else (start, -np.inf, np.inf)
        parameters.add(name, value=min(max(value, low), high), min=low, max=high)

    def residuals(trial: lmfit.Parameters) -> FloatArray:
        return np.asarray(model(x, **trial.valuesdict()) - y)

    with np.errstate(all="ignore"):
        found = lmfit.minimize(residuals, parameters)
    best = {name: float(one.value) for name, one in found.params.items()}
    known = {
        name: Quantity(best[name], float("inf") if one.stderr is None else float(one.stderr))
        for name, one in found.params.items()
    }
    left = float(np.sqrt(np.mean(np.square(found.residual))))
    return Fit(known, lambda at: np.asarray(model(at, **best)), left)


def likeliest(
    model: Callable[..., FloatArray],
    x: FloatArray,
    y: FloatArray,
    candidates: Iterable[Mapping[str, float]],
) -> Mapping[str, float]:
    """The parameters that leave least, unfitted: where to start among many local minima."""
    return min(candidates, key=lambda one: float(np.sum(np.square(model(x, **one) - y))))


# ---- models


def oscillation(
    x: FloatArray, offset: float, swing: float, frequency: float, phase: float, rate: float
) -> FloatArray:
    """offset + swing exp(-rate x) cos(2π frequency x + phase)."""
    wave = np.cos(2.0 * np.pi * frequency * x + phase)
    return np.asarray(offset + swing * np.exp(-rate * x) * wave)


def decay(x: FloatArray, offset: float, swing: float, rate: float) -> FloatArray:
    """offset + swing exp(-rate x)."""
    return np.asarray(offset + swing * np.exp(-rate * x))


def rabi(x: FloatArray, offset: float, swing: float, turns: float) -> FloatArray:
    """offset - swing cos(π x turns)."""
    return np.asarray(offset - swing * np.cos(np.pi * turns * x))


def amplified(x: FloatArray, offset: float, start: float, error: float) -> FloatArray:
    """P(1) after a quarter turn and x half turns, each too large by error (rad).

    offset: 1/2 for perfect references. start: by how much the quarter turn is too large.
    """
    sign = 1.0 - 2.0 * (np.round(x) % 2)
    return np.asarray(offset + 0.5 * sign * np.sin(start + x * error))


_OFFSET_SLACK = 0.02


# ---- fits with their own starting points


def fit_oscillation(x: FloatArray, y: FloatArray) -> Fit:
    """A decaying oscillation; the strongest of a fine spectrum is where it starts."""
    span = float(x[-1] - x[0])
    step = span / (x.size - 1)
    trials = np.linspace(0.25 / span, 0.5 / step, 16 * x.size)
    centred = y - y.mean()
    spectrum = np.exp(-2.0j * np.pi * np.outer(trials, x)) @ centred
    best = int(np.argmax(np.abs(spectrum)))
    starts: dict[str, Start] = {
        "offset": float(y.mean()),
        "swing": (float(np.ptp(y)) / 2.0, 0.0, 2.0),
        "frequency": (float(trials[best]), 0.0, 0.6 / step),
        "phase": float(np.angle(spectrum[best])),
        "rate": (0.3 / span, 1e-3 / span, 10.0 / span),
    }
    return fit(oscillation, x, y, starts)


def fit_decay(x: FloatArray, y: FloatArray, offset: float) -> Fit:
    """An exponential that falls or rises towards an offset that is known to a few per cent."""
    span = float(x[-1] - x[0])
    starts: dict[str, Start] = {
        "offset": (offset, offset - _OFFSET_SLACK, offset + _OFFSET_SLACK),
        "swing": float(y[0] - offset),
        "rate": (2.0 / span, 0.02 / span, 50.0 / span),
    }
    return fit(decay, x, y, starts)


def fit_rabi(x: FloatArray, y: FloatArray) -> Fit:
    """offset - swing cos(π x turns); the best of many fixed turns is where it starts."""
    best: tuple[float, float, float, float] | None = None
    for turns in np.linspace(0.3, 2.5, 89):
        columns = np.stack([np.ones_like(x), -np.cos(np.pi * x * turns)], axis=1)
        (offset, swing), *_ = np.linalg.lstsq(columns, y, rcond=None)
        left = float(np.sum((columns @ (offset, swing) - y) ** 2))
        if swing > 0 and (best is None or left < best[0]):
            best = (left, float(offset), float(swing), float(turns))
    _, offset, swing, turns = best or (0.0, 0.5, 0.5, 1.0)
    starts: dict[str, Start] = {"offset": offset, "swing": swing, "turns": (turns, 0.2, 3.0)}
    return fit(rabi, x, y, starts)


def phase_of(phases: FloatArray, y: FloatArray, noise: float) -> tuple[Quantity, Quantity]:
    """Phase at which y = offset + swing cos(phases - phase) is largest, and the swing (>= 0).

    phases: in equal steps around the circle. noise: standard deviation of a point.
    """
    n = phases.size
    amplitude = 2.0 / n * np.sum(y * np.exp(1j * phases))
    swing, phase = float(np.abs(amplitude)), float(np.angle(amplitude))
    spread = noise * float(np.sqrt(2.0 / n))
    return Quantity(wrapped(phase), spread / max(swing, 1e-9), "rad"), Quantity(swing, spread)


def fit_line(x: FloatArray, y: FloatArray) -> Fit:
    """y = slope (x - zero): where a line crosses zero, and how steeply."""
    slope, intercept = np.polyfit(x, y, 1)
    starts: dict[str, Start] = {"slope": float(slope), "zero": float(-intercept / slope)}
    return fit(lambda at, slope, zero: slope * (at - zero), x, y, starts)
