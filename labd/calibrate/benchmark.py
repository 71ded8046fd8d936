"""How good gates and readout are: randomized benchmarking of one and two qubits, readout errors.

All of it runs as circuit jobs, with the gates that every client gets. A random walk through the
Clifford group ends where it began; how fast that fails with its length is the error per Clifford,
whatever preparation and readout do wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import numpy as np

from labd.calibrate.bench import Bench
from labd.calibrate.clifford import (
    Frames,
    Instruction,
    Walk,
    group_of_one,
    group_of_two,
    random_walk,
)
from labd.calibrate.fits import Start, fit
from labd.calibrate.lab import Pair
from labd.calibrate.stage import cz_path, prx_implementations
from labd.calibrate.values import (
    Finding,
    FloatArray,
    Line,
    Picture,
    Quantity,
    is_known,
    judged,
)

RB1, RB2, READOUT = "rb1", "rb2", "readout"
DEPTHS_1 = (1, 60, 150, 300, 600)
DEPTHS_2 = (1, 8, 20, 40, 70, 110)
N_WALKS = 4
_MOST_SCATTER = 3.0
_MOST_GATES = 8000
_FAR_FROM_LIMIT = 3.0


@dataclass(frozen=True, slots=True)
class Order:
    """How much is measured. calibration_set_id: None is the active set."""

    shots: int
    seed: int
    calibration_set_id: UUID | None = None
    n_walks: int = N_WALKS


# ---- one qubit


def one_qubit(bench: Bench, qubits: Sequence[str], order: Order) -> list[Finding]:
    """Randomized benchmarking of each qubit, all at the same time, in one job."""
    dice, group = np.random.default_rng(order.seed), group_of_one()
    depths = np.repeat(DEPTHS_1, order.n_walks)
    circuits = []
    lengths: dict[str, list[float]] = {qubit: [] for qubit in qubits}
    for depth in depths.tolist():
        frames = Frames(qubits)
        for qubit in qubits:
            walk = random_walk(group, depth, dice)
            for place in walk.places:
                frames.play(qubit, group.elements[place])
        for qubit in qubits:
            lengths[qubit].append(_length_s(bench, frames.instructions, (qubit,)) / (depth + 1))
        circuits.append([*frames.instructions, _measure(qubits)])
    bits = _bits(bench, circuits, order)
    findings = []
    for column, qubit in enumerate(qubits):
        survivals = np.array([1.0 - rows[:, column].mean() for rows in bits])
        limit = _limit(bench, (qubit,), float(np.mean(lengths[qubit])))
        findings.append(judge_decay(RB1, qubit, depths.astype(np.float64), survivals, order, limit))
    return findings


# ---- two qubits


def two_qubits(bench: Bench, pairs: Sequence[Pair], order: Order) -> list[Finding]:
    """Randomized benchmarking of each pair, one job after the other."""
    dice, group = np.random.default_rng(order.seed), group_of_two()
    depths = np.repeat(DEPTHS_2, order.n_walks)
    findings = []
    for pair in pairs:
        circuits, lengths = [], []
        for depth in depths.tolist():
            walk: Walk = random_walk(group, depth, dice)
            frames = Frames(pair.qubits)
            for place in walk.places:
                frames.play_layers(pair.qubits, group.layers(place))
            lengths.append(_length_s(bench, frames.instructions, pair.qubits, pair) / (depth + 1))
            circuits.append([*frames.instructions, _measure(pair.qubits)])
        bits = _bits(bench, circuits, order)
        survivals = np.array([float((rows.sum(axis=1) == 0).mean()) for rows in bits])
        limit = _limit(bench, pair.qubits, float(np.mean(lengths)))
        findings.append(
            judge_decay(RB2, pair.locus, depths.astype(np.float64), survivals, order, limit)
        )
    return findings


def judge_decay(
    kind: str,
    locus: str,
    depths: FloatArray,
    survivals: FloatArray,
    order: Order,
    limit: float | None,
) -> Finding:
    """survivals: P(all 0) by walk. limit: error per Clifford that T1 and T2 leave, if known."""
    dimension = 2 if kind == RB1 else 4
    floor = 1.0 / dimension
    starts: dict[str, Start] = {
        "swing": (1.0 - floor, 0.1, 1.1),
        "loss": (1.0 / float(depths.max()), 1e-7, 0.5),
    }
    best = fit(partial(_decay, floor=floor), depths, survivals, starts)
    per_clifford = best["loss"].scaled(1.0 - floor)
    noise = math.sqrt(floor * (1.0 - floor) / order.shots)
    problems, doubts = [], []
    if not is_known(per_clifford):
        problems.append("the fit does not know the decay")
    elif per_clifford.uncertainty > 0.5 * per_clifford.value:
        problems.append("the decay is not known to better than a half: take longer walks")
    elif best.residual > _MOST_SCATTER * noise:
        doubts.append(f"points scatter {best.residual / noise:.1f} times the shot noise")
    numbers = {"error_per_clifford": per_clifford}
    error, spread = 1e3 * per_clifford.value, 1e3 * per_clifford.uncertainty
    told = f"error per Clifford ({error:.2f} ± {spread:.2f})e-3"
    if limit is not None:
        numbers["coherence_limit"] = Quantity(limit, 0.0)
        told += f", T1 and T2 allow {1e3 * limit:.2f}e-3"
        if per_clifford.value > _FAR_FROM_LIMIT * limit:
            doubts.append(f"{told}: the gates are to blame, not the qubits")
    smooth = np.linspace(0.0, float(depths.max()), 200)
    lines = (Line("walks", depths, survivals), Line("", smooth, best.curve(smooth), is_fit=True))
    return Finding(
        experiment=kind,
        locus=locus,
        numbers=numbers,
        verdict=judged(problems, doubts, told),
        picture=Picture("Cliffords", "P(back at 0)", lines),
    )


def _decay(x: FloatArray, swing: float, loss: float, *, floor: float) -> FloatArray:
    """Towards a floor at which nothing is left of the state: 1 / dimension."""
    return np.asarray(floor + swing * (1.0 - loss) ** x)


# ---- readout


def readout(bench: Bench, qubits: Sequence[str], order: Order) -> list[Finding]:
    """How often a bit is wrong, with neighbours in the same and in the other state."""
    patterns = [
        {qubit: (place * odd + one) % 2 for place, qubit in enumerate(qubits)}
        for odd in (0, 1)
        for one in (0, 1)
    ]
    circuits = [[*map(_flip, _ones(pattern)), _measure(qubits)] for pattern in patterns]
    bits = _bits(bench, circuits, order)
    findings = []
    for column, qubit in enumerate(qubits):
        wrong = [
            np.concatenate(
                [
                    rows[:, column] != state
                    for rows, pattern in zip(bits, patterns, strict=True)
                    if pattern[qubit] == state
                ]
            )
            for state in (0, 1)
        ]
        up, down = (_rate(each.astype(np.float64)) for each in wrong)
        fidelity = Quantity(
            1.0 - (up.value + down.value) / 2, math.hypot(up.uncertainty, down.uncertainty) / 2
        )
        told = f"P(1|0) {100 * up.value:.2f} %, P(0|1) {100 * down.value:.2f} %"
        bars = Line("wrong", np.array([0.0, 1.0]), np.array([up.value, down.value]))
        findings.append(
            Finding(
                experiment=READOUT,
                locus=qubit,
                numbers={"fidelity": fidelity, "error_0_to_1": up, "error_1_to_0": down},
                verdict=judged([], [] if fidelity.value > 0.9 else [told], told),
                picture=Picture("prepared", "wrong bits", (bars,)),
            )
        )
    return findings


def _rate(wrong: FloatArray) -> Quantity:
    """A fraction; its uncertainty is not zero where nothing was wrong (Laplace's rule)."""
    smoothed = (float(wrong.sum()) + 1.0) / (wrong.size + 2.0)
    return Quantity(float(wrong.mean()), math.sqrt(smoothed * (1.0 - smoothed) / wrong.size))


def _ones(pattern: Mapping[str, int]) -> list[str]:
    return [qubit for qubit, state in pattern.items() if state]


def _flip(qubit: str) -> Instruction:
    return {"name": "prx", "locus": [qubit], "args": {"angle": math.pi, "phase": 0.0}}


# ---- what T1 and T2 allow


def coherence_limit(times_s: Sequence[tuple[float, float]], length_s: float) -> float:
    """Average infidelity of doing nothing for a while.

    times_s: T1 and T2 (which includes relaxation) by qubit. From the process fidelity of relaxation
    and dephasing, (1 + exp(-t/T1) + 2 exp(-t/T2)) / 4 for each qubit, which multiply.
    """
    process = math.prod(
        (1.0 + math.exp(-length_s / t1_s) + 2.0 * math.exp(-length_s / t2_s)) / 4.0
        for t1_s, t2_s in times_s
    )
    dimension = 2.0 ** len(times_s)
    return 1.0 - (dimension * process + 1.0) / (dimension + 1.0)


def _limit(bench: Bench, qubits: Sequence[str], length_s: float) -> float | None:
    paths = [
        [f"characterization.model.{qubit}.{name}" for name in ("t1_time", "t2_time")]
        for qubit in qubits
    ]
    if not all(bench.working.has(path) for each in paths for path in each):
        return None
    number = bench.working.number
    return coherence_limit([(number(t1), number(t2)) for t1, t2 in paths], length_s)


def _length_s(
    bench: Bench,
    instructions: Sequence[Instruction],
    qubits: Sequence[str],
    pair: Pair | None = None,
) -> float:
    """How long the gates of these qubits take, as early as they can be played."""
    number, ends = bench.working.number, dict.fromkeys(qubits, 0.0)
    prx_s = {
        q: number(f"gates.prx.{prx_implementations(bench.working, q)[0]}.{q}.duration")
        for q in qubits
    }
    cz_s = number(f"{cz_path(bench.working, pair)}.duration") if pair else 0.0
    for instruction in instructions:
        locus = [str(qubit) for qubit in instruction["locus"]]
        if locus[0] in ends:
            start = max(ends[qubit] for qubit in locus)
            ends.update(dict.fromkeys(locus, start + (cz_s if len(locus) > 1 else prx_s[locus[0]])))
    return max(ends.values())


# ---- jobs


def _measure(qubits: Sequence[str]) -> Instruction:
    return {"name": "measure", "locus": list(qubits), "args": {"key": "m"}}


def _bits(
    bench: Bench, circuits: Sequence[Sequence[Instruction]], order: Order
) -> list[FloatArray]:
    """By circuit, 0 or 1, (n_shots, n_qubits)."""
    bits: list[FloatArray] = []
    for batch in _batches(circuits):
        named = [
            {"name": f"{place}", "instructions": list(each)} for place, each in enumerate(batch)
        ]
        job = {"circuits": named, "shots": order.shots}
        if order.calibration_set_id is not None:
            job["calibration_set_id"] = str(order.calibration_set_id)
        measured = json.loads(bench.circuits(json.dumps(job).encode()))
        bits += [np.array(each["m"], dtype=np.float64) for each in measured]
    return bits


def _batches(circuits: Sequence[Sequence[Instruction]]) -> list[list[Sequence[Instruction]]]:
    """Circuits in order, as many together as one job may hold gates; others come between jobs."""
    batches: list[list[Sequence[Instruction]]] = []
    n_gates = _MOST_GATES
    for each in circuits:
        if n_gates + len(each) > _MOST_GATES:
            batches.append([])
            n_gates = 0
        batches[-1].append(each)
        n_gates += len(each)
    return batches
