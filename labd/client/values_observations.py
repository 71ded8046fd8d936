"""A calibration set with all its observations."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import numpy.typing as npt

CalibrationValue = bool | float | str | complex | list[float] | npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """An immutable calibration set. observations: value per observation name, SI units."""

    id: UUID
    observations: Mapping[str, CalibrationValue]

    def number(self, name: str) -> float:
        """A scalar observation. Raises KeyError if there is none, TypeError if it is no scalar."""
        value = self.observations[name]
        if isinstance(value, bool | int | float):
            return float(value)
        raise TypeError(f"{name} is not a number but {type(value).__name__}")


def calibration_of(document: bytes) -> CalibrationSet:
    """The calibration set in IQM's JSON (arrays and complex numbers in their tagged objects)."""
    parsed = json.loads(document)
    observations = {
        name: _calibration_value(observation["value"])
        for name, observation in parsed["observations"].items()
    }
    return CalibrationSet(UUID(parsed["calibration_set_id"]), observations)


def _calibration_value(value: CalibrationValue | Mapping[str, object]) -> CalibrationValue:
    if not isinstance(value, Mapping):
        return value
    if "__complex__" in value:
        return complex(float(str(value["real"])), float(str(value["imag"])))
    raw = base64.b64decode(str(value["data"]))
    shape = value["shape"]
    array = np.frombuffer(raw, dtype=np.dtype(str(value["dtype"])))
    return array.reshape(shape if isinstance(shape, list) else ())
