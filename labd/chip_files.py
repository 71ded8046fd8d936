"""The chip's two JSON files, checked: the design record, and the calibration set to begin with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from labd.core.errors import BadFile, Problem

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonObject = dict[str, Json]

_COMPONENTS = ("qubit", "tunable_coupler", "probe_line")


@dataclass(frozen=True, slots=True)
class CalibrationFile:
    """A calibration set as it stands in its file: dut field -> {"value": ..., "unit": ...}."""

    id: UUID
    observations: JsonObject


def read_chip_design_record(path: Path) -> JsonObject:
    """A chip design record. Raises BadFile with every mistake."""
    record = _read_object(path)
    problems = tuple(_record_mistakes(record))
    if problems:
        raise BadFile(str(path), problems)
    return record


def _record_mistakes(record: JsonObject) -> Iterator[Problem]:
    for key in ("mask_set_name", "variant"):
        if not isinstance(record.get(key), str):
            yield Problem(key, "a text is required")
    content = record.get("content")
    components = content.get("components") if isinstance(content, dict) else None
    if not isinstance(components, dict):
        yield Problem("content.components", "an object is required")
        return
    for kind, items in components.items():
        where = f"content.components.{kind}"
        if not isinstance(items, list):
            yield Problem(where, "a list of components is required")
            continue
        for index, item in enumerate(items):
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                yield Problem(f"{where}, {index}", "a component is an object with a name")
            elif not isinstance(item.get("connections"), list):
                yield Problem(f"{where}, {item['name']}", "a list of connections is required")
    for kind in _COMPONENTS:
        if kind not in components:
            yield Problem(f"content.components.{kind}", "a list is required, it may be empty")


def read_calibration_file(path: Path) -> CalibrationFile:
    """A calibration set file. Raises BadFile with every mistake."""
    content = _read_object(path)
    problems = []
    set_id = content.get("calibration_set_id")
    try:
        parsed_id = UUID(set_id) if isinstance(set_id, str) else None
    except ValueError:
        parsed_id = None
    if parsed_id is None:
        problems.append(Problem("calibration_set_id", f"{set_id!r} is not a UUID"))
    observations = content.get("observations")
    if not isinstance(observations, dict):
        problems.append(Problem("observations", "an object is required"))
        observations = {}
    for field, observation in observations.items():
        if not isinstance(observation, dict) or "value" not in observation:
            problems.append(
                Problem(f"observations.{field}", "an observation is an object with a value")
            )
    if problems or parsed_id is None:
        raise BadFile(str(path), tuple(problems))
    return CalibrationFile(parsed_id, observations)


def _read_object(path: Path) -> JsonObject:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadFile(str(path), (Problem("", str(error)),)) from error
    if not isinstance(content, dict):
        raise BadFile(str(path), (Problem("", "the file holds no JSON object"),))
    return content
