"""The tables of labd.toml, as people write them, and what is wrong with those of a file."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from labd.core.errors import BadFile, Problem
from labd.journal import Level
from labd.log_lines import LogFormat
from labd.notify_file import NotifyTable

Alias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Bytes = Annotated[int, Field(gt=0, le=2**53)]

MAX_CHUNK_BYTES = 4_194_299
"""A DataChunk of this length is the largest message that grpc clients take by default."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ServerTable(_Table):
    """How labd is reached, and how it works."""

    listen: str = "127.0.0.1:50051"
    unix_socket: str = ""
    state_dir: str = "/var/lib/labd"
    chunk_bytes: Annotated[int, Field(ge=1024, le=MAX_CHUNK_BYTES)] = 1_048_576
    keepalive_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    stop_grace_s: Annotated[float, Field(ge=0, le=3600)] = 5.0
    log_level: Level = "auto"
    log_format: LogFormat = "text"


class TlsTable(_Table):
    """Certificates, relative to the file."""

    certificate: str
    key: str
    client_ca: str = ""


class AccessTable(_Table):
    """Who is let in."""

    local_users: Literal["open", "known"] = "open"
    admins: list[str] = []


class PerUserTable(_Table):
    """Limits of each user of a role."""

    queued_jobs: Annotated[int, Field(ge=0)] | None = None
    queued_payload_bytes: Annotated[int, Field(ge=0)] | None = None
    queued_shots: Annotated[int, Field(ge=0)] | None = None
    run_s_per_day: Annotated[float, Field(ge=0)] | None = None
    result_bytes: Annotated[int, Field(ge=0)] | None = None


class LimitsTable(_Table):
    """Limits of a job, and of users by role."""

    payload_bytes: Bytes = 67_108_864
    result_bytes: Bytes = 8_589_934_592
    user: PerUserTable = PerUserTable()
    operator: PerUserTable = PerUserTable()
    admin: PerUserTable = PerUserTable()


class StorageTable(_Table):
    """What is kept on the disk."""

    reserve_bytes: Annotated[int, Field(ge=0, le=2**53)] = 536_870_912
    keep_days: Annotated[float, Field(ge=0)] = 0.0
    keep_share: Annotated[float, Field(gt=0, le=1)] = 1.0


class TimeslotsTable(_Table):
    """Rules of booked time."""

    required: bool = False
    overrun: Literal["hold", "refuse"] = "hold"
    idle_release_min: Annotated[float, Field(ge=0)] = 10.0
    show_owners: bool = True


class QuantumComputerTable(_Table):
    """One quantum computer and its files."""

    id: str
    station: str
    wiring: str
    chip_design_record: str
    display_name: str = ""
    calibration_set: str = ""
    job_patience_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    rack_memory_bytes: Annotated[int, Field(ge=0, le=2**53)] = 8_589_934_592
    retry_once: bool = False
    timeslots: TimeslotsTable = TimeslotsTable()


class ConfigFile(_Table):
    """The whole file."""

    server: ServerTable = ServerTable()
    tls: TlsTable | None = None
    access: AccessTable = AccessTable()
    limits: LimitsTable = LimitsTable()
    storage: StorageTable = StorageTable()
    notify: list[NotifyTable] = []
    quantum_computers: Annotated[dict[Alias, QuantumComputerTable], Field(min_length=1)]


_MODEL_OF: Mapping[str, type[BaseModel]] = {
    "notify": NotifyTable,
    "server": ServerTable,
    "tls": TlsTable,
    "access": AccessTable,
    "limits": LimitsTable,
    "storage": StorageTable,
    "quantum_computers": QuantumComputerTable,
}


def read_config_file(path: Path) -> ConfigFile:
    """The tables of labd.toml. Raises BadFile with every key that is wrong."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadFile(str(path), (Problem("", str(error)),)) from error
    try:
        return ConfigFile.model_validate(tables)
    except ValidationError as error:
        raise BadFile(str(path), tuple(_problem_of(each) for each in error.errors())) from error


def _problem_of(error: ErrorDetails) -> Problem:
    where = ".".join(str(part) for part in error["loc"])
    match error["type"]:
        case "extra_forbidden":
            return Problem(where, f"unknown key{_nearest(error['loc'])}")
        case "missing":
            return Problem(where, "required key is missing")
        case "string_pattern_mismatch":
            return Problem(where, "an alias is letters, digits, '_', '-' and '.'")
        case _:
            return Problem(where, f"{error['msg']}, not {error['input']!r}")


def _nearest(loc: tuple[int | str, ...]) -> str:
    model = _model_of(loc)
    known = list(model.model_fields)
    near = difflib.get_close_matches(str(loc[-1]), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; known keys: {', '.join(sorted(known))}"


def _model_of(loc: tuple[int | str, ...]) -> type[BaseModel]:
    """The table that the last key of a path stands in."""
    match loc:
        case (_,):
            return ConfigFile
        case ("limits", _, _):
            return PerUserTable
        case ("quantum_computers", _, "timeslots", _):
            return TimeslotsTable
        case _:
            return _MODEL_OF[str(loc[0])]
