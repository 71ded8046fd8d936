"""The settings of a job: its options, what goes to the station, and the spots of a soft sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypeGuard

from labd.core.compile_findings import MAX_SPOTS, Findings, short
from labd.core.rig import RigLimits, SettingValue
from labd.core.sweep import SettingDatum, Sweep, SweepAxis, SweptSetting, Unusable
from labd.core.wiring import SettingRoute, Wiring

REPEATS = "options.playlist_repeats"
BINS = "options.averaging_bins"
END_DELAY = "options.end_delay"
_OPTIONS = (REPEATS, BINS, END_DELAY)


@dataclass(frozen=True, slots=True)
class Options:
    """n_shots is a multiple of n_bins. end_delay_s: silence after every segment."""

    n_shots: int
    n_bins: int
    end_delay_s: float


def options_of(sweep: Sweep, limits: RigLimits, findings: Findings) -> Options:
    """The job's options; where one is wrong it is reported and the mildest value stands for it."""
    n_shots = _count(sweep, REPEATS, findings)
    n_bins = _count(sweep, BINS, findings)
    if n_shots is not None and n_shots > limits.max_shots:
        findings.add(REPEATS, f"{n_shots} shots; this rack plays at most {limits.max_shots}")
    if n_shots is not None and n_bins is not None and n_shots % n_bins:
        findings.add(BINS, f"{n_shots} shots cannot be shared evenly among {n_bins} bins")
    end_delay_s = sweep.settings.get(END_DELAY, 0.0)
    if not _is_number(end_delay_s):
        findings.add(END_DELAY, f"{_described(end_delay_s)} is not a number of seconds")
        end_delay_s = 0.0
    elif not 0 <= end_delay_s <= limits.max_segment_s:
        findings.add(
            END_DELAY, f"{end_delay_s:g} s is not between 0 and {limits.max_segment_s:g} s"
        )
        end_delay_s = 0.0
    return Options(n_shots or 1, n_bins or 1, end_delay_s)


def settings_of(
    sweep: Sweep, wiring: Wiring, findings: Findings
) -> tuple[Mapping[str, SettingValue], tuple[str, ...]]:
    """Settings that the station follows, checked, and the names of those that nothing follows."""
    followed: dict[str, SettingValue] = {}
    ignored = []
    for name in sorted(sweep.settings):
        route = wiring.settings.get(name)
        value = sweep.settings[name]
        if route is not None:
            checked = _checked(name, value, route, wiring, findings)
            if checked is not None:
                followed[name] = checked
        elif name not in _OPTIONS:
            ignored.append(name)
    return followed, tuple(ignored)


def spots_of(
    sweep: Sweep, wiring: Wiring, findings: Findings
) -> tuple[Mapping[str, SettingValue], ...]:
    """What each spot of the soft sweep sets, the last axis fastest; one empty spot if none is."""
    n_before = len(findings)
    swept: set[str] = set()
    for axis in sweep.axes:
        _check_axis(axis, wiring, swept, findings)
    n_spots = math.prod(_length(axis) for axis in sweep.axes)
    if n_spots > MAX_SPOTS:
        findings.add("sweeps", f"{n_spots} spots; the limit is {MAX_SPOTS}")
    if len(findings) > n_before:
        return ({},)
    steps = [
        [
            {setting.name: value for setting, value in zip(axis, values, strict=True)}
            for values in zip(*(setting.values or () for setting in axis), strict=True)
        ]
        for axis in sweep.axes
    ]
    return tuple(
        {name: value for step in combination for name, value in step.items()}
        for combination in product(*steps)
    )


def _check_axis(axis: SweepAxis, wiring: Wiring, swept: set[str], findings: Findings) -> None:
    if not axis:
        findings.add("sweeps", "an axis sweeps nothing")
    lengths = {len(setting.values) for setting in axis if setting.values is not None}
    if len(lengths) > 1:
        names = ", ".join(short(setting.name) for setting in axis[:10])
        sizes = ", ".join(str(len(setting.values or ())) for setting in axis[:10])
        findings.add("sweeps", f"{names} step together but have {sizes} values")
    for setting in axis:
        where = f"sweep of {short(setting.name)}"
        if setting.name in swept:
            findings.add(where, "it is swept twice")
        swept.add(setting.name)
        if setting.values is None:
            findings.add(where, "its values are not numbers or switches")
        elif not setting.values:
            findings.add(where, "it has no values")
        else:
            _check_swept(where, setting, wiring, findings)


def _check_swept(where: str, setting: SweptSetting, wiring: Wiring, findings: Findings) -> None:
    route = wiring.settings.get(setting.name)
    if route is None:
        if setting.name.startswith("options."):
            what = "options hold for the whole job and cannot be swept"
        else:
            near = findings.nearest(setting.name, wiring.settings)
            what = f"nothing on this rack follows it, so every spot would be the same{near}"
        findings.add(where, what)
        return
    for index, value in enumerate(setting.values or ()):
        _checked(f"{where}, value {index}", value, route, wiring, findings)


def _length(axis: SweepAxis) -> int:
    return max((len(setting.values or ()) for setting in axis), default=1)


def _checked(
    where: str, value: SettingDatum, route: SettingRoute, wiring: Wiring, findings: Findings
) -> SettingValue | None:
    """The value if the route can take it; None where it cannot or where there is none."""
    if value is None:
        return None
    if route.is_switch:
        if isinstance(value, bool):
            return value
        if _is_number(value) and value in (0, 1):
            return bool(value)
        findings.add(where, f"{_described(value)} is not true or false")
        return None
    if not _is_number(value) or not math.isfinite(value):
        findings.add(where, f"{_described(value)} is not a finite number")
        return None
    if not route.minimum <= value <= route.maximum:
        unit = f" {route.unit}" if route.unit else ""
        limits = f"{route.minimum:.12g} and {route.maximum:.12g}{unit}"
        findings.add(where, f"{value:.12g}{unit} is not between {limits}")
        return None
    rule, target = wiring.outputs.get(route.parameter), value * route.scale + route.offset
    if rule is not None and rule.limit_broken_by(target) is not None:
        unit = f" {rule.unit}" if rule.unit else ""
        findings.add(
            where,
            f"{value:.12g} makes {route.parameter} {target:.12g}{unit}, which the station keeps "
            f"{rule.between()}",
        )
        return None
    return float(value)


def _count(sweep: Sweep, name: str, findings: Findings) -> int | None:
    if name not in sweep.settings:
        findings.add(name, "is missing; a job must say it")
        return None
    value = sweep.settings[name]
    if not _is_number(value) or not math.isfinite(value) or value != int(value) or value < 1:
        findings.add(name, f"{_described(value)} is not a whole number of at least 1")
        return None
    return int(value)


def _is_number(value: SettingDatum) -> TypeGuard[float | int]:
    return isinstance(value, float | int) and not isinstance(value, bool)


def _described(value: SettingDatum) -> str:
    match value:
        case Unusable(kind=kind):
            return kind
        case None:
            return "null"
        case str():
            return repr(short(value))
        case bool():
            return "true" if value else "false"
        case _:
            return f"{value:.12g}"
