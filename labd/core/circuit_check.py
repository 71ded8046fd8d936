"""Circuits are read: names become the chip's, gates become steps, and every mistake is found.

Each mistake names circuit, instruction and field, with the value and what would be right. A gate
that stands often is looked at once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from labd.core.circuit import (
    GATE_NAMES,
    Barrier,
    CcPrx,
    Circuit,
    Cz,
    Delay,
    Gate,
    Measure,
    MeasuredQubits,
    Prx,
    Reset,
)
from labd.core.circuit_step_maker import StepMaker
from labd.core.circuit_steps import Align, Flip, Step, SteppedCircuit
from labd.core.compile_findings import Findings, short
from labd.core.gates import Refused

HERALD_KEY = "__HERALD"
UNASKED_KEY = "__MEASUREMENT_MODE"
LONGEST_DELAY_S = 0.1
_RESERVED_KEYS = (HERALD_KEY, UNASKED_KEY)

_Mistake = tuple[str, str]
"""A field of an instruction and what is wrong with it."""


@dataclass(slots=True)
class _Reading:
    """One circuit as far as it was read.

    last_use: by logical qubit, the last instruction that does something to it. results: as in
    `SteppedCircuit`. sources: by feedback key, its measurement and the qubits of that. latest: by
    physical qubit, under which feedback key its latest bit is; None for that of a reset.
    """

    circuit: Circuit
    last_use: Mapping[str, int]
    results: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)
    sources: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    latest: dict[str, str | None] = field(default_factory=dict)
    finally_read: set[str] = field(default_factory=set)


class CircuitReader:
    """Reads the circuits of one job. mapping: logical to physical names; None for none."""

    def __init__(
        self,
        maker: StepMaker,
        mapping: Mapping[str, str] | None,
        measured: MeasuredQubits,
        findings: Findings,
    ) -> None:
        self._maker = maker
        self._rack = maker.library.rack
        self._mapping = mapping
        self._findings = findings
        measurable = maker.library.measurable_qubits()
        self._unasked = measurable if measured is MeasuredQubits.ALL else frozenset()
        known = self._rack.qubits if mapping is None else mapping
        self._names = frozenset(name for name in known if self._physical(name) in self._rack.qubits)
        self._steps: dict[Gate, Step] = {}

    def read(self, circuit: Circuit, where: str) -> SteppedCircuit | None:
        """The circuit's steps; None where it has mistakes, which are reported."""
        n_before = len(self._findings)
        used, last_use = _uses(circuit)
        reading = _Reading(circuit, last_use)
        steps: list[Step] = []
        for index, gate in enumerate(circuit.instructions):
            step = self._steps.get(gate)
            if step is None:
                step = self._read_gate(gate, index, reading, where)
            if step is not None:
                steps.append(step)
        if not reading.keys:
            what = "measures nothing" if circuit.instructions else "is empty"
            self._findings.add(
                f"{where}, instructions", f"the circuit {what}; it needs a measure to return bits"
            )
        if len(self._findings) > n_before:
            return None
        unasked = self._rack.in_order(self._unasked - reading.finally_read)
        if unasked:
            found = self._maker.read(unasked, UNASKED_KEY, is_final=True)
            if isinstance(found, Refused):
                self._report(where, [("readout of all qubits", each) for each in found.reasons])
                return None
            steps.append(found)
        qubits = self._rack.in_order({self._physical(name) for name in used})
        return SteppedCircuit(tuple(steps), qubits, tuple(reading.results))

    def _read_gate(self, gate: Gate, index: int, reading: _Reading, where: str) -> Step | None:
        mistakes = [*self._mistakes_in_locus(gate), *self._mistakes_in(gate, index, reading)]
        step = None if mistakes else self._step_of(gate, index, reading)
        if isinstance(step, Refused):
            named = getattr(gate, "implementation", None) is not None
            field_name = "implementation" if named else "locus"
            mistakes = [(field_name, reason) for reason in step.reasons]
        if mistakes:
            self._report(f"{where}, instruction {index} ({GATE_NAMES[type(gate)]})", mistakes)
        if isinstance(gate, Measure):
            reading.keys.setdefault(gate.key, index)
        if step is None or isinstance(step, Refused):
            return None
        if not isinstance(gate, Measure | CcPrx | Reset):
            self._steps[gate] = step
        return step

    def _step_of(self, gate: Gate, index: int, reading: _Reading) -> Step | Refused:
        """The step of a gate without mistakes."""
        qubits = tuple(self._physical(name) for name in gate.locus)
        maker = self._maker
        match gate:
            case Prx():
                rotation = (gate.angle_rad, gate.phase_rad)
                return maker.rotate(qubits[0], rotation, gate.implementation)
            case Cz():
                return maker.entangle(qubits[0], qubits[1], gate.implementation)
            case Barrier():
                return Align(qubits, 0)
            case Delay():
                return Align(qubits, self._rack.idle_samples(gate.duration_s))
            case Reset():
                step = maker.reset(qubits)
                if isinstance(step, Flip):
                    reading.latest.update(dict.fromkeys(qubits))
                return step
            case Measure():
                return self._measure(gate, qubits, index, reading)
            case CcPrx():
                rotation = (gate.angle_rad, gate.phase_rad)
                source = self._feedback_qubit(gate)
                return maker.branch(qubits[0], rotation, source, gate.implementation)
            case _:
                assert_never(gate)

    def _measure(
        self, gate: Measure, qubits: tuple[str, ...], index: int, reading: _Reading
    ) -> Step | Refused:
        is_final = all(reading.last_use[name] == index for name in gate.qubits)
        feeds_back = gate.feedback_key is not None
        label_end = f"m{len(reading.results) + 1}"
        step = self._maker.read(
            qubits,
            label_end,
            gate.implementation,
            is_final=is_final and not feeds_back,
            feeds_back=feeds_back,
        )
        reading.results.append((gate.key, tuple(f"{qubit}__{label_end}" for qubit in qubits)))
        if is_final:
            reading.finally_read.update(qubits)
        if gate.feedback_key is not None:
            reading.sources[gate.feedback_key] = (index, qubits)
            reading.latest.update(dict.fromkeys(qubits, gate.feedback_key))
        return step

    def _physical(self, name: str) -> str:
        return name if self._mapping is None else self._mapping.get(name, name)

    def _feedback_qubit(self, gate: CcPrx) -> str:
        """The physical name; a logical one is understood where it is no physical one."""
        if gate.feedback_qubit in self._rack.qubits:
            return gate.feedback_qubit
        return self._physical(gate.feedback_qubit)

    def _report(self, where: str, mistakes: list[_Mistake]) -> None:
        for field_name, what in mistakes:
            self._findings.add(f"{where}, {field_name}", what)

    def _mistakes_in_locus(self, gate: Gate) -> Iterator[_Mistake]:
        distinct = set(gate.locus)
        if distinct and distinct <= self._names and len(distinct) == len(gate.locus):
            return
        if not gate.locus:
            yield "locus", "names no qubit; it names at least one"
        for name, times in Counter(gate.locus).items():
            if times > 1:
                yield "locus", f"names {short(name)} {times} times; a qubit is named once"
            if self._mapping is not None and name not in self._mapping:
                near = self._findings.nearest(name, self._mapping)
                yield "locus", f"the qubit mapping has no logical qubit {short(name)!r}{near}"
            elif self._physical(name) not in self._rack.qubits:
                near = self._findings.nearest(name, self._rack.qubits)
                yield "locus", f"the chip has no qubit {short(name)!r}{near}"

    def _mistakes_in(self, gate: Gate, index: int, reading: _Reading) -> Iterator[_Mistake]:
        match gate:
            case Prx():
                yield from _mistakes_in_angles(gate)
            case CcPrx():
                yield from _mistakes_in_angles(gate)
                yield from self._mistakes_in_feedback(gate, index, reading)
            case Delay():
                yield from _mistakes_in_delay(gate.duration_s)
            case Measure():
                yield from _mistakes_in_keys(gate, reading)
            case _:
                pass

    def _mistakes_in_feedback(
        self, gate: CcPrx, index: int, reading: _Reading
    ) -> Iterator[_Mistake]:
        key, qubit = gate.feedback_key, self._feedback_qubit(gate)
        source = reading.sources.get(key)
        if source is None:
            later = (
                place
                for place, each in enumerate(reading.circuit.instructions)
                if place > index and isinstance(each, Measure) and each.feedback_key == key
            )
            place = next(later, None)
            where = f"instruction {place} measures it later" if place is not None else "none does"
            yield "feedback_key", f"no measure before it has feedback key {short(key)!r}; {where}"
            return
        measured_at, qubits = source
        if qubit not in qubits:
            yield (
                "feedback_qubit",
                f"{short(gate.feedback_qubit)!r} is not measured under {short(key)!r}; "
                f"instruction {measured_at} measures {', '.join(qubits)}",
            )
        elif reading.latest[qubit] != key:
            newer = reading.latest[qubit]
            by = f"feedback key {short(newer)!r}" if newer is not None else "a reset"
            yield (
                "feedback_key",
                f"the bit of {qubit} under {short(key)!r} was replaced by that of {by}; "
                "a rack keeps the latest bit of a qubit",
            )


