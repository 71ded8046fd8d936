"""Clifford groups: their sizes, and random walks that end where they began."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

import numpy as np
import pytest

from labd.calibrate.clifford import (
    Frames,
    Instruction,
    Unitary,
    group_of_one,
    group_of_two,
    random_walk,
)


def played(instructions: Sequence[Instruction], qubits: tuple[str, ...]) -> Unitary:
    """The unitary of prx and cz as their definitions say."""
    total: Unitary = np.eye(2 ** len(qubits), dtype=np.complex128)
    for each in instructions:
        if each["name"] == "cz":
            total = np.diag([1.0, 1.0, 1.0, -1.0]) @ total
            continue
        args = each["args"]
        assert isinstance(args, dict)
        half, phase = float(args["angle"]) / 2, float(args["phase"])
        c, s = math.cos(half), -1j * math.sin(half)
        one = np.array([[c, s * cmath.exp(-1j * phase)], [s * cmath.exp(1j * phase), c]])
        factors = [one if [qubit] == each["locus"] else np.eye(2) for qubit in qubits]
        whole = factors[0] if len(qubits) == 1 else np.kron(factors[0], factors[1])
        total = whole @ total
    return total


def test_the_groups_have_their_sizes() -> None:
    assert len(group_of_one()) == 24
    assert len(group_of_two()) == 11520


@pytest.mark.parametrize("depth", [1, 7, 200])
def test_a_walk_of_one_qubit_comes_back(depth: int) -> None:
    group, frames = group_of_one(), Frames(["QB1"])
    walk = random_walk(group, depth, np.random.default_rng(depth))

    for place in walk.places:
        frames.play("QB1", group.elements[place])

    assert walk.depth == depth
    assert abs(played(frames.instructions, ("QB1",))[0, 0]) == pytest.approx(1.0)


@pytest.mark.parametrize("depth", [1, 5, 60])
def test_a_walk_of_two_qubits_comes_back(depth: int) -> None:
    group, pair = group_of_two(), ("QB1", "QB3")
    frames = Frames(pair)
    walk = random_walk(group, depth, np.random.default_rng(depth))

    for place in walk.places:
        frames.play_layers(pair, group.layers(place))

    assert abs(played(frames.instructions, pair)[0, 0]) == pytest.approx(1.0)


def test_an_element_is_played_as_its_unitary_says() -> None:
    group, pair = group_of_two(), ("QB1", "QB3")
    for place in np.random.default_rng(3).integers(len(group), size=40).tolist():
        frames = Frames(pair)

        frames.play_layers(pair, group.layers(place))

        populations = np.abs(played(frames.instructions, pair)) ** 2
        assert populations == pytest.approx(np.abs(group.unitaries[place]) ** 2, abs=1e-9)


def test_two_qubit_elements_need_one_and_a_half_cz_on_average() -> None:
    group = group_of_two()

    mean = np.mean([len(group.layers(place)) - 1 for place in range(0, len(group), 7)])

    assert mean == pytest.approx(1.5, abs=0.02)
