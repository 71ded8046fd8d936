"""A calibration set's document, checked: its structure, its numbers, the components it names. Pure.

The form is that of IQM's clients: ``{"calibration_set_id"?, "observations": {path: observation}}``.
An observation is an object with a value, and with unit, uncertainty, invalid or anything else that
its author noted; all of it is kept as given. Values are booleans, numbers, texts, lists of these,
and two tagged objects: complex numbers and arrays.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from labd.core.errors import Problem
from labd.core.station_description import Chip, Json
from labd.core.wiring import Wiring

Observations = Mapping[str, Mapping[str, Json]]

MAX_DEPTH = 8
MAX_INTEGER = 2**63 - 1
MAX_OBSERVATIONS = 100_000
_TOP = ("calibration_set_id", "observations")
_DTYPES = ("bool", "int32", "int64", "float32", "float64", "complex64", "complex128")
_FORMS = {
    "controllers": "controllers.<component or options>.<setting>",
    "gates": "gates.<gate>.<implementation>.<locus>.<parameter>",
    "characterization": "characterization.<what>.<component>.<property>",
    "metrics": "metrics.<what>.<locus>.<quantity>",
}


@dataclass(frozen=True, slots=True)
class Components:
    """The names that a path may contain, and which of them a coupler joins."""

    names: frozenset[str]
    joined: frozenset[frozenset[str]]

    @classmethod
    def of(cls, chip: Chip, wiring: Wiring) -> Components:
        """The components of the chip and of the channels that lead to it."""
        return cls(
            names=frozenset(
                (
                    *chip.qubits,
                    *chip.resonators,
                    *chip.couplers,
                    *chip.probe_lines,
                    *(channel.component for channel in wiring.channels.values()),
                )
            ),
            joined=frozenset(frozenset(ends) for ends in chip.couplers.values()),
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A document without mistakes. id: as given, if one was."""

    id: UUID | None
    observations: Observations


def read_document(
    document: Json, components: Components | None
) -> tuple[Document, tuple[Problem, ...]]:
    """The document, and every mistake in it; it is of use only when there is none.

    components: those of the station; None: names are not checked.
    """
    if not isinstance(document, Mapping):
        return Document(None, {}), (Problem("", "an object is required"),)
    known = ", ".join(_TOP)
    problems = [Problem(key, f"no such key; known: {known}") for key in document if key not in _TOP]
    set_id = _id_of(document.get("calibration_set_id"), problems)
    observations = document.get("observations")
    if not isinstance(observations, Mapping) or not observations:
        problems.append(Problem("observations", "an object with at least one observation"))
        observations = {}
    if len(observations) > MAX_OBSERVATIONS:
        more = f"{len(observations)} observations are more than {MAX_OBSERVATIONS}"
        return Document(set_id, {}), (*problems, Problem("observations", more))
    read: dict[str, Mapping[str, Json]] = {}
    for path, observation in observations.items():
        found = [*_path_mistakes(path, components), *_observation_mistakes(observation)]
        problems.extend(Problem(f"observations.{path}", what) for what in found)
        if isinstance(observation, Mapping):
            read[path] = observation
    return Document(set_id, read), tuple(problems)


def _id_of(value: Json, problems: list[Problem]) -> UUID | None:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return UUID(value)
    if value is not None:
        problems.append(Problem("calibration_set_id", f"{value!r} is not a UUID"))
    return None


# ---- paths


def _path_mistakes(path: str, components: Components | None) -> Iterator[str]:
    parts = path.split(".")
    form = _FORMS.get(parts[0])
    if form is None or not all(parts):
        yield f"an unknown kind of observation; known: {', '.join(_FORMS.values())}"
    elif len(parts) < len(form.split(".")):
        yield f"the path is too short for {form}"
    elif components is None:
        return
    elif parts[0] == "gates":
        yield from _locus_mistakes(parts[3], components)
        if parts[4] == "rz":
            yield from _unknown(parts[5:6], components)
    elif parts[0] == "controllers":
        yield from _unknown([part for part in parts[1:2] if part != "options"], components)
    elif not any(components.names.issuperset(part.split("__")) for part in parts[1:]):
        yield "no part of it names a component of the station"


