"""CZ: the coupler's amplitude at which |11> gains π, and the frame turns of both qubits.

Two pairs that share a qubit, the hub, are measured in the same segments: their gates come one after
the other, each other qubit is in a Ramsey sequence and sees its own gate alone, and the hub is in
|0> or |1> for both of them. The difference of the two phases is the conditional one. More gates in
a row add up what is wrong with each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from labd.calibrate.bench import Bench, Design, Draw, Populations
from labd.calibrate.fits import Start, fit, fit_line, phase_of
from labd.calibrate.lab import Pair
from labd.calibrate.stage import HALF_PI, Stage, cz_path
from labd.calibrate.values import (
    Finding,
    FloatArray,
    Line,
    Picture,
    Quantity,
    is_known,
    judged,
    wrapped,
)
from labd.calibrate.working_set import WorkingSet

NAME = "cz"
_COARSE_SCALES = np.linspace(0.45, 1.40, 11)
_FINE_SCALES = np.linspace(0.96, 1.04, 5)
_N_PHASES = 4
_MOST_TOGETHER = 2
_LEAST_SWING = 0.25
_MOST_SCATTER = 3.0
_AIM_RAD = 0.03
_AIM_COARSE = 0.1
_PHASES = 2.0 * np.pi * np.arange(_N_PHASES) / _N_PHASES
_RAMSEY_PHASES = 2.0 * np.pi * np.arange(2 * _N_PHASES) / (2 * _N_PHASES)


@dataclass(frozen=True, slots=True)
class Hub:
    """A qubit and pairs that it is part of."""

    qubit: str
    pairs: tuple[Pair, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """The pairs' other qubits, in their order."""
        return tuple(pair.other(self.qubit) for pair in self.pairs)


def hubs_of(pairs: Sequence[Pair]) -> list[Hub]:
    """Every pair once, two at most together; the qubit in most that are left is the next hub."""
    left, hubs = list(pairs), []
    while left:
        ends = [qubit for pair in left for qubit in pair.qubits]
        qubit = max(sorted(set(ends)), key=ends.count)
        own = tuple(pair for pair in left if qubit in pair.qubits)[:_MOST_TOGETHER]
        hubs.append(Hub(qubit, own))
        left = [pair for pair in left if pair not in own]
    return hubs


def amplitude(bench: Bench, pairs: Sequence[Pair], n_gates: int, shots: int) -> list[Finding]:
    """The conditional phase over the coupler's amplitude; n_gates: 1 looks far, an odd many near.

    Proposes ``gates.cz.crf.<pair>.coupler.amplitude``.
    """
    wide = _COARSE_SCALES if n_gates == 1 else _FINE_SCALES
    findings = []
    for hub in hubs_of(pairs):
        scales = {pair.locus: _within_scale(bench.working, pair, wide) for pair in hub.pairs}
        segments: list[Draw] = [
            partial(
                _conditional,
                hub=hub,
                is_hub_up=is_up,
                scales={locus: float(each[place]) for locus, each in scales.items()},
                n_gates=n_gates,
                phase=phase,
            )
            for place in range(wide.size)
            for is_up in (False, True)
            for phase in _PHASES.tolist()
        ]
        found = bench.populations(Design((hub.qubit, *hub.others), segments, shots))
        judge = judge_far if n_gates == 1 else partial(judge_near, n_gates=n_gates)
        for pair in hub.pairs:
            turns, swing, noise = _conditional_phases(found, pair.other(hub.qubit), wide.size)
            path = f"{cz_path(bench.working, pair)}.coupler.amplitude"
            findings.append(
                judge(pair.locus, path, scales[pair.locus], turns, swing, noise, bench.working)
            )
    return findings


