"""The payload of a circuit job: JSON as IQM's circuit clients write it, into labd.core.circuit.

Two generations of clients are understood, instruction by instruction: `qubits` with angles in full
turns (`angle_t`, `phase_t`), and `locus` with angles in radians. A circuit may also be a text in
OpenQASM 3. What cannot be read is found here, all of it; what the chip or its calibration cannot do
is found by the compiler.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import ErrorDetails

from labd.core.circuit import (
    Alignment,
    Circuit,
    CircuitJob,
    CircuitOptions,
    DecouplingSequence,
    DecouplingStrategy,
    Heralding,
    Rotation,
    X,
    Y,
)
from labd.core.circuit_compile import compile_circuits
from labd.core.circuit_layout import circuit_layout
from labd.core.circuit_results import ReadoutMap
from labd.core.circuit_station import CircuitStation
from labd.core.compile import PulseJob, compile_sweep
from labd.core.compile_findings import MAX_SEGMENTS, Findings, short
from labd.core.errors import InvalidPayload, Problem
from labd.core.rig import RigModule
from labd.payloads.circuit_instructions import Instruction, read_instruction
from labd.payloads.sweep import Summary

MAX_SHOTS = 2**31 - 1
_QIR_MARKS = ("; ModuleID", "source_filename", "define ", "%Qubit", "declare void @__quantum__")
_QASM_START = re.compile(r"\s*(//.*\s*|/\*(?s:.*?)\*/\s*)*OPENQASM\b")
_PULSES: Mapping[str, Rotation] = {"X": X, "Y": Y}


@dataclass(frozen=True, slots=True)
class CircuitPayload:
    """A circuit job as it was asked for. calibration_set_id: None for the active one."""

    job: CircuitJob
    calibration_set_id: UUID | None


# ---- the JSON's models; unknown fields are ignored, as IQM's own models do


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _Circuit(_Model):
    name: str
    instructions: list[Instruction]
    metadata: dict[str, JsonValue] | None = None


class _Mapped(_Model):
    logical_name: str
    physical_name: str


class _Strategy(_Model):
    merge_contiguous_waits: bool = True
    target_qubits: list[str] | None = None
    skip_leading_wait: bool = True
    skip_trailing_wait: bool = True
    gate_sequences: list[
        tuple[float, str | list[tuple[float, float]], Literal["asap", "center", "alap"]]
    ] = [
        (9, "XYXYYXYX", "asap"),
        (5, "YXYX", "asap"),
        (2, "XX", "center"),
    ]


_MoveValidation = Literal["strict", "allow_prx", "none"]
_FrameTracking = Literal["full", "no_detuning_correction", "none"]


class _Job(_Model):
    circuits: Annotated[
        list[Annotated[_Circuit | str, Field(union_mode="left_to_right")]],
        Field(min_length=1, max_length=MAX_SEGMENTS),
    ]
    shots: Annotated[int, Field(ge=1, le=MAX_SHOTS)]
    calibration_set_id: UUID | None = None
    qubit_mapping: list[_Mapped] | dict[str, str] | None = None
    custom_settings: dict[str, JsonValue] | None = None
    max_circuit_duration_over_t2: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    heralding_mode: Literal["none", "zeros"] = "none"
    move_validation_mode: _MoveValidation | None = None
    move_gate_validation: _MoveValidation | None = None
    move_gate_frame_tracking_mode: _FrameTracking | None = None
    move_gate_frame_tracking: _FrameTracking | None = None
    active_reset_cycles: Annotated[int, Field(ge=0)] | None = None
    dd_mode: Literal["disabled", "enabled"] = "disabled"
    dd_strategy: _Strategy | None = None


@dataclass(frozen=True, slots=True)
class CompiledPayload:
    """A circuit job as a pulse job, and how its bits map back."""

    job: PulseJob
    readout: ReadoutMap
    result_bytes: int


def compile_circuit_job(
    asked: CircuitJob, station: CircuitStation, sweep_id: str, *, max_result_bytes: int
) -> CompiledPayload:
    """What the rig plays for circuits. Raises InvalidPayload with all mistakes."""
    compiled = compile_circuits(asked, station, sweep_id)
    n_bytes = circuit_layout(compiled.readout, asked.n_shots).n_bytes
    if n_bytes > max_result_bytes:
        what = f"their result has {n_bytes} bytes; the limit is {max_result_bytes}"
        raise InvalidPayload((Problem("circuits", what),))
    job = compile_sweep(
        compiled.sweep, station.wiring, station.limits, max_result_bytes=max_result_bytes
    )
    return CompiledPayload(job, compiled.readout, n_bytes)


def check_circuits(
    asked: CircuitJob, station: CircuitStation, rig: RigModule, *, max_result_bytes: int
) -> Summary:
    """Whether the rack can execute the circuits. Raises InvalidPayload with all mistakes."""
    compiled = compile_circuit_job(asked, station, "", max_result_bytes=max_result_bytes)
    job = compiled.job
    problems = tuple(rig.check(job.program, station.wiring))
    if problems:
        raise InvalidPayload(problems)
    return Summary(
        shots=job.n_shots,
        circuits=job.n_segments,
        playing_s=job.program.shot_s * job.n_shots,
        result_bytes=compiled.result_bytes,
    )


def read_circuits(payload: bytes, qubits: Sequence[str]) -> CircuitPayload:
    """What a payload asks for. Raises InvalidPayload with every mistake of its form.

    qubits: the chip's, in its order; on them OpenQASM's declared qubits are placed where the job
    has no qubit mapping.
    """
    try:
        job = _Job.model_validate_json(payload)
    except ValidationError as error:
        raise InvalidPayload(_problems(error)) from error
    findings = Findings()
    mapping = _mapping(job, findings)
    placed = qubits if mapping is None else ()
    circuits = [_read(each, index, placed, findings) for index, each in enumerate(job.circuits)]
    _check_options(job, findings)
    options = CircuitOptions(
        qubit_mapping=mapping,
        heralding=Heralding(job.heralding_mode),
        active_reset_cycles=job.active_reset_cycles,
        decoupling=_decoupling(job, findings),
        max_duration_over_t2=job.max_circuit_duration_over_t2 or 0.0,
    )
    if len(findings):
        raise InvalidPayload(findings.problems())
    read = tuple(circuit for circuit in circuits if circuit is not None)
    return CircuitPayload(CircuitJob(read, job.shots, options), job.calibration_set_id)


def _read(
    circuit: _Circuit | str, index: int, qubits: Sequence[str], findings: Findings
) -> Circuit | None:
    if isinstance(circuit, _Circuit):
        where = f"circuit {index} ({short(circuit.name)})"
        gates = [
            read_instruction(each, f"{where}, instruction {number}", findings)
            for number, each in enumerate(circuit.instructions)
        ]
        known = tuple(gate for gate in gates if gate is not None)
        return Circuit(circuit.name, known)
    where = f"circuit {index}"
    if _QASM_START.match(circuit):
        from labd.payloads.qasm import read_qasm  # it takes 0.1 s and most jobs have none

        return read_qasm(circuit, where, qubits, findings)
    kind = "QIR" if any(mark in circuit for mark in _QIR_MARKS) else "a text of an unknown kind"
    what = f"is {kind}; labd executes IQM's JSON circuits and OpenQASM 3 (a text that begins with"
    findings.add(where, f"{what} 'OPENQASM 3')")
    return None


def _mapping(job: _Job, findings: Findings) -> Mapping[str, str] | None:
    if job.qubit_mapping is None:
        return None
    if isinstance(job.qubit_mapping, dict):
        pairs = list(job.qubit_mapping.items())
    else:
        pairs = [(each.logical_name, each.physical_name) for each in job.qubit_mapping]
    taken: dict[str, str] = {}
    mapping: dict[str, str] = {}
    for index, (logical, physical) in enumerate(pairs):
        where = f"qubit_mapping, entry {index}"
        if logical in mapping:
            findings.add(where, f"maps {short(logical)!r}, which an entry before it maps already")
        if physical in taken:
            other = short(taken[physical])
            findings.add(
                where, f"maps to {short(physical)!r}, which {other!r} is mapped to already"
            )
        mapping.setdefault(logical, physical)
        taken.setdefault(physical, logical)
    return mapping


def _check_options(job: _Job, findings: Findings) -> None:
    validation = job.move_gate_validation or job.move_validation_mode or "strict"
    tracking = job.move_gate_frame_tracking or job.move_gate_frame_tracking_mode or "full"
    if validation == "none" and tracking == "full":
        what = "'full' needs the validation of move gates, which is 'none'"
        findings.add("move_gate_frame_tracking", f"{what}; use strict or allow_prx with it")
    if job.custom_settings:
        names = ", ".join(sorted(short(name) for name in job.custom_settings)[:5])
        what = f"sets {names}; labd sets nothing beside the calibration set"
        findings.add("custom_settings", f"{what}: import a set with other values and name it here")


def _decoupling(job: _Job, findings: Findings) -> DecouplingStrategy | None:
    if job.dd_mode == "disabled":
        return None
    if job.dd_strategy is None:
        return DecouplingStrategy()
    strategy = job.dd_strategy
    sequences = [
        _sequence(ratio, pattern, align, f"dd_strategy, gate_sequences, entry {index}", findings)
        for index, (ratio, pattern, align) in enumerate(strategy.gate_sequences)
    ]
    targets = strategy.target_qubits
    return DecouplingStrategy(
        sequences=tuple(sequences),
        target_qubits=None if targets is None else frozenset(targets),
        merges_idle_times=strategy.merge_contiguous_waits,
        skips_leading=strategy.skip_leading_wait,
        skips_trailing=strategy.skip_trailing_wait,
    )


def _sequence(
    ratio: float,
    pattern: str | Sequence[Rotation],
    align: str,
    where: str,
    findings: Findings,
) -> DecouplingSequence:
    if not pattern:
        findings.add(where, "has no pulses; a pattern such as 'XX' or 'YXYX' is right")
    if not ratio > 0:
        findings.add(where, f"its ratio {ratio:g} is not above 0; it counts π pulses")
    if isinstance(pattern, str):
        odd = sorted(set(pattern) - set(_PULSES))
        if odd:
            findings.add(where, f"has the letters {', '.join(odd)}; X and Y are known")
        pattern = [_PULSES[letter] for letter in pattern if letter in _PULSES]
    return DecouplingSequence(ratio, tuple(pattern), Alignment(align))


# ---- pydantic's findings as sentences


def _problems(error: ValidationError) -> tuple[Problem, ...]:
    findings = Findings()
    for each in error.errors(include_url=False):
        where, what = _where(each), _what(each)
        if what:
            findings.add(where, what)
    return findings.problems()


def _where(error: ErrorDetails) -> str:
    """``circuits 3, instructions 7, name``: without the names of pydantic's own branches."""
    parts: list[str] = []
    for part in error["loc"]:
        if isinstance(part, int):
            if parts:
                parts[-1] = f"{parts[-1]} {part}"
        elif part not in ("str", "_Circuit") and not part.startswith(("list[", "dict[")):
            parts.append(part)
    return ", ".join(parts) or "payload"


def _what(error: ErrorDetails) -> str:
    """The sentence; empty for the branch of a union that was not meant."""
    found = error["input"]
    match error["type"]:
        case "json_invalid":
            return f"is not JSON: {error['msg'].partition(': ')[2]}"
        case "missing":
            return "is missing"
        case "too_short":
            return "is empty; a job has at least one circuit"
        case "string_type" if isinstance(found, dict) and error["loc"][:1] == ("circuits",):
            return ""
        case "model_type" if isinstance(found, str):
            return ""
        case _:
            shown = short(repr(found))
            return f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {shown}"
