"""Circuits by IQM's own clients and Qiskit, unmodified: what comes back is what they mean."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from circuit_clients import IS_LATER, CircuitClient
from iqm.pulse import Circuit
from iqm_lab import (
    PI,
    barrier,
    bell,
    circuit,
    counts,
    cz,
    ideal_probabilities,
    measure,
    probabilities,
    prx,
    run,
)
from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import Statevector, random_clifford
from scipy.stats import chi2_contingency

CIRCUITS = Path(__file__).parents[1] / "data" / "circuits"
CENTRE, *LEAVES = QUBITS = ("QB3", "QB1", "QB2", "QB4", "QB5")
N_SHOTS = 2000
N_CLIFFORDS = 20
OUTCOMES = ("00", "01", "10", "11")

BELL_QASM = """OPENQASM 3.0;
bit[2] c;
prx(pi/2, pi/2) $1;
prx(pi/2, pi/2) $3;
cz $1, $3;
prx(-pi/2, pi/2) $3;
c[0] = measure $1;
c[1] = measure $3;
"""


def ghz(n_qubits: int) -> Circuit:
    """The centre of the star entangled with its leaves, one after the other."""
    leaves = LEAVES[: n_qubits - 1]
    half = (prx(qubit, PI / 2, PI / 2) for qubit in QUBITS[:n_qubits])
    pairs = [(cz(CENTRE, leaf), prx(leaf, -PI / 2, PI / 2)) for leaf in leaves]
    return circuit(
        f"ghz{n_qubits}",
        *half,
        *(gate for pair in pairs for gate in pair),
        barrier(*QUBITS[:n_qubits]),
        measure(*QUBITS[:n_qubits]),
    )


def random_native_clifford(rng: np.random.Generator, number: int) -> Circuit:
    """Eight layers: quarter and half turns about x or y, then a cz of the centre and a leaf."""
    gates = []
    for _ in range(8):
        for qubit in QUBITS:
            turn, axis = rng.integers(-1, 3), rng.integers(2)
            gates.append(prx(qubit, turn * PI / 2, axis * PI / 2))
        gates.append(cz(CENTRE, LEAVES[rng.integers(len(LEAVES))]))
    return circuit(f"clifford{number}", *gates, measure(*QUBITS))


def right_ones(frequencies: np.ndarray) -> float:
    """How often all bits were equal."""
    return float(frequencies[0] + frequencies[-1])


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation."""
    return float(np.abs(one - other).sum() / 2)


def test_bell_and_ghz_by_submit_circuits(client: CircuitClient) -> None:
    circuits = [bell(), *(ghz(n_qubits) for n_qubits in (3, 4, 5))]

    job_id = client.submit(circuits, N_SHOTS)
    found = [probabilities(each["m"]) for each in client.bits(job_id)]

    assert right_ones(found[0]) >= 0.88
    assert all(right_ones(each) >= 0.75 for each in found[1:]), [right_ones(f) for f in found]
    assert all(0.35 <= each[0] <= 0.65 for each in found)
    counted = client.counts(job_id)
    assert [sum(each.values()) for each in counted] == [N_SHOTS] * 4
    assert counted[0]["00"] / N_SHOTS == pytest.approx(found[0][0])


def test_bell_and_ghz_by_qiskit(client: CircuitClient) -> None:
    backend = client.backend()
    circuits = []
    for n_qubits in (2, 3, 4, 5):
        one = QuantumCircuit(n_qubits)
        one.h(0)
        for target in range(1, n_qubits):
            one.cx(0, target)
        one.measure_all()
        circuits.append(one)

    made = transpile(circuits, backend, seed_transpiler=1)
    found = backend.run(made, shots=N_SHOTS).result().get_counts()

    right = [(c.get("0" * n, 0) + c.get("1" * n, 0)) / N_SHOTS for n, c in enumerate(found, 2)]
    assert right[0] >= 0.88
    assert min(right[1:]) >= 0.75, right


def test_random_cliffords_by_submit_circuits(client: CircuitClient) -> None:
    rng = np.random.default_rng(3)
    circuits = [random_native_clifford(rng, number) for number in range(N_CLIFFORDS)]

    measured = client.bits(client.submit(circuits, N_SHOTS))

    distances = [
        distance(probabilities(bits["m"]), ideal_probabilities(one, QUBITS))
        for one, bits in zip(circuits, measured, strict=True)
    ]
    assert np.mean(distances) <= 0.15, np.round(distances, 3)


