"""What a calibration set says, found by gate: names become parameters of one gate on one locus.

An observation's name is ``gates.<gate>.<implementation>.<locus>.<parameter>`` or
``controllers.<component>.<setting>``; a locus of two components is written ``QB1__QB3``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labd.core.waveforms import FloatArray

ObservationValue = (
    bool | int | float | complex | str | Sequence[float] | npt.NDArray[np.generic] | None
)

ObservedValues = Mapping[str, ObservationValue]
"""Value by name, SI units. Arrays are 1-D."""


@dataclass(frozen=True, slots=True)
class GateData:
    """The parameters of one gate, implementation and locus, and what is wrong with those asked for.

    path: what all their names begin with. mistakes: sentences; none if all that was read is sound.
    """

    path: str
    values: ObservedValues
    mistakes: list[str]

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number; the default, else 0 and a mistake, where there is none."""
        value = self.values.get(name)
        if value is None and default is not None:
            return default
        if value is None:
            self.mistakes.append(f"the calibration set has no {self.path}.{name}")
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            self.mistakes.append(f"{self.path}.{name} is not a number")
            return 0.0
        if not math.isfinite(value):
            self.mistakes.append(f"{self.path}.{name} is {value}, not a finite number")
            return 0.0
        return float(value)

    def text(self, name: str, default: str) -> str:
        """A text; the default where there is none."""
        value = self.values.get(name, default)
        return value if isinstance(value, str) else str(value)

    def array(self, name: str) -> FloatArray:
        """A list of numbers: float64, 1-D; empty where there is none."""
        value = self.values.get(name)
        if value is None:
            return np.zeros(0)
        array = np.asarray(value)
        if array.ndim != 1 or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            self.mistakes.append(f"{self.path}.{name} is not a list of finite numbers")
            return np.zeros(0)
        return array.astype(np.float64)

    def below(self, prefix: str) -> list[str]:
        """Names under a prefix, without it, e.g. the components of ``rz``."""
        start = f"{prefix}."
        return [name[len(start) :] for name in self.values if name.startswith(start)]


class CalibratedGates:
    """Gate parameters by gate, implementation and locus."""

    def __init__(self, observations: ObservedValues) -> None:
        self._values: dict[tuple[str, str, str], dict[str, ObservationValue]] = {}
        self._loci: dict[tuple[str, str], list[str]] = {}
        for name, value in observations.items():
            parts = name.split(".", 4)
            if len(parts) == 5 and parts[0] == "gates":
                _, gate, implementation, locus, parameter = parts
                key = (gate, implementation, locus)
                if key not in self._values:
                    self._values[key] = {}
                    self._loci.setdefault((gate, implementation), []).append(locus)
                self._values[key][parameter] = value

    def has(self, gate: str, implementation: str, locus: str) -> bool:
        """Whether the set says anything about it."""
        return (gate, implementation, locus) in self._values

    def data(self, gate: str, implementation: str, locus: str) -> GateData:
        """The parameters, however many there are."""
        values = self._values.get((gate, implementation, locus), {})
        return GateData(f"gates.{gate}.{implementation}.{locus}", values, [])

    def implementations(self, gate: str) -> list[str]:
        """Implementations of which the set says anything, in its order."""
        return [implementation for known, implementation in self._loci if known == gate]

    def loci(self, gate: str, implementation: str) -> list[str]:
        """Loci of which the set says anything, in its order."""
        return self._loci.get((gate, implementation), [])
