"""Circuits for IQM's own client: build, compile with Pulla, execute, count."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from iqm.pulse import Circuit, CircuitOperation

if TYPE_CHECKING:  # the later generation has no Pulla
    from iqm.pulla.pulla import Pulla

PI = math.pi


def prx(qubit: str, angle: float, phase: float = 0.0) -> CircuitOperation:
    return CircuitOperation(name="prx", locus=(qubit,), args={"angle": angle, "phase": phase})


def cz(one: str, other: str) -> CircuitOperation:
    return CircuitOperation(name="cz", locus=(one, other), args={})


def delay(qubit: str, duration_s: float) -> CircuitOperation:
    return CircuitOperation(name="delay", locus=(qubit,), args={"duration": duration_s})


def barrier(*qubits: str) -> CircuitOperation:
    return CircuitOperation(name="barrier", locus=qubits, args={})


def measure(*qubits: str, key: str = "m") -> CircuitOperation:
    return CircuitOperation(name="measure", locus=qubits, args={"key": key})


def circuit(name: str, *instructions: CircuitOperation) -> Circuit:
    return Circuit(name=name, instructions=instructions)


def bell(one: str = "QB1", other: str = "QB3") -> Circuit:
    """(|00> + |11>)/sqrt(2) with native gates: a CNOT is a CZ between two y rotations."""
    return circuit(
        "bell",
        prx(one, PI / 2, PI / 2),
        prx(other, PI / 2, PI / 2),
        cz(one, other),
        prx(other, -PI / 2, PI / 2),
        barrier(one, other),
        measure(one, other),
    )


def compile_batch(pulla: Pulla, circuits: Sequence[Circuit], shots: int) -> tuple[Any, Any, Any]:
    """(playlist, context, settings) of IQM's compiler with labd's latest calibration set."""
    compiler = pulla.get_standard_compiler()
    playlist, context = compiler.compile(list(circuits))
    settings, context = compiler.build_settings(context, shots=shots)
    return playlist, context, settings


def run(pulla: Pulla, circuits: Sequence[Circuit], shots: int, key: str = "m") -> list[np.ndarray]:
    """Bits of one measurement key per circuit, uint8, shape (shots, n_qubits)."""
    playlist, context, settings = compile_batch(pulla, circuits, shots)
    return execute(pulla, playlist, context, settings, key=key)


def execute(
    pulla: Pulla, playlist: Any, context: Any, settings: Any, key: str = "m"
) -> list[np.ndarray]:
    outcome = pulla.execute(playlist, context, settings, verbose=False)
    assert outcome.result is not None, f"{outcome.status}: {outcome.message}"
    return [np.asarray(rows[key]) for rows in outcome.result]


def scale_drive(playlist: Any, channel: str, amplitudes: Sequence[float], q_over_i: float) -> Any:
    """The playlist with the channel's IQ pulses, in table order, given these I amplitudes."""
    table = playlist.channel_descriptions[channel].instruction_table
    pulses = [index for index, entry in enumerate(table) if hasattr(entry.operation, "scale_i")]
    assert len(pulses) == len(amplitudes), (len(pulses), len(amplitudes))
    for index, amplitude in zip(pulses, amplitudes, strict=True):
        operation = replace(table[index].operation, scale_i=amplitude, scale_q=amplitude * q_over_i)
        table[index] = replace(table[index], operation=operation)
    return playlist


def counts(bits: np.ndarray) -> Counter[str]:
    """Outcomes as text, first qubit leftmost."""
    return Counter("".join(map(str, row)) for row in bits.astype(int))


def probabilities(bits: np.ndarray) -> np.ndarray:
    """Relative frequency of every outcome, shape (2**n_qubits,), first qubit most significant."""
    n_qubits = bits.shape[1]
    index = bits.astype(int) @ (1 << np.arange(n_qubits)[::-1])
    return np.bincount(index, minlength=2**n_qubits) / len(bits)


def ideal_probabilities(circuit: Circuit, qubits: Sequence[str]) -> np.ndarray:
    """What the circuit would give on a perfect machine, shape (2**n_qubits,)."""
    n_qubits = len(qubits)
    state = np.zeros((2,) * n_qubits, dtype=complex)
    state[(0,) * n_qubits] = 1.0
    for operation in circuit.instructions:
        axes = [qubits.index(name) for name in operation.locus]
        if operation.name == "prx":
            state = _apply(state, _prx_matrix(**operation.args), axes)
        elif operation.name == "cz":
            state = _apply(state, np.diag([1, 1, 1, -1]).astype(complex), axes)
    return (np.abs(state) ** 2).ravel()


def _prx_matrix(angle: float, phase: float) -> np.ndarray:
    cos, sin = math.cos(angle / 2), math.sin(angle / 2)
    return np.array([[cos, -1j * sin * np.exp(-1j * phase)], [-1j * sin * np.exp(1j * phase), cos]])


def _apply(state: np.ndarray, matrix: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    n_axes = len(axes)
    tensor = matrix.reshape((2,) * (2 * n_axes))
    moved = np.tensordot(tensor, state, axes=(range(n_axes, 2 * n_axes), axes))
    return np.moveaxis(moved, range(n_axes), axes)
