"""The amplitude of π: Rabi oscillations, then many π pulses in a row that add up their errors.

Every implementation of prx that the set has for a qubit is calibrated by itself; one of π/2 pulses
plays two of them for π.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from labd.calibrate.bench import Bench, Design, Draw
from labd.calibrate.fits import Fit, Start, amplified, fit, fit_rabi, likeliest
from labd.calibrate.stage import HALF_PI, Stage, prx_implementations
from labd.calibrate.values import (
    Finding,
    FloatArray,
    Line,
    Picture,
    Quantity,
    is_known,
    judged,
)
from labd.calibrate.working_set import WorkingSet

NAME = "amplitude"
_WIDEST = 2.0
_N_AMPLITUDES = 21
_LEAST_SWING = 0.25
_MOST_SCATTER = 3.0
_AIM_COARSE = 0.05
_AIM_RAD = 0.004
_LARGEST_TURN_RAD = 1.3
_ERRORS = np.linspace(-0.2, 0.2, 201)


def rabi(bench: Bench, qubits: Sequence[str], shots: int) -> list[Finding]:
    """P(1) after one π pulse over its amplitude, all qubits at once."""
    findings: list[Finding] = []
    for own in by_row(bench.working, qubits):
        widest = {q: _widest(bench.working, q, name) for q, name in own.items()}
        steps = np.linspace(0.0, 1.0, _N_AMPLITUDES)

        def draw(stage: Stage, step: float, own: dict[str, str], widest: dict[str, float]) -> None:
            for qubit, name in own.items():
                stage.rotate(qubit, math.pi, implementation=name, scale=step * widest[qubit])

        segments: list[Draw] = [
            partial(draw, step=step, own=own, widest=widest) for step in steps.tolist()
        ]
        found = bench.populations(Design(tuple(own), segments, shots))
        findings += [
            judge_rabi(
                qubit,
                implementation,
                steps * widest[qubit],
                found.of[qubit][0],
                found.noise,
                bench.working,
            )
            for qubit, implementation in own.items()
        ]
    return findings


def judge_rabi(
    qubit: str,
    implementation: str,
    scales: FloatArray,
    populations: FloatArray,
    noise: float,
    working: WorkingSet,
) -> Finding:
    """scales: amplitudes over the present one."""
    best = fit_rabi(scales, populations)
    turns, swing = best["turns"], best["swing"].value
    ratio = Quantity(1.0 / turns.value, turns.uncertainty / turns.value**2)
    problems, doubts = [], []
    if not is_known(ratio):
        problems.append("the fit does not know the period")
    elif swing < _LEAST_SWING:
        problems.append(f"no oscillation: its swing is {swing:.2f}")
    elif ratio.value > scales[-1]:
        problems.append(f"the maximum is beyond {scales[-1]:.2f} of the present amplitude")
    elif best.residual > _MOST_SCATTER * noise:
        doubts.append(f"points scatter {best.residual / noise:.1f} times the shot noise")
    changes = {} if problems else _changes(working, qubit, implementation, ratio)
    problems += _too_large(changes)
    return Finding(
        experiment=f"{NAME} of {implementation}",
        locus=qubit,
        numbers={"ratio": ratio, **_named(changes)},
        verdict=judged(
            problems, doubts, f"{implementation}: {100 * (ratio.value - 1):+.2f} % to be a π pulse"
        ),
        picture=_picture(
            f"amplitude of {implementation} / present", scales, populations, best, ratio.value
        ),
        changes={} if problems else changes,
        is_settled=abs(ratio.value - 1.0) < _AIM_COARSE,
    )


def amplify(bench: Bench, qubits: Sequence[str], most_pulses: int, shots: int) -> list[Finding]:
    """P(1) after a quarter turn and n half turns, all qubits at once."""
    findings: list[Finding] = []
    n_pulses = np.unique(np.round(np.linspace(0, most_pulses, 13))).astype(np.float64)
    for own in by_row(bench.working, qubits):

        def draw(stage: Stage, n: int, own: dict[str, str]) -> None:
            for qubit, name in own.items():
                stage.rotate(qubit, HALF_PI, implementation=name)
                for _ in range(n):
                    stage.rotate(qubit, math.pi, implementation=name)

        segments: list[Draw] = [partial(draw, n=int(n), own=own) for n in n_pulses]
        found = bench.populations(Design(tuple(own), segments, shots))
        findings += [
            judge_amplified(qubit, name, n_pulses, found.of[qubit][0], found.noise, bench.working)
            for qubit, name in own.items()
        ]
    return findings


def judge_amplified(
    qubit: str,
    implementation: str,
    n_pulses: FloatArray,
    populations: FloatArray,
    noise: float,
    working: WorkingSet,
) -> Finding:
    """What adds up to more than a turn has many local minima: the fit starts at the likeliest."""
    candidates = [{"offset": 0.5, "start": 0.0, "error": e} for e in _ERRORS.tolist()]
    likely = likeliest(amplified, n_pulses, populations, candidates)
    best = fit(amplified, n_pulses, populations, _starts(likely["error"]))
    error = Quantity(best["error"].value, best["error"].uncertainty, "rad")
    total = abs(error.value) * float(n_pulses[-1])
    problems, doubts = [], []
    if not is_known(error):
        problems.append("the fit does not know the error")
    elif best.residual > 2.0 * _MOST_SCATTER * noise:
        problems.append(f"points scatter {best.residual / noise:.1f} times the shot noise")
    elif best.residual > _MOST_SCATTER * noise:
        doubts.append(f"points scatter {best.residual / noise:.1f} times the shot noise")
    ratio = Quantity(math.pi / (math.pi + error.value), error.uncertainty / math.pi)
    changes = {} if problems else _changes(working, qubit, implementation, ratio)
    problems += _too_large(changes)
    praise = (
        f"{implementation}: π off by {1e3 * error.value:+.1f} ± {1e3 * error.uncertainty:.1f} mrad"
    )
    return Finding(
        experiment=f"{NAME} of {implementation}",
        locus=qubit,
        numbers={"error": error, "quarter_turn_error": best["start"], **_named(changes)},
        verdict=judged(problems, doubts, praise),
        picture=_picture(
            f"π pulses ({implementation}) after a quarter turn", n_pulses, populations, best, None
        ),
        changes={} if problems else changes,
        is_settled=abs(error.value) < max(_AIM_RAD, 3.0 * error.uncertainty)
        and total < _LARGEST_TURN_RAD,
    )


def _starts(error: float) -> dict[str, Start]:
    return {"offset": (0.5, 0.35, 0.65), "start": (0.0, -0.3, 0.3), "error": (error, -0.3, 0.3)}


def by_row(working: WorkingSet, qubits: Sequence[str]) -> list[dict[str, str]]:
    """Implementations by qubit: the first of each, the second of those that have one, and so on."""
    names = {qubit: prx_implementations(working, qubit) for qubit in qubits}
    rows = range(max((len(each) for each in names.values()), default=0))
    return [{q: each[row] for q, each in names.items() if row < len(each)} for row in rows]


def _widest(working: WorkingSet, qubit: str, implementation: str) -> float:
    own = f"gates.prx.{implementation}.{qubit}"
    largest = max(abs(working.number(f"{own}.amplitude_{part}")) for part in "iq")
    return min(_WIDEST, 0.99 / max(largest, 1e-6))


def _changes(
    working: WorkingSet, qubit: str, implementation: str, ratio: Quantity
) -> dict[str, Quantity]:
    """Both quadratures scaled alike."""
    paths = [f"gates.prx.{implementation}.{qubit}.amplitude_{part}" for part in "iq"]
    return {path: ratio.scaled(working.number(path)) for path in paths}


def _too_large(changes: dict[str, Quantity]) -> list[str]:
    return [
        f"{path} would be {new.value:.3f}; the channel's full scale is 1"
        for path, new in changes.items()
        if abs(new.value) > 1
    ]


def _named(changes: dict[str, Quantity]) -> dict[str, Quantity]:
    return {path.rpartition(".")[2]: new for path, new in changes.items()}


def _picture(
    label: str, x: FloatArray, populations: FloatArray, best: Fit, mark: float | None
) -> Picture:
    smooth = np.linspace(float(x[0]), float(x[-1]), 300) if mark is not None else x
    lines = (Line("", x, populations), Line("", smooth, best.curve(smooth), is_fit=True))
    return Picture(label, "P(1)", lines, () if mark is None else (mark,))
