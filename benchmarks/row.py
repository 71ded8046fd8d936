"""One line of the benchmark table: a ratio of two figures measured in one run, and its target."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Row:
    """ratio is ours / other. `better` says which side of the target is good."""

    name: str
    ours: float
    other: float
    unit: str
    target: float
    better: Literal["higher", "lower"]
    other_is: str

    @property
    def ratio(self) -> float:
        """Ours over the other figure."""
        return self.ours / self.other

    @property
    def is_met(self) -> bool:
        """Whether the target is reached."""
        return self.ratio >= self.target if self.better == "higher" else self.ratio <= self.target

    def as_json(self) -> dict[str, str | float | bool]:
        """The row as it stands in the JSON file."""
        return {**asdict(self), "ratio": self.ratio, "is_met": self.is_met}
