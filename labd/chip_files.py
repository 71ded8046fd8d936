"""The chip's two JSON files, checked: the design record, and the calibration set to begin with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from labd.core.errors import BadFile, Problem
from labd.core.observations import Components, Observations
from labd.payloads.calibration_json import read_calibration

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonObject = dict[str, Json]

_COMPONENTS = ("qubit", "tunable_coupler", "probe_line")


@dataclass(frozen=True, slots=True)
class CalibrationFile:
    """A calibration set as it stands in its file."""

    id: UUID
    observations: Observations


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


def read_calibration_file(path: Path, components: Components | None) -> CalibrationFile:
    """A calibration set file. Raises BadFile with every mistake.

    components: those of the station; None: names are not checked.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadFile(str(path), (Problem("", str(error)),)) from error
    document, problems = read_calibration(data, components)
    if document.id is None and not problems:
        problems = (Problem("calibration_set_id", "a UUID is required"),)
    if problems or document.id is None:
        raise BadFile(str(path), problems)
    return CalibrationFile(document.id, document.observations)


def _read_object(path: Path) -> JsonObject:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BadFile(str(path), (Problem("", str(error)),)) from error
    if not isinstance(content, dict):
        raise BadFile(str(path), (Problem("", "the file holds no JSON object"),))
    return content
