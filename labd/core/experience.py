"""How foreseen waits turn out, and by how much the next ones are corrected.

What counts is the ratio of the wait that came to the bound that was foreseen. Its quantiles are
those of Kaplan and Meier (J. Am. Stat. Assoc. 53, 457, 1958): a job that still waits, or was
cancelled while it did, has not told its ratio, only that it is greater than what it has reached.
Leaving such jobs out would make long waits look rare just when they are not.

Jobs of one user in a row share their fate, so that a few hundred outcomes are worth far fewer. The
level is therefore raised by CAUTION standard errors of a share of nine in ten, counting such jobs
once.

Jobs are judged among their like (`Crowd`): those of low priority are overtaken by nearly everyone
who comes later, those in their owner's timeslot by nobody.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import groupby
from statistics import NormalDist

from labd.core.estimate import Z90
from labd.core.forecast import Foreseen
from labd.core.jobs import Priority

WINDOW = 1000
SLACK_S = 1.0
"""Added to all waits before they are compared: below it, ratios say nothing."""
N_PRIOR = 30
"""So many log-normal ratios are assumed at first; they give way as outcomes come."""
LEVEL = 0.9
CAUTION = 1.5
HIGHEST_LEVEL = 0.98
FIRST_SPELLS = 5


class Crowd(Enum):
    """Jobs that fare alike. The value: the spread of the ratios' logarithms assumed at first."""

    LOW = 1.0
    REST = 0.7
    TIMESLOT = 0.35


def crowd_of(priority: Priority, *, with_timeslot: bool) -> Crowd:
    """The crowd that a job is in."""
    if with_timeslot:
        return Crowd.TIMESLOT
    return Crowd.LOW if priority is Priority.LOW else Crowd.REST


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a foreseen wait turned out. has_started False: it waited so long and did not start.

    bound_s: `bound_s` of what was foreseen.
    """

    crowd: Crowd
    user_id: int
    bound_s: float
    waited_s: float
    has_started: bool

    @property
    def ratio(self) -> float:
        """What came, or is reached, over what was foreseen."""
        return (self.waited_s + SLACK_S) / self.bound_s


@dataclass(frozen=True, slots=True)
class Correction:
    """Factors by which bounds are multiplied for an even chance, and for nine in ten."""

    p50: float
    p90: float

    def waits_s(self, foreseen: Foreseen) -> tuple[float, float]:
        """The wait's p50 and p90."""
        if foreseen.wait_s <= 0.0:
            return 0.0, SLACK_S
        bound = bound_s(foreseen)
        return max(0.0, self.p50 * bound - SLACK_S), max(0.0, self.p90 * bound - SLACK_S)


def bound_s(foreseen: Foreseen) -> float:
    """What a wait is compared with: its ninth decile as far as run times decide, and the slack."""
    return foreseen.wait_s + Z90 * foreseen.spread_s + SLACK_S


class Experience:
    """The last outcomes of one quantum computer's forecasts."""

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self._outcomes = {crowd: deque[Outcome](maxlen=WINDOW) for crowd in Crowd}
        for outcome in outcomes:
            self.learn(outcome)

    def learn(self, outcome: Outcome) -> None:
        """Take in one more, at a job's start, or its end without one."""
        self._outcomes[outcome.crowd].append(outcome)

    def corrections(self, pending: Iterable[Outcome] = ()) -> Mapping[Crowd, Correction]:
        """What follows for the next ones. pending: of those that wait now, the eldest first."""
        waiting: dict[Crowd, list[Outcome]] = {crowd: [] for crowd in Crowd}
        for outcome in pending:
            if len(waiting[outcome.crowd]) < WINDOW:
                waiting[outcome.crowd].append(outcome)
        return {crowd: self._correction(crowd, waiting[crowd]) for crowd in Crowd}

    def _correction(self, crowd: Crowd, pending: Sequence[Outcome]) -> Correction:
        known = [*self._outcomes[crowd], *pending]
        n_prior = round(N_PRIOR * max(0.0, 1.0 - len(known) / WINDOW))
        ratios = [(ratio, True) for ratio in _prior(crowd, n_prior)]
        ratios += [(outcome.ratio, outcome.has_started) for outcome in known]
        ratios.sort()
        n_spells = sum(1 for _ in groupby(o.user_id for o in known if o.has_started))
        error = math.sqrt(LEVEL * (1.0 - LEVEL) / (n_spells + FIRST_SPELLS))
        p50 = quantile(ratios, 0.5)
        level = min(HIGHEST_LEVEL, LEVEL + CAUTION * error)
        return Correction(p50, max(p50, quantile(ratios, level)))


@cache
def _prior(crowd: Crowd, n_ratios: int) -> tuple[float, ...]:
    normal = NormalDist(0.0, crowd.value)
    return tuple(math.exp(normal.inv_cdf((i + 0.5) / n_ratios)) for i in range(n_ratios))


def quantile(ratios: Sequence[tuple[float, bool]], level: float) -> float:
    """The ratio that the next one stays within, by Kaplan and Meier.

    ratios: ascending, not empty; False: greater than so much. Where the level is not reached, the
    greatest of all.
    """
    share_above = 1.0
    n_left = len(ratios)
    for ratio, is_known in ratios:
        if is_known:
            share_above *= 1.0 - 1.0 / (n_left + 1)
            if share_above <= 1.0 - level:
                return ratio
        n_left -= 1
    return ratios[-1][0]
