"""OpenQASM 3 into a circuit of labd.core.circuit, by the parser of the openqasm3 package.

What is understood: declarations of qubits, bits and constants; the chip's native gates ``prx(angle,
phase) q`` and ``cz p, q``; ``measure`` into bits, ``reset``, ``barrier``, ``delay[100ns] q``; and
``if (c[0]) { prx(...) q; }``. A gate on a register is done to each of its qubits. Bits are returned
under the name they are measured into: ``c`` for a register, ``c[0]`` for one of its bits. Every
other statement is refused with its line.

Importing this module takes a tenth of a second: it is imported where a text is to be read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from openqasm3 import ast, parse
from openqasm3.parser import QASM3ParsingError

from labd.core.circuit import Barrier, CcPrx, Circuit, Cz, Delay, Gate, Measure, Prx, Reset
from labd.core.compile_findings import Findings, short

Value = float | int
_CONSTANTS: Mapping[str, Value] = {
    name: value
    for names, value in (
        (("pi", "π"), math.pi),
        (("tau", "τ"), math.tau),
        (("euler", "ℇ"), math.e),
    )
    for name in names
}
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
_MAX_QUBITS = 10_000
MAX_TEXT = 1_000_000
"""Characters of a circuit: the parser takes some microseconds for each."""
_Named = ast.Identifier | ast.IndexedIdentifier


class _Mistake(Exception):
    """What is wrong with a statement, as a sentence."""


@dataclass(frozen=True, slots=True)
class _Register:
    """Names of its elements. is_one: declared without a size."""

    elements: tuple[str, ...]
    is_one: bool


def read_qasm(text: str, where: str, qubits: Sequence[str], findings: Findings) -> Circuit | None:
    """The circuit, or None where every mistake was noted.

    qubits: the chip's, on which declared qubits are placed in order, and which ``$1`` names by its
    number; empty where a qubit mapping says where the declared ones are.
    """
    if len(text) > MAX_TEXT:
        findings.add(where, f"has {len(text)} characters; a circuit has at most {MAX_TEXT}")
        return None
    try:
        program = parse(text)
    except RecursionError:
        findings.add(where, "is nested too deeply")
        return None
    except QASM3ParsingError as error:
        findings.add(where, f"is not OpenQASM 3: {str(error) or 'the parser cannot read it'}")
        return None
    if program.version is not None and not program.version.startswith("3"):
        findings.add(where, f"is OpenQASM {program.version}; labd reads version 3")
        return None
    reader = _Reader(qubits)
    n_before = len(findings)
    for statement in program.statements:
        span = statement.span
        line = f"{where}, line {span.start_line}" if span is not None else where
        try:
            reader.take(statement)
        except _Mistake as mistake:
            findings.add(line, str(mistake))
    if len(findings) > n_before:
        return None
    return Circuit("qasm", tuple(reader.gates))


class _Reader:
    """Takes statement after statement; raises _Mistake for one that it does not take."""

    def __init__(self, chip_qubits: Sequence[str]) -> None:
        self.gates: list[Gate] = []
        self._chip_qubits = chip_qubits
        self._n_placed = 0
        self._qubits: dict[str, _Register] = {}
        self._bits: dict[str, _Register] = {}
        self._constants: dict[str, Value] = dict(_CONSTANTS)
        self._measured: dict[str, tuple[int, str]] = {}

    def take(self, statement: ast.Statement | ast.Pragma) -> None:
        match statement:
            case ast.Include(filename="stdgates.inc"):
                pass
            case ast.QubitDeclaration():
                self._declare_qubits(statement)
            case ast.ClassicalDeclaration(type=ast.BitType()):
                self._declare_bits(statement)
            case ast.ConstantDeclaration():
                name = self._new_name(statement.identifier)
                self._constants[name] = self._value(statement.init_expression)
            case ast.QuantumGate():
                self.gates += self._gate(statement)
            case ast.QuantumMeasurementStatement():
                self._measure(statement.measure, statement.target)
            case ast.QuantumReset():
                self.gates.append(Reset(self._operands(statement.qubits)))
            case ast.QuantumBarrier():
                named = [self._operands(each) for each in statement.qubits] or [self._all()]
                self.gates.append(Barrier(tuple(name for names in named for name in names)))
            case ast.DelayInstruction():
                self._delay(statement)
            case ast.BranchingStatement():
                self._branch(statement)
            case _:
                kind = re.sub(r"(?<!^)(?=[A-Z])", " ", type(statement).__name__).lower()
                raise _Mistake(f"labd does not execute a {kind}")

    # ---- names

    def _new_name(self, identifier: ast.Identifier) -> str:
        name = identifier.name
        if name in self._qubits or name in self._bits or name in self._constants:
            raise _Mistake(f"{short(name)} is declared already")
        return name

    def _declare_qubits(self, statement: ast.QubitDeclaration) -> None:
        name = self._new_name(statement.qubit)
        register = self._register(name, statement.size, "qubit")
        if self._chip_qubits:
            n_needed = self._n_placed + len(register.elements)
            if n_needed > len(self._chip_qubits):
                n_chip = len(self._chip_qubits)
                raise _Mistake(f"declares qubit {n_needed} of a chip with {n_chip}")
            placed = tuple(self._chip_qubits[self._n_placed : n_needed])
            self._n_placed = n_needed
            register = replace(register, elements=placed)
        self._qubits[name] = register

    def _declare_bits(self, statement: ast.ClassicalDeclaration) -> None:
        assert isinstance(statement.type, ast.BitType)
        name = self._new_name(statement.identifier)
        self._bits[name] = self._register(name, statement.type.size, "bit")
        match statement.init_expression:
            case None:
                pass
            case ast.QuantumMeasurement() as measurement:
                self._measure(measurement, statement.identifier)
            case _:
                raise _Mistake("a bit gets its value by measure")

    def _register(self, name: str, size: ast.Expression | None, kind: str) -> _Register:
        if size is None:
            return _Register((name,), is_one=True)
        n_elements = self._value(size)
        if not isinstance(n_elements, int) or not 1 <= n_elements <= _MAX_QUBITS:
            raise _Mistake(f"{n_elements} is not a number of {kind}s between 1 and {_MAX_QUBITS}")
        return _Register(tuple(f"{name}[{i}]" for i in range(n_elements)), is_one=False)

    def _all(self) -> tuple[str, ...]:
        return tuple(name for register in self._qubits.values() for name in register.elements)

    def _operands(self, named: ast.Expression | _Named) -> tuple[str, ...]:
        """The qubits that an operand names."""
        if isinstance(named, ast.Identifier) and named.name.startswith("$"):
            return (self._physical(named.name),)
        return self._elements(named, self._qubits, "qubit")

    def _physical(self, name: str) -> str:
        if not self._chip_qubits:
            raise _Mistake(f"{name} names the chip's qubit beside a qubit mapping; declare qubits")
        for qubit in self._chip_qubits:
            number = re.search(r"\d+$", qubit)
            if number is not None and int(number[0]) == int(name[1:]):
                return qubit
        raise _Mistake(f"the chip has no qubit {name}; it has {', '.join(self._chip_qubits)}")

    def _elements(
        self, named: ast.Expression | _Named, registers: Mapping[str, _Register], kind: str
    ) -> tuple[str, ...]:
        match named:
            case ast.Identifier(name=name):
                indices: list[ast.IndexElement] = []
            case ast.IndexedIdentifier(name=ast.Identifier(name=name), indices=indices):
                pass
            case ast.IndexExpression(collection=ast.Identifier(name=name), index=index):
                indices = [index]
            case _:
                raise _Mistake(f"a {kind} is a name or a name with an index, such as q[0]")
        if name not in registers:
            raise _Mistake(f"{short(name)} is no {kind} that was declared")
        elements = registers[name].elements
        for index in indices:
            elements = self._indexed(name, elements, index)
        return elements

    def _indexed(
        self, name: str, elements: tuple[str, ...], index: ast.IndexElement
    ) -> tuple[str, ...]:
        if isinstance(index, ast.DiscreteSet):
            wanted = [self._value(each) for each in index.values]
        elif len(index) != 1:
            raise _Mistake(f"{name} has one index")
        elif isinstance(index[0], ast.RangeDefinition):
            part = index[0]
            start = 0 if part.start is None else self._value(part.start)
            end = len(elements) - 1 if part.end is None else self._value(part.end)
            step = 1 if part.step is None else self._value(part.step)
            if not all(isinstance(each, int) for each in (start, end, step)) or step == 0:
                raise _Mistake(f"the range of {name} is not one of whole numbers")
            wanted = list(range(int(start), int(end) + (1 if step > 0 else -1), int(step)))
        else:
            wanted = [self._value(index[0])]
        for each in wanted:
            if not isinstance(each, int) or not -len(elements) <= each < len(elements):
                raise _Mistake(f"{name} has no element {each}; it has {len(elements)}")
        return tuple(elements[int(each)] for each in wanted)

    # ---- values

    def _value(self, expression: ast.Expression) -> Value:
        match expression:
            case ast.IntegerLiteral(value=value) | ast.FloatLiteral(value=value):
                return value
            case ast.Identifier(name=name):
                if name in self._constants:
                    return self._constants[name]
                raise _Mistake(f"{short(name)} is no constant that was declared")
            case ast.UnaryExpression(op=op, expression=operand) if op.name == "-":
                return -self._value(operand)
            case ast.BinaryExpression(op=op, lhs=left, rhs=right):
                return _calculated(op.name, self._value(left), self._value(right))
            case _:
                raise _Mistake("labd calculates with numbers, constants and + - * / ** alone")

    def _seconds(self, expression: ast.Expression) -> float:
        if not isinstance(expression, ast.DurationLiteral):
            raise _Mistake("a delay is a number with its unit, such as delay[100ns] q")
        unit = expression.unit.name
        if unit not in _UNIT_S:
            raise _Mistake(f"a delay in {unit} depends on the rack; use ns, us, ms or s")
        return expression.value * _UNIT_S[unit]

    # ---- what is done

    def _gate(self, statement: ast.QuantumGate) -> Iterator[Gate]:
        name = statement.name.name
        if statement.modifiers:
            raise _Mistake(f"modifiers of {short(name)} are not executed")
        values = [self._value(each) for each in statement.arguments]
        operands = [self._operands(each) for each in statement.qubits]
        match name, len(values), len(operands):
            case "prx", 2, 1:
                return iter([Prx(q, float(values[0]), float(values[1])) for q in operands[0]])
            case "cz", 0, 2:
                return iter([Cz(pair) for pair in _broadcast(operands[0], operands[1])])
            case (("prx" | "cz"), _, _):
                right = "prx(angle, phase) q" if name == "prx" else "cz p, q"
                raise _Mistake(f"{name} is written as {right}")
            case _:
                raise _Mistake(
                    f"{short(name)} is not native to the chip: compile to prx(angle, phase) and cz"
                )

    def _measure(self, measurement: ast.QuantumMeasurement, target: _Named | None) -> None:
        qubits = self._operands(measurement.qubit)
        if target is None:
            raise _Mistake("measures into no bit; write bit c = measure q")
        bits = self._elements(target, self._bits, "bit")
        if len(bits) != len(qubits):
            raise _Mistake(f"measures {len(qubits)} qubits into {len(bits)} bits")
        is_whole = isinstance(target, ast.Identifier)
        key = target.name if is_whole and isinstance(target.name, str) else ",".join(bits)
        for bit, qubit in zip(bits, qubits, strict=True):
            self._measured[bit] = (len(self.gates), qubit)
        self.gates.append(Measure(qubits, key))

    def _delay(self, statement: ast.DelayInstruction) -> None:
        duration_s = self._seconds(statement.duration)
        named = [self._operands(each) for each in statement.qubits] or [self._all()]
        qubits = tuple(name for names in named for name in names)
        self.gates.append(Delay(qubits, duration_s))

    def _branch(self, statement: ast.BranchingStatement) -> None:
        bit = self._condition(statement.condition)
        if statement.else_block or not statement.if_block:
            raise _Mistake("an if has a body and no else")
        if bit not in self._measured:
            raise _Mistake(f"{bit} is asked for before it is measured")
        index, source = self._measured[bit]
        measure = self.gates[index]
        assert isinstance(measure, Measure)
        branches: list[Gate] = []
        for each in statement.if_block:
            if not isinstance(each, ast.QuantumGate) or each.name.name != "prx":
                raise _Mistake("the body of an if holds prx gates alone")
            branches += [
                CcPrx(gate.qubit, gate.angle_rad, gate.phase_rad, source, measure.key)
                for gate in self._gate(each)
                if isinstance(gate, Prx)
            ]
        self.gates[index] = replace(measure, feedback_key=measure.key)
        self.gates += branches

    def _condition(self, expression: ast.Expression) -> str:
        """The bit that is to be 1."""
        match expression:
            case ast.BinaryExpression(
                op=op, lhs=left, rhs=ast.IntegerLiteral(value=1) | ast.BooleanLiteral(value=True)
            ) if op.name == "==":
                expression = left
            case _:
                pass
        bits = self._elements(expression, self._bits, "bit")
        if len(bits) != 1:
            raise _Mistake("an if asks for one bit, such as c[0] == 1")
        return bits[0]


def _broadcast(left: Sequence[str], right: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs, element by element; a single qubit stands for as many as the other has."""
    n_pairs = max(len(left), len(right))
    if len(left) not in (1, n_pairs) or len(right) not in (1, n_pairs):
        raise _Mistake(f"the registers have {len(left)} and {len(right)} qubits")
    lefts = list(left) * (n_pairs if len(left) == 1 else 1)
    rights = list(right) * (n_pairs if len(right) == 1 else 1)
    return list(zip(lefts, rights, strict=True))


def _calculated(operator: str, left: Value, right: Value) -> Value:
    try:
        match operator:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
            case "/":
                is_whole = isinstance(left, int) and isinstance(right, int)
                return left // right if is_whole else left / right
            case "**":
                power = float(left) ** float(right)
                if isinstance(power, float):
                    return power
            case _:
                pass
        raise _Mistake(f"labd does not calculate {operator}")
    except (ZeroDivisionError, OverflowError) as error:
        raise _Mistake(str(error)) from error
