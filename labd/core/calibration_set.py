"""What a calibration set must hold for the gates that a station claims, and how two differ. Pure.

A station claims what its wiring reaches: PRX on every qubit with a drive channel, readout on every
qubit of a probe line with a readout channel, CZ on every coupler with a flux channel. For each of
these one implementation must be calibrated, and none by halves: compilers take the first that they
find begun. measure_fidelity and reset_wait may be absent; if one qubit has them, all must.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from labd.core.errors import Problem
from labd.core.observations import Observations
from labd.core.station_description import Chip
from labd.core.wiring import ChannelKind, Wiring

_DRAG = ("duration", "full_width", "amplitude_i", "amplitude_q")
_READOUT = (
    "duration",
    "integration_length",
    "frequency",
    "phase",
    "amplitude_i",
    "amplitude_q",
    "integration_threshold",
    "acquisition_delay",
)
_OWN = "rz.<own>"
"""Stands for one parameter per component of the locus."""

REQUIRED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "prx": {
        "drag_crf": _DRAG,
        "drag_gaussian": _DRAG,
        "drag_crf_sx": (*_DRAG, "rz_before", "rz_after"),
    },
    "cz": {
        "crf": (
            "duration",
            "coupler.full_width",
            "coupler.rise_time",
            "coupler.amplitude",
            _OWN,
        )
    },
    "measure": {"constant": _READOUT},
    "measure_fidelity": {"constant": _READOUT},
    "reset_wait": {"reset_wait": ("duration",)},
}
"""Gate -> implementation -> parameters without which it cannot be played. An implementation that
does not stand here is taken as it is."""

_WHOLE = ("measure_fidelity", "reset_wait")


@dataclass(frozen=True, slots=True)
class Claims:
    """What a station can do once it is calibrated.

    settings: paths of observations that settings of the station are made from.
    gates: gate -> loci.
    """

    settings: tuple[str, ...]
    gates: Mapping[str, tuple[tuple[str, ...], ...]]


def claims_of(chip: Chip, wiring: Wiring) -> Claims:
    """What the wiring reaches of the chip."""

    def wired(kind: ChannelKind) -> set[str]:
        return {each.component for each in wiring.channels.values() if each.kind is kind}

    drives, fluxes, lines = (
        wired(ChannelKind.IQ),
        wired(ChannelKind.REAL),
        wired(ChannelKind.READOUT),
    )
    read = {end for line in lines for end in chip.probe_lines.get(line, ())}
    return Claims(
        settings=(
            "controllers.options.end_delay",
            *(f"controllers.{line}.readout.center_frequency" for line in sorted(lines)),
            *(
                f"controllers.{setting.replace('__', '.', 1)}"
                for setting, route in wiring.settings.items()
                if not route.is_switch and setting.endswith(("__flux.voltage", "__drive.frequency"))
            ),
        ),
        gates={
            "prx": tuple((qubit,) for qubit in chip.qubits if qubit in drives),
            "measure": tuple((qubit,) for qubit in chip.qubits if qubit in read),
            "cz": tuple(
                ends
                for coupler, ends in chip.couplers.items()
                if coupler in fluxes and len(ends) == 2
            ),
        },
    )


def missing(observations: Observations, claims: Claims) -> tuple[Problem, ...]:
    """What the set lacks, each with its gate and locus; empty when it is complete."""
    begun = _begun(observations)
    problems = [
        Problem(path, what)
        for path in claims.settings
        if (what := _why_unusable(observations, path)) is not None
    ]
    for gate, loci in claims.gates.items():
        for locus in loci:
            problems += _gate_mistakes(observations, begun, gate, locus)
    for gate in _WHOLE:
        if any(name == gate for name, _ in begun):
            for locus in claims.gates["measure"]:
                problems += _gate_mistakes(observations, begun, gate, locus)
    return tuple(problems)


def _begun(observations: Observations) -> dict[tuple[str, str], tuple[str, ...]]:
    """(gate, locus) -> implementations that have an observation at all."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for path in observations:
        parts = path.split(".")
        if parts[0] == "gates" and len(parts) >= 5:
            found.setdefault((parts[1], parts[3]), {})[parts[2]] = None
    return {key: tuple(names) for key, names in found.items()}


def _gate_mistakes(
    observations: Observations,
    begun: Mapping[tuple[str, str], tuple[str, ...]],
    gate: str,
    locus: tuple[str, ...],
) -> Iterator[Problem]:
    known = REQUIRED[gate]
    orders = {"__".join(locus): locus, "__".join(locus[::-1]): locus[::-1]}
    there = [(text, name) for text in orders for name in begun.get((gate, text), ())]
    if not there:
        needs = " or ".join(f"{name} ({', '.join(names)})" for name, names in known.items())
        yield Problem(f"{gate} on {'__'.join(locus)}", f"nothing is calibrated; it needs {needs}")
    for text, name in there:
        for parameter in _parameters(known.get(name, ()), locus):
            what = _why_unusable(observations, f"gates.{gate}.{name}.{text}.{parameter}")
            if what is not None:
                yield Problem(f"{gate} on {text}, {name}, {parameter}", what)


def _parameters(required: tuple[str, ...], locus: tuple[str, ...]) -> Iterator[str]:
    for parameter in required:
        if parameter == _OWN:
            yield from (f"rz.{component}" for component in locus)
        else:
            yield parameter


def _why_unusable(observations: Observations, path: str) -> str | None:
    """Why there is no number to be had at a path, or None."""
    observation = observations.get(path)
    if observation is None:
        return "missing"
    if observation.get("invalid") is True:
        return "it is marked invalid"
    value = observation.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "its value is no number"
    return None


# ---- differences


@dataclass(frozen=True, slots=True)
class ObservationChange:
    """An observation that differs, each side as JSON text; None where a set does not have it."""

    path: str
    old_json: str | None
    new_json: str | None


def diff(old: Observations, new: Observations) -> tuple[ObservationChange, ...]:
    """What differs from one set to another, units and uncertainties included, by path."""
    changes = []
    for path in sorted(old.keys() | new.keys()):
        before, after = _text_of(old, path), _text_of(new, path)
        if before != after:
            changes.append(ObservationChange(path, before, after))
    return tuple(changes)


def _text_of(observations: Observations, path: str) -> str | None:
    observation = observations.get(path)
    return None if observation is None else json.dumps(observation, sort_keys=True)
