"""What can be said about a QCoDeS station file without importing a driver or touching hardware.

The file stays QCoDeS' own format; labd reads instrument names, dotted types and addresses from it
and leaves everything else to QCoDeS. It names code to run: nobody but its owner may write to it.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from labd.core.errors import BadFile, Problem
from labd.core.wiring import Wiring
from labd.wiring_file import instruments_of

_NAME = re.compile(r"[A-Za-z_]\w*")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_KEYS = (
    "type",
    "driver",
    "address",
    "init",
    "parameters",
    "add_parameters",
    "enable_forced_reconnect",
    "port",
)


@dataclass(frozen=True, slots=True)
class StationInstrument:
    """One instrument of the file: its driver's dotted path, its VISA address, its VISA library.

    visalib: as pyvisa names it; "" for its default.
    """

    name: str
    driver: str
    address: str
    visalib: str = ""


def read_station(path: Path) -> Mapping[str, StationInstrument]:
    """The instruments of a station file, by name. Raises BadFile with every mistake."""
    unsafe = unsafe_permissions(path) if path.exists() else None
    if unsafe is not None:
        raise BadFile(str(path), (unsafe,))
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise BadFile(str(path), (Problem("", " ".join(str(error).split())),)) from error
    tables = content.get("instruments") if isinstance(content, dict) else None
    if not isinstance(tables, dict) or not tables:
        raise BadFile(str(path), (Problem("instruments", "the file lists no instruments"),))
    problems: list[Problem] = []
    instruments: dict[str, StationInstrument] = {}
    for name, table in tables.items():
        found = list(_mistakes(str(name), table))
        problems += found
        if not found:
            init = table.get("init")
            library = init.get("visalib", "") if isinstance(init, dict) else ""
            driver, address = table["type"], table["address"]
            instruments[str(name)] = StationInstrument(str(name), driver, address, str(library))
    if problems:
        raise BadFile(str(path), tuple(problems))
    return instruments


def _mistakes(name: str, table: object) -> Iterator[Problem]:
    where = f"instruments.{name}"
    if not _NAME.fullmatch(name):
        yield Problem(
            where, "an instrument's name is letters, digits and _, not beginning with one"
        )
    if not isinstance(table, dict):
        yield Problem(where, "an instrument is a table with at least type and address")
        return
    driver, address = table.get("type"), table.get("address")
    if not isinstance(driver, str) or not _DOTTED.fullmatch(driver):
        yield Problem(f"{where}.type", f"{driver!r} is not the dotted path of a driver class")
    if not isinstance(address, str) or not address.strip():
        yield Problem(f"{where}.address", f"{address!r} is not a VISA address")
    for key in table:
        if key not in _KEYS:
            near = difflib.get_close_matches(str(key), _KEYS, n=1)
            tail = f"; did you mean {near[0]}?" if near else f"; known keys: {', '.join(_KEYS)}"
            yield Problem(f"{where}.{key}", f"unknown key{tail}")


def missing_instruments(
    wiring: Wiring, instruments: Mapping[str, StationInstrument]
) -> tuple[Problem, ...]:
    """Every instrument that the wiring uses and the station does not have."""
    problems = []
    for name, where in instruments_of(wiring).items():
        if name not in instruments:
            near = difflib.get_close_matches(name, instruments, n=1)
            tail = f"; did you mean {near[0]}?" if near else ""
            problems.append(Problem(where, f"the station has no instrument {name}{tail}"))
    return tuple(problems)


def unsafe_permissions(path: Path) -> Problem | None:
    """Whether people other than its owner may write a file that names code.

    The process's own group counts as its owner: user-private groups make such files.
    """
    status = path.stat()
    if status.st_mode & 0o002:
        who = "everybody"
    elif status.st_mode & 0o020 and status.st_gid != os.getgid():
        who = f"group {status.st_gid}"
    else:
        return None
    return Problem("", f"may be written by {who}, and it names code to run; chmod go-w it")
