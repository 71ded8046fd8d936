"""How the bits of a circuit job become what its author asked for.

A circuit job is a playlist with one segment per circuit, so a label's result has one column per
circuit that measures it. Here is which column belongs to which circuit, key and qubit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Column:
    """One bit of a circuit: label, and which of the label's triggers in a shot, from 0."""

    label: str
    trigger: int


@dataclass(frozen=True, slots=True)
class KeyColumns:
    """A measurement key and its qubits' columns, in the order of the locus."""

    key: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class CircuitColumns:
    """One circuit's result.

    keys: in the order in which the circuit measures them. heralds: shots count where all of these
    are 0; empty where all shots count.
    """

    name: str
    keys: tuple[KeyColumns, ...]
    heralds: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class ReadoutMap:
    """Results of all circuits, in their order. n_triggers: by label, how often in one shot."""

    circuits: tuple[CircuitColumns, ...]
    n_triggers: Mapping[str, int]


Labels = tuple[tuple[str, tuple[str, ...]], ...]
"""Measurement keys, each with the labels of its qubits."""


def readout_map(circuits: Iterable[tuple[str, Labels, tuple[str, ...]]]) -> ReadoutMap:
    """Columns of circuits given by name, labels and heralding labels, in order.

    A circuit has a label once at most.
    """
    seen: Counter[str] = Counter()
    mapped = []
    for name, results, heralds in circuits:
        keys = tuple(
            KeyColumns(key, tuple(Column(label, seen[label]) for label in labels))
            for key, labels in results
        )
        mapped.append(
            CircuitColumns(name, keys, tuple(Column(label, seen[label]) for label in heralds))
        )
        seen.update(label for _, labels in results for label in labels)
        seen.update(heralds)
    return ReadoutMap(tuple(mapped), dict(seen))


def rows_of(circuit: CircuitColumns, bits: Mapping[str, Bits]) -> dict[str, Bits]:
    """One circuit's rows by measurement key.

    bits: by label, 0 or 1, shape (n_shots, n_triggers); any run of shots, not only all of them.
    Returns int64, shape (n_rows, n_qubits), per key; n_rows is n_shots less those that heralding
    drops, the same for all keys.
    """
    rows = {
        each.key: np.stack([bits[column.label][:, column.trigger] for column in each.columns], 1)
        for each in circuit.keys
    }
    if not circuit.heralds:
        return rows
    heralds = np.stack([bits[column.label][:, column.trigger] for column in circuit.heralds], 1)
    counts = ~heralds.any(axis=1)
    return {key: each[counts] for key, each in rows.items()}
