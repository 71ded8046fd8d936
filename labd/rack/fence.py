"""The station's limits, put around the drivers' own parameters: nothing in the rack gets past them.

Every parameter that the wiring declares gets a validator that refuses what is beyond its limits,
and is walked, not jumped, where it has a largest slew. Rigs, drivers' own code and whatever else
sets a parameter go through both; what a station file declares more tightly stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from qcodes.parameters import ParameterBase
from qcodes.validators import Validator

from labd.core.errors import OutputLimitBroken, Problem
from labd.core.outputs import OutputRule

RAMP_DELAY_S: Final = 0.002
"""A ramp is a stair with steps at least this long."""


@dataclass(eq=False)
class OutputsUnknown(Exception):
    """Declared outputs that the drivers do not have, or cannot keep."""

    problems: tuple[Problem, ...]

    def __str__(self) -> str:
        """One a line."""
        return "\n".join(map(str, self.problems))


class WithinLimits(Validator[float]):
    """Raises OutputLimitBroken for what the rule does not allow."""

    is_numeric = True

    def __init__(self, rule: OutputRule) -> None:
        self._rule = rule

    def validate(self, value: float, context: str = "") -> None:
        """The value that is about to be set, in the parameter's own unit."""
        del context
        rule = self._rule
        is_number = isinstance(value, int | float) or hasattr(value, "__float__")
        limit = rule.limit_broken_by(float(value)) if is_number else rule.maximum
        if limit is not None:
            told = float(value) if is_number else repr(value)
            raise OutputLimitBroken(rule.instrument, rule.path, told, limit, rule.unit)


def fence_in(station: Mapping[str, object], rules: Mapping[str, OutputRule]) -> None:
    """Bind the station's parameters to their rules. Raises OutputsUnknown with every mistake."""
    problems = []
    for rule in rules.values():
        parameter = _parameter(station, rule)
        where = f"outputs.{rule.parameter}"
        if parameter is None:
            problems.append(Problem(where, "the instrument's driver has no such parameter"))
            continue
        if math.isfinite(rule.slew_per_s):
            try:
                _slow_down(parameter, rule.slew_per_s)
            except TypeError:
                problems.append(Problem(where, "its driver's parameter is no number: no slew"))
        if rule.is_limited:
            parameter.add_validator(WithinLimits(rule))
    if problems:
        raise OutputsUnknown(tuple(problems))


def _parameter(station: Mapping[str, object], rule: OutputRule) -> ParameterBase | None:
    target = station.get(rule.instrument)
    for step in rule.path.split("."):
        target = getattr(target, step, None)
    return target if isinstance(target, ParameterBase) else None


def _slow_down(parameter: ParameterBase, slew_per_s: float) -> None:
    """Raises TypeError where QCoDeS cannot walk."""
    delay_s = max(parameter.inter_delay, RAMP_DELAY_S)
    own = math.inf if parameter.step is None else float(parameter.step)
    if own <= slew_per_s * parameter.inter_delay * (1 + 1e-9):
        return
    parameter.inter_delay = delay_s
    parameter.step = min(slew_per_s * delay_s, own)
