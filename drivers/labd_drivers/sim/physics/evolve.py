"""The quantum state of the chip over many shots at once.

Qubits that have met through a coupler since they were last read out form a cluster with a joint
density matrix; all others stand alone. A cluster has branches: shots with the same history of
readings share one density matrix. A density matrix of m qubits is a tensor with m axes of nine
elements (see `propagate`), so that a superoperator on one qubit is one matrix product along one
axis.

Time is lazy: each qubit has its own clock and is carried forward when something happens to it. A
qubit left alone for very long is at its bath's temperature, whatever it was before, and leaves
its cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.physics.chip import N_LEVELS
from labd_drivers.sim.physics.propagate import N_ELEMENTS, POPULATIONS, ComplexArray, FloatArray

LevelArray = npt.NDArray[np.int8]
IndexArray = npt.NDArray[np.intp]


@dataclass(slots=True)
class Cluster:
    """Qubits with a joint state.

    qubits: in the order of the state's axes. branch: intp (n_shots,), index into the state.
    state: complex128 (n_branches, 9, ..., 9), each of trace one.
    is_level: one qubit, known to be in level `branch` in each shot.
    """

    qubits: list[int]
    branch: IndexArray
    state: ComplexArray
    is_level: bool = False


def level_states() -> ComplexArray:
    """complex128 (3, 9): |0><0|, |1><1|, |2><2|."""
    states = np.zeros((N_LEVELS, N_ELEMENTS), dtype=np.complex128)
    states[np.arange(N_LEVELS), POPULATIONS] = 1.0
    return states


class Ensemble:
    """The state of all qubits in n_shots shots. Clocks are in samples of the pass."""

    def __init__(self, n_qubits: int, n_shots: int, rng: np.random.Generator) -> None:
        self.n_shots = n_shots
        self.clocks = [0] * n_qubits
        self._rng = rng
        ground = np.zeros(n_shots, dtype=np.intp)
        self._cluster_of = [
            Cluster([qubit], ground, level_states(), is_level=True) for qubit in range(n_qubits)
        ]

    def cluster_of(self, qubit: int) -> Cluster:
        """The cluster that a qubit is in."""
        return self._cluster_of[qubit]

    def set_levels(self, qubit: int, levels: LevelArray, clock_samples: int) -> None:
        """Put a qubit, per shot, into a level; it leaves its cluster."""
        self._leave(qubit)
        self._cluster_of[qubit] = Cluster(
            [qubit], levels.astype(np.intp), level_states(), is_level=True
        )
        self.clocks[qubit] = clock_samples

    def set_populations(self, qubit: int, populations: FloatArray) -> None:
        """Put a qubit into the same mixture in all shots; it leaves its cluster."""
        self._leave(qubit)
        state = np.zeros((1, N_ELEMENTS), dtype=np.complex128)
        state[0, POPULATIONS] = populations
        self._cluster_of[qubit] = Cluster([qubit], np.zeros(self.n_shots, dtype=np.intp), state)

    def jump(self, qubit: int, transition: FloatArray) -> None:
        """Carry a qubit of known level forward: each shot draws its new level.

        transition: float64 (3, 3), [to, from].
        """
        cluster = self._cluster_of[qubit]
        cluster.branch = self.draw(transition.T, cluster.branch)

    def apply(self, qubit: int, superoperator: ComplexArray) -> None:
        """Apply a (9, 9) superoperator to one qubit."""
        cluster = self._cluster_of[qubit]
        axis = cluster.qubits.index(qubit)
        shape = cluster.state.shape
        after = N_ELEMENTS ** (len(cluster.qubits) - axis - 1)
        if after == 1:
            cluster.state = (cluster.state.reshape(-1, N_ELEMENTS) @ superoperator.T).reshape(shape)
        else:
            stacked = cluster.state.reshape(-1, N_ELEMENTS, after)
            cluster.state = (superoperator @ stacked).reshape(shape)
        cluster.is_level = False

    def scale(self, qubit: int, factors: ComplexArray | FloatArray) -> None:
        """Multiply one qubit's elements by (9,) factors."""
        cluster = self._cluster_of[qubit]
        if cluster.is_level:
            return
        cluster.state = cluster.state * _along(factors, cluster, qubit)

    def scale_pair(self, first: int, second: int, factors: ComplexArray) -> None:
        """Multiply two qubits' elements by (9, 9) factors; they become one cluster."""
        cluster = self._merge(first, second)
        axes = (cluster.qubits.index(first), cluster.qubits.index(second))
        shape = [1] * cluster.state.ndim
        shape[axes[0] + 1] = shape[axes[1] + 1] = N_ELEMENTS
        ordered = factors if axes[0] < axes[1] else factors.T
        cluster.state = cluster.state * ordered.reshape(shape)

    def populations(self, qubit: int) -> FloatArray:
        """float64 (n_branches, 3): populations of one qubit in its cluster's branches."""
        cluster = self._cluster_of[qubit]
        joint = _populations(cluster)
        others = tuple(a + 1 for a, item in enumerate(cluster.qubits) if item != qubit)
        alone: FloatArray = joint.sum(axis=others)
        return alone

    def peek(self, qubit: int) -> LevelArray:
        """int8 (n_shots,): draw levels of one qubit without disturbing it."""
        cluster = self._cluster_of[qubit]
        if cluster.is_level:
            return cluster.branch.astype(np.int8)
        return self.draw(self.populations(qubit), cluster.branch).astype(np.int8)

    def project(self, qubits: Sequence[int]) -> dict[int, LevelArray]:
        """Measure qubits in the energy basis: draw levels per shot and collapse the rest.

        Returns int8 (n_shots,) per qubit. Each measured qubit stands alone afterwards.
        """
        levels: dict[int, LevelArray] = {}
        for qubit in qubits:
            if qubit in levels:
                continue
            cluster = self._cluster_of[qubit]
            together = [item for item in cluster.qubits if item in qubits]
            levels.update(self._project_within(cluster, together))
        for qubit in qubits:
            self._cluster_of[qubit] = Cluster(
                [qubit], levels[qubit].astype(np.intp), level_states(), is_level=True
            )
        return levels

    def draw(self, chances: FloatArray, row_of_shot: IndexArray) -> IndexArray:
        """intp (n_shots,): draw from the row of `chances` that belongs to each shot."""
        edges = np.cumsum(chances, axis=1)
        edges /= edges[:, -1:]
        ticket = self._rng.random(row_of_shot.size)
        if edges.shape[0] == 1:
            drawn = np.searchsorted(edges[0, :-1], ticket, side="right")
        else:
            drawn = (ticket[:, None] >= edges[row_of_shot, :-1]).sum(axis=1)
        return drawn.astype(np.intp)

    def _project_within(self, cluster: Cluster, measured: list[int]) -> dict[int, LevelArray]:
        if cluster.is_level:
            return {measured[0]: cluster.branch.astype(np.int8)}
        rest = [item for item in cluster.qubits if item not in measured]
        order = [cluster.qubits.index(item) + 1 for item in (*measured, *rest)]
        joint = np.transpose(_populations(cluster), [0, *order])
        n_branches, n_outcomes = joint.shape[0], N_LEVELS ** len(measured)
        chances = joint.reshape(n_branches, n_outcomes, -1).sum(axis=2)
        outcome = self.draw(chances, cluster.branch)
        digits = np.array(np.unravel_index(outcome, (N_LEVELS,) * len(measured)))
        if rest:
            self._collapse(cluster, rest, order, outcome)
        return {qubit: digits[place].astype(np.int8) for place, qubit in enumerate(measured)}

    def _collapse(
        self, cluster: Cluster, rest: list[int], order: list[int], outcome: IndexArray
    ) -> None:
        n_measured = len(cluster.qubits) - len(rest)
        n_outcomes = N_LEVELS**n_measured
        pairs, branch = np.unique(cluster.branch * n_outcomes + outcome, return_inverse=True)
        old, kept = np.divmod(pairs, n_outcomes)
        elements = POPULATIONS[np.array(np.unravel_index(kept, (N_LEVELS,) * n_measured))]
        moved = np.transpose(cluster.state, [0, *order])
        state = moved[(old, *elements)]
        remaining = Cluster(rest, branch.astype(np.intp), state)
        trace = _populations(remaining).reshape(pairs.size, -1).sum(axis=1)
        remaining.state = state / trace.reshape(-1, *[1] * len(rest))
        for qubit in rest:
            self._cluster_of[qubit] = remaining

    def _leave(self, qubit: int) -> None:
        """Trace a qubit out of its cluster."""
        cluster = self._cluster_of[qubit]
        if len(cluster.qubits) == 1:
            return
        axis = cluster.qubits.index(qubit) + 1
        cluster.state = cluster.state.take(POPULATIONS, axis=axis).sum(axis=axis)
        cluster.qubits.remove(qubit)

    def _merge(self, first: int, second: int) -> Cluster:
        left, right = self._cluster_of[first], self._cluster_of[second]
        if left is right:
            return left
        n_right = right.state.shape[0]
        pairs, branch = np.unique(left.branch * n_right + right.branch, return_inverse=True)
        shape = (-1, *[N_ELEMENTS] * (len(left.qubits) + len(right.qubits)))
        lefts = left.state.reshape(left.state.shape[0], -1)[pairs // n_right]
        rights = right.state.reshape(n_right, -1)[pairs % n_right]
        state = (lefts[:, :, None] * rights[:, None, :]).reshape(shape)
        merged = Cluster([*left.qubits, *right.qubits], branch.astype(np.intp), state)
        for qubit in merged.qubits:
            self._cluster_of[qubit] = merged
        return merged


def _populations(cluster: Cluster) -> FloatArray:
    """float64 (n_branches, 3, ..., 3), never below zero."""
    grid = np.ix_(np.arange(cluster.state.shape[0]), *[POPULATIONS] * len(cluster.qubits))
    populations: FloatArray = np.maximum(cluster.state[grid].real, 0.0)
    return populations


def _along(
    factors: ComplexArray | FloatArray, cluster: Cluster, qubit: int
) -> ComplexArray | FloatArray:
    """Factors shaped to multiply along one qubit's axis."""
    shape = [1] * cluster.state.ndim
    shape[cluster.qubits.index(qubit) + 1] = N_ELEMENTS
    return factors.reshape(shape)
