"""Circuits for tests, and an ideal quantum computer that plays what was made of them.

The ideal computer knows nothing of gates: it integrates the samples of every drive pulse into a
rotation about an axis in the plane, and takes every flux pulse for a conditional phase with the Z
rotations that the calibration set says it has.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from sweep_support import LIMITS, ROOT, WIRING

from labd.client.values_observations import calibration_of
from labd.core.circuit import (
    Circuit,
    CircuitJob,
    CircuitOptions,
    Cz,
    Gate,
    Measure,
    Prx,
)
from labd.core.circuit_compile import CompiledCircuits, compile_circuits
from labd.core.circuit_station import CircuitStation
from labd.core.compile import PulseJob, compile_sweep
from labd.core.errors import InvalidPayload
from labd.core.gate_data import ObservedValues
from labd.core.playlist import IQPulse, VirtualRZ
from labd.core.station_description import Chip
from labd.core.waveforms import CosineRiseFall, Waveform, sample
from labd.core.wiring import Wiring

STAR5 = ROOT / "config" / "star5"
OBSERVATIONS: ObservedValues = calibration_of(
    (STAR5 / "calibration-set.json").read_bytes()
).observations
CHIP = Chip.from_design_record(json.loads((STAR5 / "chip-design-record.json").read_text()))
STATION = CircuitStation(CHIP, WIRING, LIMITS, OBSERVATIONS)
FEEDBACK_STATION = replace(STATION, limits=replace(LIMITS, has_fast_feedback=True))
SWEEP_ID = "5c1e5000-0000-4000-8000-0000000000c1"
HALF = math.pi / 2
N_PULSE = 80

Matrix = npt.NDArray[np.complex128]


def compiled_circuits(
    circuits: Circuit | Sequence[Circuit],
    station: CircuitStation = STATION,
    options: CircuitOptions | None = None,
    n_shots: int = 100,
) -> CompiledCircuits:
    listed = (circuits,) if isinstance(circuits, Circuit) else tuple(circuits)
    job = CircuitJob(listed, n_shots, options or CircuitOptions())
    return compile_circuits(job, station, SWEEP_ID)


def circuit_problems(
    circuits: Circuit | Sequence[Circuit],
    station: CircuitStation = STATION,
    options: CircuitOptions | None = None,
    n_shots: int = 100,
) -> list[str]:
    with pytest.raises(InvalidPayload) as caught:
        compiled_circuits(circuits, station, options, n_shots)
    return [str(problem) for problem in caught.value.problems]


def circuit(*gates: Gate, name: str = "test") -> Circuit:
    return Circuit(name, gates)


def with_observations(changes: ObservedValues, station: CircuitStation = STATION) -> CircuitStation:
    """A station whose calibration set says something else; None takes an observation away."""
    merged = {**station.observations, **changes}
    kept = {name: value for name, value in merged.items() if value is not None}
    return replace(station, observations=kept)


def without(prefix: str, station: CircuitStation = STATION) -> CircuitStation:
    """A station whose calibration set says nothing below a prefix."""
    kept = {k: v for k, v in station.observations.items() if not k.startswith(prefix)}
    return replace(station, observations=kept)


def pulse_job(compiled: CompiledCircuits, wiring: Wiring = WIRING) -> PulseJob:
    return compile_sweep(compiled.sweep, wiring, LIMITS, max_result_bytes=1 << 33)


def starts(compiled: CompiledCircuits, channel: str, segment: int = 0) -> list[tuple[int, int]]:
    """Start and end of what a channel plays, silence and frame turns left out."""
    table = compiled.sweep.playlist.channels[channel].instructions
    played, now = [], 0
    for reference in compiled.sweep.playlist.segments[segment].get(channel, ()):
        instruction = table[int(reference)]
        end = now + instruction.duration_samples
        if type(instruction.operation).__name__ not in ("Wait", "VirtualRZ"):
            played.append((now, end))
        now = end
    return played


def rz(angle: float) -> Matrix:
    return np.diag([np.exp(-0.5j * angle), np.exp(0.5j * angle)])


def prx(angle: float, phase: float) -> Matrix:
    off = -1j * math.sin(angle / 2)
    return np.array(
        [
            [math.cos(angle / 2), off * np.exp(-1j * phase)],
            [off * np.exp(1j * phase), math.cos(angle / 2)],
        ]
    )


def turned(matrix: Matrix, state: Matrix, place: int) -> Matrix:
    """The state after a gate on one qubit. state: shape (2, 2, ..., columns)."""
    return np.moveaxis(np.tensordot(matrix, state, axes=(1, place)), 0, place)


def phased(angle: float, state: Matrix, places: tuple[int, int]) -> Matrix:
    """The state after a conditional phase on two qubits."""
    index: list[int | slice] = [slice(None)] * state.ndim
    for place in places:
        index[place] = 1
    result = state.copy()
    result[tuple(index)] *= np.exp(1j * angle)
    return result


def identity(n_qubits: int) -> Matrix:
    return np.eye(2**n_qubits, dtype=np.complex128).reshape((2,) * n_qubits + (-1,))


def unitary_of(gates: Iterable[Gate], qubits: Sequence[str]) -> Matrix:
    """What a circuit says: shape (2, ..., 2, 2**n)."""
    state = identity(len(qubits))
    for gate in gates:
        if isinstance(gate, Prx):
            matrix = prx(gate.angle_rad, gate.phase_rad)
            state = turned(matrix, state, qubits.index(gate.qubit))
        elif isinstance(gate, Cz):
            one, other = (qubits.index(name) for name in gate.qubits)
            state = phased(math.pi, state, (one, other))
    return state


class IdealComputer:
    """Plays a compiled circuit without noise.

    imperfect: by qubit, the Z rotations that its pulses lack before and after, rad.
    """

    def __init__(
        self, station: CircuitStation, imperfect: Mapping[str, tuple[float, float]] | None = None
    ) -> None:
        self._observations = station.observations
        self._imperfect = imperfect or {}

    def unitary(self, compiled: CompiledCircuits, qubits: Sequence[str]) -> Matrix:
        """What the first segment does to the qubits, its last frames taken into account."""
        job = pulse_job(compiled)
        waveforms = job.program.waveforms
        segment = job.program.segments[0]
        events = [
            (block.start_samples, "drive" in name, name, waveforms[block.waveform].samples)
            for name, blocks in segment.blocks.items()
            if "readout" not in name
            for block in blocks
        ]
        state = identity(len(qubits))
        for _, is_drive, name, samples in sorted(events, key=lambda event: event[:3]):
            component = name.split("__")[0]
            if is_drive:
                state = self._driven(state, component, samples, qubits)
            else:
                state = self._fluxed(state, component, samples, qubits)
        for place, qubit in enumerate(qubits):
            state = turned(rz(-final_frame(compiled, f"{qubit}__drive.awg")), state, place)
        return state

    def _driven(
        self, state: Matrix, qubit: str, samples: npt.NDArray[np.complex64], qubits: Sequence[str]
    ) -> Matrix:
        amplitude = self._number(f"gates.prx.drag_crf.{qubit}.amplitude_i")
        area = samples.astype(np.complex128).sum()
        angle = math.pi * abs(area) / (amplitude * N_PULSE / 2)
        phase = float(np.angle(area))
        before, after = self._imperfect.get(qubit, (0.0, 0.0))
        pulse = rz(phase) @ rz(-after) @ prx(angle, 0.0) @ rz(-before) @ rz(-phase)
        return turned(pulse, state, qubits.index(qubit))

    def _fluxed(
        self, state: Matrix, coupler: str, samples: npt.NDArray[np.complex64], qubits: Sequence[str]
    ) -> Matrix:
        one, other = CHIP.couplers[coupler]
        path = f"gates.cz.crf.{one}__{other}"
        flat = sample(Waveform(N_PULSE, CosineRiseFall(1.0, 0.0, 0.25)), N_PULSE).sum()
        full = flat * self._number(f"{path}.coupler.amplitude")
        angle = math.pi * float(samples.real.astype(np.float64).sum()) / full
        state = phased(angle, state, (qubits.index(one), qubits.index(other)))
        for place, qubit in enumerate(qubits):
            correction = self._observations.get(f"{path}.rz.{qubit}", 0.0)
            assert isinstance(correction, float)
            state = turned(rz(-correction), state, place)
        return state

    def _number(self, name: str) -> float:
        value = self._observations[name]
        assert isinstance(value, float)
        return value


def final_frame(compiled: CompiledCircuits, channel: str) -> float:
    playlist = compiled.sweep.playlist
    row = playlist.segments[0].get(channel, ())
    operations = [playlist.channels[channel].instructions[int(i)].operation for i in row]
    return sum(
        operation.phase_increment
        for operation in operations
        if isinstance(operation, IQPulse | VirtualRZ)
    )


def infidelity(one: Matrix, other: Matrix) -> float:
    """1 - |tr(A† B)| / 2**n, whatever the global phase."""
    overlap = np.vdot(one, other) / math.sqrt(one.size)
    return float(1 - abs(overlap))


def bell(one: str = "QB1", other: str = "QB3") -> Circuit:
    return Circuit(
        "bell",
        (
            Prx(one, HALF, HALF),
            Prx(other, HALF, HALF),
            Cz((one, other)),
            Prx(other, -HALF, HALF),
            Measure((one, other), "m"),
        ),
    )
