"""Circuits as values: gates on named qubits, angles in rad, durations in s, whatever the wire said.

A gate's kind fixes what it carries, so a circuit cannot hold a two-qubit rotation or a measurement
without a key. What depends on the chip and its calibration (is there such a qubit, are these two
coupled) and what depends on the other instructions is found by `labd.core.circuit_check`, all at
once. Qubit names are logical where the job has a mapping, physical where it has none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from labd.core.station_description import Json


@dataclass(frozen=True, slots=True)
class Prx:
    """exp(-i angle/2 (X cos phase + Y sin phase)). implementation: None for the default."""

    qubit: str
    angle_rad: float
    phase_rad: float
    implementation: str | None = None

    @property
    def locus(self) -> tuple[str, ...]:
        """The one qubit."""
        return (self.qubit,)


@dataclass(frozen=True, slots=True)
class Cz:
    """diag(1, 1, 1, -1), whichever qubit is named first."""

    qubits: tuple[str, str]
    implementation: str | None = None

    @property
    def locus(self) -> tuple[str, ...]:
        """Both qubits."""
        return self.qubits


@dataclass(frozen=True, slots=True)
class Measure:
    """Measures in the Z basis; the bits are returned under key, in the order of the qubits.

    feedback_key: under which `CcPrx` finds the bits; None where none looks for them.
    """

    qubits: tuple[str, ...]
    key: str
    feedback_key: str | None = None
    implementation: str | None = None

    @property
    def locus(self) -> tuple[str, ...]:
        """The measured qubits."""
        return self.qubits


@dataclass(frozen=True, slots=True)
class Barrier:
    """Nothing after it on these qubits starts before everything before it has ended."""

    qubits: tuple[str, ...]

    @property
    def locus(self) -> tuple[str, ...]:
        """The qubits that wait for each other."""
        return self.qubits


@dataclass(frozen=True, slots=True)
class Delay:
    """The qubits idle together for at least this long."""

    qubits: tuple[str, ...]
    duration_s: float

    @property
    def locus(self) -> tuple[str, ...]:
        """The idle qubits."""
        return self.qubits


@dataclass(frozen=True, slots=True)
class Reset:
    """Brings the qubits to 0."""

    qubits: tuple[str, ...]

    @property
    def locus(self) -> tuple[str, ...]:
        """The reset qubits."""
        return self.qubits


@dataclass(frozen=True, slots=True)
class CcPrx:
    """A `Prx` that is done where feedback_qubit's bit in the measurement of that key is 1.

    feedback_qubit: a physical name; a logical one is understood where it is no physical one.
    """

    qubit: str
    angle_rad: float
    phase_rad: float
    feedback_qubit: str
    feedback_key: str
    implementation: str | None = None

    @property
    def locus(self) -> tuple[str, ...]:
        """The qubit that is rotated."""
        return (self.qubit,)


Gate = Prx | Cz | Measure | Barrier | Delay | Reset | CcPrx

GATE_NAMES: Mapping[type[Gate], str] = {
    Prx: "prx",
    Cz: "cz",
    Measure: "measure",
    Barrier: "barrier",
    Delay: "delay",
    Reset: "reset",
    CcPrx: "cc_prx",
}
"""What IQM's clients call them."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """A name and gates in order. metadata is the client's own and means nothing here."""

    name: str
    instructions: tuple[Gate, ...]
    metadata: Mapping[str, Json] = field(default_factory=dict, compare=False)


class Heralding(Enum):
    """Whether qubits are measured first, and shots dropped in which one of them was not in 0."""

    NONE = "none"
    ZEROS = "zeros"


class MeasuredQubits(Enum):
    """What the last readout of a circuit probes.

    ALL: every qubit that can be measured, asked for or not, so that the readout of a qubit does not
    depend on which others a circuit measures. CIRCUIT: what the circuit measures.
    """

    ALL = "all"
    CIRCUIT = "circuit"


class Alignment(Enum):
    """Where in an idle time the pulses of a decoupling sequence stand."""

    ASAP = "asap"
    CENTER = "center"
    ALAP = "alap"


Rotation = tuple[float, float]
"""Angle and phase of a prx, rad."""

X: Rotation = (math.pi, 0.0)
Y: Rotation = (math.pi, math.pi / 2)


@dataclass(frozen=True, slots=True)
class DecouplingSequence:
    """Rotations for an idle time of at least min_ratio times the duration of a π pulse."""

    min_ratio: float
    rotations: tuple[Rotation, ...]
    alignment: Alignment


STANDARD_SEQUENCES = (
    DecouplingSequence(9, (X, Y, X, Y, Y, X, Y, X), Alignment.ASAP),
    DecouplingSequence(5, (Y, X, Y, X), Alignment.ASAP),
    DecouplingSequence(2, (X, X), Alignment.CENTER),
)
"""CPMG for short idle times, XY4 for longer ones, XY8's asymmetric relative for the longest."""


@dataclass(frozen=True, slots=True)
class DecouplingStrategy:
    """Which idle times get which sequence: of those that fit the one with the largest min_ratio.

    target_qubits: physical names; None for all. merges_idle_times: delays, barriers and waiting for
    other qubits count as one idle time where they follow each other. skips_leading, skips_trailing:
    leave alone the time before a qubit's first gate and after its last one.
    """

    sequences: tuple[DecouplingSequence, ...] = STANDARD_SEQUENCES
    target_qubits: frozenset[str] | None = None
    merges_idle_times: bool = True
    skips_leading: bool = True
    skips_trailing: bool = True


@dataclass(frozen=True, slots=True)
class CircuitOptions:
    """How circuits are compiled.

    qubit_mapping: logical to physical name; None where circuits name physical qubits.
    active_reset_cycles: None resets by waiting before each circuit; otherwise so many rounds of
    measurement and conditional flip, 0 for none. decoupling: None for none.
    max_duration_over_t2: a circuit that takes longer than this many T2 of one of its qubits is
    refused; 0 allows any.
    """

    qubit_mapping: Mapping[str, str] | None = None
    heralding: Heralding = Heralding.NONE
    measured_qubits: MeasuredQubits = MeasuredQubits.ALL
    active_reset_cycles: int | None = None
    decoupling: DecouplingStrategy | None = None
    max_duration_over_t2: float = 0.0


@dataclass(frozen=True, slots=True)
class CircuitJob:
    """Circuits to be run n_shots times each."""

    circuits: tuple[Circuit, ...]
    n_shots: int
    options: CircuitOptions = CircuitOptions()
