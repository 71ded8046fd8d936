"""The report card: what was checked on a rack, what was found; as text, JSON, JUnit. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from xml.etree import ElementTree

WIDTH: Final = 80
"""Columns of the card as text."""


class Verdict(StrEnum):
    """What came out of a check. SKIPPED: it could not be made, and why stands with it."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Area(StrEnum):
    """What is checked, in this order."""

    FILES = "files"
    IDENTITY = "identity"
    RACK = "rack"
    LIMITS = "limits"
    CABLES = "cables"
    SAFE = "safe"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. subject: of what, as the station's files name it. what: a sentence."""

    area: Area
    subject: str
    verdict: Verdict
    what: str
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ReportCard:
    """All checks of one rack, in the order in which they were made. rack: simulated or hardware."""

    station: str
    rack: str
    checks: tuple[Check, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing failed, and something was checked."""
        return bool(self.count(Verdict.PASSED)) and not self.count(Verdict.FAILED)

    def count(self, verdict: Verdict) -> int:
        """How many checks came out so."""
        return sum(check.verdict is verdict for check in self.checks)

    def failed(self) -> tuple[Check, ...]:
        """What is wrong with the rack."""
        return tuple(check for check in self.checks if check.verdict is Verdict.FAILED)


def text_of(card: ReportCard) -> str:
    """The card for people: a line a check, and what failed once more at the end."""
    lines = [f"{card.station}, {card.rack} rack"]
    area: Area | None = None
    for check in card.checks:
        if check.area is not area:
            area = check.area
            lines += ["", f"{area}"]
        lines += _wrapped(_MARKS[check.verdict], check)
    numbers = ", ".join(f"{card.count(verdict)} {verdict}" for verdict in Verdict)
    lines += ["", f"{'GOOD' if card.is_good else 'NOT GOOD'}: {numbers}"]
    for check in card.failed():
        lines += _wrapped(f"{check.area}", check)
    return "\n".join(lines) + "\n"


_MARKS = {Verdict.PASSED: "ok  ", Verdict.FAILED: "FAIL", Verdict.SKIPPED: "skip"}


def _wrapped(mark: str, check: Check) -> Iterable[str]:
    text = f"{mark}  {check.subject}" + (f": {check.what}" if check.what else "")
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent="  ",
        subsequent_indent=" " * 8,
        break_on_hyphens=False,
        break_long_words=False,
    )


def json_of(card: ReportCard) -> str:
    """The card for programs: one JSON object."""
    return json.dumps(
        {
            "station": card.station,
            "rack": card.rack,
            "ok": card.is_good,
            **{verdict.value: card.count(verdict) for verdict in Verdict},
            "checks": [
                {
                    "area": check.area.value,
                    "subject": check.subject,
                    "verdict": check.verdict.value,
                    "what": check.what,
                    "took_s": round(check.took_s, 3),
                }
                for check in card.checks
            ],
        },
        indent=1,
    )


def junit_of(card: ReportCard) -> str:
    """The card as a JUnit report: a test case a check."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"labd hil {card.station}",
        tests=str(len(card.checks)),
        failures=str(card.count(Verdict.FAILED)),
        skipped=str(card.count(Verdict.SKIPPED)),
        errors="0",
        time=f"{sum(check.took_s for check in card.checks):.3f}",
    )
    for check in card.checks:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"{card.station}.{check.area}",
            name=_printable(check.subject),
            time=f"{check.took_s:.3f}",
        )
        if check.verdict is Verdict.FAILED:
            ElementTree.SubElement(case, "failure", message=_printable(check.what))
        elif check.verdict is Verdict.SKIPPED:
            ElementTree.SubElement(case, "skipped", message=_printable(check.what))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _printable(text: str) -> str:
    """Instruments say anything; XML may not hold all of it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
