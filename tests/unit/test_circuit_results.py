"""Bits come back to the circuit, key and qubit that measured them."""

from __future__ import annotations

import numpy as np
from circuit_support import bell, circuit, compiled_circuits

from labd.core.circuit import Circuit, CircuitOptions, Heralding, Measure, Prx
from labd.core.circuit_results import Bits, rows_of


def bits(**columns: list[list[int]]) -> dict[str, Bits]:
    return {label: np.array(values, dtype=np.int64) for label, values in columns.items()}


def test_keys_keep_the_order_of_their_locus() -> None:
    compiled = compiled_circuits(
        circuit(Measure(("QB3", "QB1"), "b"), Measure(("QB2",), "a"), Measure(("QB3",), "c"))
    )

    rows = rows_of(
        compiled.readout.circuits[0],
        bits(QB3__m1=[[1], [0]], QB1__m1=[[0], [0]], QB2__m2=[[1], [1]], QB3__m3=[[0], [1]]),
    )

    assert list(rows) == ["b", "a", "c"]
    assert rows["b"].tolist() == [[1, 0], [0, 0]]
    assert rows["a"].tolist() == [[1], [1]]
    assert rows["c"].tolist() == [[0], [1]]


def test_circuits_that_share_labels_have_columns_of_their_own() -> None:
    only_one = circuit(Prx("QB1", 3.0, 0.0), Measure(("QB1",), "k"))

    readout = compiled_circuits([bell(), only_one, bell()]).readout

    assert readout.n_triggers == {"QB1__m1": 3, "QB3__m1": 2}
    measured = bits(QB1__m1=[[0, 1, 0]], QB3__m1=[[1, 0]])
    assert rows_of(readout.circuits[0], measured)["m"].tolist() == [[0, 1]]
    assert rows_of(readout.circuits[1], measured)["k"].tolist() == [[1]]
    assert rows_of(readout.circuits[2], measured)["m"].tolist() == [[0, 0]]


def test_heralding_drops_shots_in_which_a_qubit_was_not_zero() -> None:
    compiled = compiled_circuits(bell(), options=CircuitOptions(heralding=Heralding.ZEROS))
    measured = bits(
        QB1__m1=[[0], [1], [1], [0]],
        QB3__m1=[[0], [1], [0], [1]],
        QB1____HERALD=[[0], [0], [1], [0]],
        QB3____HERALD=[[0], [0], [0], [1]],
    )

    rows = rows_of(compiled.readout.circuits[0], measured)

    assert set(compiled.sweep.return_labels) == set(measured)
    assert rows["m"].tolist() == [[0, 0], [1, 1]]


def test_labels_are_those_of_physical_qubits() -> None:
    logical = Circuit("logical", (Measure(("alice", "bob"), "k"),))
    options = CircuitOptions(qubit_mapping={"alice": "QB2", "bob": "QB5"})

    readout = compiled_circuits(logical, options=options).readout

    assert [column.label for column in readout.circuits[0].keys[0].columns] == [
        "QB2__m1",
        "QB5__m1",
    ]
