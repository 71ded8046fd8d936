"""What the circuit compiler knows of a quantum computer: chip, wiring, calibration, and one clock.

Seconds become samples here and nowhere else; what is off the grid is refused with both numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from labd.core.compile_findings import MAX_WAVEFORM_SAMPLES
from labd.core.gate_data import ObservedValues
from labd.core.rig import RigLimits
from labd.core.station_description import Chip
from labd.core.wiring import ChannelKind, ControllerChannel, Wiring

# Durations are meant to be on the grid when they are this close to it, in samples: 4e-8 s * 2e9 Hz
# is 80.00000000000001.
_TOLERANCE_SAMPLES = 0.005
_FOREVER_SAMPLES = 2.0**62


@dataclass(frozen=True, slots=True)
class CircuitStation:
    """Everything that circuits are compiled against."""

    chip: Chip
    wiring: Wiring
    limits: RigLimits
    observations: ObservedValues


class Rack:
    """The station's channels by what they do, and its clock.

    grid_samples: every instruction of every channel may start at its multiples.
    shortest_gap_samples: the shortest silence that every channel can play.
    """

    def __init__(self, station: CircuitStation) -> None:
        self.wiring = station.wiring
        self.limits = station.limits
        self._by_component: dict[tuple[str, ChannelKind], ControllerChannel] = {
            (channel.component, channel.kind): channel
            for channel in station.wiring.channels.values()
        }
        self.qubits = frozenset(station.chip.qubits)
        self._order = {name: place for place, name in enumerate(station.chip.qubits)}
        self._couplers: Mapping[frozenset[str], str] = {
            frozenset(ends): name for name, ends in station.chip.couplers.items() if len(ends) == 2
        }
        self._probe_lines: Mapping[str, str] = {
            qubit: name for name, ends in station.chip.probe_lines.items() for qubit in ends
        }
        channels = station.wiring.channels.values()
        self.rate_hz = max((channel.sample_rate_hz for channel in channels), default=1.0)
        self.grid_samples = math.lcm(*(channel.granularity_samples for channel in channels))
        longest_minimum = max((channel.min_samples for channel in channels), default=0)
        self.shortest_gap_samples = self.on_grid(longest_minimum)

    def in_order(self, qubits: set[str] | frozenset[str]) -> tuple[str, ...]:
        """Qubits in the chip's order."""
        return tuple(sorted(qubits, key=self._order.__getitem__))

    def drive(self, qubit: str) -> ControllerChannel | None:
        """The channel that rotates a qubit."""
        return self._by_component.get((qubit, ChannelKind.IQ))

    def flux(self, component: str) -> ControllerChannel | None:
        """The channel that plays flux pulses on a coupler or qubit."""
        return self._by_component.get((component, ChannelKind.REAL))

    def readout(self, qubit: str) -> ControllerChannel | None:
        """The channel of the qubit's probe line."""
        line = self._probe_lines.get(qubit)
        return None if line is None else self._by_component.get((line, ChannelKind.READOUT))

    def coupler(self, one: str, other: str) -> str | None:
        """The coupler between two qubits."""
        return self._couplers.get(frozenset((one, other)))

    def neighbours(self, qubit: str) -> tuple[str, ...]:
        """The qubits that a coupler joins to this one, in the chip's order."""
        joined = {end for ends in self._couplers if qubit in ends for end in ends} - {qubit}
        return self.in_order(joined & self.qubits)

    def rounded_up(self, duration_s: float) -> int:
        """Samples of at least this long, on the grid."""
        exact = min(duration_s * self.rate_hz, _FOREVER_SAMPLES)
        return self.on_grid(math.ceil(exact - _TOLERANCE_SAMPLES))

    def idle_samples(self, duration_s: float) -> int:
        """Samples of idling for at least this long that every channel can play; 0 stays 0."""
        n_samples = self.rounded_up(duration_s)
        return max(n_samples, self.shortest_gap_samples) if n_samples else 0

    def on_grid(self, n_samples: int) -> int:
        """The first multiple of the grid from n_samples on."""
        return -(-n_samples // self.grid_samples) * self.grid_samples

    def occupied(self, duration_samples: int, channel: ControllerChannel) -> int:
        """How long a channel is taken by an instruction: up to the grid, and if that leaves a rest
        which is too short for silence of its own, further on.
        """
        n_samples = self.on_grid(duration_samples)
        if 0 < n_samples - duration_samples < channel.min_samples:
            n_samples = self.on_grid(duration_samples + channel.min_samples)
        return n_samples

    def seconds(self, n_samples: int) -> float:
        """How long so many samples take."""
        return n_samples / self.rate_hz


def whole_samples(duration_s: float, rate_hz: float) -> int | None:
    """A duration in samples; None where it is no whole number of them."""
    exact = min(duration_s * rate_hz, _FOREVER_SAMPLES)
    n_samples = round(exact)
    return n_samples if abs(exact - n_samples) <= _TOLERANCE_SAMPLES else None


def window_samples(
    duration_s: float, channel: ControllerChannel, name: str, mistakes: list[str]
) -> int:
    """A duration of a waveform in samples, wherever it ends; 1 and a mistake where it has none."""
    n_samples = whole_samples(duration_s, channel.sample_rate_hz)
    exact = duration_s * channel.sample_rate_hz
    if exact > MAX_WAVEFORM_SAMPLES:
        mistakes.append(_too_long(name, duration_s, exact))
        return 1
    if n_samples is None or n_samples < 1:
        mistakes.append(
            f"{name} is {duration_s:.12g} s, {exact:.9g} samples of {channel.name}; "
            "it is a whole number of at least 1"
        )
        return 1
    return n_samples


def _too_long(name: str, duration_s: float, exact: float) -> str:
    return (
        f"{name} is {duration_s:.6g} s, {exact:.6g} samples; "
        f"a pulse has at most {MAX_WAVEFORM_SAMPLES}"
    )


def instruction_samples(
    duration_s: float, channel: ControllerChannel, name: str, mistakes: list[str]
) -> int:
    """A duration that a channel can play, in samples; 0 and a mistake where it cannot."""
    n_samples = whole_samples(duration_s, channel.sample_rate_hz)
    exact = duration_s * channel.sample_rate_hz
    step, least = channel.granularity_samples, channel.min_samples
    if exact > MAX_WAVEFORM_SAMPLES:
        mistakes.append(_too_long(name, duration_s, exact))
        return 0
    if n_samples is None or n_samples % step or n_samples < least:
        mistakes.append(
            f"{name} is {duration_s:.12g} s, {exact:.9g} samples of {channel.name}; "
            f"it plays multiples of {step} from {least} samples on "
            f"({step / channel.sample_rate_hz:.6g} s and {least / channel.sample_rate_hz:.6g} s)"
        )
        return 0
    return n_samples
