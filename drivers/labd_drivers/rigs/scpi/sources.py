"""Microwave sources and bias sources: how they are made ready, and how settings reach them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from qcodes.instrument import VisaInstrument
from qcodes.instrument_drivers.rohde_schwarz import RohdeSchwarzSGS100A
from qcodes.instrument_drivers.yokogawa import YokogawaGS200
from qcodes.parameters import ParameterBase

from labd.core.errors import InstrumentFault, JobFailure
from labd.core.rig import SettingValue
from labd_drivers.rigs.scpi.link import Link

_RANGES_V: Final = (10e-3, 100e-3, 1.0, 10.0, 30.0)
_STEPS_PER_RANGE: Final = 1e5
"""Of a GS200: 10 uV in the range of 1 V."""
_CLOSE: Final = 1e-9
"""Of a value: what a number may lose on its way as text."""


class Source:
    """An instrument that is set by parameters: which ones it was set to is remembered.

    resolution: how far from a number it may stand that it was set to, in the parameter's unit.
    """

    resolution: float = 0.01

    def __init__(self, link: Link, driver: VisaInstrument) -> None:
        self.link = link
        self._driver = driver
        self._values: dict[str, SettingValue] = {}

    def set_up(self) -> None:
        """Make it ready; what it was set to is forgotten."""
        self._values.clear()
        self.link.clear()

    def apply(self, values: Mapping[str, SettingValue]) -> None:
        """Set parameters, by their path in the instrument, those that differ from what it has.

        Each is read back, because an instrument may answer and do nothing.
        Where one is refused, all are forgotten: the driver's cache would hold the refused value.
        """
        changes = {path: value for path, value in values.items() if self._differs(path, value)}
        if not changes:
            return
        parameters = {path: self._parameter(path) for path in changes}
        doing = ", ".join(f"setting {path} to {value}" for path, value in changes.items())
        try:
            with self.link.doing(doing):
                for path, value in changes.items():
                    parameters[path].set(value)
            self.link.settle(doing)
            with self.link.doing(f"reading back {', '.join(changes)}"):
                for path, value in changes.items():
                    self._compare(path, value, parameters[path])
        except JobFailure:
            self._values.clear()
            for parameter in parameters.values():
                parameter.cache.invalidate()
            raise
        self._values.update(changes)

    def force(self, values: Mapping[str, SettingValue]) -> None:
        """Set parameters whatever they are thought to be."""
        for path in values:
            self._values.pop(path, None)
        self.apply(values)

    def _compare(self, path: str, wanted: SettingValue, parameter: ParameterBase) -> None:
        """Raise InstrumentFault if the instrument says that it has another value."""
        if not parameter.gettable:
            return
        found = parameter.get()
        if isinstance(found, (int, float)) and isinstance(wanted, (int, float)):
            is_so = abs(found - wanted) <= max(self.resolution, _CLOSE * abs(wanted))
        else:
            is_so = found == wanted
        if not is_so:
            what = f"it was set to {wanted} and says {found}"
            raise InstrumentFault(self.link.name, f"reading back {path}", what)

    def _differs(self, path: str, value: SettingValue) -> bool:
        return path not in self._values or self._values[path] != value

    def _parameter(self, path: str) -> ParameterBase:
        target: object = self._driver
        for step in path.split("."):
            target = getattr(target, step, None)
        if not isinstance(target, ParameterBase):
            raise InstrumentFault(
                self.link.name, f"setting {path}", "its driver has no such parameter"
            )
        return target


class Carrier(Source):
    """A microwave source with an IQ modulator: on, and modulated."""

    def __init__(self, link: Link, driver: RohdeSchwarzSGS100A) -> None:
        super().__init__(link, driver)

    def set_up(self) -> None:
        """Switch the output and its IQ modulation on."""
        super().set_up()
        self.apply({"IQ_state": True, "status": True})


class Bias(Source):
    """A voltage source. extent_v: the largest magnitude that it may ever be set to.

    How fast it may change is declared in the wiring (`slew_per_s` of its `voltage`), and walked
    by QCoDeS (`step` and `inter_delay`); nothing here jumps.
    """

    def __init__(self, link: Link, driver: YokogawaGS200, extent_v: float) -> None:
        super().__init__(link, driver)
        self._gs200 = driver
        self._extent_v = extent_v
        self.resolution = self._range_v("looking for its range") / _STEPS_PER_RANGE

    def set_up(self) -> None:
        """Voltage mode, the smallest range that serves, output on, from 0 V if it was off."""
        super().set_up()
        doing = "setting it up"
        wanted_v = self._range_v(doing)
        with self.link.doing(doing):
            self._gs200.voltage.cache.invalidate()
            is_on = self._gs200.output() == "on"
            if self._gs200.source_mode() != "VOLT":
                if is_on:
                    self._gs200.output("off")
                    is_on = False
                self._gs200.source_mode("VOLT")
            if self._gs200.voltage_range() != wanted_v:
                self._gs200.voltage(0.0)
                self._gs200.voltage_range(wanted_v)
            if not is_on:
                self._gs200.voltage(0.0)
                self._gs200.output("on")
        self.link.settle(doing)

    def _range_v(self, doing: str) -> float:
        for range_v in _RANGES_V:
            if range_v >= self._extent_v:
                return range_v
        raise InstrumentFault(
            self.link.name,
            doing,
            f"{self._extent_v} V of the wiring are beyond its {_RANGES_V[-1]} V",
        )