def judge_far(
    locus: str,
    path: str,
    scales: FloatArray,
    turns: FloatArray,
    swing: float,
    noise_rad: float,
    working: WorkingSet,
) -> Finding:
    """turns: conditional phases, rad, modulo 2π, from the smallest scale on; 0 at scale 0."""
    x = np.concatenate([[0.0], scales])
    unwrapped = np.unwrap(np.concatenate([[0.0], turns]))
    y = np.abs(unwrapped)
    guess = float(np.interp(math.pi, y, x))
    starts: dict[str, Start] = {"half": (guess, 0.1, 3.0), "bend": (0.0, -0.3, 0.3)}
    best = fit(_conditional_phase, x, y, starts)
    half = best["half"]
    problems, doubts = _phase_problems(swing)
    if y.max() < math.pi:
        problems.append(f"the phase stays below π: {y.max():.2f} rad at most")
    elif not is_known(half):
        problems.append("the fit does not know where the phase is π")
    elif best.residual > _MOST_SCATTER * noise_rad:
        doubts.append(f"phases scatter {best.residual / noise_rad:.1f} times what noise explains")
    new = half.scaled(working.number(path))
    if abs(new.value) > 1:
        problems.append(f"the amplitude would be {new.value:.3f}; the channel's full scale is 1")
    smooth = np.linspace(0.0, float(x[-1]), 200)
    lines = (Line("", x, y), Line("", smooth, best.curve(smooth), is_fit=True))
    return Finding(
        experiment=NAME,
        locus=locus,
        numbers={"coupler.amplitude": new},
        verdict=judged(problems, doubts, f"π at {100 * (half.value - 1):+.2f} % of amplitude"),
        picture=Picture("amplitude / present", "conditional phase (rad)", lines, (half.value,)),
        changes={} if problems else {path: new},
        is_settled=abs(half.value - 1.0) < _AIM_COARSE,
    )


def judge_near(
    locus: str,
    path: str,
    scales: FloatArray,
    turns: FloatArray,
    swing: float,
    noise_rad: float,
    working: WorkingSet,
    *,
    n_gates: int,
) -> Finding:
    """turns: conditional phases of n_gates gates, rad, modulo 2π."""
    first = np.array([wrapped(each) for each in (turns - n_gates * math.pi).tolist()])
    errors = np.unwrap(first[np.argsort(scales)])
    errors = errors - 2 * math.pi * round(float(np.median(errors)) / (2 * math.pi))
    errors /= n_gates
    best = fit_line(scales, errors)
    half, slope = best["zero"], best["slope"]
    noise = noise_rad / n_gates
    present = slope.value * (1.0 - half.value)
    problems, doubts = _phase_problems(swing)
    if not (is_known(half) and is_known(slope)):
        problems.append("the fit does not know where the phase is π")
    elif not 0.5 < abs(slope.value) / (2.0 * math.pi) < 2.0:
        problems.append(f"the phase changes by {slope.value:.1f} rad over the amplitude, not by 2π")
    elif not 0.9 < half.value < 1.1:
        problems.append(f"π is {100 * (half.value - 1):+.1f} % of amplitude away: look further")
    elif best.residual > _MOST_SCATTER * noise:
        doubts.append(f"phases scatter {best.residual / noise:.1f} times what noise explains")
    new = half.scaled(working.number(path))
    error = Quantity(present, abs(slope.value) * half.uncertainty, "rad")
    smooth = np.linspace(float(scales[0]), float(scales[-1]), 50)
    lines = (Line("", scales, errors), Line("", smooth, best.curve(smooth), is_fit=True))
    praise = f"conditional phase off by {1e3 * present:+.1f} ± {1e3 * error.uncertainty:.1f} mrad"
    return Finding(
        experiment=NAME,
        locus=locus,
        numbers={"coupler.amplitude": new, "error": error},
        verdict=judged(problems, doubts, praise),
        picture=Picture("amplitude / present", "phase per gate - π (rad)", lines, (half.value,)),
        changes={} if problems else {path: new},
        is_settled=abs(present) < max(_AIM_RAD, 3.0 * error.uncertainty),
    )


def phases(bench: Bench, pairs: Sequence[Pair], n_gates: int, shots: int) -> list[Finding]:
    """What is left of the turns of both qubits while the other one is in |0>.

    Proposes ``gates.cz.crf.<pair>.rz.<qubit>``.
    """
    findings = []
    for hub in hubs_of(pairs):
        outer: list[Draw] = [
            partial(
                _conditional,
                hub=hub,
                is_hub_up=False,
                scales={pair.locus: 1.0 for pair in hub.pairs},
                n_gates=n_gates,
                phase=phase,
            )
            for phase in _RAMSEY_PHASES.tolist()
        ]
        inner: list[Draw] = [
            partial(_alone, hub=hub.qubit, pair=pair, n_gates=n_gates, phase=phase)
            for pair in hub.pairs
            for phase in _RAMSEY_PHASES.tolist()
        ]
        qubits = (hub.qubit, *hub.others)
        found = bench.populations(Design(qubits, [*outer, *inner], shots))
        by_pair = found.of[hub.qubit][0][len(outer) :].reshape(len(hub.pairs), -1)
        for pair, at_hub in zip(hub.pairs, by_pair, strict=True):
            curves = {
                pair.other(hub.qubit): found.of[pair.other(hub.qubit)][0][: len(outer)],
                hub.qubit: at_hub,
            }
            path = cz_path(bench.working, pair)
            findings.append(judge_phases(pair, path, curves, found.noise, bench.working, n_gates))
    return findings


