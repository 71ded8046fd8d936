"""What of a configuration that was read again may hold at once, and what needs a restart. Pure.

Whatever is not known here to be applicable needs a restart: a new key is never said to hold
before somebody has seen to it that it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from labd.config import Config, QuantumComputer, Server
from labd.core.jobs import QcId

LIVE_SERVER = frozenset({"chunk_bytes", "keepalive_s", "stop_grace_s", "log_level", "log_format"})
LIVE_TABLES = frozenset({"access", "limits"})
_RACK = frozenset({"station_path", "wiring_path", "chip_path"})
_FROM_FILES = frozenset({"station", "wiring", "rig", "chip_design_record"})
_NO_MATTER = frozenset({"calibration"})
"""Imported only where the store has none."""

Digests = Mapping[QcId, str]
"""Of the files that describe each rack."""


@dataclass(frozen=True, slots=True)
class Plan:
    """config: what holds from now on. applied, refused: keys of labd.toml.

    racks: quantum computers whose rack is to be opened again with its files.
    """

    config: Config
    applied: tuple[str, ...]
    refused: tuple[str, ...]
    racks: frozenset[QcId]

    def sentence(self) -> str:
        """What the operator is told."""
        parts = [f"now hold: {', '.join(self.applied)}"] if self.applied else []
        if self.refused:
            parts.append(f"need a restart: {', '.join(self.refused)}")
        return "; ".join(parts) or "nothing has changed"


def plan(old: Config, new: Config, old_files: Digests, new_files: Digests) -> Plan:
    """old: what holds now. The digests tell a rack's files that were edited in place."""
    applied: list[str] = []
    refused: list[str] = []
    server = _server(old.server, new.server, applied, refused)
    for name in (each.name for each in fields(Config)):
        if name in ("path", "server", "quantum_computers"):
            continue
        if getattr(old, name) != getattr(new, name):
            (applied if name in LIVE_TABLES else refused).append(name)
    fresh = {each.alias: each for each in new.quantum_computers}
    refused += [
        f"quantum_computers.{alias}"
        for alias in fresh.keys() ^ {each.alias for each in old.quantum_computers}
    ]
    computers: list[QuantumComputer] = []
    racks: set[QcId] = set()
    for computer in old.quantum_computers:
        known = fresh.get(computer.alias, computer)
        if old_files.get(computer.id) != new_files.get(known.id, old_files.get(computer.id)):
            racks.add(computer.id)
            applied.append(f"the rack files of {computer.alias}")
        computers.append(_computer(computer, known, applied, refused, racks))
    if old.limits.result_bytes != new.limits.result_bytes:
        racks.update(each.id for each in old.quantum_computers)
    kept = {name: getattr(old, name) for name in refused if "." not in name}
    config = replace(new, server=server, quantum_computers=tuple(computers), **kept)
    return Plan(config, tuple(applied), tuple(sorted(refused)), frozenset(racks))


def _server(old: Server, new: Server, applied: list[str], refused: list[str]) -> Server:
    kept = {}
    for name in (each.name for each in fields(Server)):
        if getattr(old, name) == getattr(new, name):
            continue
        if name in LIVE_SERVER:
            applied.append(f"server.{name}")
        else:
            kept[name] = getattr(old, name)
            refused.append("server.listen" if name in ("host", "port") else f"server.{name}")
    refused[:] = list(dict.fromkeys(refused))
    return replace(new, **kept)


def _computer(
    old: QuantumComputer,
    new: QuantumComputer,
    applied: list[str],
    refused: list[str],
    racks: set[QcId],
) -> QuantumComputer:
    kept = {}
    for name in (each.name for each in fields(QuantumComputer)):
        if name in _NO_MATTER | _FROM_FILES or getattr(old, name) == getattr(new, name):
            continue
        where = f"quantum_computers.{old.alias}.{name.removesuffix('_path')}"
        if name in _RACK:
            racks.add(old.id)
            applied.append(where)
        elif name in ("timeslots", "care"):
            applied.append(where)
        else:
            kept[name] = getattr(old, name)
            refused.append(where)
    return replace(new, **kept)
