"""What labctl tells other programs: the client's values as JSON.

A value becomes an object whose keys are its fields' names. Ids are text, instants ISO 8601 in UTC,
names of states and modes as in the API, priorities in lower case, bytes in hexadecimal digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from labd.client import AuditLine, Job, JobDetails, ObservationChange

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_KEYS = {"alias": "quantum_computer", "job_type": "type"}


def listed(values: Iterable[DataclassInstance]) -> list[Json]:
    """Values of labd.client as a JSON list."""
    return [facts(value) for value in values]


def facts(value: DataclassInstance) -> dict[str, Json]:
    """A value of labd.client as JSON."""
    return {
        _KEYS.get(field.name, field.name): _fact(getattr(value, field.name))
        for field in fields(value)
    }


def job_facts(job: Job) -> dict[str, Json]:
    """A job as JSON; error is null where there is none."""
    return facts(job) | {"error": job.error or None, "execution_s": job.execution_s}


def details_facts(details: JobDetails) -> dict[str, Json]:
    """A job as JSON, with its events, timings and sizes."""
    rest = facts(details)
    del rest["job"]
    return job_facts(details.job) | rest


def change_facts(change: ObservationChange) -> dict[str, Json]:
    """A changed observation: path, and old and new, which are absent where a set has it not."""
    told: dict[str, Json] = {"path": change.path}
    for name, text in (("old", change.old_json), ("new", change.new_json)):
        if text is not None:
            told[name] = json.loads(text)
    return told


def audit_facts(line: AuditLine) -> dict[str, Json]:
    """A line of the audit log, with its instant also as text and its details as an object."""
    at = datetime.fromtimestamp(line.at_ns / 1e9, UTC).isoformat()
    return facts(line) | {"at": at, "details": json.loads(line.details)}


def _fact(value: object) -> Json:
    match value:
        case None | bool():
            return value
        case StrEnum():
            return value.value
        case Enum():
            return value.name.lower()
        case int() | float() | str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat()
        case UUID():
            return str(value)
        case bytes():
            return value.hex()
        case Mapping():
            return {str(key): _fact(each) for key, each in value.items()}
        case tuple() | list():
            return [_fact(each) for each in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return facts(value)
        case _:
            raise TypeError(f"no JSON for {type(value).__name__}")
