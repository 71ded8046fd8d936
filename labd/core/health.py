"""How each instrument is, and when one that is not well is tried again.

OK           it answers.
SLOW         it answers, but slower than it should. Jobs run.
FAULTED      it has just failed: the rack is opened again at once.
QUARANTINED  it has failed again before anything went well: the rack is opened again later, and
             later each time, up to a limit.
OFFLINE      it cannot be connected to; that is tried again, less and less often up to a limit.

    state               opened    answered         faulted                     unreachable
    OK, SLOW            OK        OK or SLOW       FAULTED, or QUARANTINED     OFFLINE
    FAULTED             OK        no change        QUARANTINED                 OFFLINE
    QUARANTINED         OK        no change        QUARANTINED, for longer     OFFLINE
    OFFLINE             OK        no change        FAULTED, or QUARANTINED     OFFLINE, for longer

Faults are remembered over reopening and over the rack process's end, until a job has gone well or
the instrument has been well for FORGIVEN_S. Instants are nanoseconds of one clock, as arguments.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

S_NS: Final = 1_000_000_000

FIRST_QUARANTINE_S: Final = 1.0
LONGEST_QUARANTINE_S: Final = 60.0
FIRST_ABSENCE_S: Final = 0.5
LONGEST_ABSENCE_S: Final = 30.0
"""How long an instrument is left alone the first time; each time twice as long."""
FORGIVEN_S: Final = 60.0

SLOW_FACTOR: Final = 5.0
SLOW_FLOOR_S: Final = 0.5
"""An answer is slow beyond so many times the usual time, and beyond this."""
N_SLOW: Final = 2
"""So many slow answers in a row make an instrument SLOW; a single good one ends it."""
_LEARNT: Final = 0.125
"""Weight of one answer in the usual time."""


class Health(StrEnum):
    """See the head of this file."""

    OK = "OK"
    SLOW = "SLOW"
    FAULTED = "FAULTED"
    QUARANTINED = "QUARANTINED"
    OFFLINE = "OFFLINE"

    @property
    def is_usable(self) -> bool:
        """Whether jobs run with it."""
        return self in (Health.OK, Health.SLOW)


@dataclass(frozen=True, slots=True)
class Condition:
    """How one instrument is.

    since_ns: from when on it has been in this state. what: why, where it is not OK. retry_ns: when
    it is tried again, where it is not usable. n_faults: since it was last forgiven; n_absences:
    since it was last connected to. answer_s: the last answer's time; usual_s: what is usual;
    None before the first. n_slow: slow answers in a row.
    """

    instrument: str
    health: Health = Health.OK
    since_ns: int = 0
    what: str = ""
    retry_ns: int | None = None
    n_faults: int = 0
    n_absences: int = 0
    answer_s: float | None = None
    usual_s: float | None = None
    n_slow: int = 0


@dataclass(frozen=True, slots=True)
class Sign:
    """What came of asking an instrument how it is.

    trouble: a sentence that does not name the instrument; empty where it is well.
    """

    instrument: str
    took_s: float
    trouble: str = ""

    def __str__(self) -> str:
        """``instrument: trouble``."""
        return f"{self.instrument}: {self.trouble}"


def opened(one: Condition, at_ns: int) -> Condition:
    """It was opened, identified and set up."""
    return replace(_turned(one, Health.OK, at_ns), n_absences=0, n_slow=0)


def answered(one: Condition, took_s: float, at_ns: int) -> Condition:
    """It answered while it was idle."""
    if not one.health.is_usable:
        return one
    limit_s = max(SLOW_FLOOR_S, SLOW_FACTOR * (took_s if one.usual_s is None else one.usual_s))
    is_slow = took_s > limit_s
    n_slow = one.n_slow + 1 if is_slow else 0
    usual_s = one.usual_s
    if not is_slow:
        usual_s = took_s if usual_s is None else usual_s + _LEARNT * (took_s - usual_s)
    if n_slow >= N_SLOW:
        usual = "" if usual_s is None else f"; {seconds_text(usual_s)} are usual"
        what = f"it takes {seconds_text(took_s)} to answer{usual}"
        now = _turned(one, Health.SLOW, at_ns, what)
    elif is_slow:
        now = one
    else:
        now = _turned(one, Health.OK, at_ns)
        if at_ns - now.since_ns > FORGIVEN_S * S_NS:
            now = replace(now, n_faults=0)
    return replace(now, answer_s=took_s, usual_s=usual_s, n_slow=n_slow)


def faulted(one: Condition, what: str, at_ns: int) -> Condition:
    """It failed: in a job, when it was asked how it is, or when it was opened."""
    n_faults = one.n_faults + 1
    if n_faults == 1:
        now, wait_s = _turned(one, Health.FAULTED, at_ns, what), 0.0
    else:
        now = _turned(one, Health.QUARANTINED, at_ns, what)
        wait_s = _grown(FIRST_QUARANTINE_S, n_faults - 1, LONGEST_QUARANTINE_S)
    return replace(now, retry_ns=at_ns + round(wait_s * S_NS), n_faults=n_faults)


def unreachable(one: Condition, what: str, at_ns: int) -> Condition:
    """It could not be connected to."""
    n_absences = one.n_absences + 1
    wait_s = _grown(FIRST_ABSENCE_S, n_absences, LONGEST_ABSENCE_S)
    now = _turned(one, Health.OFFLINE, at_ns, what)
    return replace(now, retry_ns=at_ns + round(wait_s * S_NS), n_absences=n_absences)


def forgiven(one: Condition) -> Condition:
    """A job has gone well with it."""
    return replace(one, n_faults=0) if one.health.is_usable else one


def _turned(one: Condition, health: Health, at_ns: int, what: str = "") -> Condition:
    since_ns = one.since_ns if one.health is health and one.since_ns else at_ns
    return replace(one, health=health, since_ns=since_ns, what=what, retry_ns=None)


def _grown(first_s: float, n: int, longest_s: float) -> float:
    return float(min(first_s * 2 ** min(n - 1, 16), longest_s))


class HealthBook:
    """The instruments of one rack, in the order of its station file."""

    def __init__(self, names: Iterable[str]) -> None:
        self._conditions = {name: Condition(name) for name in names}

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All of them."""
        return tuple(self._conditions.values())

    @property
    def retry_ns(self) -> int:
        """The instant before which the rack is not to be opened; 0: at once."""
        return max((one.retry_ns or 0 for one in self.conditions), default=0)

    @property
    def states(self) -> tuple[Health, ...]:
        """Of all of them."""
        return tuple(one.health for one in self.conditions)

    def use(self, names: Iterable[str]) -> None:
        """These are the station's instruments from now on; those that stay keep their history."""
        self._conditions = {name: self._of(name) for name in names}

    def opened(self, at_ns: int) -> None:
        """All were opened."""
        for one in self.conditions:
            self._conditions[one.instrument] = opened(one, at_ns)

    def probed(self, signs: Iterable[Sign], at_ns: int) -> None:
        """What came of asking them while they were idle."""
        for sign in signs:
            if sign.trouble:
                self.faulted(sign.instrument, str(sign), at_ns)
            else:
                before = self._of(sign.instrument)
                self._conditions[sign.instrument] = answered(before, sign.took_s, at_ns)

    def faulted(self, name: str, what: str, at_ns: int) -> None:
        """One failed."""
        self._conditions[name] = faulted(self._of(name), what, at_ns)

    def unreachable(self, name: str, what: str, at_ns: int) -> None:
        """One could not be connected to."""
        self._conditions[name] = unreachable(self._of(name), what, at_ns)

    def served(self) -> None:
        """A job has gone well."""
        for one in self.conditions:
            self._conditions[one.instrument] = forgiven(one)

    def _of(self, name: str) -> Condition:
        return self._conditions.get(name) or Condition(name)


def retry_sentence(conditions: Iterable[Condition], now_ns: int) -> str:
    """What is wrong with those that are not usable, and when they are tried again."""
    return "; ".join(
        f"{one.what} ({one.health}, tried again {retry_text(one.retry_ns, now_ns)})"
        for one in conditions
        if not one.health.is_usable
    )


def retry_text(retry_ns: int | None, now_ns: int) -> str:
    """When something is tried again: now, or in so many seconds."""
    left_s = 0.0 if retry_ns is None else (retry_ns - now_ns) / S_NS
    return "now" if left_s < 1.0 else f"in {left_s:.0f} s"


def seconds_text(seconds: float) -> str:
    """A short time with its unit: 0.8 ms, 25 ms, 1.3 s."""
    if seconds < 0.9995:
        return f"{1000 * seconds:.2g} ms" if seconds < 0.01 else f"{1000 * seconds:.0f} ms"
    return f"{seconds:.1f} s"