def _uses(circuit: Circuit) -> tuple[set[str], Mapping[str, int]]:
    """Logical qubits that are named, and of each the last instruction that does anything to it."""
    used: set[str] = set()
    last: dict[str, int] = {}
    for index, gate in enumerate(circuit.instructions):
        if isinstance(gate, Barrier | Delay):
            used.update(gate.locus)
        else:
            for name in gate.locus:
                last[name] = index
    return used | last.keys(), last


def _mistakes_in_angles(gate: Prx | CcPrx) -> Iterator[_Mistake]:
    for name, value in (("angle", gate.angle_rad), ("phase", gate.phase_rad)):
        if not math.isfinite(value):
            yield name, f"{value} is not a finite number of radians"


def _mistakes_in_delay(duration_s: float) -> Iterator[_Mistake]:
    if not math.isfinite(duration_s):
        yield "duration", f"{duration_s} is not a finite number of seconds"
    elif not 0 <= duration_s <= LONGEST_DELAY_S:
        yield "duration", f"{duration_s:g} s is not between 0 and {LONGEST_DELAY_S:g} s"


def _mistakes_in_keys(gate: Measure, reading: _Reading) -> Iterator[_Mistake]:
    if not gate.key:
        yield "key", "is empty; the bits are returned under it"
    elif gate.key in _RESERVED_KEYS:
        yield "key", f"{gate.key!r} is reserved; any other name is right"
    elif gate.key in reading.keys:
        yield "key", f"{short(gate.key)!r} is that of instruction {reading.keys[gate.key]} already"
    if gate.feedback_key == "":
        yield "feedback_key", "is empty; leave it out where nothing depends on the bits"
    elif gate.feedback_key is not None and gate.feedback_key in reading.sources:
        earlier = reading.sources[gate.feedback_key][0]
        yield (
            "feedback_key",
            f"{short(gate.feedback_key)!r} is that of instruction {earlier} already",
        )