def _locus_mistakes(locus: str, components: Components) -> Iterator[str]:
    names = locus.split("__")
    unknown = list(_unknown(names, components))
    yield from unknown
    if len(set(names)) < len(names):
        yield f"{locus} names a component twice"
    elif len(names) == 2 and not unknown and frozenset(names) not in components.joined:
        yield f"no coupler joins {names[0]} and {names[1]}"


def _unknown(names: Sequence[str], components: Components) -> Iterator[str]:
    for name in names:
        if name not in components.names:
            near = difflib.get_close_matches(name, sorted(components.names), 1, 0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"the station has no component {name!r}{hint}"


# ---- observations


def _observation_mistakes(observation: Json) -> Iterator[str]:
    if not isinstance(observation, Mapping) or "value" not in observation:
        yield "an observation is an object with a value"
        return
    yield from (f"value: {what}" for what in _value_mistakes(observation["value"], 0))
    for key, given in observation.items():
        match key:
            case "value":
                pass
            case "unit":
                if given is not None and not isinstance(given, str):
                    yield f"unit: {given!r} is no text"
            case "invalid":
                if not isinstance(given, bool):
                    yield f"invalid: {given!r} is neither true nor false"
            case "uncertainty":
                yield from (f"uncertainty: {what}" for what in _uncertainty_mistakes(given))
            case _:
                yield from (f"{key}: {what}" for what in _note_mistakes(given, 0))


def _uncertainty_mistakes(value: Json) -> Iterator[str]:
    if isinstance(value, str | bool):
        yield f"{value!r} is no number"
    elif isinstance(value, int | float) and value < 0:
        yield f"{value!r} is negative"
    elif value is not None:
        yield from _value_mistakes(value, 0)


def _value_mistakes(value: Json, depth: int) -> Iterator[str]:
    match value:
        case None:
            yield "null is no value"
        case bool() | str():
            pass
        case int() | float():
            yield from _number_mistakes(value)
        case Mapping():
            yield from _tagged_mistakes(value)
        case _ if depth == MAX_DEPTH:
            yield f"lists are nested deeper than {MAX_DEPTH}"
        case _:
            for each in value:
                yield from _value_mistakes(each, depth + 1)


def _number_mistakes(value: float) -> Iterator[str]:
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            yield "an integer beyond 64 bits"
    elif not math.isfinite(value):
        yield f"{value} is not finite"


def _tagged_mistakes(value: Mapping[str, Json]) -> Iterator[str]:
    if "__complex__" in value:
        for part in ("real", "imag"):
            number = value.get(part)
            if isinstance(number, bool) or not isinstance(number, int | float):
                yield f"{part} of a complex number: {number!r} is no number"
            else:
                yield from _number_mistakes(number)
    elif "__ndarray__" in value:
        yield from _array_mistakes(value)
    else:
        yield "an object that is neither a complex number (__complex__) nor an array (__ndarray__)"


def _array_mistakes(value: Mapping[str, Json]) -> Iterator[str]:
    dtype, shape, data = value.get("dtype"), value.get("shape"), value.get("data")
    if dtype not in _DTYPES:
        yield f"dtype of an array: {dtype!r} is none of {', '.join(_DTYPES)}"
        return
    given = shape if isinstance(shape, list | tuple) else (None,)
    sizes = [size for size in given if type(size) is int and size >= 0]
    if len(sizes) != len(given):
        yield f"shape of an array: {shape!r} is no list of lengths"
        return
    try:
        raw = base64.b64decode(data if isinstance(data, str) else "?", validate=True)
    except (binascii.Error, ValueError):
        yield "data of an array is no base64"
        return
    wanted = math.prod(sizes) * np.dtype(str(dtype)).itemsize
    if len(raw) != wanted:
        yield f"data of an array has {len(raw)} bytes, its dtype and shape need {wanted}"
    elif not np.isfinite(np.frombuffer(raw, np.dtype(str(dtype)))).all():
        yield "an array with numbers that are not finite"


def _note_mistakes(value: Json, depth: int) -> Iterator[str]:
    """Whatever else an author noted: any JSON that can be written again."""
    match value:
        case None | bool() | str():
            pass
        case int() | float():
            yield from _number_mistakes(value)
        case _ if depth == MAX_DEPTH:
            yield f"nested deeper than {MAX_DEPTH}"
        case _:
            for each in value.values() if isinstance(value, Mapping) else value:
                yield from _note_mistakes(each, depth + 1)
