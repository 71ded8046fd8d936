"""When a queued job starts: what follows from the queue as it is, corrected by experience.

`foresee` plays the queue forward with the very rule by which jobs are claimed (labd.core.openings),
each job taking as long as it is expected to. What it cannot know is who will come later and go
first, who will cancel, what goes wrong. That is learnt (labd.core.experience).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from labd.core.estimate import RunEstimate
from labd.core.openings import S_NS, Candidate, Opening, Situation, next_change_ns, openings

MAX_STEPS = 1000
"""Starts and changes of the openings that are played; the waits of what is left are added up."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A queued job: what decides whether it may start, and how long it runs."""

    candidate: Candidate
    run: RunEstimate


@dataclass(frozen=True, slots=True)
class Underway:
    """The job that runs: whose it is, and how long it still will."""

    user_id: int
    left: RunEstimate


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The wait of a job if nobody else comes.

    spread_s: its standard deviation by run times. n_before: how many of the queue start before it.
    """

    wait_s: float
    spread_s: float
    n_before: int


def foresee(
    situation: Situation, underway: Underway | None, queue: Sequence[Standing]
) -> tuple[Foreseen | None, ...]:
    """The waits of a queue, in its order; None for those of which no start is in sight."""
    play = _Play(situation, queue)
    if underway is not None:
        play.spend(underway.left, underway.user_id)
    play.run()
    return tuple(play.foreseen)


class _Play:
    """The machine, played forward in expected time."""

    def __init__(self, situation: Situation, queue: Sequence[Standing]) -> None:
        self.foreseen: list[Foreseen | None] = [None] * len(queue)
        self._first = situation
        self._now_ns = situation.now_ns
        self._variance_s2 = 0.0
        self._n_started = 0
        self._active_ns: dict[int, int] = {}
        if situation.current is not None and situation.owner_active_ns is not None:
            self._active_ns[situation.current.user_id] = situation.owner_active_ns
        self._queue = queue
        self._n_left = sum(not each.candidate.is_held for each in queue)
        self._refused: dict[Opening, int] = {}

    def run(self) -> None:
        """Start jobs, or let time pass, until nothing is left or time alone opens nothing."""
        for _ in range(MAX_STEPS):
            situation = self._situation()
            if not self._n_left or not (situation.slots or situation.lease):
                break
            first = self._first_to_start(situation)
            if first is not None:
                self._start(first)
            else:
                change_ns = next_change_ns(situation)
                if change_ns is None:
                    return
                self._now_ns = max(change_ns, self._now_ns + 1)
        self._add_up()

    def _situation(self) -> Situation:
        now_ns = self._now_ns
        slots = tuple(slot for slot in self._first.slots if slot.end_ns > now_ns)
        current = next((slot for slot in slots if slot.start_ns <= now_ns), None)
        active_ns = None if current is None else self._active_ns.get(current.user_id)
        lease = self._first.lease
        if lease is not None and not lease.is_held(now_ns):
            lease = None
        return replace(
            self._first, now_ns=now_ns, slots=slots, owner_active_ns=active_ns, lease=lease
        )

    def _first_to_start(self, situation: Situation) -> int | None:
        """As `first_to_start` of labd.core.openings, without asking again in vain.

        What an opening refuses it refuses later too: its end comes nearer. So each is asked about
        each job once.
        """
        for _, tier in groupby(openings(situation), key=lambda opening: opening.tier):
            firsts = [self._first_of(opening, situation.now_ns) for opening in tier]
            first = min(firsts)
            if first < len(self._queue):
                return first
        return None

    def _first_of(self, opening: Opening, now_ns: int) -> int:
        index = self._refused.get(opening, 0)
        while index < len(self._queue) and (
            self.foreseen[index] is not None
            or not opening.admits(self._queue[index].candidate, now_ns)
        ):
            index += 1
        self._refused[opening] = index
        return index

    def _add_up(self) -> None:
        """Start one after the other all that may start without a slot, once no lease is held."""
        alone = replace(
            self._first, slots=(), now_ns=self._now_ns, owner_active_ns=None, lease=None
        )
        if openings(alone):
            for index, job in enumerate(self._queue):
                candidate = job.candidate
                is_free = not (candidate.with_timeslot or candidate.is_held)
                if is_free and self.foreseen[index] is None:
                    self._start(index)

    def _start(self, index: int) -> None:
        wait_s = (self._now_ns - self._first.now_ns) / S_NS
        self.foreseen[index] = Foreseen(wait_s, math.sqrt(self._variance_s2), self._n_started)
        self._n_started += 1
        self._n_left -= 1
        job = self._queue[index]
        self.spend(job.run, job.candidate.user_id)

    def spend(self, run: RunEstimate, user_id: int) -> None:
        """Let a job of that user run."""
        self._now_ns += round(run.mean_s * S_NS)
        self._variance_s2 += run.variance_s2
        self._active_ns[user_id] = self._now_ns
