"""T1, T2 by Ramsey fringes, and T2 by an echo."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from labd.calibrate.bench import Bench, Design, Draw
from labd.calibrate.fits import Fit, fit_decay, fit_oscillation
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

T1, T2, ECHO = "t1", "t2", "echo"
_PATHS = {T1: "t1_time", T2: "t2_time", ECHO: "t2_echo_time"}
_TITLES = {T1: "T1", T2: "T2 (Ramsey)", ECHO: "T2 (echo)"}
_N_POINTS = 24
_FRINGES = 6.0
_LEAST_SWING = 0.15
_MOST_SCATTER = 3.0
_MOST_UNCERTAIN = 0.25
_USUAL_S = 50e-6


@dataclass(frozen=True, slots=True)
class _Sequence:
    """One way to lose a state. draw: plays it with a pause in all qubits."""

    draw: Callable[[Stage, Sequence[str], float], None]
    fit: Callable[[FloatArray, FloatArray], Fit]
    swing: float


def lose(
    bench: Bench, qubits: Sequence[str], which: str, span_s: float, shots: int
) -> list[Finding]:
    """T1, T2 or ECHO of all qubits at once, over pauses up to span_s.

    Proposes ``characterization.model.<qubit>.t1_time``, ``.t2_time`` or ``.t2_echo_time``.
    """
    sequence = _SEQUENCES[which]
    step = bench.lab.on_grid(span_s / _N_POINTS / 2.0) * 2.0
    pauses = np.arange(_N_POINTS, dtype=np.float64) * step

    def draw(pause_s: float) -> Draw:
        return lambda stage: sequence.draw(stage, qubits, pause_s)

    offset_hz = _FRINGES / span_s if which == T2 else 0.0
    carriers = {
        f"{qubit}__drive.frequency": (
            bench.working.number(f"controllers.{qubit}.drive.frequency") - offset_hz,
        )
        for qubit in qubits
    }
    design = Design(tuple(qubits), [draw(pause) for pause in pauses.tolist()], shots, carriers)
    found = bench.populations(design)
    return [judge(qubit, which, pauses, found.of[qubit][0], found.noise) for qubit in qubits]


def span_of(bench: Bench, qubits: Sequence[str], which: str) -> float:
    """Three of the longest time that the set knows of; of an ordinary one where it knows none."""
    paths = [f"characterization.model.{qubit}.{_PATHS[which]}" for qubit in qubits]
    known = [bench.working.number(path) for path in paths if bench.working.has(path)]
    return 3.0 * max(known, default=_USUAL_S)


def judge(
    qubit: str, which: str, pauses_s: FloatArray, populations: FloatArray, noise: float
) -> Finding:
    """populations: P(1) by pause."""
    pauses_us, span_us = pauses_s * 1e6, float(pauses_s[-1] - pauses_s[0]) * 1e6
    sequence = _SEQUENCES[which]
    best = sequence.fit(pauses_us, populations)
    rate, swing = best["rate"], abs(best["swing"].value)
    time = Quantity(1e-6 / rate.value, 1e-6 * rate.uncertainty / rate.value**2, "s")
    problems, doubts = [], []
    if not is_known(time):
        problems.append("the fit does not know the time")
    elif swing < _LEAST_SWING * sequence.swing:
        problems.append(f"nothing decays: the swing is {swing:.2f}")
    elif time.uncertainty > _MOST_UNCERTAIN * time.value:
        problems.append(f"known to {100 * time.uncertainty / time.value:.0f} % only")
    elif best.residual > _MOST_SCATTER * noise:
        doubts.append(f"points scatter {best.residual / noise:.1f} times the shot noise")
    in_range = 0.15 * span_us < time.value * 1e6 < 0.8 * span_us
    praise = f"{_TITLES[which]} {time.value * 1e6:.1f} ± {time.uncertainty * 1e6:.1f} µs"
    smooth = np.linspace(0.0, float(pauses_us[-1]), 400)
    lines = (Line("", pauses_us, populations), Line("", smooth, best.curve(smooth), is_fit=True))
    return Finding(
        experiment=which,
        locus=qubit,
        numbers={_PATHS[which]: time},
        verdict=judged(problems, doubts, praise),
        picture=Picture("pause (µs)", "P(1)", lines),
        changes={} if problems else {f"characterization.model.{qubit}.{_PATHS[which]}": time},
        is_settled=in_range,
    )


def _excite(stage: Stage, qubits: Sequence[str], pause_s: float) -> None:
    for qubit in qubits:
        stage.rotate(qubit, math.pi)
    stage.wait(qubits, pause_s)


def _ramsey(stage: Stage, qubits: Sequence[str], pause_s: float) -> None:
    for qubit in qubits:
        stage.rotate(qubit, HALF_PI)
    stage.wait(qubits, pause_s)
    for qubit in qubits:
        stage.rotate(qubit, HALF_PI)


def _echo(stage: Stage, qubits: Sequence[str], pause_s: float) -> None:
    for qubit in qubits:
        stage.rotate(qubit, HALF_PI)
    stage.wait(qubits, pause_s / 2.0)
    for qubit in qubits:
        stage.rotate(qubit, math.pi, HALF_PI)
    stage.wait(qubits, pause_s / 2.0)
    for qubit in qubits:
        stage.rotate(qubit, HALF_PI)


_SEQUENCES = {
    T1: _Sequence(_excite, partial(fit_decay, offset=0.0), 1.0),
    T2: _Sequence(_ramsey, fit_oscillation, 0.5),
    ECHO: _Sequence(_echo, partial(fit_decay, offset=0.5), 0.5),
}
