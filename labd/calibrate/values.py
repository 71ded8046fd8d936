"""What calibration experiments find: numbers with uncertainties, a verdict, what they would change.

A finding whose verdict is BAD changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]

Fact = None | bool | int | float | str | list["Fact"] | dict[str, "Fact"]
"""What is told to other programs, as JSON."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, its standard uncertainty, its unit; no unit is an empty text."""

    value: float
    uncertainty: float
    unit: str = ""

    def scaled(self, factor: float) -> Quantity:
        """Both numbers times a factor."""
        return Quantity(self.value * factor, abs(self.uncertainty * factor), self.unit)


class Grade(StrEnum):
    """What a finding is good for. DOUBTFUL ones are used and pointed out, BAD ones are not used."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A grade and the sentence that says why."""

    grade: Grade
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) with a name; is_fit: drawn as a line through other points."""

    name: str
    x: FloatArray
    y: FloatArray
    is_fit: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """What a person looks at to believe a finding: curves, or clouds in the IQ plane.

    marks: x at which something was found. is_plane: both axes have one scale.
    """

    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    marks: tuple[float, ...] = ()
    is_plane: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One experiment's outcome on one locus, such as QB1 or QB1__QB3.

    numbers: by name. changes: new observations by path; empty where the verdict is BAD.
    is_settled: the correction was within what the experiment aims at; else it is worth repeating.
    """

    experiment: str
    locus: str
    numbers: Mapping[str, Quantity]
    verdict: Verdict
    picture: Picture
    changes: Mapping[str, Quantity] = field(default_factory=dict)
    is_settled: bool = True

    @property
    def is_bad(self) -> bool:
        """Whether it must not be used."""
        return self.verdict.grade is Grade.BAD


def judged(problems: list[str], doubts: list[str], praise: str) -> Verdict:
    """The worst that was found decides; without problems or doubts the praise is the reason."""
    if problems:
        return Verdict(Grade.BAD, "; ".join(problems))
    if doubts:
        return Verdict(Grade.DOUBTFUL, "; ".join(doubts))
    return Verdict(Grade.GOOD, praise)


def is_known(quantity: Quantity) -> bool:
    """Whether a fit could say anything: a finite number with a finite uncertainty."""
    return math.isfinite(quantity.value) and math.isfinite(quantity.uncertainty)


def wrapped(angle_rad: float) -> float:
    """An angle in (-π, π]."""
    return math.pi - (math.pi - angle_rad) % (2.0 * math.pi)
