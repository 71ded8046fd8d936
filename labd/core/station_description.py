"""How a rack describes itself to IQM's clients: channels, fields of the chip, architectures. Pure.

Everything is derived from the wiring, the chip design record and the calibration set, so that there
is no second description that could drift. Formats: those that IQM's clients of the gRPC era read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from labd.core.wiring import ChannelKind, ControllerChannel, Wiring

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

PREFERRED_IMPLEMENTATIONS = {
    "prx": ("drag_gaussian", "drag_crf", "drag_crf_sx", "drag_gaussian_sx"),
    "cz": (
        "tgss",
        "tgss_crf",
        "crf_crf",
        "crf",
        "gaussian_smoothed_square",
        "slepian",
        "slepian_crf",
        "crf_acstarkcrf",
        "slepian_acstarkcrf",
    ),
    "measure": ("constant",),
    "measure_fidelity": ("constant",),
    "cc_prx": ("prx_composite", "prx_composite_drag_crf", "prx_composite_drag_gaussian"),
}
"""Which implementation of a gate is the default where several are calibrated, best first.

Those that labd compiles; the order is that of IQM's clients.
"""


@dataclass(frozen=True, slots=True)
class Chip:
    """Components of the chip and which couplers join which qubits, from its design record."""

    qubits: tuple[str, ...]
    couplers: Mapping[str, tuple[str, ...]]
    probe_lines: Mapping[str, tuple[str, ...]]
    resonators: tuple[str, ...]

    @classmethod
    def from_design_record(cls, record: Mapping[str, Json]) -> Chip:
        """Read ``content.components`` of a chip design record (JSON as IQM's clients get it)."""
        components = _child(_child(record, "content"), "components")
        qubits = tuple(name for name, _ in _components(components, "qubit"))
        resonators = tuple(name for name, _ in _components(components, "computational_resonator"))
        ends = {*qubits, *resonators}
        return cls(
            qubits=qubits,
            couplers={
                name: tuple(end for end in connections if end in ends)
                for name, connections in _components(components, "tunable_coupler")
            },
            probe_lines={
                name: tuple(end for end in connections if end in ends)
                for name, connections in _components(components, "probe_line")
            },
            resonators=resonators,
        )


def _child(node: Mapping[str, Json], key: str) -> Mapping[str, Json]:
    child = node.get(key)
    return child if isinstance(child, Mapping) else {}


def _components(components: Mapping[str, Json], kind: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    entries = components.get(kind)
    for entry in entries if isinstance(entries, list | tuple) else ():
        if isinstance(entry, Mapping):
            connections = entry.get("connections")
            names = connections if isinstance(connections, list | tuple) else ()
            yield str(entry["name"]), tuple(str(name) for name in names)


def feedback_sources(wiring: Wiring, *, has_fast_feedback: bool) -> tuple[str, ...]:
    """Readout channels whose bits a drive channel can act upon within a segment."""
    return tuple(sorted(wiring.readouts)) if has_fast_feedback else ()


def channel_properties(wiring: Wiring, *, has_fast_feedback: bool) -> dict[str, dict[str, Json]]:
    """The ``channel-properties`` resource: per channel its grid and what it can play."""
    return {
        name: _properties(wiring, channel, has_fast_feedback)
        for name, channel in wiring.channels.items()
    }


def _properties(
    wiring: Wiring, channel: ControllerChannel, has_fast_feedback: bool
) -> dict[str, Json]:
    properties: dict[str, Json] = {
        "sampling_rate": channel.sample_rate_hz,
        "instruction_duration_granularity": channel.granularity_samples,
        "instruction_duration_min": channel.min_samples,
        "compatible_instructions": list(channel_instructions(channel, has_fast_feedback)),
    }
    if channel.kind is ChannelKind.READOUT:
        readout = wiring.readouts[channel.name]
        properties["integration_start_dead_time"] = readout.integration_start_dead_time_samples
        properties["integration_stop_dead_time"] = readout.integration_stop_dead_time_samples
        return properties
    sources = feedback_sources(wiring, has_fast_feedback=has_fast_feedback)
    is_iq = channel.kind is ChannelKind.IQ
    properties["fast_feedback_sources"] = list(sources) if is_iq else []
    properties["local_oscillator"] = channel.local_oscillator is not None
    properties["mixer_correction"] = False
    return properties


def channel_instructions(channel: ControllerChannel, has_fast_feedback: bool) -> tuple[str, ...]:
    """What a channel can play, by IQM's names."""
    can_branch = has_fast_feedback and channel.kind is ChannelKind.IQ
    branch = ("ConditionalInstruction",) if can_branch else ()
    return tuple(dict.fromkeys(channel.compatible_instructions + branch))


def dut_fields(units: Mapping[str, str]) -> list[dict[str, str]]:
    """The ``dut-fields`` resource: every observation's path and unit, in the set's order."""
    return [{"path": path, "unit": unit} for path, unit in units.items()]


def static_architecture(chip: Chip, dut_label: str) -> dict[str, Json]:
    """Qubits and which of them a coupler joins, as ``GET api/v1/quantum-architecture`` gives it."""
    return {
        "dut_label": dut_label,
        "qubits": list(chip.qubits),
        "computational_resonators": list(chip.resonators),
        "connectivity": [list(ends) for ends in chip.couplers.values() if len(ends) == 2],
    }


def dynamic_architecture(
    chip: Chip, calibration_set_id: str, observation_paths: Sequence[str]
) -> dict[str, Json]:
    """Gates, implementations and loci for which the calibration set has observations.

    observation_paths: e.g. ``gates.prx.drag_crf.QB1.amplitude_i``; loci of two components are
    written ``QB1__QB3``.
    """
    calibrated: dict[str, dict[str, list[list[str]]]] = {}
    for path in observation_paths:
        parts = path.split(".")
        if parts[0] != "gates" or len(parts) < 5:
            continue
        loci = calibrated.setdefault(parts[1], {}).setdefault(parts[2], [])
        locus = parts[3].split("__")
        if locus not in loci:
            loci.append(locus)
    return {
        "calibration_set_id": calibration_set_id,
        "qubits": list(chip.qubits),
        "computational_resonators": list(chip.resonators),
        "gates": {
            gate: {
                "implementations": {name: {"loci": loci} for name, loci in implementations.items()},
                "default_implementation": _default_of(gate, tuple(implementations)),
                "override_default_implementation": {},
            }
            for gate, implementations in calibrated.items()
        },
    }


def _default_of(gate: str, implementations: tuple[str, ...]) -> str:
    for name in PREFERRED_IMPLEMENTATIONS.get(gate, ()):
        if name in implementations:
            return name
    return implementations[0]
