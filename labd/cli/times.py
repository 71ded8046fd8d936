"""Times as people type and read them, in a zone of theirs.

What a clock on the wall never shows is refused, and what it shows twice needs its offset: a guess
would book an hour that nobody meant. Lengths are lengths: a day is 24 hours, whatever clocks do.
"""

from __future__ import annotations

import difflib
import os
import re
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

LOCALTIME = Path("/etc/localtime")

_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s)\s*")
_DAY = r"[a-z]+|\d{4}-\d{2}-\d{2}"
_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2}))?"
_OFFSET = r"z|utc|[+-]\d\d:?\d\d"
_DAY_AND_CLOCK = re.compile(rf"(?:({_DAY})[ t]+)?{_CLOCK}\s*({_OFFSET})?")
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EXAMPLES = (
    '"2026-03-29 14:30", "tomorrow 09:00", "friday 09:00", "14:30", "now", "+2h", or with an offset'
    ' "2026-03-29T14:30+02:00"'
)


class BadTime(ValueError):
    """A text that is no time; the sentence says what would be one."""


# ---- zones


def zone_named(name: str) -> tzinfo:
    """A zone by its name, such as ``Europe/Berlin``. Raises BadTime."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    near = difflib.get_close_matches(name, zoneinfo.available_timezones(), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "zones are named like Europe/Berlin"
    raise BadTime(f"{name!r} is no time zone; {hint}")


def machine_zone() -> tzinfo:
    """The zone of this machine: TZ, else /etc/localtime, else UTC. Raises BadTime for a bad TZ."""
    named = os.environ.get("TZ")
    if named is not None:
        name = named.removeprefix(":")
        try:
            return zone_named(name) if name else UTC
        except BadTime as error:
            raise BadTime(f"the environment's TZ: {error} (--zone chooses one)") from error
    if not LOCALTIME.exists():
        return UTC
    _, has_name, name = str(LOCALTIME.resolve()).rpartition("zoneinfo/")
    if has_name:
        try:
            return ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            pass
    try:
        with LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file, key="local time")
    except (ValueError, OSError):
        return UTC


# ---- what people type


def parse_duration(text: str) -> timedelta:
    """A length: ``90m``, ``2h``, ``1h30m``, ``1.5h``, ``2d``, ``45s``. Raises BadTime."""
    wanted = text.strip().lower()
    parts = list(_DURATION.finditer(wanted))
    if not parts or "".join(part[0] for part in parts) != wanted:
        raise BadTime(f'{text!r} is no length of time; write it as "90m", "2h", "1h30m" or "2d"')
    try:
        return timedelta(seconds=sum(float(part[1]) * _UNITS[part[2]] for part in parts))
    except OverflowError as error:
        raise BadTime(f"{text!r} is longer than a calendar") from error


def parse_instant(
    text: str, *, zone: tzinfo, now: datetime, after: datetime | None = None
) -> datetime:
    """An instant, in the zone; see _EXAMPLES for what is understood. Raises BadTime.

    after: the beginning of what ends at the instant: ``+2h`` counts from it, not from now, and
    ``17:00`` is the first one after it, not today's.
    """
    wanted = " ".join(text.lower().split())
    if wanted == "now":
        return now.astimezone(zone)
    if wanted.startswith("+"):
        base = now if after is None else after
        try:
            # Added in UTC: aware datetimes of one zone are added by the clock on the wall.
            return (base.astimezone(UTC) + parse_duration(wanted[1:])).astimezone(zone)
        except OverflowError as error:
            raise BadTime(f"{text!r} is beyond the calendar") from error
    found = _DAY_AND_CLOCK.fullmatch(wanted)
    if found is None:
        if re.fullmatch(_DAY, wanted) and (wanted[0].isdigit() or _is_day(wanted)):
            raise BadTime(f'{text!r}: at what time? For example "{wanted} 09:00"')
        raise BadTime(f"{text!r} is no time; write {_EXAMPLES}")
    day, hour, minute, second, offset = found.groups()
    try:
        clock = time(int(hour), int(minute), int(second or 0))
    except ValueError as error:
        raise BadTime(f"{text!r}: that is no time of a day") from error
    if offset is not None:
        zone = _offset(offset)
    now, after = now.astimezone(zone), None if after is None else after.astimezone(zone)
    return _on_day(day, clock, now, after)


def _on_day(day: str | None, clock: time, now: datetime, after: datetime | None) -> datetime:
    """The instant of a clock's time on a day; now and after are in the zone that is meant."""
    if day is None and after is not None:
        return _first_after(after, clock, [after.date() + timedelta(days=n) for n in range(2)])
    if day in (None, "today"):
        return _at(now.date(), clock, now)
    if day == "tomorrow":
        return _at(now.date() + timedelta(days=1), clock, now)
    if day[0].isdigit():
        try:
            return _at(date.fromisoformat(day), clock, now)
        except ValueError as error:
            if isinstance(error, BadTime):
                raise
            raise BadTime(f"{day} is no day of the calendar") from error
    if not _is_day(day):
        raise BadTime(f"{day!r} is no day; write a date, today, tomorrow or a day of the week")
    days = [now.date() + timedelta(days=n) for n in range(8)]
    wanted = [each for each in days if _WEEKDAYS[each.weekday()].startswith(day)]
    return _first_after(now, clock, wanted)


