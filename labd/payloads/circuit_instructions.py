"""One instruction of a JSON circuit, of either generation, into a gate of labd.core.circuit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, JsonValue

from labd.core.circuit import Barrier, CcPrx, Cz, Delay, Gate, Measure, Prx, Reset
from labd.core.compile_findings import Findings, short

_TURN_RAD = 2 * math.pi


class Instruction(BaseModel):
    """An instruction as it is written. Exactly one of qubits and locus is there."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    name: str
    qubits: list[str] | None = None
    locus: list[str] | None = None
    args: dict[str, JsonValue] = {}
    implementation: str | None = None


@dataclass(frozen=True, slots=True)
class _Operation:
    """What an operation takes. n_qubits: exactly so many; None for one or more."""

    n_qubits: int | None
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    has_implementation: bool = False


_OPERATIONS: Mapping[str, _Operation] = {
    "prx": _Operation(1, ("angle", "phase"), has_implementation=True),
    "cz": _Operation(2, has_implementation=True),
    "measure": _Operation(None, ("key",), ("feedback_key",), has_implementation=True),
    "cc_prx": _Operation(
        1, ("angle", "phase", "feedback_qubit", "feedback_key"), has_implementation=True
    ),
    "reset": _Operation(None),
    "delay": _Operation(None, ("duration",)),
    "barrier": _Operation(None),
}
_ALIASES = {"phased_rx": "prx", "measurement": "measure"}
_ANGLES = ("angle", "phase")
_NUMBERS = (*_ANGLES, "duration")


class _Reading:
    """One instruction being read; knows where to complain."""

    def __init__(self, instruction: Instruction, where: str, findings: Findings) -> None:
        self.name = _ALIASES.get(instruction.name, instruction.name)
        self._instruction = instruction
        self._where = f"{where} ({short(instruction.name)})"
        self._findings = findings
        self.is_good = True

    def complain(self, field_name: str, what: str) -> None:
        self.is_good = False
        self._findings.add(f"{self._where}, {field_name}", what)

    def operation(self) -> _Operation | None:
        found = _OPERATIONS.get(self.name)
        if found is not None:
            return found
        if self.name == "move":
            self.complain("name", "this chip has no computational resonator to move a state to")
        else:
            near = self._findings.nearest(self.name, (*_OPERATIONS, *_ALIASES))
            known = ", ".join(_OPERATIONS)
            self.complain("name", f"there is no such operation{near or f'; known: {known}'}")
        return None

    def locus(self, operation: _Operation) -> Sequence[str]:
        qubits, locus = self._instruction.qubits, self._instruction.locus
        if qubits is not None and locus is not None:
            self.complain("locus", "stands beside qubits; an instruction has one of the two")
        names = locus if locus is not None else qubits
        if names is None:
            self.complain("locus", "is missing")
            return ()
        if operation.n_qubits is not None and len(names) != operation.n_qubits:
            what = f"names {len(names)} qubits; {self.name} acts on {operation.n_qubits}"
            self.complain("locus", what)
        return names

    def args(self, operation: _Operation) -> Mapping[str, float | str]:
        """The arguments by their present names, angles in rad."""
        read: dict[str, float | str] = {}
        known = (*operation.required, *operation.optional)
        for name, value in self._instruction.args.items():
            is_turns = name.endswith("_t") and name[:-2] in _ANGLES and name[:-2] in known
            meaning = name[:-2] if is_turns else name
            if meaning not in known:
                if value is not None:
                    near = self._findings.nearest(name, known)
                    takes = f"; {self.name} takes {', '.join(known) or 'none'}"
                    self.complain(f"args.{short(name)}", f"is no argument{near or takes}")
            elif meaning in read:
                self.complain(f"args.{name}", f"says {meaning} a second time")
            elif value is not None or meaning not in operation.optional:
                checked = self._checked(name, meaning, value)
                if checked is not None:
                    is_scaled = is_turns and isinstance(checked, float)
                    read[meaning] = checked * _TURN_RAD if is_scaled else checked  # type: ignore[operator]
        for name in operation.required:
            if name not in read and not {name, f"{name}_t"} & self._instruction.args.keys():
                self.complain(f"args.{name}", "is missing")
        return read

    def _checked(self, name: str, meaning: str, value: JsonValue) -> float | str | None:
        if meaning in _NUMBERS:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
            self.complain(f"args.{name}", f"{short(repr(value))} is not a number")
            return None
        if isinstance(value, str):
            return value
        self.complain(f"args.{name}", f"{short(repr(value))} is not a text")
        return None

    def implementation(self, operation: _Operation) -> str | None:
        asked = self._instruction.implementation
        if asked == "":
            self.complain("implementation", "is empty; leave it out for the default one")
        elif asked is not None and not operation.has_implementation:
            self.complain("implementation", f"{self.name} has none to choose from")
        return asked


def read_instruction(instruction: Instruction, where: str, findings: Findings) -> Gate | None:
    """The gate, or None after noting every mistake of the instruction."""
    reading = _Reading(instruction, where, findings)
    operation = reading.operation()
    if operation is None:
        return None
    locus = tuple(reading.locus(operation))
    args = reading.args(operation)
    implementation = reading.implementation(operation)
    if not reading.is_good:
        return None
    return _made(reading.name, locus, args, implementation)


def _made(
    name: str,
    locus: tuple[str, ...],
    args: Mapping[str, float | str],
    implementation: str | None,
) -> Gate:
    """The gate of arguments that were found good."""
    match name:
        case "prx":
            return Prx(locus[0], float(args["angle"]), float(args["phase"]), implementation)
        case "cz":
            return Cz((locus[0], locus[1]), implementation)
        case "measure":
            feedback_key = str(args["feedback_key"]) if "feedback_key" in args else None
            return Measure(locus, str(args["key"]), feedback_key, implementation)
        case "cc_prx":
            angle, phase = float(args["angle"]), float(args["phase"])
            source, key = str(args["feedback_qubit"]), str(args["feedback_key"])
            return CcPrx(locus[0], angle, phase, source, key, implementation)
        case "reset":
            return Reset(locus)
        case "delay":
            return Delay(locus, float(args["duration"]))
        case _:
            return Barrier(locus)
