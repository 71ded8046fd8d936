"""`simrack.toml`: which instruments the simulated rack has, on which ports, and its cables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from labd.core.errors import BadFile, Problem
from labd_drivers.sim.awg5208 import Awg5208
from labd_drivers.sim.dpo70000 import Dpo70000, ScopeHardware
from labd_drivers.sim.gs200 import Gs200
from labd_drivers.sim.instrument import Identity, Instrument, Room
from labd_drivers.sim.rack import DigitizerCables
from labd_drivers.sim.sgs100a import Sgs100a
from labd_drivers.sim.shots import MarkerCable

Value = str | int | float | bool | list[float]
Table = dict[str, Value]
_MARKER = re.compile(r"(\w+)\.ch(\d)\.m(\d)")
_OUTPUT = re.compile(r"\w+\.ch[1-9]\d*")
_INPUT = re.compile(r"(\w+)\.ch(\d)")
_COMMON = {"model": str, "port": int, "serial": str, "firmware": str, "options": str}
_MODEL_KEYS: dict[str, dict[str, type]] = {
    "AWG5208": {"waveform_memory_samples": int},
    "DPO70000": {
        "sample_rates_hz": list,
        "record_memory_samples": int,
        "resolution_bits": int,
        "rearm_s": float,
    },
    "SGS100A": {"max_frequency_hz": float},
    "GS200": {},
}
_MAKERS = {
    "AWG5208": ("TEKTRONIX", "AWG5208"),
    "DPO70000": ("TEKTRONIX", "DPO71604C"),
    "SGS100A": ("Rohde&Schwarz", "SGS100A"),
    "GS200": ("YOKOGAWA", "GS210"),
}


@dataclass(frozen=True, slots=True)
class RackFile:
    """What the file says, checked. models: keys of one instrument by its name."""

    instruments: Mapping[str, Table]
    defaults: Mapping[str, Table]
    trigger_cables: Mapping[str, MarkerCable]
    digitizer: DigitizerCables
    control_port: int

    def port_of(self, name: str) -> int:
        """The port of an instrument."""
        return int(_whole(self.instruments[name]["port"]))

    def build(self, room: Room) -> dict[str, Instrument]:
        """New instruments, in the order of the file."""
        return {
            name: _build(name, {**self.defaults.get(str(keys["model"]), {}), **keys}, room)
            for name, keys in self.instruments.items()
        }


@dataclass(slots=True)
class _Reader:
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, where: str, what: str) -> None:
        self.problems.append(Problem(where, what))

    def known(self, where: str, table: Mapping[str, object], keys: set[str]) -> None:
        for key in table.keys() - keys:
            near = get_close_matches(key, keys, n=1)
            hint = f", did you mean {near[0]}?" if near else f"; known: {', '.join(sorted(keys))}"
            self.wrong(where, f"unknown key {key}{hint}")

    def instrument(self, name: str, keys: Table, *, is_default: bool) -> None:
        where = f"defaults.{name}" if is_default else f"instruments.{name}"
        model = name if is_default else str(keys.get("model", ""))
        if model not in _MODEL_KEYS:
            self.wrong(where, f"model {model!r} is none of {', '.join(_MODEL_KEYS)}")
            return
        kinds = {**_COMMON, **_MODEL_KEYS[model]}
        self.known(where, keys, set(kinds))
        for key, value in keys.items():
            kind = kinds.get(key, type(value))
            if not isinstance(value, (int, float) if kind is float else kind):
                self.wrong(f"{where}.{key}", f"{value!r} is not {kind.__name__}")
        for key in ("port", "serial"):
            if not is_default and key not in keys:
                self.wrong(where, f"no {key}")

    def marker(self, where: str, table: Mapping[str, object], names: set[str]) -> MarkerCable:
        text = str(table.get("from", table.get("trigger", "")))
        found = _MARKER.fullmatch(text)
        if found is None or found[1] not in names:
            self.wrong(where, f"{text!r} is no marker output such as awg1.ch1.m1")
            return MarkerCable("", 1, 1)
        latency = table.get("latency_samples", 0)
        if not isinstance(latency, int) or latency < 0:
            self.wrong(f"{where}.latency_samples", f"{latency!r} is no whole number >= 0")
            latency = 0
        return MarkerCable(found[1], int(found[2]), int(found[3]), latency)

    def input(self, where: str, table: Mapping[str, object], names: set[str]) -> tuple[str, int]:
        text = str(table.get(where.rpartition(".")[2], ""))
        found = _INPUT.fullmatch(text)
        if found is None or found[1] not in names:
            self.wrong(where, f"{text!r} is no scope input such as scope.ch1")
            return "", 1
        return found[1], int(found[2])

    def loopbacks(
        self, table: Mapping[str, object], scope: str, taken: set[int], names: set[str]
    ) -> dict[int, str]:
        """scope: "" where it is not known, which has been said."""
        if not scope:
            return {}
        cables: dict[int, str] = {}
        for plug, output in table.items():
            where, found = f"loopbacks.{plug}", _INPUT.fullmatch(plug)
            if found is None or found[1] != scope or int(found[2]) in taken:
                self.wrong(where, f"{plug!r} is no free input of {scope}")
            elif not _OUTPUT.fullmatch(str(output)) or str(output).split(".")[0] not in names:
                self.wrong(where, f"{output!r} is no AWG output such as awg1.ch1")
            else:
                cables[int(found[2])] = str(output)
        return cables


def read_rack_file(path: Path) -> RackFile:
    """Read and check the file. Raises BadFile with all mistakes."""
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadFile(str(path), (Problem("", str(error)),)) from error
    reader = _Reader()
    tables = ("instruments", "defaults", "triggers", "digitizer", "loopbacks")
    reader.known("file", content, {"control_port", *tables})
    parts: dict[str, dict[str, Table]] = {}
    for key in tables[:3]:
        value = content.get(key, {})
        parts[key] = value if isinstance(value, dict) else {}
    for name, keys in parts["defaults"].items():
        reader.instrument(name, keys, is_default=True)
    for name, keys in parts["instruments"].items():
        reader.instrument(name, keys, is_default=False)
    names = set(parts["instruments"])
    cables = {}
    for name, keys in parts["triggers"].items():
        reader.known(f"triggers.{name}", keys, {"from", "latency_samples"})
        if name not in names:
            reader.wrong(f"triggers.{name}", "no such instrument")
        cables[name] = reader.marker(f"triggers.{name}", keys, names)
    digitizer = content.get("digitizer", {})
    reader.known("digitizer", digitizer, {"input_i", "input_q", "trigger"})
    scope, channel_i = reader.input("digitizer.input_i", digitizer, names)
    _, channel_q = reader.input("digitizer.input_q", digitizer, names)
    trigger = reader.marker("digitizer.trigger", digitizer, names)
    loopbacks = reader.loopbacks(content.get("loopbacks", {}), scope, {channel_i, channel_q}, names)
    if reader.problems:
        raise BadFile(str(path), tuple(reader.problems))
    return RackFile(
        instruments=parts["instruments"],
        defaults=parts["defaults"],
        trigger_cables=cables,
        digitizer=DigitizerCables(scope, channel_i, channel_q, trigger, loopbacks),
        control_port=int(content.get("control_port", 0)),
    )


def _build(name: str, keys: Table, room: Room) -> Instrument:
    model = str(keys["model"])
    manufacturer, sold_as = _MAKERS[model]
    identity = Identity(
        manufacturer,
        sold_as,
        str(keys["serial"]),
        str(keys.get("firmware", "1.0.0")),
        str(keys.get("options", "0")),
    )
    match model:
        case "AWG5208":
            memory = _whole(keys.get("waveform_memory_samples", 128_000_000))
            return Awg5208(name, identity, room, waveform_memory_samples=memory)
        case "DPO70000":
            return Dpo70000(name, identity, room, _scope_hardware(keys))
        case "SGS100A":
            limit = _number(keys.get("max_frequency_hz", 12.75e9))
            return Sgs100a(name, identity, room, max_frequency_hz=limit)
        case _:
            return Gs200(name, identity, room)


def _scope_hardware(keys: Table) -> ScopeHardware:
    rates = keys.get("sample_rates_hz", [2.0e9])
    return ScopeHardware(
        sample_rates_hz=tuple(map(float, rates)) if isinstance(rates, list) else (),
        record_memory_samples=_whole(keys.get("record_memory_samples", 62_500_000)),
        n_bits=_whole(keys.get("resolution_bits", 8)),
        rearm_s=_number(keys.get("rearm_s", 250e-9)),
    )


def _number(value: Value) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _whole(value: Value) -> int:
    return value if isinstance(value, int) else 0
