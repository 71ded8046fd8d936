"""Yokogawa GS200: a DC source with ranges, protection limits and a program of ramps.

Levels have six digits of the range. While a program runs, the level moves along its slope in real
time; its end sets EOP (bit 7) of the extended event register, as `:STATus:EVENt?` reads it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from labd_drivers.sim.instrument import Identity, Instrument, Room
from labd_drivers.sim.scpi import ScpiError, quoted
from labd_drivers.sim.settings import ChoiceSetting, NumberSetting, SwitchSetting
from labd_drivers.sim.settings import WholeNumberSetting as Whole
from labd_drivers.sim.tree import Call

_RANGES = {"VOLTage": (10e-3, 100e-3, 1.0, 10.0, 30.0), "CURRent": (1e-3, 10e-3, 100e-3, 200e-3)}
_OVERRANGE = {"VOLTage": 1.2, "CURRent": 1.2}
_HIGHEST = {"VOLTage": 32.0, "CURRent": 0.2}
_DIGITS_OF_RANGE = 100_000
_END_OF_PROGRAM, _SUMMARY = 1 << 7, 0x02


@dataclass(slots=True)
class _Ramp:
    start_level: float
    end_level: float
    start_s: float
    slope_s: float
    interval_s: float


class Gs200(Instrument):
    """The bias source; `voltage()` is what the fridge sees."""

    def __init__(self, name: str, identity: Identity, room: Room) -> None:
        super().__init__(name, identity, room)
        self._level = 0.0
        self._range = _RANGES["VOLTage"][2]
        self._program: list[float] = []
        self._ramp: _Ramp | None = None
        self._is_editing = False
        self._events = 0
        self._function = ChoiceSetting(
            self,
            "[SOURce]:FUNCtion",
            options=("VOLTage", "CURRent"),
            check=self._check_function,
        )
        self._is_on = SwitchSetting(self, "OUTPut[:STATe]")
        self.tree.add("[SOURce]:RANGe", write=self._set_range, query=self._get_range)
        self.tree.add("[SOURce]:LEVel[:FIXed]", write=self._set_level, query=self._get_level)
        self.tree.add("[SOURce]:LEVel:AUTO", write=self._set_level_and_range)
        self._add_rest()
        self._add_program()

    def voltage(self) -> float:
        """Voltage at the output: 0 if it is off or sources a current."""
        self._follow()
        is_sourcing = self._is_on.get() and self._function.get() == "VOLTage"
        return self._level if is_sourcing else 0.0

    def outputs(self) -> dict[str, float | bool]:
        """The voltage."""
        return {"voltage": self.voltage()}

    def reset(self) -> None:
        """Output off, 1 V range, level 0, program forgotten."""
        self._level, self._range = 0.0, _RANGES["VOLTage"][2]
        self._program.clear()
        self._ramp, self._is_editing, self._events = None, False, 0
        super().reset()

    def clear_status(self) -> None:
        """`*CLS` clears the extended events too."""
        super().clear_status()
        self._events = 0

    def extra_status(self) -> int:
        """Bit 1 sums the extended events up."""
        return _SUMMARY * bool(self._events)

    def _check_function(self, suffixes: tuple[int, ...], function: str) -> None:
        del suffixes
        if function == self._function.get():
            return
        if self._is_on.get():
            raise ScpiError(-221, "SOUR:FUNC while the output is on")
        self._range, self._level = _RANGES[function][2], 0.0

    def _set_range(self, call: Call) -> None:
        wanted = call.number(0)
        ranges = _RANGES[self._function.get()]
        fitting = [step for step in ranges if step >= abs(wanted) * (1 - 1e-9)]
        if not fitting:
            raise ScpiError(-222, f"{call.unit} {wanted:g}: at most {ranges[-1]:g}")
        self._range = fitting[0]
        if abs(self._level) > self._limit():
            self._level = 0.0
        self.changed()

    def _get_range(self, call: Call) -> str:
        del call
        return f"{self._range:.5E}"

    def _limit(self) -> float:
        function = self._function.get()
        return min(self._range * _OVERRANGE[function], _HIGHEST[function])

    def _rounded(self, level: float) -> float:
        step = self._range / _DIGITS_OF_RANGE
        return round(level / step) * step

    def _set_level(self, call: Call) -> None:
        level = call.number(0)
        if abs(level) > self._limit() * (1 + 1e-9):
            raise ScpiError(-222, f"{call.unit} {level:g}: at most {self._limit():g}")
        if self._is_editing:
            self._program.append(level)
            return
        self._ramp = None
        self._level = self._rounded(level)
        self.changed()

    def _set_level_and_range(self, call: Call) -> None:
        level = call.number(0)
        ranges = _RANGES[self._function.get()]
        fitting = [step for step in ranges if step * _OVERRANGE["VOLTage"] >= abs(level)]
        if not fitting:
            raise ScpiError(-222, f"{call.unit} {level:g}: at most {ranges[-1]:g}")
        self._ramp, self._range = None, fitting[0]
        self._level = self._rounded(level)
        self.changed()

    def _get_level(self, call: Call) -> str:
        del call
        self._follow()
        return f"{self._level:.5E}"

    def _add_rest(self) -> None:
        Whole(self, "[SOURce]:PROTection:VOLTage", default=30, limits=(1, 30))
        NumberSetting(
            self, "[SOURce]:PROTection:CURRent", default=0.2, limits=(1e-3, 0.2), form=".3f"
        )
        SwitchSetting(self, "SENSe:REMote")
        SwitchSetting(self, "SENSe:GUARd")
        ChoiceSetting(self, "ROUTe:BNCOut", options=("TRIGger", "OUTPut", "READy"))
        ChoiceSetting(self, "ROUTe:BNCIn", options=("TRIGger", "OUTPut"))
        self.tree.add("SYSTem:LFRequency", query=lambda _: "50")
        self.tree.add("STATus:EVENt", query=self._read_events)
        self.tree.add("STATus:CONDition", query=lambda _: "0")

    def _add_program(self) -> None:
        limits = (0.1, 3600.0)
        self._interval_s = NumberSetting(
            self, "PROGram:INTerval", default=1.0, limits=limits, form=".6G"
        )
        self._slope_s = NumberSetting(
            self, "PROGram:SLOPe", default=1.0, limits=(0.0, 3600.0), form=".6G"
        )
        ChoiceSetting(self, "PROGram:TRIGger", options=("NORMal", "MEND"))
        SwitchSetting(self, "PROGram:REPeat")
        Whole(self, "PROGram:COUNt", default=1, limits=(1, 10_000))
        self._saved: dict[str, list[float]] = {}
        add = self.tree.add
        add("PROGram:EDIT:STARt", write=self._edit)
        add("PROGram:EDIT:END", write=self._end_edit)
        add("PROGram:RUN", write=self._run)
        add("PROGram:HOLD", write=self._hold)
        add("PROGram:PAUSe", write=self._hold)
        add("PROGram:CONTinue", write=lambda _: None)
        add("PROGram:SAVE", write=self._save)
        add("PROGram:LOAD", write=self._load)

    def _edit(self, call: Call) -> None:
        del call
        self._program.clear()
        self._is_editing = True

    def _end_edit(self, call: Call) -> None:
        del call
        self._is_editing = False

    def _run(self, call: Call) -> None:
        if not self._program:
            raise ScpiError(-221, f"{call.unit}: the program is empty")
        self._follow()
        slope_s, interval_s = self._slope_s.get(), self._interval_s.get()
        slope_s = min(slope_s, interval_s)
        end_level = self._rounded(self._program[-1])
        self._ramp = _Ramp(self._level, end_level, time.monotonic(), slope_s, interval_s)
        self.changed()

    def _hold(self, call: Call) -> None:
        del call
        self._follow()
        self._ramp = None

    def _follow(self) -> None:
        """Move the level along the ramp to where it is now."""
        ramp = self._ramp
        if ramp is None:
            return
        elapsed_s = time.monotonic() - ramp.start_s
        done = min(elapsed_s / ramp.slope_s, 1.0) if ramp.slope_s else 1.0
        level = self._rounded(ramp.start_level + done * (ramp.end_level - ramp.start_level))
        if elapsed_s >= ramp.interval_s:
            self._ramp = None
            self._events |= _END_OF_PROGRAM
        if level != self._level:
            self._level = level
            self.changed()

    def _read_events(self, call: Call) -> str:
        del call
        self._follow()
        events, self._events = self._events, 0
        return str(events)

    def _save(self, call: Call) -> None:
        self._saved[call.text(0)] = list(self._program)

    def _load(self, call: Call) -> None:
        if call.text(0) not in self._saved:
            raise ScpiError(-256, quoted(call.text(0)))
        self._program = list(self._saved[call.text(0)])
