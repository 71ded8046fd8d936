"""The settings that a circuit job plays under: what the calibration set says of the controllers.

``controllers.<component>.<setting>`` becomes ``<component>__<setting>``. Qubits that no circuit
uses keep only their flux, because it decides what their neighbours see; couplers and probe lines
are always set. Every channel that can be played is switched on.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from labd.core.compile_settings import BINS, END_DELAY, REPEATS
from labd.core.gate_data import ObservationValue, ObservedValues
from labd.core.station_description import Chip
from labd.core.sweep import SettingDatum, Unusable
from labd.core.wiring import ChannelKind, Wiring

_DRIVE_SWITCHES = ("drive.status", "drive.awg.status", "drive.local_oscillator.status")


def settings_of_circuits(
    observations: ObservedValues, chip: Chip, wiring: Wiring, used: Set[str], n_shots: int
) -> dict[str, SettingDatum]:
    """Settings by name. used: physical qubits of the circuits."""
    settings: dict[str, SettingDatum] = {REPEATS: n_shots, BINS: n_shots}
    unused = set(chip.qubits) - used
    for name, value in observations.items():
        head, _, rest = name.partition(".")
        if head != "controllers":
            continue
        component, _, setting = rest.partition(".")
        if component == "options":
            settings[f"options.{setting}"] = _datum(value)
        elif component not in unused or setting == "flux.voltage":
            settings[f"{component}__{setting}"] = _datum(value)
    for qubit in chip.qubits:
        if qubit in used:
            settings |= {f"{qubit}__{switch}": True for switch in _DRIVE_SWITCHES}
    for channel in wiring.channels.values():
        if channel.kind is ChannelKind.REAL and channel.component not in unused:
            settings[f"{channel.component}__flux.awg.status"] = True
        elif channel.kind is ChannelKind.READOUT:
            settings[f"{channel.component}__readout.local_oscillator.status"] = True
    settings.setdefault(END_DELAY, 0.0)
    return settings


def _datum(value: ObservationValue) -> SettingDatum:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case complex():
            return Unusable("a complex number")
        case Sequence():
            return Unusable("a list")
        case _:
            return Unusable("an array")
