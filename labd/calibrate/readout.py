"""Readout: where the resonator tells |0> and |1> apart best, and how bits come of integrals.

First the probe's frequency, at which the mean integrals of the two states are furthest apart. Then
single shots of both: the probe's phase that lays their difference along the real axis, the
threshold between them, and how often it is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from labd.calibrate.bench import Bench, Design, Draw
from labd.calibrate.clouds import Clouds, separate
from labd.calibrate.stage import Stage
from labd.calibrate.values import (
    ComplexArray,
    Finding,
    FloatArray,
    Line,
    Picture,
    Quantity,
    judged,
    wrapped,
)
from labd.calibrate.working_set import WorkingSet

NAME = "readout"
_REACH_HZ = 6.0e6
_N_FREQUENCIES = 25
_AIM_HZ = 7.0e5
_LEAST_SIGNAL = 6.0
_LEAST_APART = 3.0
_AIM_RAD = 0.05
_AIM_THRESHOLD = 0.1
_POOR_FIDELITY = 0.9
_MOST_DRAWN = 400
_TONE = ("duration", "integration_length", "frequency", "amplitude_i", "acquisition_delay")


def scan(bench: Bench, qubits: Sequence[str], shots: int) -> list[Finding]:
    """Mean integrals of |0> and |1> over the probe's frequency, all qubits at once.

    Proposes ``gates.<measure>.constant.<qubit>.frequency`` for every readout with the same tone.
    """
    offsets = np.linspace(-_REACH_HZ, _REACH_HZ, _N_FREQUENCIES)
    tones = bench.tones(qubits)
    segments: list[Draw] = []
    each = []
    for state in (0, 1):
        for offset in offsets.tolist():
            segments.append(partial(_prepare, states=dict.fromkeys(qubits, state)))
            each.append({q: replace(t, if_hz=t.if_hz + offset) for q, t in tones.items()})
    means = bench.means(Design(tuple(qubits), segments, shots), *each)
    return [
        judge_scan(qubit, offsets, means[qubit][0].reshape(2, -1), bench.working)
        for qubit in qubits
    ]


def judge_scan(
    qubit: str,
    offsets_hz: FloatArray,
    means: ComplexArray,
    working: WorkingSet,
) -> Finding:
    """means: of |0> and |1>, (2, n_offsets), by offset from the present frequency."""
    ground, excited = means
    apart = np.abs(excited - ground)
    noise = float(np.sqrt(np.mean(np.abs(np.diff(means, 2, axis=1)) ** 2) / 6.0))
    top = int(np.argmax(apart))
    near = slice(max(top - 3, 0), top + 4)
    curve = np.polyfit(offsets_hz[near] / 1e6, apart[near], 2)
    is_hill = bool(curve[0] < 0)
    peak_mhz = float(-curve[1] / (2 * curve[0]) if is_hill else offsets_hz[top] / 1e6)
    problems: list[str] = []
    if apart[top] < _LEAST_SIGNAL * noise:
        problems.append("the two states cannot be told apart at any frequency")
    elif not abs(peak_mhz) <= 0.9 * offsets_hz[-1] / 1e6:
        problems.append(f"the best frequency is at or beyond the edge, {peak_mhz:+.1f} MHz away")
    width = math.sqrt(abs(apart[top] / curve[0])) if is_hill else float(offsets_hz[-1]) / 1e6
    spread_hz = 1e6 * max(noise / apart[top] * width, 1e-3)
    present = working.number(f"gates.measure.constant.{qubit}.frequency")
    best = Quantity(present + 1e6 * peak_mhz, spread_hz, "Hz")
    smooth = offsets_hz[near] / 1e6
    lines = (
        Line("|1> - |0>", offsets_hz / 1e6, apart),
        Line("", smooth, np.asarray(np.polyval(curve, smooth), np.float64), is_fit=True),
        Line("|0>", offsets_hz / 1e6, np.abs(ground)),
        Line("|1>", offsets_hz / 1e6, np.abs(excited)),
    )
    paths = [f"gates.{gate}.constant.{qubit}.frequency" for gate in alike(working, qubit)]
    return Finding(
        experiment=NAME,
        locus=qubit,
        numbers={"frequency": best},
        verdict=judged(problems, [], f"best {peak_mhz:+.2f} MHz from the set's frequency"),
        picture=Picture("probe - present (MHz)", "integral", lines, (peak_mhz,)),
        changes={} if problems else dict.fromkeys(paths, best),
        is_settled=abs(peak_mhz) * 1e6 < _AIM_HZ,
    )


def clouds(bench: Bench, qubits: Sequence[str], shots: int) -> list[Finding]:
    """Single shots of both states, in four patterns so that each sees its neighbours in both.

    Proposes phase and integration_threshold of ``measure`` and ``measure_fidelity``.
    """
    tones = bench.tones(qubits)
    patterns = [
        {qubit: (place * odd + one) % 2 for place, qubit in enumerate(qubits)}
        for odd in (0, 1)
        for one in (0, 1)
    ]
    segments: list[Draw] = [partial(_prepare, states=states) for states in patterns]
    found = bench.clouds(Design(tuple(qubits), segments, shots), tones)
    findings = []
    for qubit in qubits:
        by_state = [
            found[qubit][:, [n for n, p in enumerate(patterns) if p[qubit] == state]].reshape(-1)
            for state in (0, 1)
        ]
        findings.append(judge_clouds(qubit, by_state[0], by_state[1], bench.working))
    return findings


def judge_clouds(
    qubit: str, ground: ComplexArray, excited: ComplexArray, working: WorkingSet
) -> Finding:
    """ground, excited: single-shot integrals of the two preparations."""
    found = separate(ground, excited)
    own = f"gates.measure.constant.{qubit}"
    phase = found.angle.value
    moved = abs(found.threshold.value - working.number(f"{own}.integration_threshold"))
    problems, doubts = [], []
    if found.apart < _LEAST_APART:
        problems.append(f"the clouds are only {found.apart:.1f} of their widths apart")
    elif found.fidelity.value < _POOR_FIDELITY:
        doubts.append(f"bits are right in {100 * found.fidelity.value:.1f} % of shots only")
    praise = (
        f"right in {100 * found.fidelity.value:.2f} ± {100 * found.fidelity.uncertainty:.2f} %, "
        f"clouds {found.apart:.1f} widths apart"
    )
    numbers = {
        "phase": Quantity(
            wrapped(working.number(f"{own}.phase") - phase), found.angle.uncertainty, "rad"
        ),
        "integration_threshold": found.threshold,
        "fidelity": found.fidelity,
        "error_0_to_1": found.error_0_to_1,
        "error_1_to_0": found.error_1_to_0,
    }
    return Finding(
        experiment=NAME,
        locus=qubit,
        numbers=numbers,
        verdict=judged(problems, doubts, praise),
        picture=_cloud_picture(ground, excited, found),
        changes={} if problems else _cloud_changes(working, qubit, numbers),
        is_settled=abs(phase) < _AIM_RAD and moved < _AIM_THRESHOLD * found.distance,
    )


def alike(working: WorkingSet, qubit: str) -> list[str]:
    """measure, and measure_fidelity where the set has one that plays the same tone."""

    def tone(gate: str) -> list[float]:
        return [working.number(f"gates.{gate}.constant.{qubit}.{name}") for name in _TONE]

    has_other = working.gates.has("measure_fidelity", "constant", qubit)
    is_alike = has_other and tone("measure") == tone("measure_fidelity")
    return ["measure", "measure_fidelity"] if is_alike else ["measure"]


def _prepare(stage: Stage, states: dict[str, int]) -> None:
    for qubit, state in states.items():
        if state:
            stage.rotate(qubit, math.pi)


def _cloud_changes(
    working: WorkingSet, qubit: str, numbers: dict[str, Quantity]
) -> dict[str, Quantity]:
    changes: dict[str, Quantity] = {}
    for gate in alike(working, qubit):
        for name in ("phase", "integration_threshold"):
            changes[f"gates.{gate}.constant.{qubit}.{name}"] = numbers[name]
    for name in ("fidelity", "error_0_to_1", "error_1_to_0"):
        changes[f"metrics.ssro.measure.constant.{qubit}.{name}"] = numbers[name]
    return changes


def _cloud_picture(ground: ComplexArray, excited: ComplexArray, found: Clouds) -> Picture:
    lines = tuple(
        Line(name, shots[:_MOST_DRAWN].real, shots[:_MOST_DRAWN].imag)
        for name, shots in (("|0>", ground), ("|1>", excited))
    )
    across = np.array([-2.0, 2.0]) * found.distance / 4.0
    border = np.exp(1j * found.angle.value) * (found.threshold.value + 1j * (across + found.height))
    return Picture(
        "I", "Q", (*lines, Line("", border.real, border.imag, is_fit=True)), is_plane=True
    )
