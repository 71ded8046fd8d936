"""A lab's day in simulated time, on one machine that is run by labd's own pure parts.

The order of the queue, the openings, the estimator, the forecast and its experience are labd's;
time and chance alone are made here (benchmarks.lab_plans). Nothing is known at the beginning.
"""

from __future__ import annotations

import heapq
import statistics
from bisect import insort
from dataclasses import dataclass
from typing import Literal

from benchmarks.lab_plans import BEGIN_NS, Plan, day
from labd.core.estimate import Estimator, FinishedRun, RunEstimate, remaining
from labd.core.experience import Crowd, Experience, Outcome, bound_s, crowd_of
from labd.core.forecast import Foreseen, Standing, Underway, foresee
from labd.core.jobs import JobType
from labd.core.openings import (
    S_NS,
    Candidate,
    Mode,
    Situation,
    TimeslotRules,
    first_to_start,
    next_change_ns,
)
from labd.core.queue_order import SortKey, advanced, place, rested, settled, sort_key

RULES = TimeslotRules(
    is_required=False, refuses_overrun=False, idle_release_s=300.0, shows_owners=True
)
TAKE_UP_S = 0.02
"""From a claim to the rack's first move, and from its last to the record."""
WAKE_LATE_S = 0.5
"""How late labd may wake when a slot begins."""

Event = Literal["arrive", "cancel", "end", "wake"]
Share = tuple[int, int]
"""A class of priority and a user."""


@dataclass(slots=True)
class Traced:
    """A job, what was foretold when it came, and how it turned out. p50_s, p90_s: of its wait."""

    plan: Plan
    seq: int
    tag_s: float
    run: RunEstimate
    arrived_s: float
    foreseen: Foreseen | None = None
    p50_s: float = 0.0
    p90_s: float = 0.0
    started_s: float | None = None
    ended_s: float | None = None
    is_cancelled: bool = False

    @property
    def key(self) -> SortKey:
        """Its place in the queue."""
        return sort_key(self.plan.priority, self.tag_s, self.seq)

    @property
    def share(self) -> Share:
        """Whose account it is charged to."""
        return int(self.plan.priority), self.plan.user_id

    @property
    def crowd(self) -> Crowd:
        """Those whose fate it shares."""
        return crowd_of(self.plan.priority, with_timeslot=self.plan.with_timeslot)

    @property
    def standing(self) -> Standing:
        """The job as a forecast sees it."""
        plan = self.plan
        return Standing(Candidate(plan.user_id, plan.with_timeslot, self.run.p90_s), self.run)