def judge_phases(
    pair: Pair,
    path: str,
    curves: Mapping[str, FloatArray],
    noise: float,
    working: WorkingSet,
    n_gates: int,
) -> Finding:
    """curves: P(1) by qubit, over the phases of the second quarter turn."""
    changes: dict[str, Quantity] = {}
    lines: list[Line] = []
    problems: list[str] = []
    left: list[Quantity] = []
    smooth = np.linspace(0.0, 2.0 * np.pi, 200)
    for qubit, curve in curves.items():
        phase, swing = phase_of(_RAMSEY_PHASES, curve, noise)
        problems += [f"{qubit}: {each}" for each in _phase_problems(swing.value)[0]]
        left.append(phase.scaled(1.0 / n_gates))
        angle = wrapped(working.number(f"{path}.rz.{qubit}") - left[-1].value)
        changes[f"{path}.rz.{qubit}"] = Quantity(angle, left[-1].uncertainty, "rad")
        model = curve.mean() + swing.value * np.cos(smooth - phase.value)
        lines += [Line(qubit, _RAMSEY_PHASES, curve), Line("", smooth, model, is_fit=True)]
    worst = max(left, key=lambda each: abs(each.value))
    told = ", ".join(
        f"{qubit} {1e3 * each.value:+.0f} ± {1e3 * each.uncertainty:.0f} mrad"
        for qubit, each in zip(curves, left, strict=True)
    )
    return Finding(
        experiment=NAME,
        locus=pair.locus,
        numbers={name.removeprefix(f"{path}."): new for name, new in changes.items()},
        verdict=judged(problems, [], f"frames off by {told}"),
        picture=Picture("phase of the second quarter turn (rad)", "P(1)", tuple(lines)),
        changes={} if problems else changes,
        is_settled=abs(worst.value) < max(_AIM_RAD, 3.0 * worst.uncertainty),
    )


# ---- what is played


def _conditional(
    stage: Stage,
    hub: Hub,
    is_hub_up: bool,
    scales: Mapping[str, float],
    n_gates: int,
    phase: float,
) -> None:
    if is_hub_up:
        stage.rotate(hub.qubit, math.pi)
    for qubit in hub.others:
        stage.rotate(qubit, HALF_PI)
    stage.segment.sync()
    for pair in hub.pairs:
        for _ in range(n_gates):
            stage.cz(pair, scale=scales[pair.locus])
    for qubit in hub.others:
        stage.rotate(qubit, HALF_PI, phase)


def _alone(stage: Stage, hub: str, pair: Pair, n_gates: int, phase: float) -> None:
    stage.rotate(hub, HALF_PI)
    for _ in range(n_gates):
        stage.cz(pair)
    stage.rotate(hub, HALF_PI, phase)


# ---- phases


def _conditional_phases(
    found: Populations, qubit: str, n_scales: int
) -> tuple[FloatArray, float, float]:
    """Conditional phases in (-π, π] by scale, the smallest swing of a fringe, a phase's noise."""
    curves = found.of[qubit][0].reshape(n_scales, 2, _N_PHASES)
    turns, swings, noises = [], [], []
    for down, up in curves:
        (at_down, swing_down), (at_up, swing_up) = (
            phase_of(_PHASES, curve, found.noise) for curve in (down, up)
        )
        turns.append(wrapped(at_up.value - at_down.value))
        swings += [swing_down.value, swing_up.value]
        noises.append(math.hypot(at_up.uncertainty, at_down.uncertainty))
    return np.array(turns), min(swings), float(np.median(noises))


def _phase_problems(swing: float) -> tuple[list[str], list[str]]:
    problems = [f"the fringes' swing is {swing:.2f} only"] if swing < _LEAST_SWING else []
    return problems, []


def _conditional_phase(x: FloatArray, half: float, bend: float) -> FloatArray:
    square = (x / half) ** 2
    return np.asarray(math.pi * square * (1.0 + bend * (square - 1.0)))


def _within_scale(working: WorkingSet, pair: Pair, scales: FloatArray) -> FloatArray:
    """Scales at which the coupler's amplitude stays within its channel."""
    present = abs(working.number(f"{cz_path(working, pair)}.coupler.amplitude"))
    return np.asarray(scales * min(1.0, 1.0 / max(present * float(scales[-1]), 1e-9)))