def test_random_cliffords_by_qiskit(client: CircuitClient) -> None:
    backend = client.backend()
    circuits = [random_clifford(5, seed=number).to_circuit() for number in range(N_CLIFFORDS)]
    ideals = [Statevector(each).probabilities() for each in circuits]
    for each in circuits:
        each.measure_all()

    made = transpile(circuits, backend, optimization_level=3, seed_transpiler=1)
    found = backend.run(made, shots=N_SHOTS).result().get_counts()

    distances = []
    for counted, ideal in zip(found, ideals, strict=True):
        frequencies = np.zeros(32)
        for bits, n_times in counted.items():
            frequencies[int(bits, 2)] = n_times / N_SHOTS
        distances.append(distance(frequencies, ideal))
    assert np.mean(distances) <= 0.15, np.round(distances, 3)


def test_a_measurement_in_the_middle_tells_the_state_of_then(client: CircuitClient) -> None:
    flipped_twice = circuit(
        "twice",
        prx("QB4", PI),
        measure("QB4", key="first"),
        prx("QB4", PI),
        measure("QB4", "QB5", key="second"),
    )
    halved = circuit(
        "half", prx("QB4", PI / 2), measure("QB4", key="first"), measure("QB4", key="second")
    )

    twice, half = client.bits(client.submit([flipped_twice, halved], 1000))

    assert twice["first"].mean() >= 0.9
    assert twice["second"].mean(axis=0).max() <= 0.15
    assert 0.4 <= half["first"].mean() <= 0.6
    assert (half["first"] == half["second"]).mean() >= 0.93


def test_logical_qubits_are_played_where_they_are_mapped_to(client: CircuitClient) -> None:
    mapped = circuit(
        "mapped", prx("one", PI), prx("two", 0.0), cz("one", "two"), measure("two", "one")
    )

    (by_client,) = client.bits(
        client.submit([mapped], 500, qubit_mapping={"one": "QB3", "two": "QB5"})
    )
    backend = client.backend()
    one = QuantumCircuit(2, 2)
    one.x(1)
    one.measure([0, 1], [0, 1])
    made = transpile(one, backend, initial_layout=[4, 2], seed_transpiler=1)
    by_qiskit = backend.run(made, shots=500).result().get_counts()

    assert by_client["m"].mean(axis=0) == pytest.approx([0, 1], abs=0.1)
    assert by_qiskit["10"] >= 400


def bell_payload(name: str) -> bytes:
    if name == "qasm":
        return json.dumps({"circuits": [BELL_QASM], "shots": N_SHOTS}).encode()
    payload: dict[str, Any] = json.loads((CIRCUITS / name).read_bytes())
    return json.dumps(payload | {"shots": N_SHOTS}).encode()


def test_one_circuit_means_the_same_however_it_is_written(
    client: CircuitClient, request: pytest.FixtureRequest
) -> None:
    written = [bell_payload(name) for name in ("bell.json", "bell.legacy.json", "qasm")]
    job_ids = [client.submit_text(each) for each in written]
    job_ids.append(client.submit([bell()], N_SHOTS))

    tables = [counts(np.hstack(list(client.bits(job_id)[0].values()))) for job_id in job_ids]
    if not IS_LATER:  # compiled by the client itself, to pulses
        (bits,) = run(request.getfixturevalue("pulla"), [bell()], N_SHOTS)
        tables.append(counts(bits))

    table = np.array([[each.get(outcome, 0) for outcome in OUTCOMES] for each in tables])
    assert (table[:, 0] + table[:, 3] >= 0.88 * N_SHOTS).all(), table
    assert chi2_contingency(table + 1).pvalue > 0.001, table
    legacy, text = (client.circuits_of(job_id)[0] for job_id in job_ids[1:3])
    first = client.circuits_of(job_ids[0])[0]
    assert [gate.locus for gate in legacy.instructions] == [g.locus for g in first.instructions]
    assert legacy.instructions[0].args["angle"] == pytest.approx(math.pi / 2)
    assert text == BELL_QASM
