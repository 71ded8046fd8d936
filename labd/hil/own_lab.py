"""A labd of one's own around one station: for a bench's tests, gone when they end.

The station's directory holds station.yaml and wiring.toml; chip-design-record.json and
calibration-set.json where circuits are to run; simrack.toml and chip.toml where there is a
simulated rack.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self
from uuid import NAMESPACE_DNS, uuid5

from labd.children import start_daemon, start_rack, url_of

_OPTIONAL = {
    "chip_design_record": "chip-design-record.json",
    "calibration_set": "calibration-set.json",
}


class RackKind(StrEnum):
    """What a station is opened on: simulated instruments, or those at the file's addresses."""

    SIMULATED = "simulated"
    HARDWARE = "hardware"


def kind_of(station: Path, wish: str) -> RackKind:
    """The kind that is wished for, or simulated where there is a simulated rack.

    Raises FileNotFoundError for a directory that is no station, or has no such rack.
    """
    has_rack = (station / "simrack.toml").is_file()
    for name in ("station.yaml", "wiring.toml"):
        if not (station / name).is_file():
            raise FileNotFoundError(f"{station} is no station: it has no {name}")
    if wish == RackKind.SIMULATED and not has_rack:
        raise FileNotFoundError(f"{station} has no simulated rack: it has no simrack.toml")
    if wish:
        return RackKind(wish)
    return RackKind.SIMULATED if has_rack else RackKind.HARDWARE


def opened_station(children: ExitStack, station: Path, kind: RackKind, directory: Path) -> Path:
    """The station file to open, its simulated rack started if need be. Raises ChildFailed."""
    if kind is RackKind.HARDWARE:
        return station / "station.yaml"
    return start_rack(children, station, directory, seed=1, transport="hislip").station


@dataclass(frozen=True, slots=True)
class OwnLab:
    """A running labd. url: for clients. alias: its one quantum computer."""

    url: str
    alias: str
    kind: RackKind
    _children: ExitStack

    @classmethod
    def start(cls, station: Path, kind: RackKind, directory: Path) -> Self:
        """Start it; directory: empty, for state and logs. Raises ChildFailed, FileNotFoundError."""
        station = station.resolve()
        with ExitStack() as children:
            file = opened_station(children, station, kind, directory)
            daemon = start_daemon(children, directory, _write_config(station, file, directory))
            return cls(url_of(daemon), station.name, kind, children.pop_all())

    def stop(self) -> None:
        """End the daemon, then the rack. Idempotent."""
        self._children.close()


def _write_config(station: Path, file: Path, directory: Path) -> Path:
    keys = {
        "id": str(uuid5(NAMESPACE_DNS, station.name)),
        "display_name": station.name,
        "station": str(file),
        "wiring": str(station / "wiring.toml"),
    }
    keys |= {key: str(station / n) for key, n in _OPTIONAL.items() if (station / n).is_file()}
    server = {
        "listen": "127.0.0.1:0",
        "unix_socket": "none",
        "state_dir": str(directory / "state"),
    }
    lines = ["[server]", *(f"{key} = {json.dumps(value)}" for key, value in server.items())]
    lines += ["", f"[quantum_computers.{station.name}]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    path = directory / "labd.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
