from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.cli import times
from labd.cli.times import (
    BadTime,
    machine_zone,
    parse_duration,
    parse_instant,
    shown_instant,
    shown_span,
    zone_named,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
"""A Monday; 08:00 in Berlin."""


def parsed(text: str, after: str | None = None) -> str:
    base = None if after is None else datetime.fromisoformat(after)
    instant = parse_instant(text, zone=BERLIN, now=NOW, after=base)
    return instant.isoformat(timespec="minutes")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("now", "2026-11-23T08:00+01:00"),
        ("+2h", "2026-11-23T10:00+01:00"),
        ("+1h30m", "2026-11-23T09:30+01:00"),
        ("09:00", "2026-11-23T09:00+01:00"),
        ("07:30", "2026-11-23T07:30+01:00"),
        ("9:00", "2026-11-23T09:00+01:00"),
        ("today 14:00", "2026-11-23T14:00+01:00"),
        ("Tomorrow  09:00", "2026-11-24T09:00+01:00"),
        ("monday 09:00", "2026-11-23T09:00+01:00"),
        ("monday 08:00", "2026-11-30T08:00+01:00"),
        ("sun 12:00", "2026-11-29T12:00+01:00"),
        ("2026-07-01 12:00", "2026-07-01T12:00+02:00"),
        ("2026-07-01T12:00:00", "2026-07-01T12:00+02:00"),
        ("2026-07-01T12:00Z", "2026-07-01T12:00+00:00"),
        ("2026-07-01 12:00 UTC", "2026-07-01T12:00+00:00"),
        ("2026-07-01T12:00+05:30", "2026-07-01T12:00+05:30"),
        ("2026-10-25 02:30+0100", "2026-10-25T02:30+01:00"),
        ("tomorrow 09:00Z", "2026-11-24T09:00+00:00"),
    ],
)
def test_times_are_understood_as_people_write_them(text: str, instant: str) -> None:
    assert parsed(text) == instant


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("+90m", "2026-12-01T23:30+01:00"),
        ("23:00", "2026-12-01T23:00+01:00"),
        ("02:00", "2026-12-02T02:00+01:00"),
        ("22:00", "2026-12-02T22:00+01:00"),
        ("tomorrow 02:00", "2026-11-24T02:00+01:00"),
    ],
)
def test_an_end_is_read_from_its_beginning_on(text: str, instant: str) -> None:
    assert parsed(text, after="2026-12-01T22:00+01:00") == instant


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "2026-03-29 02:30",
            "does not exist in Europe/Berlin: .* 60 min; did you mean 2026-03-29 03:30",
        ),
        ("2026-03-29 02:00", "did you mean 2026-03-29 03:00"),
        ("2026-10-25 02:30", r'"2026-10-25 02:30\+0200" is the first, .*02:30\+0100" the second'),
        ("2026-10-25 02:00", "comes twice in Europe/Berlin"),
        ("2026-02-30 10:00", "2026-02-30 is no day of the calendar"),
        ("25:00", "that is no time of a day"),
        ("0001-01-01 00:00", "beyond the calendar"),
        ("+99999999d", "beyond the calendar"),
        ("tomorrow", 'at what time. For example "tomorrow 09:00"'),
        ("2026-11-24", 'at what time. For example "2026-11-24 09:00"'),
        ("someday 10:00", "'someday' is no day"),
        ("+2", '"90m", "2h"'),
        ("at noon", "is no time; write "),
        ("", "is no time; write "),
        ("2026-07-01 12:00+99:00", "is no offset from UTC"),
    ],
)
def test_what_is_no_time_is_refused_with_a_better_one(text: str, sentence: str) -> None:
    with pytest.raises(BadTime, match=sentence):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400),
        ("2h", 7200),
        ("1h30m", 5400),
        ("1h 30min", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        ("45s", 45),
    ],
)
def test_lengths_are_understood(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "90", "m", "-2h", "2 hours", "1h30", "9e9d", "9" * 400 + "d"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(BadTime):
        parse_duration(text)


def test_two_hours_are_two_hours_while_clocks_change() -> None:
    before = parse_instant("2026-03-29 01:30", zone=BERLIN, now=NOW)

    after = parse_instant("+2h", zone=BERLIN, now=NOW, after=before)

    assert after.isoformat(timespec="minutes") == "2026-03-29T04:30+02:00"
    assert after.astimezone(UTC) - before.astimezone(UTC) == timedelta(hours=2)


# ---- zones


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin"),
        ("../../etc/passwd", "named like Europe/Berlin"),
        ("", "named like Europe/Berlin"),
    ],
)
def test_unknown_zones_are_refused(name: str, hint: str) -> None:
    with pytest.raises(BadTime, match=hint):
        zone_named(name)


