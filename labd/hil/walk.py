"""Walks: every declared limit and safe value is set and read back, and nothing beyond them.

One parameter at a time, with all switches off, and each goes back to where it stood, so that a rack
is never at more than one of its limits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, Protocol, runtime_checkable

import pyvisa

from labd.core.errors import ExecutionFailed, InstrumentFault
from labd.core.rig import Rig, SettingValue
from labd.core.wiring import SettingRoute, Wiring
from labd.hil.card import Area, Check, Verdict

TOLERANCE: Final = 1e-4
"""So far from what it was set to, as a fraction of the span of its limits, a parameter may read."""


_TROUBLE = (pyvisa.Error, OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError)
"""What drivers raise when an instrument is silent, gone, or answers nonsense."""


@runtime_checkable
class _Readable(Protocol):
    def get(self) -> object: ...


class Walk:
    """Walks over one rack. station: its open instruments by name."""

    def __init__(self, rig: Rig, station: Mapping[str, object], wiring: Wiring) -> None:
        self._rig = rig
        self._station = station
        self._wiring = wiring
        self._are_switches_off = False
        self._broken: set[str] = set()

    def limits(self) -> Iterator[Check]:
        """Every setting to its minimum, its maximum, and back."""
        for name, route in self._wiring.settings.items():
            yield _timed(Area.LIMITS, name, partial(self._walk, route))

    def safe(self) -> Iterator[Check]:
        """The declared safe values, brought about, and read back."""
        try:
            self._rig.make_safe()
        except (InstrumentFault, ExecutionFailed) as fault:
            yield Check(Area.SAFE, "make safe", Verdict.FAILED, str(fault))
        for path, value in self._wiring.safe.items():
            work = partial(self._difference, path, value, 0.0)
            yield _timed(Area.SAFE, path, work, told=f"{value}")

    def _walk(self, route: SettingRoute) -> str:
        """What is wrong; empty: nothing."""
        if route.is_switch:
            return self._walk_switch(route)
        low, high = route.minimum, route.maximum
        if not (math.isfinite(low) and math.isfinite(high)):
            raise _CannotSay("no minimum and maximum are declared for it")
        before = _number(self._read(route.parameter))
        if math.isnan(before):
            raise _CannotSay(f"{route.parameter} says no number", Verdict.FAILED)
        back = min(max((before - route.offset) / route.scale, low), high)
        span = abs((high - low) * route.scale)
        for value in (high, low, back):
            wrong = self._set(route, value, span)
            if wrong:
                return wrong
        return ""

    def _walk_switch(self, route: SettingRoute) -> str:
        return self._set(route, True, 0.0) or self._set(route, False, 0.0)

    def _set(self, route: SettingRoute, value: SettingValue, span: float) -> str:
        """Set it and read it back; returns what is wrong with that, or nothing."""
        try:
            self._switch_off()
            self._rig.apply({route.setting: value})
        except (InstrumentFault, ExecutionFailed) as fault:
            self._are_switches_off = False
            return f"{_shown(value, route.unit)}: {fault}"
        wanted = value
        if not isinstance(value, bool | str):
            wanted = value * route.scale + route.offset
        return self._difference(route.parameter, wanted, span)

    def _switch_off(self) -> None:
        """A rig that was set up anew has switched its outputs on."""
        while not self._are_switches_off:
            self._are_switches_off = True
            for route in self._wiring.settings.values():
                if route.is_switch and route.setting not in self._broken:
                    self._try_to_switch_off(route.setting)

    def _try_to_switch_off(self, setting: str) -> None:
        """One that cannot be is found in its own walk; after its fault the others are on again."""
        try:
            self._rig.apply({setting: False})
        except (InstrumentFault, ExecutionFailed):
            self._broken.add(setting)
            self._are_switches_off = False

    def _difference(self, path: str, wanted: SettingValue, span: float) -> str:
        """How a parameter differs from what it was set to, as a sentence, or nothing."""
        found = self._read(path)
        if _is_same(found, wanted, TOLERANCE * span):
            return ""
        return f"{path} was set to {wanted} and says {found}"

    def _read(self, path: str) -> object:
        """What the instrument says. Raises _CannotSay."""
        try:
            return self._parameter(path).get()
        except _TROUBLE as error:
            raise _CannotSay(f"{path} cannot be read: {error}", Verdict.FAILED) from error

    def _parameter(self, path: str) -> _Readable:
        name, _, rest = path.partition(".")
        found: object = self._station[name]
        for step in rest.split("."):
            found = getattr(found, step, None)
        if not isinstance(found, _Readable):
            raise _CannotSay(f"{name} has no parameter {rest}", Verdict.FAILED)
        return found


class _CannotSay(Exception):
    """A check that cannot be made: why, and what is to be thought of it."""

    def __init__(self, why: str, verdict: Verdict = Verdict.SKIPPED) -> None:
        super().__init__(why)
        self.verdict = verdict


def _timed(area: Area, subject: str, work: Callable[[], str], told: str = "") -> Check:
    """A check; work: returns what is wrong."""
    started = time.monotonic()
    try:
        wrong = work()
    except _CannotSay as why:
        return Check(area, subject, why.verdict, str(why), time.monotonic() - started)
    verdict = Verdict.FAILED if wrong else Verdict.PASSED
    return Check(area, subject, verdict, wrong or told, time.monotonic() - started)


def _is_same(found: object, wanted: SettingValue, tolerance: float) -> bool:
    if isinstance(wanted, bool):
        return str(found).strip().lower() in (_ON if wanted else _OFF)
    if isinstance(wanted, str):
        return str(found) == wanted
    return abs(_number(found) - wanted) <= max(tolerance, 1e-9 * abs(wanted))


_ON, _OFF = ("true", "on", "1"), ("false", "off", "0")


def _number(found: object) -> float:
    try:
        return float(str(found))
    except ValueError:
        return math.nan


def _shown(value: SettingValue, unit: str) -> str:
    return f"{value:g} {unit}".rstrip() if isinstance(value, float) else f"{value}"
