"""What ten users hand in during a lab's day, and the timeslots that some have booked: by chance.

Bursts of jobs of few kinds; kinds with playing times from parts of a second to minutes, some steady
and some not; a share of jobs that are new variants of their kind; runs that take far longer than
usual now and then; priorities; users who lose interest and cancel.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from uuid import UUID

from labd.core.jobs import Priority, QcId
from labd.core.openings import S_NS, Slot

BEGIN_NS = 1_800_000_000 * S_NS
QC = QcId(UUID(int=1))
N_USERS = 10
N_KINDS = 6
BURST_EVERY_S = 110.0
JOBS_PER_BURST = 6.0
MOST_PER_BURST = 25
OVERHEAD_S = 0.8
SLOT_PARTS = (0.2, 0.45, 0.75)
"""Where in the day slots begin."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A job as chance made it. cancel_s: when its user loses interest, after its arrival."""

    user_id: int
    kind: str
    playing_s: float
    run_s: float
    priority: Priority
    with_timeslot: bool
    arrive_s: float
    cancel_s: float | None


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    playing_s: float
    factor: float
    noise: float


def day(seed: int, n_jobs: int) -> tuple[list[Plan], tuple[Slot, ...]]:
    """The jobs in the order in which they come, and the slots."""
    chance = random.Random(seed)
    kinds = {
        user: [_kind(chance, user, number) for number in range(N_KINDS)]
        for user in range(1, N_USERS + 1)
    }
    plans: list[Plan] = []
    now_s = 0.0
    while len(plans) < n_jobs:
        now_s += chance.expovariate(1 / BURST_EVERY_S)
        user = min(N_USERS, 1 + int(chance.expovariate(1 / 3.0)))
        priority = chance.choices(list(Priority), (0.1, 0.85, 0.05))[0]
        burst_kinds = chance.sample(kinds[user], 2)
        at_s = now_s
        for _ in range(min(MOST_PER_BURST, 1 + int(chance.expovariate(1 / JOBS_PER_BURST)))):
            at_s += chance.expovariate(1 / 0.3)
            plans.append(_plan(chance, user, chance.choice(burst_kinds), priority, at_s))
    plans = sorted(plans, key=lambda plan: plan.arrive_s)[:n_jobs]
    slots = _slots(chance, plans[-1].arrive_s)
    return [_for_slot(chance, plan, slots) for plan in plans], slots


def _kind(chance: random.Random, user: int, number: int) -> _Kind:
    return _Kind(
        name=f"{user}/{number}",
        playing_s=min(400.0, chance.lognormvariate(math.log(4.0), 1.2)),
        factor=chance.lognormvariate(0.0, 0.25),
        noise=chance.choice((0.03, 0.08, 0.2)),
    )


def _plan(chance: random.Random, user: int, kind: _Kind, priority: Priority, at_s: float) -> Plan:
    playing_s = kind.playing_s * chance.choice((0.5, 1.0, 1.0, 1.0, 2.0))
    is_new = playing_s != kind.playing_s or chance.random() < 0.2
    run_s = (OVERHEAD_S + 1.3 * playing_s) * kind.factor * chance.lognormvariate(0.0, kind.noise)
    if chance.random() < 0.03:
        run_s *= chance.uniform(1.5, 4.0)
    return Plan(
        user_id=user,
        kind=f"{kind.name}/{chance.random()}" if is_new else kind.name,
        playing_s=playing_s,
        run_s=run_s,
        priority=priority,
        with_timeslot=False,
        arrive_s=at_s,
        cancel_s=chance.expovariate(1 / 240.0) if chance.random() < 0.15 else None,
    )


def _slots(chance: random.Random, end_s: float) -> tuple[Slot, ...]:
    slots = []
    for number, part in enumerate(SLOT_PARTS):
        user = chance.randint(1, N_USERS)
        start_ns = BEGIN_NS + round(end_s * part * S_NS)
        end_ns = start_ns + round(end_s * chance.uniform(0.04, 0.08) * S_NS)
        slots.append(Slot(UUID(int=number), QC, user, f"user{user}", start_ns, end_ns, ""))
    return tuple(slots)


def _for_slot(chance: random.Random, plan: Plan, slots: tuple[Slot, ...]) -> Plan:
    """Half of what owners hand in within the hour before their slot, or in it, is for it."""
    at_ns = BEGIN_NS + round(plan.arrive_s * S_NS)
    is_near = any(
        slot.user_id == plan.user_id and slot.start_ns - 3600 * S_NS < at_ns < slot.end_ns
        for slot in slots
    )
    return replace(plan, with_timeslot=is_near and chance.random() < 0.5)