@pytest.fixture
def zone_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("name", ["Asia/Kolkata", ":Asia/Kolkata"])
def test_the_machines_zone_is_that_of_its_environment(
    name: str, zone_of_the_environment: pytest.MonkeyPatch
) -> None:
    zone_of_the_environment.setenv("TZ", name)

    assert machine_zone() == ZoneInfo("Asia/Kolkata")


def test_without_environment_it_is_what_etc_says(
    tmp_path: Path, zone_of_the_environment: pytest.MonkeyPatch
) -> None:
    zone_of_the_environment.delenv("TZ", raising=False)
    data = (files("tzdata") / "zoneinfo" / "Asia" / "Kolkata").read_bytes()
    link, copy = tmp_path / "link", tmp_path / "copy"
    target = tmp_path / "zoneinfo" / "Asia" / "Kolkata"
    target.parent.mkdir(parents=True)
    target.write_bytes(data)
    copy.write_bytes(data)
    link.symlink_to(target)

    zone_of_the_environment.setattr(times, "LOCALTIME", link)
    by_link = machine_zone()
    zone_of_the_environment.setattr(times, "LOCALTIME", copy)
    by_copy = machine_zone()
    zone_of_the_environment.setattr(times, "LOCALTIME", tmp_path / "none")

    assert by_link == ZoneInfo("Asia/Kolkata")
    assert by_copy.utcoffset(NOW.replace(tzinfo=None)) == timedelta(hours=5, minutes=30)
    assert machine_zone() == UTC


def test_a_zone_that_the_environment_misspells_is_refused(
    zone_of_the_environment: pytest.MonkeyPatch,
) -> None:
    zone_of_the_environment.setenv("TZ", "Mars/Olympus")

    with pytest.raises(BadTime, match=r"the environment's TZ: .*--zone"):
        machine_zone()


# ---- showing


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        ("2026-11-23T13:00Z", "14:00 CET"),
        ("2026-11-23T13:00:05Z", "14:00:05 CET"),
        ("2026-11-24T08:00Z", "Tue 24 Nov 09:00 CET"),
        ("2027-07-01T08:00Z", "Thu 1 Jul 2027 10:00 CEST"),
    ],
)
def test_an_instant_is_shown_in_the_readers_zone(instant: str, text: str) -> None:
    assert shown_instant(at(instant), zone=BERLIN, now=NOW) == text


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2026-11-23T13:00Z", "2026-11-23T15:30Z", "Mon 23 Nov 14:00 - 16:30 CET"),
        ("2026-11-23T21:00Z", "2026-11-24T01:00Z", "Mon 23 Nov 22:00 - Tue 24 Nov 02:00 CET"),
        ("2026-10-25T00:30Z", "2026-10-25T01:30Z", "Sun 25 Oct 02:30 CEST - 02:30 CET"),
    ],
)
def test_a_span_shows_what_the_clock_on_the_wall_will(start: str, end: str, text: str) -> None:
    assert shown_span(at(start), at(end), zone=BERLIN, now=NOW) == text


# ---- properties

ZONES = st.sampled_from(
    [
        "Europe/Berlin",
        "Europe/Helsinki",
        "America/New_York",
        "America/Sao_Paulo",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Pacific/Apia",
        "UTC",
    ]
).map(zone_named)
MINUTES = st.integers(0, 40 * 366 * 1440).map(
    lambda n: datetime(2005, 1, 1, tzinfo=UTC) + timedelta(minutes=n)
)


@given(MINUTES, ZONES)
def test_an_instant_with_its_offset_is_read_back(instant: datetime, zone: ZoneInfo) -> None:
    text = f"{instant.astimezone(zone):%Y-%m-%d %H:%M%z}"

    assert parse_instant(text, zone=BERLIN, now=NOW) == instant


@given(MINUTES, ZONES)
def test_a_time_on_the_wall_is_the_instant_at_which_the_wall_shows_it_or_refused(
    somewhen: datetime, zone: ZoneInfo
) -> None:
    wall = somewhen.replace(tzinfo=None)
    near = (somewhen + timedelta(minutes=n * 15) for n in range(-4 * 26, 4 * 26 + 1))
    shown_at = [each for each in near if each.astimezone(zone).replace(tzinfo=None) == wall]

    try:
        instant = parse_instant(f"{wall:%Y-%m-%d %H:%M}", zone=zone, now=NOW)
    except BadTime:
        assert len(shown_at) != 1
    else:
        assert shown_at == [instant.astimezone(UTC)]


@given(st.text(max_size=30), st.booleans())
def test_any_other_text_is_refused_and_not_stumbled_over(text: str, is_end: bool) -> None:
    try:
        parse_instant(text, zone=BERLIN, now=NOW, after=NOW if is_end else None)
    except BadTime as error:
        assert str(error)
