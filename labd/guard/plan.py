"""What is to be done to make a station safe, instrument by instrument. Pure, and small on a wire.

Made from wiring and station by whoever knows them; the guard gets it as JSON and needs no more.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict

from labd.core.errors import Problem
from labd.core.outputs import OutputRule, SafeValue, ramp
from labd.guard.dialects import Commands, Condition, dialect_of

PATIENCE_S = 2.4
"""How long all instruments together have, besides the time that their ramps take."""
RAMP_STEP_S = 0.005
"""A ramp is a stair with steps this long."""
_RELATIVE_TOLERANCE = 1e-4
_ON, _OFF = ("1", "ON"), ("0", "OFF")


@dataclass(frozen=True, slots=True)
class Unsafe:
    """An instrument that is not known to be safe. what: the sentence, with its name.

    instrument: "" where it is about all of them. is_absent: it takes no connection.
    """

    instrument: str
    what: str
    is_absent: bool

    def __str__(self) -> str:
        """The sentence."""
        return self.what


class InstrumentAddress(Protocol):
    """What is needed of an instrument of the station file."""

    @property
    def driver(self) -> str:
        """Dotted path of the driver's class."""

    @property
    def address(self) -> str:
        """VISA address."""

    @property
    def visalib(self) -> str:
        """As pyvisa names it; "" for its default."""


@dataclass(frozen=True, slots=True)
class SafeStep:
    """One parameter, its safe value and how it gets there."""

    parameter: str
    value: SafeValue
    commands: Commands
    slew_per_s: float = math.inf
    tolerance: float = 0.0
    longest_ramp_s: float = 0.0

    def is_safe(self, answer: str) -> bool:
        """Whether an instrument's answer is the safe value. Raises ValueError on nonsense."""
        text = answer.strip().strip("\"'").upper()
        match self.value:
            case bool():
                return text in (_ON if self.value else _OFF)
            case str():
                return text == self.value.upper()
            case _:
                return abs(float(text) - self.value) <= self.tolerance

    def values_from(self, answer: str) -> tuple[str, ...]:
        """What to write, one after the other, RAMP_STEP_S apart; answer: what it is now."""
        if isinstance(self.value, bool | str) or not math.isfinite(self.slew_per_s):
            return (written(self.value),)
        start = float(answer)
        return tuple(map(written, ramp(start, self.value, self.slew_per_s * RAMP_STEP_S)))


@dataclass(frozen=True, slots=True)
class InstrumentPlan:
    """One instrument: what is brought about first, then its parameters."""

    name: str
    address: str
    visalib: str
    first: tuple[Condition, ...]
    steps: tuple[SafeStep, ...]

    @property
    def longest_ramp_s(self) -> float:
        """All its ramps, one after the other."""
        return sum(step.longest_ramp_s for step in self.steps)


Plan = tuple[InstrumentPlan, ...]


def written(value: SafeValue) -> str:
    """A value as SCPI has it."""
    match value:
        case bool():
            return "1" if value else "0"
        case str():
            return value
        case _:
            return f"{value:.9G}"


def longest_ramp_s(plan: Plan) -> float:
    """Instruments are made safe side by side."""
    return max((each.longest_ramp_s for each in plan), default=0.0)


def plan_of(rules: Mapping[str, OutputRule], station: Mapping[str, InstrumentAddress]) -> Plan:
    """The plan for a station. Parameters that `untold` speaks of are left out."""
    plan = []
    for name, instrument in station.items():
        dialect = dialect_of(instrument.driver)
        ours = [rule for rule in rules.values() if rule.instrument == name]
        steps = tuple(
            _step(rule, rule.safe, commands)
            for rule in ours
            if rule.safe is not None and (commands := _commands(rule, instrument)) is not None
        )
        if steps:
            address, library = instrument.address, instrument.visalib
            plan.append(InstrumentPlan(name, address, library, dialect.first, steps))
    return tuple(plan)


def untold(
    rules: Mapping[str, OutputRule], station: Mapping[str, InstrumentAddress]
) -> tuple[Problem, ...]:
    """Every safe value of which the guard would not know how to bring it about."""
    return tuple(
        Problem(
            f"outputs.{rule.parameter}",
            f"how {rule.path} of a {station[rule.instrument].driver.rpartition('.')[2]} is set and"
            " asked for is not known; add the SCPI commands write and query",
        )
        for rule in rules.values()
        if rule.safe is not None
        and rule.instrument in station
        and _commands(rule, station[rule.instrument]) is None
    )


def _commands(rule: OutputRule, instrument: InstrumentAddress) -> Commands | None:
    if rule.write:
        return Commands(rule.write, rule.query)
    return dialect_of(instrument.driver).parameters.get(rule.path)


def _step(rule: OutputRule, value: SafeValue, commands: Commands) -> SafeStep:
    is_number = not isinstance(value, bool | str)
    span = rule.maximum - rule.minimum
    extent = max(abs(float(value)), span if math.isfinite(span) else 0.0) if is_number else 0.0
    return SafeStep(
        rule.parameter,
        value,
        commands,
        rule.slew_per_s,
        max(_RELATIVE_TOLERANCE * extent, 1e-9),
        rule.longest_ramp_s,
    )


# ---- as JSON: a list of instruments, everything by position


class _StepFields(TypedDict):
    parameter: str
    value: SafeValue
    commands: Sequence[str]
    condition: Sequence[str] | None
    slew_per_s: float | None
    tolerance: float
    longest_ramp_s: float


def pack_plan(plan: Plan) -> str:
    """One line of text."""
    return json.dumps(
        [
            {
                "name": each.name,
                "address": each.address,
                "visalib": each.visalib,
                "first": [[one.query, one.start, one.write] for one in each.first],
                "steps": [_packed(step) for step in each.steps],
            }
            for each in plan
        ]
    )


def unpack_plan(text: str) -> Plan:
    """What `pack_plan` made."""
    return tuple(
        InstrumentPlan(
            each["name"],
            each["address"],
            each["visalib"],
            tuple(Condition(*one) for one in each["first"]),
            tuple(_unpacked(step) for step in each["steps"]),
        )
        for each in json.loads(text)
    )


def _packed(step: SafeStep) -> _StepFields:
    condition = step.commands.condition
    return {
        "parameter": step.parameter,
        "value": step.value,
        "commands": [step.commands.write, step.commands.query],
        "condition": None
        if condition is None
        else [condition.query, condition.start, condition.write],
        "slew_per_s": step.slew_per_s if math.isfinite(step.slew_per_s) else None,
        "tolerance": step.tolerance,
        "longest_ramp_s": step.longest_ramp_s,
    }


def _unpacked(fields: _StepFields) -> SafeStep:
    condition, slew_per_s = fields["condition"], fields["slew_per_s"]
    write, query = fields["commands"]
    return SafeStep(
        fields["parameter"],
        fields["value"],
        Commands(write, query, None if condition is None else Condition(*condition)),
        math.inf if slew_per_s is None else slew_per_s,
        fields["tolerance"],
        fields["longest_ramp_s"],
    )
