"""What a station has, as labd tells it: qubits, gates, instruments. For fixtures and markers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from labd.client import Client


@dataclass(frozen=True, slots=True)
class StationFacts:
    """A station. gates: loci such as ``QB1`` or ``QB1__QB3`` by gate, as they are calibrated.

    instruments: models by name. rack: simulated or hardware; empty where labd was there before.
    """

    alias: str
    rack: str
    qubits: tuple[str, ...]
    couplers: tuple[str, ...]
    probe_lines: tuple[str, ...]
    gates: Mapping[str, frozenset[str]]
    instruments: Mapping[str, str]

    def lacks_qubits(self, needed: tuple[str | int, ...]) -> str:
        """Why a test that needs these qubits, or so many, cannot run here; empty: it can."""
        missing = [str(each) for each in needed if isinstance(each, str)]
        missing = [each for each in missing if each not in self.qubits]
        n_needed = max((each for each in needed if isinstance(each, int)), default=0)
        if missing:
            return f"{self.alias} has no qubit {', '.join(missing)}"
        if n_needed > len(self.qubits):
            return f"{self.alias} has {len(self.qubits)} qubits; {n_needed} are needed"
        return ""

    def lacks_gates(self, needed: tuple[str, ...]) -> str:
        """As `lacks_qubits`; a gate is ``cz``, or ``cz QB1 QB3`` at a locus, in either order."""
        missing = [each for each in needed if not self._has_gate(*each.split())]
        return f"{self.alias} has no calibrated {', '.join(missing)}" if missing else ""

    def lacks_instruments(self, needed: tuple[str, ...]) -> str:
        """As `lacks_qubits`; an instrument is its name in the station, or a model."""
        there = {*self.instruments, *self.instruments.values()}
        missing = [each for each in needed if each not in there]
        return f"the rack of {self.alias} has no {', '.join(missing)}" if missing else ""

    def _has_gate(self, gate: str, *qubits: str) -> bool:
        loci = self.gates.get(gate, frozenset())
        wanted = {"__".join(qubits), "__".join(reversed(qubits))}
        return bool(loci if not qubits else loci & wanted)


def station_facts(client: Client, rack: str) -> StationFacts:
    """Ask labd. Raises ClientError."""
    configuration = json.loads(client.resource("configuration"))
    channels = [str(name) for name in configuration["channels"]]
    qubits = _components(channels, "__drive")
    gates: dict[str, set[str]] = {}
    for path in _observations(client):
        area, *rest = path.split(".")
        if area == "gates" and len(rest) >= 3:
            gate, _, locus = rest[:3]
            gates.setdefault(gate, set()).add(locus)
    return StationFacts(
        alias=str(configuration["alias"]),
        rack=rack,
        qubits=qubits,
        couplers=tuple(each for each in _components(channels, "__flux") if each not in qubits),
        probe_lines=_components(channels, "__readout"),
        gates={gate: frozenset(loci) for gate, loci in gates.items()},
        instruments=dict(client.rack().instruments),
    )


def _observations(client: Client) -> tuple[str, ...]:
    from labd.client import NotFound

    try:
        return tuple(client.calibration().observations)
    except NotFound:
        return ()


def _components(channels: list[str], kind: str) -> tuple[str, ...]:
    found = (name.partition(kind)[0] for name in channels if kind in name)
    return tuple(dict.fromkeys(found))
