"""The Clifford groups of one and two qubits, from prx, virtual z and cz.

Every element of one qubit is Rz(turn) PRX(angle, phase): one pulse at most. Every element of two is
one of 20 cores (none, one, two or three cz with rotations between them) followed by one element on
each qubit: 20 x 576 = 11520. Unitaries are compared up to a global phase.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

Unitary = npt.NDArray[np.complex128]
_QUARTER = math.pi / 2


@dataclass(frozen=True, slots=True)
class Turn:
    """Rz(turn) PRX(angle, phase), rad."""

    angle: float
    phase: float
    turn: float

    @property
    def unitary(self) -> Unitary:
        """complex128 (2, 2)."""
        return _rz(self.turn) @ _rz(self.phase) @ _rx(self.angle) @ _rz(-self.phase)


@dataclass(frozen=True, slots=True)
class Both:
    """One element on each of two qubits, at once."""

    first: Turn
    second: Turn

    @property
    def unitary(self) -> Unitary:
        """complex128 (4, 4)."""
        return np.asarray(np.kron(self.first.unitary, self.second.unitary), np.complex128)


IDENTITY = Turn(0.0, 0.0, 0.0)
_CZ = np.diag([1.0, 1.0, 1.0, -1.0]).astype(np.complex128)

Layers = tuple[Both, ...]
"""An element of two qubits: rotations, and a cz between each and the next."""


def one_qubit() -> tuple[Turn, ...]:
    """All 24."""
    turns = [place * _QUARTER for place in range(4)]
    still = [Turn(0.0, 0.0, turn) for turn in turns]
    halves = [Turn(math.pi, 0.0, turn) for turn in turns]
    quarters = [Turn(_QUARTER, phase, turn) for phase in turns for turn in turns]
    return (*still, *halves, *quarters)


class Group:
    """A group as a table from unitaries to what plays them."""

    def __init__(self, unitaries: Unitary) -> None:
        self.unitaries = unitaries
        self._places = {key: place for place, key in enumerate(_keys(unitaries))}

    def __len__(self) -> int:
        return len(self._places)

    def place(self, unitary: Unitary) -> int:
        """Where an element stands. Raises KeyError if it is none."""
        (key,) = _keys(unitary[None])
        return self._places[key]


class OneQubit(Group):
    """The 24 elements of one qubit."""

    def __init__(self) -> None:
        self.elements = one_qubit()
        super().__init__(np.stack([each.unitary for each in self.elements]))


class TwoQubits(Group):
    """The 11520 elements of two qubits."""

    def __init__(self) -> None:
        self._single = one_qubit()
        self._cores = tuple(_cores())
        singles = np.stack([each.unitary for each in self._single])
        n = len(self._single)
        last = np.einsum("aij,bkl->abikjl", singles, singles).reshape(n * n, 4, 4)
        cores = np.stack([_unitary_of(core) for core in self._cores])
        super().__init__(np.einsum("lij,cjk->clik", last, cores).reshape(-1, 4, 4))

    def layers(self, place: int) -> Layers:
        """What plays an element."""
        n = len(self._single)
        core, rest = divmod(place, n * n)
        last = Both(self._single[rest // n], self._single[rest % n])
        return (*self._cores[core], last)


def _cores() -> Iterable[Layers]:
    """Rotations before each cz.

    The first bring each qubit's axes in turn onto the one axis that what follows leaves to a single
    qubit: Z for one cz, X for two with quarter turns about Y between them.
    """
    about_x, about_y = Turn(_QUARTER, 0.0, 0.0), Turn(_QUARTER, _QUARTER, 0.0)
    onto_z, onto_x = (IDENTITY, about_x, about_y), (IDENTITY, about_y, Turn(0.0, 0.0, _QUARTER))
    between = Both(about_y, about_y)
    yield ()
    yield from ((Both(first, second),) for first in onto_z for second in onto_z)
    yield from ((Both(first, second), between) for first in onto_x for second in onto_x)
    yield (Both(IDENTITY, IDENTITY), between, between)


def _unitary_of(core: Layers) -> Unitary:
    product: Unitary = np.eye(4, dtype=np.complex128)
    for layer in core:
        product = _CZ @ layer.unitary @ product
    return product


def _keys(unitaries: Unitary) -> list[bytes]:
    """Equal for equal unitaries up to a global phase: turned so that the first entry is real."""
    flat = unitaries.reshape(len(unitaries), -1)
    first = np.argmax(np.abs(flat) > 0.1, axis=1)
    lead = flat[np.arange(len(flat)), first]
    turned = flat * (np.abs(lead) / lead)[:, None]
    whole = np.round(np.stack([turned.real, turned.imag], axis=-1) * 1000.0).astype(np.int16)
    return [row.tobytes() for row in whole]


def _rx(angle: float) -> Unitary:
    c, s = math.cos(angle / 2), math.sin(angle / 2)
    return np.array([[c, -1j * s], [-1j * s, c]])


def _rz(angle: float) -> Unitary:
    return np.diag([np.exp(-0.5j * angle), np.exp(0.5j * angle)])


# ---- circuits


Instruction = Mapping[str, str | list[str] | dict[str, float] | dict[str, str]]
"""One instruction in IQM's JSON, angles in rad."""


class Frames:
    """Turns elements into instructions; Rz only turns the phases of what comes later."""

    def __init__(self, qubits: Sequence[str]) -> None:
        self._frames = dict.fromkeys(qubits, 0.0)
        self.instructions: list[Instruction] = []

    def play(self, qubit: str, element: Turn) -> None:
        """One element on one qubit."""
        if element.angle:
            phase = math.remainder(element.phase - self._frames[qubit], 2 * math.pi)
            args = {"angle": element.angle, "phase": phase}
            self.instructions.append({"name": "prx", "locus": [qubit], "args": args})
        self._frames[qubit] += element.turn

    def play_layers(self, qubits: tuple[str, str], layers: Layers) -> None:
        """One element on two qubits."""
        for place, layer in enumerate(layers):
            if place:
                self.instructions.append({"name": "cz", "locus": list(qubits), "args": {}})
            self.play(qubits[0], layer.first)
            self.play(qubits[1], layer.second)


@dataclass(frozen=True)
class Walk:
    """A random sequence of elements, and the one that undoes them all."""

    places: tuple[int, ...]

    @cached_property
    def depth(self) -> int:
        """How many elements, the last one not counted."""
        return len(self.places) - 1


def random_walk(group: Group, depth: int, dice: np.random.Generator) -> Walk:
    """depth elements drawn at random, and the inverse of their product."""
    places = dice.integers(len(group), size=depth).tolist()
    product: Unitary = np.eye(group.unitaries.shape[1], dtype=np.complex128)
    for place in places:
        product = group.unitaries[place] @ product
    return Walk((*places, group.place(product.conj().T)))


@lru_cache(maxsize=1)
def group_of_one() -> OneQubit:
    """Made once."""
    return OneQubit()


@lru_cache(maxsize=1)
def group_of_two() -> TwoQubits:
    """Made once; it takes a tenth of a second."""
    return TwoQubits()
