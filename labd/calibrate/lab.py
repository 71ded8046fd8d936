"""What there is to calibrate: qubits, pairs, lines and grids, from what labd tells every client."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labd.client import Client
from labd.client.tables import Grid
from labd.core.station_description import Chip
from labd.core.wiring import ChannelKind, ControllerChannel

Properties = Mapping[str, Mapping[str, float]]


@dataclass(eq=False)
class UnknownLocus(Exception):
    """A name that is neither a qubit nor a pair that a coupler joins."""

    name: str
    known: tuple[str, ...]

    def __str__(self) -> str:
        """With the names that there are."""
        return f"{self.name} is nothing to calibrate here; there are {', '.join(self.known)}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two qubits that a coupler joins. locus: as observations name it, such as QB1__QB3."""

    locus: str
    qubits: tuple[str, str]
    coupler: str

    def other(self, qubit: str) -> str:
        """The other one of the two."""
        return self.qubits[1] if qubit == self.qubits[0] else self.qubits[0]


@dataclass(frozen=True, slots=True)
class Lab:
    """The chip as far as channels reach it.

    probe_lines: by qubit. drives: the drive channel by qubit. step_s: every delay is a multiple.
    """

    qubits: tuple[str, ...]
    pairs: tuple[Pair, ...]
    probe_lines: Mapping[str, str]
    drives: Mapping[str, ControllerChannel]
    grid: Grid
    step_s: float

    @classmethod
    def of(cls, client: Client) -> Lab:
        """Ask labd."""
        (dut,) = json.loads(client.resource("duts"))
        record = json.loads(client.resource(f"chip-design-records/{dut['label']}"))
        properties: Properties = json.loads(client.resource("channel-properties"))
        return cls.described(Chip.from_design_record(record), properties)

    @classmethod
    def described(cls, chip: Chip, properties: Properties) -> Lab:
        """From the chip's design record and the channels' properties."""
        lines = {
            qubit: line
            for line, ends in chip.probe_lines.items()
            if f"{line}__readout" in properties
            for qubit in ends
        }
        drives = {
            qubit: _drive(qubit, properties[f"{qubit}__drive.awg"])
            for qubit in chip.qubits
            if f"{qubit}__drive.awg" in properties
        }
        qubits = tuple(qubit for qubit in chip.qubits if qubit in lines and qubit in drives)
        pairs = tuple(
            Pair("__".join(ends), (ends[0], ends[1]), coupler)
            for coupler, ends in chip.couplers.items()
            if len(ends) == 2 and set(ends) <= set(qubits) and f"{coupler}__flux.awg" in properties
        )
        grid = Grid.of(properties)
        steps = [int(one["instruction_duration_granularity"]) for one in properties.values()]
        return cls(qubits, pairs, lines, drives, grid, math.lcm(*steps) / grid.sample_rate_hz)

    def on_grid(self, duration_s: float) -> float:
        """The nearest duration that can be played, at least one step."""
        return max(1, round(duration_s / self.step_s)) * self.step_s

    def chosen(self, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[Pair, ...]]:
        """Qubits and pairs that names mean, all where there are none.

        A pair is its locus or its coupler, and means its qubits too; qubits mean the pairs among
        them. Raises UnknownLocus.
        """
        if not names:
            return self.qubits, self.pairs
        found: set[str] = set()
        pairs: set[str] = set()
        for name in names:
            match = [
                p for p in self.pairs if name in (p.locus, "__".join(p.qubits[::-1]), p.coupler)
            ]
            if match:
                pairs.add(match[0].locus)
                found.update(match[0].qubits)
            elif name not in self.qubits:
                raise UnknownLocus(name, (*self.qubits, *(pair.locus for pair in self.pairs)))
        singles = {name for name in names if name in self.qubits}
        pairs |= {pair.locus for pair in self.pairs if singles.issuperset(pair.qubits)}
        found |= singles
        return (
            tuple(qubit for qubit in self.qubits if qubit in found),
            tuple(pair for pair in self.pairs if pair.locus in pairs),
        )


def _drive(qubit: str, properties: Mapping[str, float]) -> ControllerChannel:
    return ControllerChannel(
        name=f"{qubit}__drive.awg",
        kind=ChannelKind.IQ,
        component=qubit,
        outputs=(),
        sample_rate_hz=float(properties["sampling_rate"]),
        granularity_samples=int(properties["instruction_duration_granularity"]),
        min_samples=int(properties["instruction_duration_min"]),
        full_scale_v=1.0,
    )
