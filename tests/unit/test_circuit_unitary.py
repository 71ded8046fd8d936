"""What is played does what the circuit says, on an ideal quantum computer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from circuit_support import (
    CHIP,
    N_PULSE,
    OBSERVATIONS,
    IdealComputer,
    compiled_circuits,
    infidelity,
    unitary_of,
    with_observations,
)

from labd.core.circuit import (
    Alignment,
    Barrier,
    Circuit,
    CircuitOptions,
    Cz,
    DecouplingSequence,
    DecouplingStrategy,
    Delay,
    Gate,
    Heralding,
    Measure,
    Prx,
    X,
    Y,
)
from labd.core.circuit_station import CircuitStation
from labd.core.gate_data import ObservationValue
from labd.core.waveforms import TruncatedGaussian, Waveform, sample

TOLERANCE = 1e-9
PAIRS = tuple(CHIP.couplers.values())
IMPLEMENTATIONS = ("drag_gaussian", "drag_crf", "drag_crf_sx")
XY4 = DecouplingStrategy((DecouplingSequence(4, (X, Y, X, Y), Alignment.CENTER),))
CPMG = DecouplingStrategy((DecouplingSequence(2, (X, X), Alignment.CENTER),))
EVERYWHERE = DecouplingStrategy(
    (
        DecouplingSequence(6, (Y, X, Y, X), Alignment.ALAP),
        DecouplingSequence(2, ((math.pi, 0.7), (-math.pi, 0.7)), Alignment.ASAP),
    ),
    merges_idle_times=False,
    skips_leading=False,
    skips_trailing=False,
)


def random_station(
    rng: np.random.Generator, implementations: dict[str, str], options: CircuitOptions
) -> tuple[CircuitStation, dict[str, tuple[float, float]]]:
    """Frame corrections of all gates, spectators' too, and pulses of every kind.

    implementations: by qubit. Returns the Z rotations too that its pulses lack; decoupling takes
    the default implementation, whose pulses are another kind then, so it gets perfect ones.
    """
    changes: dict[str, ObservationValue] = {}
    imperfect = {}
    gaussian = sample(Waveform(N_PULSE, TruncatedGaussian(0.9, 0.0)), N_PULSE).sum()
    for qubit, implementation in implementations.items():
        crf = OBSERVATIONS[f"gates.prx.drag_crf.{qubit}.amplitude_i"]
        assert isinstance(crf, float)
        path = f"gates.prx.drag_gaussian.{qubit}"
        changes[f"{path}.duration"] = 40e-9
        changes[f"{path}.full_width"] = 36e-9
        changes[f"{path}.amplitude_i"] = crf * (N_PULSE / 2) / gaussian
        changes[f"{path}.amplitude_q"] = 0.05
        if implementation == "drag_crf_sx" and options.decoupling is None:
            before, after = float(rng.uniform(-0.3, 0.3)), float(rng.uniform(-0.3, 0.3))
            changes[f"gates.prx.drag_crf_sx.{qubit}.rz_before"] = before
            changes[f"gates.prx.drag_crf_sx.{qubit}.rz_after"] = after
            imperfect[qubit] = (before, after)
    for one, other in PAIRS:
        for qubit in CHIP.qubits:
            if qubit in (one, other) or rng.random() < 0.5:
                angle = float(rng.uniform(-4, 4))
                changes[f"gates.cz.crf.{one}__{other}.rz.{qubit}"] = angle
    return with_observations(changes), imperfect


def random_gates(
    rng: np.random.Generator, implementations: dict[str, str], n_gates: int
) -> list[Gate]:
    """On physical qubits; the last ones leave no frame to be guessed."""
    gates: list[Gate] = []
    for _ in range(n_gates):
        chosen = rng.random()
        some = tuple(rng.permutation(CHIP.qubits)[: rng.integers(1, 4)].tolist())
        if chosen < 0.5:
            gates.append(random_prx(rng, some[0], implementations))
        elif chosen < 0.8:
            pair = PAIRS[int(rng.integers(len(PAIRS)))]
            gates.append(Cz((pair[0], pair[1]) if rng.random() < 0.5 else (pair[1], pair[0])))
        elif chosen < 0.9:
            gates.append(Barrier(some))
        else:
            gates.append(Delay(some, float(rng.uniform(0, 400e-9))))
    gates.append(Barrier(CHIP.qubits))
    return gates + [random_prx(rng, qubit, implementations) for qubit in CHIP.qubits]


def random_prx(rng: np.random.Generator, qubit: str, implementations: dict[str, str]) -> Prx:
    special = (0.0, math.pi / 2, -math.pi / 2, math.pi, 7.85)
    angle = rng.choice(special) if rng.random() < 0.4 else rng.uniform(-7, 7)
    phase = rng.choice(special) if rng.random() < 0.4 else rng.uniform(-7, 7)
    return Prx(qubit, float(angle), float(phase), implementations[qubit])


def renamed(gates: list[Gate], names: dict[str, str]) -> list[Gate]:
    """The same gates on logical qubits."""
    result: list[Gate] = []
    for gate in gates:
        match gate:
            case Prx():
                implementation = gate.implementation
                result.append(
                    Prx(names[gate.qubit], gate.angle_rad, gate.phase_rad, implementation)
                )
            case Cz():
                result.append(Cz((names[gate.qubits[0]], names[gate.qubits[1]])))
            case Delay():
                result.append(Delay(tuple(names[each] for each in gate.qubits), gate.duration_s))
            case _:
                result.append(Barrier(tuple(names[each] for each in gate.locus)))
    return result


def options_of(rng: np.random.Generator, names: dict[str, str]) -> CircuitOptions:
    is_mapped = any(physical != logical for physical, logical in names.items())
    decoupling = (None, None, DecouplingStrategy(), XY4, CPMG, EVERYWHERE)
    return CircuitOptions(
        qubit_mapping={logical: each for each, logical in names.items()} if is_mapped else None,
        heralding=Heralding.ZEROS if rng.random() < 0.2 else Heralding.NONE,
        decoupling=decoupling[int(rng.integers(len(decoupling)))],
    )


def logical_names(rng: np.random.Generator) -> dict[str, str]:
    """By physical qubit: itself, another qubit's name, or a name of its own."""
    chosen = rng.random()
    if chosen < 0.3:
        return {qubit: qubit for qubit in CHIP.qubits}
    if chosen < 0.6:
        shuffled = rng.permutation(CHIP.qubits).tolist()
        return dict(zip(CHIP.qubits, shuffled, strict=True))
    return {qubit: f"q{place}" for place, qubit in enumerate(CHIP.qubits)}


@pytest.mark.parametrize("block", range(10))
def test_playing_a_random_circuit_does_what_it_says(block: int) -> None:
    rng = np.random.default_rng(1000 + block)
    for _ in range(50):
        names = logical_names(rng)
        options = options_of(rng, names)
        implementations = {qubit: str(rng.choice(IMPLEMENTATIONS)) for qubit in CHIP.qubits}
        station, imperfect = random_station(rng, implementations, options)
        gates = random_gates(rng, implementations, int(rng.integers(1, 25)))
        measure = Measure(tuple(names.values()), "m")

        compiled = compiled_circuits(
            Circuit("random", (*renamed(gates, names), measure)), station, options
        )

        played = IdealComputer(station, imperfect).unitary(compiled, CHIP.qubits)
        assert infidelity(played, unitary_of(gates, CHIP.qubits)) < TOLERANCE
