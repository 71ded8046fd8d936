"""Qubit frequency by Ramsey fringes with the carrier on either side.

Two quarter turns with a pause between, once with the carrier `offset_hz` below the frequency that
the set says, once above. The fringes of the two differ by twice the error of the set, whatever the
sign conventions of phases are, and their sum tells whether the error lies between the carriers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labd.calibrate.bench import Bench, Design, Draw
from labd.calibrate.fits import Fit, fit_oscillation
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

NAME = "frequency"
_LEAST_SWING = 0.2
_MOST_SCATTER = 3.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How far an experiment looks. aim_hz: a smaller correction means that it has settled."""

    offset_hz: float
    span_s: float
    n_points: int
    aim_hz: float


COARSE = Reach(offset_hz=4.0e6, span_s=1.0e-6, n_points=32, aim_hz=2.0e5)
FINE = Reach(offset_hz=2.5e5, span_s=12.0e-6, n_points=31, aim_hz=1.0e4)


def ramsey(bench: Bench, qubits: Sequence[str], reach: Reach, shots: int) -> list[Finding]:
    """All qubits at once. Proposes ``controllers.<qubit>.drive.frequency``."""
    step = bench.lab.on_grid(reach.span_s / reach.n_points)
    pauses = np.arange(1, reach.n_points + 1, dtype=np.float64) * step

    def fringe(pause_s: float) -> Draw:
        def draw(stage: Stage) -> None:
            for qubit in qubits:
                stage.rotate(qubit, HALF_PI)
            stage.wait(qubits, pause_s)
            for qubit in qubits:
                stage.rotate(qubit, HALF_PI)

        return draw

    present = {q: bench.working.number(f"controllers.{q}.drive.frequency") for q in qubits}
    carriers = {
        f"{qubit}__drive.frequency": (hz - reach.offset_hz, hz + reach.offset_hz)
        for qubit, hz in present.items()
    }
    design = Design(tuple(qubits), [fringe(pause) for pause in pauses.tolist()], shots, carriers)
    found = bench.populations(design)
    return [
        judge(qubit, pauses, found.of[qubit], found.noise, present[qubit], reach)
        for qubit in qubits
    ]


def judge(
    qubit: str,
    pauses_s: FloatArray,
    populations: FloatArray,
    noise: float,
    present_hz: float,
    reach: Reach,
) -> Finding:
    """populations: float64 (2, n_pauses), carrier below and above."""
    below, above = (fit_oscillation(pauses_s * 1e6, row) for row in populations)
    low, high = below["frequency"].scaled(1e6), above["frequency"].scaled(1e6)
    spread = float(np.hypot(low.uncertainty, high.uncertainty)) / 2.0
    error = Quantity((low.value - high.value) / 2.0, spread, "Hz")
    closure = low.value + high.value - 2.0 * reach.offset_hz
    problems, doubts = [], []
    if not (is_known(low) and is_known(high)):
        problems.append("the fit does not know the fringes' frequencies")
    for name, each in (("below", below), ("above", above)):
        swing = each["swing"].value
        if swing < _LEAST_SWING:
            problems.append(f"no fringes with the carrier {name}: their swing is {swing:.2f}")
        elif each.residual > _MOST_SCATTER * noise:
            doubts.append(f"points scatter {each.residual / noise:.1f} times the shot noise")
    allowed = max(6.0 * spread, 0.02 * reach.offset_hz)
    if not problems and abs(closure) > allowed:
        problems.append(
            f"the two fringes' sum is {closure / 1e3:+.1f} kHz off; the frequency is not within "
            f"{reach.offset_hz / 1e6:g} MHz of the set's"
        )
    praise = f"{error.value / 1e3:+.2f} ± {spread / 1e3:.2f} kHz from the set's"
    changed = Quantity(present_hz + error.value, spread, "Hz")
    return Finding(
        experiment=NAME,
        locus=qubit,
        numbers={"frequency": changed, "correction": error},
        verdict=judged(problems, doubts, praise),
        picture=_picture(pauses_s, populations, (below, above)),
        changes={} if problems else {f"controllers.{qubit}.drive.frequency": changed},
        is_settled=abs(error.value) < max(reach.aim_hz, 3.0 * spread),
    )


def _picture(pauses_s: FloatArray, populations: FloatArray, fits: tuple[Fit, Fit]) -> Picture:
    pauses_us = pauses_s * 1e6
    smooth = np.linspace(0.0, float(pauses_us[-1]), 400)
    lines: list[Line] = []
    for name, row, each in zip(("carrier below", "carrier above"), populations, fits, strict=True):
        lines += [Line(name, pauses_us, row), Line("", smooth, each.curve(smooth), is_fit=True)]
    return Picture("pause (µs)", "P(1)", tuple(lines))
