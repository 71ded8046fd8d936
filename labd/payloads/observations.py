"""A calibration set's observations from their JSON: numbers, texts, lists, and two tagged forms.

``{"__complex__": "true", "real": x, "imag": y}`` is a complex number; ``{"__ndarray__": "true",
"data": base64, "dtype": numpy's name, "shape": [...]}`` an array in C order.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import numpy as np
from pydantic import JsonValue

from labd.core.gate_data import ObservationValue, ObservedValues


def values_of(observations: Mapping[str, JsonValue]) -> ObservedValues:
    """Value by name; those marked invalid and those that are no value are left out."""
    values: dict[str, ObservationValue] = {}
    for name, observation in observations.items():
        if isinstance(observation, dict) and observation.get("invalid") is not True:
            value = _value(observation.get("value"))
            if value is not None:
                values[name] = value
    return values


def _value(value: JsonValue) -> ObservationValue:
    match value:
        case bool() | int() | float() | str():
            return value
        case list():
            numbers = [each for each in value if isinstance(each, int | float)]
            return [float(each) for each in numbers] if len(numbers) == len(value) else None
        case {"__complex__": _, "real": int() | float() as real, "imag": int() | float() as imag}:
            return complex(real, imag)
        case {"__ndarray__": _, "data": str() as data, "dtype": str() as dtype, "shape": list()}:
            return _array(data, dtype)
        case _:
            return None


def _array(data: str, dtype: str) -> ObservationValue:
    """1-D, as all arrays of a set are; None where the text is no array of numbers."""
    try:
        kind = np.dtype(dtype)
        if kind.kind not in "biufc":
            return None
        return np.frombuffer(base64.b64decode(data, validate=True), dtype=kind)
    except (TypeError, ValueError, binascii.Error):
        return None