class Machine:
    """The lab's one machine, from the first arrival until nothing is left to happen."""

    def __init__(self, seed: int, n_jobs: int) -> None:
        self._plans, self._slots = day(seed, n_jobs)
        self._jobs: list[Traced] = []
        self._now_s = 0.0
        self._estimator = Estimator()
        self._experience = Experience()
        self._queue: list[Traced] = []
        self._running: Traced | None = None
        self._clocks: dict[int, float] = {}
        self._accounts: dict[Share, float] = {}
        self._active_ns: dict[int, int] = {}
        self._events: list[tuple[float, int, Event, int]] = []
        self._n_events = 0

    def run(self) -> list[Traced]:
        """Play it all; returns the jobs in the order in which they came."""
        for index, plan in enumerate(self._plans):
            self._expect(plan.arrive_s, "arrive", index)
        while self._events:
            self._now_s, _, event, index = heapq.heappop(self._events)
            match event:
                case "arrive":
                    self._arrive(self._plans[index])
                case "cancel":
                    self._cancel(self._jobs[index])
                case "end":
                    self._end(self._jobs[index])
                case "wake":
                    pass
            self._claim()
        return self._jobs

    @property
    def _now_ns(self) -> int:
        return BEGIN_NS + round(self._now_s * S_NS)

    def _expect(self, at_s: float, event: Event, index: int) -> None:
        self._n_events += 1
        heapq.heappush(self._events, (at_s, self._n_events, event, index))

    def _situation(self) -> Situation:
        slots = tuple(slot for slot in self._slots if slot.end_ns > self._now_ns)
        current = slots[0] if slots and slots[0].start_ns <= self._now_ns else None
        active_ns = None if current is None else self._active_ns.get(current.user_id)
        return Situation(self._now_ns, Mode.RUNNING, slots, RULES, active_ns)

    # ---- arrivals and forecasts

    def _arrive(self, plan: Plan) -> None:
        run = self._estimator.run(plan.kind, plan.playing_s, JobType.PULSE)
        job = Traced(plan, len(self._jobs), 0.0, run, self._now_s)
        tags_s = [each.tag_s for each in self._queue if each.share == job.share]
        clock_s = self._clocks.get(job.share[0], 0.0)
        account_s = self._accounts.get(job.share, 0.0)
        placing = place(clock_s, account_s, max(tags_s, default=None), run.p50_s)
        job.tag_s = placing.tag_s
        if not plan.with_timeslot:
            self._accounts[job.share] = placing.account_s
        self._jobs.append(job)
        insort(self._queue, job, key=lambda each: each.key)
        self._active_ns[plan.user_id] = self._now_ns
        if plan.cancel_s is not None:
            self._expect(self._now_s + plan.cancel_s, "cancel", job.seq)
        self._foretell(job)

    def _foretell(self, job: Traced) -> None:
        queue = [each.standing for each in self._queue]
        foreseen = foresee(self._situation(), self._underway(), queue)[self._queue.index(job)]
        if foreseen is not None:
            pending = [
                self._outcome(each, each.foreseen)
                for each in sorted(self._queue, key=lambda each: each.seq)
                if each.foreseen is not None
            ]
            correction = self._experience.corrections(pending)[job.crowd]
            job.p50_s, job.p90_s = correction.waits_s(foreseen)
            job.foreseen = foreseen

    def _underway(self) -> Underway | None:
        running = self._running
        if running is None or running.started_s is None:
            return None
        left = remaining(running.run, self._now_s - running.started_s, 0.0)
        return Underway(running.plan.user_id, left)

    def _outcome(self, job: Traced, foreseen: Foreseen) -> Outcome:
        """The wait so far, at the job's start or its end without one."""
        waited_s = self._now_s - job.arrived_s
        has_started = job.started_s is not None
        return Outcome(job.crowd, job.plan.user_id, bound_s(foreseen), waited_s, has_started)

    def _learn_wait(self, job: Traced) -> None:
        if job.foreseen is not None and job.foreseen.wait_s > 0.0:
            self._experience.learn(self._outcome(job, job.foreseen))

    # ---- the machine

    def _claim(self) -> None:
        if self._running is not None or not self._queue:
            return
        situation = self._situation()
        first = first_to_start(situation, [job.standing.candidate for job in self._queue])
        if first is None:
            change_ns = next_change_ns(situation)
            if change_ns is not None:
                self._expect((change_ns - BEGIN_NS) / S_NS + WAKE_LATE_S, "wake", 0)
            return
        job = self._queue.pop(first)
        job.started_s = self._now_s
        self._learn_wait(job)
        self._running = job
        if not job.plan.with_timeslot:
            clock_s = self._clocks.get(job.share[0], 0.0)
            self._clocks[job.share[0]] = advanced(clock_s, job.tag_s, self._first_left_s(job))
        self._expect(self._now_s + TAKE_UP_S + job.plan.run_s, "end", job.seq)

    def _first_left_s(self, job: Traced) -> float | None:
        return min(
            (
                each.tag_s
                for each in self._queue
                if each.share[0] == job.share[0] and not each.plan.with_timeslot
            ),
            default=None,
        )

    def _end(self, job: Traced) -> None:
        if self._running is not job or job.started_s is None:
            return
        self._running = None
        job.ended_s = self._now_s
        run_s = self._now_s - job.started_s
        self._settle(job, run_s)
        self._active_ns[job.plan.user_id] = self._now_ns
        if not job.is_cancelled:
            plan = job.plan
            self._estimator.learn(FinishedRun(plan.kind, JobType.PULSE, plan.playing_s, run_s))

    def _cancel(self, job: Traced) -> None:
        if job.ended_s is not None:
            return
        job.is_cancelled = True
        if self._running is job:
            self._end(job)
        else:
            self._queue.remove(job)
            job.ended_s = self._now_s
            self._learn_wait(job)
            self._settle(job, 0.0)

    def _settle(self, job: Traced, run_s: float) -> None:
        if job.plan.with_timeslot:
            return
        self._accounts[job.share] = settled(self._accounts[job.share], job.run.p50_s, run_s)
        if self._first_left_s(job) is None:
            klass = job.share[0]
            greatest_s = max(
                account_s for share, account_s in self._accounts.items() if share[0] == klass
            )
            self._clocks[klass] = rested(self._clocks.get(klass, 0.0), greatest_s)


@dataclass(frozen=True, slots=True)
class Score:
    """How the forecasts of a day turned out.

    n_judged: jobs whose start was foretold and that started, or were cancelled after their p90, or
    never started. n_silent: of which nothing was foretold. p90_by_wait: median of p90 over wait, of
    those that had to wait. runs_*: the same for run times of the jobs that ended by themselves.
    """

    n_judged: int
    n_silent: int
    before_p50: float
    before_p90: float
    before_p90_of_waiting: float
    p90_by_wait: float
    runs_within_p50: float
    runs_within_p90: float


def score(jobs: list[Traced]) -> Score:
    """Judge what was foretold when the jobs came."""
    judged: list[tuple[float, Traced]] = []
    for job in jobs:
        until_s = job.started_s if job.started_s is not None else job.ended_s
        wait_s = float("inf") if until_s is None else until_s - job.arrived_s
        was_judged = job.started_s is not None or wait_s > job.p90_s
        if job.foreseen is not None and was_judged:
            judged.append((wait_s, job))
    waited = [(wait_s, job) for wait_s, job in judged if wait_s > 0.0]
    runs = [
        (job.ended_s - job.started_s, job.run)
        for job in jobs
        if job.started_s is not None and job.ended_s is not None and not job.is_cancelled
    ]
    return Score(
        n_judged=len(judged),
        n_silent=sum(job.foreseen is None for job in jobs),
        before_p50=statistics.mean(wait_s <= job.p50_s for wait_s, job in waited),
        before_p90=statistics.mean(wait_s <= job.p90_s for wait_s, job in judged),
        before_p90_of_waiting=statistics.mean(wait_s <= job.p90_s for wait_s, job in waited),
        p90_by_wait=statistics.median(job.p90_s / wait_s for wait_s, job in waited),
        runs_within_p50=statistics.mean(run_s <= run.p50_s for run_s, run in runs),
        runs_within_p90=statistics.mean(run_s <= run.p90_s for run_s, run in runs),
    )
