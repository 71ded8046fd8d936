"""A circuit on its way to a playlist: steps on physical qubits, with instructions of the tables.

Steps have no times yet, except their lengths on the common grid; `labd.core.circuit_schedule`
places them. A gate that occurs often is one step that occurs often.
"""

from __future__ import annotations

from dataclasses import dataclass

from labd.core.gates_measure import CalibratedMeasurement


@dataclass(frozen=True, slots=True)
class Rotate:
    """Pulses on a qubit's drive channel: (duration, instruction) each, one after the other."""

    qubit: str
    channel: str
    pulses: tuple[tuple[int, int], ...]
    n_samples: int


@dataclass(frozen=True, slots=True)
class Entangle:
    """Pulses at once on several channels, and frame turns that count from the step's start on.

    pulses: (channel, duration, instruction). frames: (drive channel, rad), of the qubits and of
    spectators.
    """

    qubits: tuple[str, str]
    pulses: tuple[tuple[str, int, int], ...]
    frames: tuple[tuple[str, float], ...]
    n_samples: int


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """One qubit of a readout. feedback_label: "" where nothing depends on the bit."""

    qubit: str
    measurement: CalibratedMeasurement
    label: str
    feedback_label: str


@dataclass(frozen=True, slots=True)
class Read:
    """A readout of qubits together; it may be merged with others that touch none of them."""

    qubits: tuple[str, ...]
    entries: tuple[ReadEntry, ...]


@dataclass(frozen=True, slots=True)
class Align:
    """The qubits wait for each other, then idle for n_samples."""

    qubits: tuple[str, ...]
    n_samples: int


@dataclass(frozen=True, slots=True)
class Relax:
    """The qubits wait for each other, then relax for n_samples, undisturbed."""

    qubits: tuple[str, ...]
    n_samples: int


@dataclass(frozen=True, slots=True)
class Branch:
    """A conditional instruction on a drive channel, at least delay_samples after its bit's readout.

    feedback_qubit: whose bit decides.
    """

    qubit: str
    channel: str
    feedback_qubit: str
    n_samples: int
    duration: int
    instruction: int
    delay_samples: int


@dataclass(frozen=True, slots=True)
class Flip:
    """A readout of qubits and, where a bit is 1, a flip of its qubit."""

    qubits: tuple[str, ...]
    read: Read
    branches: tuple[Branch, ...]


Step = Rotate | Entangle | Read | Align | Relax | Branch | Flip


@dataclass(frozen=True, slots=True)
class SteppedCircuit:
    """A circuit without mistakes.

    qubits: that the circuit names, in the chip's order. results: measurement keys with the labels
    of their qubits, in order.
    """

    steps: tuple[Step, ...]
    qubits: tuple[str, ...]
    results: tuple[tuple[str, tuple[str, ...]], ...]
