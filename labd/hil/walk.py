"""Walks: every declared limit and safe value is set and read back, and nothing beyond them.

One parameter at a time, with all switches off, and each goes back to where it stood, so that a rack
is never at more than one of its limits. Where a setting and its output have different limits, the
tighter ones hold: the output's are fenced in anyway.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, runtime_checkable

import pyvisa

from labd.core.errors import JobFailure
from labd.core.outputs import OutputRule
from labd.core.rig import Rig, SettingValue
from labd.core.wiring import SettingRoute, Wiring
from labd.hil.card import Area, Check, Verdict

TOLERANCE: Final = 1e-4
"""So far from what it was set to, as a fraction of the span of its limits, a parameter may read."""

_NEIGHBOURS: Final = 8
_TROUBLE = (pyvisa.Error, OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError)
"""What drivers raise when an instrument is silent, gone, or answers nonsense."""


@runtime_checkable
class _Readable(Protocol):
    def get(self) -> object: ...


@runtime_checkable
class _Settable(Protocol):
    def set(self, value: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Span:
    """From where to where something is walked."""

    low: float
    high: float
    unit: str

    def within(self, rule: OutputRule, route: SettingRoute) -> Span:
        """As far as the setting's output goes along."""
        ends = [(end - route.offset) / route.scale for end in (rule.minimum, rule.maximum)]
        low, high = max(self.low, min(ends)), min(self.high, max(ends))
        return Span(_allowed(low, high, rule, route), _allowed(high, low, rule, route), self.unit)


def _allowed(end: float, other: float, rule: OutputRule, route: SettingRoute) -> float:
    """An end of a span, or a neighbour of it, where rounding has put it beyond the rule."""
    near = end
    for _ in range(_NEIGHBOURS):
        if rule.limit_broken_by(near * route.scale + route.offset) is None:
            return near
        near = math.nextafter(near, other)
    return end


class Walk:
    """Walks over one rack. station: its open instruments by name, fenced in."""

    def __init__(self, rig: Rig, station: Mapping[str, object], wiring: Wiring) -> None:
        self._rig = rig
        self._station = station
        self._wiring = wiring
        self._are_switches_off = False
        self._broken: set[str] = set()

    def limits(self) -> Iterator[Check]:
        """Every setting, and every output that no setting reaches, to both limits, and back."""
        settings = self._wiring.settings
        for name, route in settings.items():
            told = "on and off" if route.is_switch else _told(self._span_of(route))
            yield _timed(Area.LIMITS, name, partial(self._walk, route), told)
        reached = {route.parameter for route in settings.values()}
        for path, rule in self._wiring.outputs.items():
            if rule.is_limited and path not in reached:
                told = _told(Span(rule.minimum, rule.maximum, rule.unit))
                yield _timed(Area.LIMITS, path, partial(self._walk_output, rule), told)

    def safe(self) -> Iterator[Check]:
        """The declared safe values, brought about, and read back."""
        is_safe = self._rig.make_safe()
        for path, rule in self._wiring.outputs.items():
            if rule.safe is not None:
                work = partial(self._difference, path, rule.safe, 0.0)
                check = _timed(Area.SAFE, path, work, f"{rule.safe}")
                is_safe = is_safe or check.verdict is Verdict.FAILED
                yield check
        if not is_safe:
            what = "something else does not become safe; the log says what"
            yield Check(Area.SAFE, "rig", Verdict.FAILED, what)

    def _span_of(self, route: SettingRoute) -> Span:
        """Between which values a setting may be; those of a switch are not finite."""
        span = Span(route.minimum, route.maximum, route.unit)
        rule = self._wiring.outputs.get(route.parameter)
        return span if rule is None or route.is_switch else span.within(rule, route)

    def _walk(self, route: SettingRoute) -> str:
        """What is wrong; empty: nothing."""
        if route.is_switch:
            return self._walk_switch(route)
        span = self._span_of(route)
        before = self._number_at(route.parameter, span)
        back = min(max((before - route.offset) / route.scale, span.low), span.high)
        extent = abs((span.high - span.low) * route.scale)
        for value in (span.high, span.low, back):
            wrong = self._set(route, value, extent)
            if wrong:
                return wrong
        return ""

    def _walk_output(self, rule: OutputRule) -> str:
        """As `_walk`, past the rig: it has no setting for it."""
        span = Span(rule.minimum, rule.maximum, rule.unit)
        before = self._number_at(rule.parameter, span)
        parameter = self._parameter(rule.parameter)
        if not isinstance(parameter, _Settable):
            raise _CannotSay(f"{rule.parameter} cannot be set", Verdict.FAILED)
        for value in (span.high, span.low, min(max(before, span.low), span.high)):
            try:
                parameter.set(value)
            except (JobFailure, *_TROUBLE) as error:
                return f"{_shown(value, rule.unit)}: {error}"
            wrong = self._difference(rule.parameter, value, span.high - span.low)
            if wrong:
                return wrong
        return ""

    def _number_at(self, path: str, span: Span) -> float:
        """Where it stands before it is walked. Raises _CannotSay."""
        if not (math.isfinite(span.low) and math.isfinite(span.high)):
            raise _CannotSay("no minimum and maximum are declared for it")
        if span.low > span.high:
            raise _CannotSay("setting and output have no value in common", Verdict.FAILED)
        before = _number(self._read(path))
        if math.isnan(before):
            raise _CannotSay(f"{path} says no number", Verdict.FAILED)
        return before

    def _walk_switch(self, route: SettingRoute) -> str:
        return self._set(route, True, 0.0) or self._set(route, False, 0.0)

    def _set(self, route: SettingRoute, value: SettingValue, span: float) -> str:
        """Set it and read it back; returns what is wrong with that, or nothing."""
        try:
            self._switch_off()
            self._rig.apply({route.setting: value})
        except JobFailure as fault:
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
        except JobFailure:
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


def _told(span: Span) -> str:
    if not (math.isfinite(span.low) and math.isfinite(span.high)):
        return ""
    return f"{span.low:g} to {span.high:g} {span.unit}".rstrip()


def _shown(value: SettingValue, unit: str) -> str:
    return f"{value:g} {unit}".rstrip() if isinstance(value, float) else f"{value}"
