"""How the instruments that labd knows are told, and asked for, the parameters that matter here.

By the driver's class in the station file; parameters by their path in the driver. Instruments that
do not stand here need `write` and `query` in the wiring file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

TEKTRONIX_AWG_OUTPUTS = 8


@dataclass(frozen=True, slots=True)
class Condition:
    """An answer that a query must begin with: in another state a value would mean another thing.

    write: what brings it about, sent first; "" where only a person may.
    """

    query: str
    start: str
    write: str = ""


@dataclass(frozen=True, slots=True)
class Commands:
    """One parameter. write: with ``{}`` for the value. condition: what must hold before."""

    write: str
    query: str
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of instrument. first: brought about before any of its parameters."""

    parameters: Mapping[str, Commands]
    first: tuple[Condition, ...] = ()


_NOTHING: Mapping[str, Commands] = MappingProxyType({})
UNKNOWN = Dialect(_NOTHING)

_VOLTS = Condition(":SOUR:FUNC?", "VOLT")
_AMPERES = Condition(":SOUR:FUNC?", "CURR")

_YOKOGAWA_GS200 = Dialect(
    {
        "voltage": Commands(":SOUR:LEV {}", ":SOUR:LEV?", _VOLTS),
        "current": Commands(":SOUR:LEV {}", ":SOUR:LEV?", _AMPERES),
        "output": Commands(":OUTP {}", ":OUTP?"),
    }
)
_ROHDE_SCHWARZ_SGS100A = Dialect(
    {
        "status": Commands(":OUTP:STAT {}", ":OUTP:STAT?"),
        "power": Commands(":SOUR:POW {}", ":SOUR:POW?"),
        "frequency": Commands(":SOUR:FREQ {}", ":SOUR:FREQ?"),
        "IQ_state": Commands(":SOUR:IQ:STAT {}", ":SOUR:IQ:STAT?"),
    }
)
_TEKTRONIX_AWG = Dialect(
    {
        f"ch{number}.{name}": commands
        for number in range(1, TEKTRONIX_AWG_OUTPUTS + 1)
        for name, commands in (
            ("state", Commands(f"OUTP{number}:STAT {{}}", f"OUTP{number}:STAT?")),
            ("awg_amplitude", Commands(f"SOUR{number}:VOLT {{}}", f"SOUR{number}:VOLT?")),
        )
    },
    first=(Condition("AWGC:RST?", "0", write="AWGC:STOP"),),
)

_DIALECTS: Mapping[str, Dialect] = {
    "YokogawaGS200": _YOKOGAWA_GS200,
    "GS200": _YOKOGAWA_GS200,
    "RohdeSchwarzSGS100A": _ROHDE_SCHWARZ_SGS100A,
    "RohdeSchwarz_SGS100A": _ROHDE_SCHWARZ_SGS100A,
    "TektronixAWG5208": _TEKTRONIX_AWG,
    "TektronixAWG70001A": _TEKTRONIX_AWG,
    "TektronixAWG70002A": _TEKTRONIX_AWG,
}


def dialect_of(driver: str) -> Dialect:
    """By the dotted path of the driver's class."""
    return _DIALECTS.get(driver.rpartition(".")[2], UNKNOWN)
