"""The truth about the chip, its lines and their cabling, as frozen values read from chip.toml.

Frequencies in the file are in Hz; rates in rad/s; biases and waveforms in volts at the
instruments' outputs, so that attenuation is part of the rates.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from labd.core.errors import BadFile, Problem

TomlTable = Mapping[str, "TomlValue"]
TomlValue = str | int | float | bool | list["TomlValue"] | Mapping[str, "TomlValue"]

N_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Resonator:
    """A qubit's readout resonator, seen in transmission through the probe line.

    levels_hz: resonance with the qubit in |0>, |1>, |2>. linewidth_hz: kappa / 2 pi.
    line_gain: complex volts at the digitizer per volt at the AWG when the probe is resonant.
    """

    levels_hz: tuple[float, float, float]
    linewidth_hz: float
    line_gain: complex


@dataclass(frozen=True, slots=True)
class Qubit:
    """A transmon of three levels with its drive line, bias line and resonator.

    drive_i, drive_q: AWG outputs; source: the vector source they modulate; bias: the bias source.
    frequency_hz: |0>-|1> transition at `parked_bias_v`, where it is stationary in the bias.
    bias_period_v: one flux quantum in volts. anharmonicity_hz: of |1>-|2>, negative.
    drive_rad_per_s_v: Rabi rate per volt of AWG output at `nominal_power_dbm`.
    is_q_inverted: the Q cable runs to the modulator's inverted input, so that a sample's rotation
        exp(+i 2 pi f t) puts the tone below the carrier.
    """

    name: str
    drive_i: str
    drive_q: str
    source: str
    bias: str
    frequency_hz: float
    anharmonicity_hz: float
    parked_bias_v: float
    bias_period_v: float
    drive_rad_per_s_v: float
    nominal_power_dbm: float
    is_q_inverted: bool
    t1_s: float
    t2_s: float
    thermal_population: float
    resonator: Resonator

    def frequency_at(self, bias_v: float) -> float:
        """Transition frequency in Hz of a symmetric transmon (Koch et al. 2007)."""
        charging_hz = -self.anharmonicity_hz
        flux = (bias_v - self.parked_bias_v) / self.bias_period_v
        plasma_hz = (self.frequency_hz + charging_hz) * math.sqrt(abs(math.cos(math.pi * flux)))
        return plasma_hz - charging_hz


@dataclass(frozen=True, slots=True)
class Coupler:
    """A tunable coupler: its flux shifts both qubits and their conditional energy.

    With v the flux in volts at the AWG (pulse plus bias_lever * (bias - parked_bias_v)):
    H = v^2 (shift_a n_a + shift_b n_b + conditional n_a n_b), rates in rad/s per V^2.
    """

    name: str
    qubits: tuple[str, str]
    flux: str
    bias: str
    parked_bias_v: float
    bias_lever: float
    conditional_rad_per_s_v2: float
    shift_rad_per_s_v2: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ProbeLine:
    """The common feed and output of all resonators.

    delay_samples: from the AWG outputs to the digitizer's inputs.
    noise_v: standard deviation of one sample of one quadrature.
    photons_per_v2: resonator photons per squared volt of a resonant tone.
    """

    name: str
    in_i: str
    in_q: str
    source: str
    nominal_power_dbm: float
    delay_samples: int
    noise_v: float
    photons_per_v2: float


@dataclass(frozen=True, slots=True)
class Chip:
    """Everything between the instruments' outputs and the digitizer's inputs."""

    qubits: tuple[Qubit, ...]
    couplers: tuple[Coupler, ...]
    probe_line: ProbeLine

    def index_of(self, qubit: str) -> int:
        """Place of a qubit in `qubits`."""
        return next(place for place, item in enumerate(self.qubits) if item.name == qubit)


class _Reader:
    """Reads typed keys out of TOML tables and collects every mistake."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def _take(self, table: TomlTable, where: str, key: str) -> TomlValue | None:
        if key not in table:
            self.problems.append(Problem(where, f"{key} is missing"))
            return None
        return table[key]

    def table(self, table: TomlTable, where: str, key: str) -> TomlTable:
        value = self._take(table, where, key)
        if isinstance(value, Mapping):
            return value
        if value is not None:
            self.problems.append(Problem(f"{where}.{key}", "must be a table"))
        return {}

    def text(self, table: TomlTable, where: str, key: str) -> str:
        value = self._take(table, where, key)
        if isinstance(value, str):
            return value
        if value is not None:
            self.problems.append(Problem(f"{where}.{key}", f"must be a string, not {value!r}"))
        return ""

    def flag(self, table: TomlTable, where: str, key: str) -> bool:
        value = self._take(table, where, key)
        if isinstance(value, bool):
            return value
        if value is not None:
            self.problems.append(Problem(f"{where}.{key}", f"must be true or false, not {value!r}"))
        return False

    def number(self, table: TomlTable, where: str, key: str, *, is_positive: bool = False) -> float:
        value = self._take(table, where, key)
        if value is None:
            return 1.0
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            self.problems.append(Problem(f"{where}.{key}", f"must be a number, not {value!r}"))
            return 1.0
        if is_positive and value <= 0:
            self.problems.append(Problem(f"{where}.{key}", f"must be above 0, not {value!r}"))
            return 1.0
        return float(value)

    def numbers(self, table: TomlTable, where: str, key: str, count: int) -> tuple[float, ...]:
        value = self._take(table, where, key)
        if isinstance(value, list) and len(value) == count:
            good = [float(v) for v in value if isinstance(v, int | float) and math.isfinite(v)]
            if len(good) == count:
                return tuple(good)
        if value is not None:
            self.problems.append(Problem(f"{where}.{key}", f"must be {count} numbers"))
        return (1.0,) * count

    def qubit(self, name: str, table: TomlTable) -> Qubit:
        where = f"qubits.{name}"
        t1_s = self.number(table, where, "t1_s", is_positive=True)
        t2_s = self.number(table, where, "t2_s", is_positive=True)
        thermal = self.number(table, where, "thermal_population")
        if not 0.0 <= thermal < 0.3:
            self.problems.append(
                Problem(f"{where}.thermal_population", f"must be in [0, 0.3), not {thermal}")
            )
            thermal = 0.0
        if t2_s > 2.0 * t1_s * (1.0 - thermal):
            self.problems.append(
                Problem(f"{where}.t2_s", f"{t2_s} is longer than relaxation allows (2 t1_s)")
            )
        return Qubit(
            name=name,
            drive_i=self.text(table, where, "drive_i"),
            drive_q=self.text(table, where, "drive_q"),
            source=self.text(table, where, "source"),
            bias=self.text(table, where, "bias"),
            frequency_hz=self.number(table, where, "frequency_hz", is_positive=True),
            anharmonicity_hz=self.number(table, where, "anharmonicity_hz"),
            parked_bias_v=self.number(table, where, "parked_bias_v"),
            bias_period_v=self.number(table, where, "bias_period_v", is_positive=True),
            drive_rad_per_s_v=self.number(table, where, "drive_rad_per_s_v", is_positive=True),
            nominal_power_dbm=self.number(table, where, "nominal_power_dbm"),
            is_q_inverted=self.flag(table, where, "is_q_inverted"),
            t1_s=t1_s,
            t2_s=t2_s,
            thermal_population=thermal,
            resonator=self.resonator(f"{where}.resonator", self.table(table, where, "resonator")),
        )

    def resonator(self, where: str, table: TomlTable) -> Resonator:
        ground, first, second = self.numbers(table, where, "levels_hz", N_LEVELS)
        real, imag = self.numbers(table, where, "line_gain", 2)
        return Resonator(
            levels_hz=(ground, first, second),
            linewidth_hz=self.number(table, where, "linewidth_hz", is_positive=True),
            line_gain=complex(real, imag),
        )

    def coupler(self, name: str, table: TomlTable, qubits: tuple[str, ...]) -> Coupler:
        where = f"couplers.{name}"
        pair = table.get("qubits")
        if (
            not isinstance(pair, list)
            or len(pair) != 2
            or pair[0] == pair[1]
            or any(item not in qubits for item in pair)
        ):
            self.problems.append(
                Problem(f"{where}.qubits", f"must be two of {', '.join(qubits)}, not {pair!r}")
            )
            pair = ["", ""]
        shift_a, shift_b = self.numbers(table, where, "shift_rad_per_s_v2", 2)
        return Coupler(
            name=name,
            qubits=(str(pair[0]), str(pair[1])),
            flux=self.text(table, where, "flux"),
            bias=self.text(table, where, "bias"),
            parked_bias_v=self.number(table, where, "parked_bias_v"),
            bias_lever=self.number(table, where, "bias_lever"),
            conditional_rad_per_s_v2=self.number(table, where, "conditional_rad_per_s_v2"),
            shift_rad_per_s_v2=(shift_a, shift_b),
        )

    def probe_line(self, name: str, table: TomlTable) -> ProbeLine:
        where = f"probe_lines.{name}"
        return ProbeLine(
            name=name,
            in_i=self.text(table, where, "in_i"),
            in_q=self.text(table, where, "in_q"),
            source=self.text(table, where, "source"),
            nominal_power_dbm=self.number(table, where, "nominal_power_dbm"),
            delay_samples=int(self.number(table, where, "delay_samples")),
            noise_v=self.number(table, where, "noise_v"),
            photons_per_v2=self.number(table, where, "photons_per_v2", is_positive=True),
        )


def _tables_of(table: TomlTable) -> list[tuple[str, TomlTable]]:
    return [(name, item) for name, item in table.items() if isinstance(item, Mapping)]


def read_chip(path: Path) -> Chip:
    """Read chip.toml. Raises BadFile with every mistake."""
    reader = _Reader()
    try:
        tree: TomlTable = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFile(str(path), (Problem("", str(error)),)) from error
    qubits = tuple(
        reader.qubit(name, table) for name, table in _tables_of(reader.table(tree, "", "qubits"))
    )
    names = tuple(qubit.name for qubit in qubits)
    couplers = tuple(
        reader.coupler(name, table, names)
        for name, table in _tables_of(reader.table(tree, "", "couplers"))
    )
    lines = [
        reader.probe_line(name, table)
        for name, table in _tables_of(reader.table(tree, "", "probe_lines"))
    ]
    if len(lines) != 1:
        reader.problems.append(Problem("probe_lines", f"must be one line, not {len(lines)}"))
    if reader.problems:
        raise BadFile(str(path), tuple(reader.problems))
    return Chip(qubits, couplers, lines[0])