def _is_day(word: str) -> bool:
    """Whether a word is a day: a day of the week may be cut down to three letters."""
    return word in ("today", "tomorrow") or (
        len(word) >= 3 and any(name.startswith(word) for name in _WEEKDAYS)
    )


def _first_after(instant: datetime, clock: time, days: list[date]) -> datetime:
    """The clock's time on the first of the days on which it is after the instant."""
    wall = instant.replace(tzinfo=None)
    day = next(each for each in days if datetime.combine(each, clock) > wall)
    return _at(day, clock, instant)


def _at(day: date, clock: time, like: datetime) -> datetime:
    """A time on the wall as an instant of like's zone; one that comes once, and only once."""
    zone = like.tzinfo
    wall = datetime.combine(day, clock)
    first, second = wall.replace(tzinfo=zone), wall.replace(tzinfo=zone, fold=1)
    offsets = first.utcoffset(), second.utcoffset()
    if offsets[0] is None or offsets[1] is None:
        raise TypeError("a zone without an offset")
    shown = f"{wall:%Y-%m-%d %H:%M}"
    if offsets[0] < offsets[1]:
        gap = offsets[1] - offsets[0]
        raise BadTime(
            f"{shown} does not exist in {zone}: clocks are put forward by"
            f" {gap.total_seconds() / 60:.0f} min; did you mean {wall + gap:%Y-%m-%d %H:%M}?"
        )
    if offsets[0] > offsets[1]:
        raise BadTime(
            f"{shown} comes twice in {zone}, as clocks are put back; say which one:"
            f' "{shown}{first:%z}" is the first, "{shown}{second:%z}" the second'
        )
    try:
        first.astimezone(UTC)
    except OverflowError as error:
        raise BadTime(f"{shown} is beyond the calendar") from error
    return first


def _offset(text: str) -> tzinfo:
    if text in ("z", "utc"):
        return UTC
    try:
        return datetime.strptime(text.replace(":", ""), "%z").tzinfo or UTC
    except ValueError as error:
        raise BadTime(f"{text} is no offset from UTC") from error


# ---- what people read


def shown_instant(instant: datetime, *, zone: tzinfo, now: datetime) -> str:
    """``Mon 23 Nov 14:00 CET``; the day only if it is another one, the year only if it is."""
    local, today = instant.astimezone(zone), now.astimezone(zone)
    return f"{_day(local, today)}{_time(local)} {local:%Z}"


def shown_span(start: datetime, end: datetime, *, zone: tzinfo, now: datetime) -> str:
    """``Mon 23 Nov 14:00 - 16:00 CET``: always with the day; both zones where clocks change."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    today = now.astimezone(zone)
    head = f"{_date(first, today)} {_time(first)}"
    if first.utcoffset() != last.utcoffset():
        head += f" {first:%Z}"
    day = "" if first.date() == last.date() else f"{_date(last, today)} "
    return f"{head} - {day}{_time(last)} {last:%Z}"


def _day(local: datetime, today: datetime) -> str:
    return "" if local.date() == today.date() else f"{_date(local, today)} "


def _date(local: datetime, today: datetime) -> str:
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local:%a} {local.day} {local:%b}{year}"


def _time(local: datetime) -> str:
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
