"""DRAG: the quadrature amplitude at which a π pulse and its inverse undo each other.

What the third level does to a pulse tilts its axis out of the equator, for X and -X to the same
side. Pairs of the two then turn about Y by four tilts each; a quarter turn about ±Y before them
makes that a population, and the difference of both signs takes out errors of the references.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from labd.calibrate.amplitude import by_row
from labd.calibrate.bench import Bench, Design, Draw
from labd.calibrate.fits import Fit, Start, fit, likeliest
from labd.calibrate.stage import HALF_PI, Stage
from labd.calibrate.values import (
    Finding,
    FloatArray,
    Line,
    Picture,
    Quantity,
    is_known,
    judged,
)

NAME = "drag"
_N_VALUES = 9
_MOST_SCATTER = 3.0
_AIM = 0.02
_LEAST_SWING = 0.15


def drag(
    bench: Bench, qubits: Sequence[str], n_pairs: int, reach: float, shots: int
) -> list[Finding]:
    """All qubits at once. Proposes ``gates.prx.<implementation>.<qubit>.amplitude_q``.

    reach: how far amplitude_q goes to either side, as a fraction of amplitude_i.
    """
    findings: list[Finding] = []
    steps = np.linspace(-1.0, 1.0, _N_VALUES)
    for own in by_row(bench.working, qubits):
        values: dict[str, FloatArray] = {}
        for qubit, name in own.items():
            path = f"gates.prx.{name}.{qubit}.amplitude"
            centre, scale = bench.working.number(f"{path}_q"), bench.working.number(f"{path}_i")
            values[qubit] = np.clip(centre + reach * abs(scale) * steps, -1.0, 1.0)

        def draw(
            stage: Stage, place: int, sign: int, own: dict[str, str], values: dict[str, FloatArray]
        ) -> None:
            for qubit, name in own.items():
                q = float(values[qubit][place])
                stage.rotate(qubit, HALF_PI, sign * HALF_PI, implementation=name)
                for _ in range(n_pairs):
                    stage.rotate(qubit, math.pi, implementation=name, amplitude_q=q)
                    stage.rotate(qubit, math.pi, math.pi, implementation=name, amplitude_q=q)

        segments: list[Draw] = [
            partial(draw, place=place, sign=sign, own=own, values=values)
            for sign in (1, -1)
            for place in range(_N_VALUES)
        ]
        found = bench.populations(Design(tuple(own), segments, shots))
        for qubit, name in own.items():
            plus, minus = found.of[qubit][0].reshape(2, -1)
            scale = bench.working.number(f"gates.prx.{name}.{qubit}.amplitude_i")
            noise = found.noise * math.sqrt(2.0)
            findings.append(judge(qubit, name, values[qubit], plus - minus, noise, scale))
    return findings


def judge(
    qubit: str,
    implementation: str,
    values: FloatArray,
    differences: FloatArray,
    noise: float,
    amplitude_i: float,
) -> Finding:
    """differences: of the two populations, by value of amplitude_q; about sin(rate (q - zero))."""
    path = f"gates.prx.{implementation}.{qubit}.amplitude_q"
    span = float(np.ptp(values))
    present = float(values[values.size // 2])
    candidates = [
        {"swing": 0.95, "rate": rate / span, "zero": present + place * span}
        for rate in np.linspace(-10.0, 10.0, 40).tolist()
        for place in np.linspace(-0.5, 0.5, 21).tolist()
    ]
    likely = likeliest(_tilt, values, differences, candidates)
    best = fit(_tilt, values, differences, _starts(likely, span))
    zero = _nearest_zero(best, present)
    problems, doubts = [], []
    if not is_known(zero):
        problems.append("the fit does not know where the difference vanishes")
    elif np.ptp(differences) < _LEAST_SWING:
        problems.append(f"amplitude_q hardly matters: the swing is {np.ptp(differences):.2f}")
    elif not values.min() <= zero.value <= values.max():
        problems.append(f"the difference vanishes outside of what was tried, at {zero.value:.4f}")
    elif best.residual > _MOST_SCATTER * noise:
        doubts.append(f"points scatter {best.residual / noise:.1f} times the shot noise")
    return Finding(
        experiment=f"{NAME} of {implementation}",
        locus=qubit,
        numbers={"amplitude_q": zero, "ratio": zero.scaled(1.0 / amplitude_i)},
        verdict=judged(
            problems,
            doubts,
            f"{implementation}: amplitude_q {zero.value:.4f} ± {zero.uncertainty:.4f}, "
            f"was {present:.4f}",
        ),
        picture=_picture(implementation, values, differences, best, zero.value),
        changes={} if problems else {path: zero},
        is_settled=abs(zero.value - present) < max(_AIM * abs(amplitude_i), 3.0 * zero.uncertainty),
    )


def _nearest_zero(best: Fit, present: float) -> Quantity:
    """A sine vanishes twice in its period; the zero beside the present value is meant."""
    zero, step = best["zero"], math.pi / max(abs(best["rate"].value), 1e-9)
    return Quantity(zero.value + step * round((present - zero.value) / step), zero.uncertainty)


def _tilt(x: FloatArray, swing: float, rate: float, zero: float) -> FloatArray:
    return np.asarray(swing * np.sin(rate * (x - zero)))


def _starts(likely: Mapping[str, float], span: float) -> dict[str, Start]:
    rate, zero = likely["rate"], likely["zero"]
    return {
        "swing": (likely["swing"], 0.8, 1.05),
        "rate": (rate, -12.0 / span, 12.0 / span),
        "zero": (zero, zero - 2 * span, zero + 2 * span),
    }


def _picture(
    implementation: str, x: FloatArray, differences: FloatArray, best: Fit, mark: float
) -> Picture:
    smooth = np.linspace(float(x.min()), float(x.max()), 200)
    lines = (Line("", x, differences), Line("", smooth, best.curve(smooth), is_fit=True))
    return Picture(f"amplitude_q of {implementation}", "difference of P(1)", lines, (mark,))
