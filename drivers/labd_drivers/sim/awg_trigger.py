"""The trigger inputs of an AWG: level, slope and impedance of A and of B.

Each command takes the input as an optional last parameter; without it, it means A.
"""

from __future__ import annotations

from labd_drivers.sim.instrument import Instrument
from labd_drivers.sim.scpi import ScpiError
from labd_drivers.sim.tree import Call

_INPUTS = ("ATRigger", "BTRigger")
_SLOPES = ("POSitive", "NEGative")
_DEFAULT_LEVEL_V, _DEFAULT_IMPEDANCE_OHM = 0.5, 50.0
_MAX_LEVEL_V = 5.0
_IMPEDANCES_OHM = (50.0, 1000.0)


class TriggerInputs:
    """Both inputs of one AWG."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._levels_v: dict[str, float] = {}
        self._slopes: dict[str, str] = {}
        self._impedances_ohm: dict[str, float] = {}
        add = instrument.tree.add
        add("TRIGger[:SEQuence]:LEVel", write=self._set_level, query=self._get_level)
        add("TRIGger[:SEQuence]:SLOPe", write=self._set_slope, query=self._get_slope)
        add("TRIGger[:SEQuence]:IMPedance", write=self._set_impedance, query=self._get_impedance)
        instrument.settings.append(self)

    def level_v(self, name: str = "ATRigger") -> float:
        """Where the input sees an edge."""
        return self._levels_v.get(name, _DEFAULT_LEVEL_V)

    def slope(self, name: str = "ATRigger") -> str:
        """Which edge: ``RISe`` or ``FALL``."""
        return "FALL" if self._slopes.get(name) == "NEGative" else "RISe"

    def reset(self) -> None:
        """Back to the defaults."""
        self._levels_v.clear()
        self._slopes.clear()
        self._impedances_ohm.clear()

    def _input_of(self, call: Call, index: int) -> str:
        call.expect(index, index + 1)
        return call.choice(index, _INPUTS) if len(call.parameters) > index else _INPUTS[0]

    def _set_level(self, call: Call) -> None:
        name, level_v = self._input_of(call, 1), call.number(0)
        if abs(level_v) > _MAX_LEVEL_V:
            raise ScpiError(-222, f"{call.unit} {level_v:g}: at most {_MAX_LEVEL_V:g}")
        self._levels_v[name] = level_v
        self._instrument.changed()

    def _get_level(self, call: Call) -> str:
        return f"{self.level_v(self._input_of(call, 0)):.9G}"

    def _set_slope(self, call: Call) -> None:
        name, slope = self._input_of(call, 1), call.choice(0, _SLOPES)
        self._slopes[name] = slope
        self._instrument.changed()

    def _get_slope(self, call: Call) -> str:
        return "NEG" if self.slope(self._input_of(call, 0)) == "FALL" else "POS"

    def _set_impedance(self, call: Call) -> None:
        name, impedance_ohm = self._input_of(call, 1), call.number(0)
        if impedance_ohm not in _IMPEDANCES_OHM:
            raise ScpiError(-224, f"{call.unit} {impedance_ohm:g}: 50 or 1000")
        self._impedances_ohm[name] = impedance_ohm

    def _get_impedance(self, call: Call) -> str:
        name = self._input_of(call, 0)
        return f"{self._impedances_ohm.get(name, _DEFAULT_IMPEDANCE_OHM):.9G}"
