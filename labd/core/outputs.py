"""What holds for a parameter that decides what comes out of an instrument, whoever sets it.

A rule is declared in the wiring file and kept below the jobs: where settings are compiled, where
the rack sets parameters, and by the guard, which brings safe values about.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SafeValue = float | bool | str


@dataclass(frozen=True, slots=True)
class OutputRule:
    """The rule of one parameter.

    parameter: QCoDeS path in the station. safe: what it is brought to; None leaves it as it is.
    minimum, maximum: what it may be set to, in `unit`. slew_per_s: its largest change in a second.
    write, query: SCPI with ``{}`` for the value, where labd does not know the instrument's; or "".
    """

    parameter: str
    unit: str = ""
    safe: SafeValue | None = None
    minimum: float = -math.inf
    maximum: float = math.inf
    slew_per_s: float = math.inf
    write: str = ""
    query: str = ""

    @property
    def instrument(self) -> str:
        """The instrument's name."""
        return self.parameter.partition(".")[0]

    @property
    def path(self) -> str:
        """The parameter's path in its instrument."""
        return self.parameter.partition(".")[2]

    @property
    def is_limited(self) -> bool:
        """Whether there is a value that it may not be set to."""
        return math.isfinite(self.minimum) or math.isfinite(self.maximum)

    @property
    def longest_ramp_s(self) -> float:
        """From one limit to the other; 0 where it may jump or nobody knows."""
        way = self.maximum - self.minimum
        return way / self.slew_per_s if math.isfinite(way) else 0.0

    def limit_broken_by(self, value: float) -> float | None:
        """The limit that lies between the value and what is allowed; None if none does.

        What is no number breaks a limit too.
        """
        if value > self.maximum:
            return self.maximum
        return None if value >= self.minimum else self.minimum

    def between(self) -> str:
        """The limits in words."""
        unit = f" {self.unit}" if self.unit else ""
        return f"between {self.minimum:.12g} and {self.maximum:.12g}{unit}"


def ramp(start: float, end: float, largest_step: float) -> tuple[float, ...]:
    """The values on the way, without the start and with the end, in equal steps."""
    if not math.isfinite(largest_step):
        return (end,)
    n_steps = max(math.ceil(abs(end - start) / largest_step - 1e-9), 1)
    return (*(start + (end - start) * step / n_steps for step in range(1, n_steps)), end)
