"""The rules of a lab, checked from its two logs alone: the audit and the jobs' events.

Nothing of labd is imported: what is checked here is not checked by labd's own idea of it.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

SECOND_NS = 1_000_000_000
Json = str | int | float | bool | None
FINAL = {"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"}
NEXT = {
    None: {"IN_QUEUE"},
    "IN_QUEUE": {"EXECUTING", "CANCELLED", "FAILED"},
    "EXECUTING": {"COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED"},
}


@dataclass(frozen=True)
class Deed:
    """A line of the audit."""

    number: int
    at_ns: int
    user: str
    action: str
    object: str
    details: Mapping[str, Json]


@dataclass
class Life:
    """A job as the logs tell it."""

    id: str
    user: str
    alias: str
    use_timeslot: bool
    priorities: list[tuple[int, str]]
    run_p90_s: float
    submitted_ns: int
    started_ns: int | None = None
    ended_ns: int | None = None
    states: list[str] = field(default_factory=list)
    holds: list[tuple[int, int]] = field(default_factory=list)

    def priority_at(self, at_ns: int) -> str:
        """The last one that it was given until then."""
        return [priority for when, priority in self.priorities if when <= at_ns][-1]

    def is_queued(self, at_ns: int) -> bool:
        """Whether it stood in the queue at an instant, arrival excluded."""
        left = self.started_ns if self.started_ns is not None else self.ended_ns
        return self.submitted_ns < at_ns and (left is None or at_ns <= left)

    def is_startable(self, at_ns: int) -> bool:
        return self.is_queued(at_ns) and not any(a <= at_ns < b for a, b in self.holds)


@dataclass
class Slot:
    alias: str
    owner: str
    start_ns: int
    end_ns: int
    booked_ns: int


@dataclass(frozen=True)
class Rules:
    """What the lab was configured to."""

    idle_release_s: float
    queued_jobs: Mapping[str, int]


@dataclass
class Logs:
    """Both logs, read into lives and slots."""

    deeds: list[Deed]
    lives: dict[str, Life]
    slots: dict[str, Slot]
    modes: dict[str, list[tuple[int, str]]]
    complaints: list[str] = field(default_factory=list)


def read_logs(database: Path) -> Logs:
    """The two tables, nothing else of the database."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        deeds = [
            Deed(number, at_ns, user, action, target, json.loads(details))
            for number, at_ns, user, action, target, details in db.execute(
                "SELECT number, at_ns, user, action, object, details FROM audit ORDER BY number"
            )
        ]
        events = db.execute(
            "SELECT job_id, number, state, at_ns FROM job_events ORDER BY job_id, number"
        ).fetchall()
    db.close()
    logs = Logs(deeds, {}, {}, defaultdict(list))
    for deed in deeds:
        _take(logs, deed)
    for job_id, number, state, at_ns in events:
        _live(logs, bytes(job_id).hex(), int(number), str(state), int(at_ns))
    return logs


def _take(logs: Logs, deed: Deed) -> None:
    details = deed.details
    key = deed.object.replace("-", "")
    match deed.action:
        case "job.submit":
            logs.lives[key] = Life(
                id=key,
                user=deed.user,
                alias=str(details["alias"]),
                use_timeslot=bool(details["use_timeslot"]),
                priorities=[(deed.at_ns, str(details["priority"]))],
                run_p90_s=float(str(details["run_p90_s"])),
                submitted_ns=deed.at_ns,
            )
        case "job.priority":
            logs.lives[key].priorities.append((deed.at_ns, str(details["priority"])))
        case "job.hold":
            logs.lives[key].holds.append((deed.at_ns, 1 << 62))
        case "job.release":
            begin, _ = logs.lives[key].holds.pop()
            logs.lives[key].holds.append((begin, deed.at_ns))
        case "timeslot.book":
            logs.slots[key] = Slot(
                alias=str(details["alias"]),
                owner=str(details["owner"]),
                start_ns=int(str(details["start_ns"])),
                end_ns=int(str(details["end_ns"])),
                booked_ns=deed.at_ns,
            )
        case "timeslot.change":
            logs.slots[key].start_ns = int(str(details["start_ns"]))
            logs.slots[key].end_ns = int(str(details["end_ns"]))
        case "timeslot.cancel":
            logs.slots[key].end_ns = min(logs.slots[key].end_ns, deed.at_ns)
        case "machine.pause" | "machine.drain" | "machine.resume":
            logs.modes[deed.object].append((deed.at_ns, deed.action.partition(".")[2]))
        case _:
            pass


def _live(logs: Logs, job_id: str, number: int, state: str, at_ns: int) -> None:
    life = logs.lives.get(job_id)
    if life is None:
        logs.complaints.append(f"job {job_id} has events and no line in the audit")
        return
    before = life.states[-1] if life.states else None
    if state not in NEXT.get(before, set()) or number != len(life.states) + 1:
        logs.complaints.append(f"job {job_id}: {before} -> {state} as event {number}")
    life.states.append(state)
    if state == "EXECUTING":
        life.started_ns = at_ns
    if state in FINAL:
        life.ended_ns = at_ns


def broken_rules(logs: Logs, rules: Rules) -> list[str]:
    """Every rule that was broken, as a sentence; none is the good answer."""
    return [
        *logs.complaints,
        *_all_ended(logs),
        *_one_at_a_time(logs),
        *_modes_kept(logs),
        *_slots_kept(logs, rules),
        *_queue_limits_kept(logs, rules),
        *_order_kept(logs),
        *_slots_disjoint(logs),
    ]


def _all_ended(logs: Logs) -> Iterator[str]:
    for life in logs.lives.values():
        if not life.states or life.states[-1] not in FINAL:
            yield f"job {life.id} of {life.user} never ended: {life.states}"


def _started(logs: Logs, alias: str) -> list[Life]:
    lives = [x for x in logs.lives.values() if x.alias == alias and x.started_ns is not None]
    return sorted(lives, key=_start)


def _start(life: Life) -> int:
    assert life.started_ns is not None
    return life.started_ns


def _aliases(logs: Logs) -> set[str]:
    return {life.alias for life in logs.lives.values()}


def _one_at_a_time(logs: Logs) -> Iterator[str]:
    for alias in _aliases(logs):
        runs = _started(logs, alias)
        for one, other in pairwise(runs):
            if one.ended_ns is None or one.ended_ns > _start(other):
                yield f"{alias}: {other.id} started while {one.id} ran"


def _mode_at(logs: Logs, alias: str, at_ns: int) -> str:
    changes = logs.modes[alias]
    index = bisect_right([when for when, _ in changes], at_ns) - 1
    return "resume" if index < 0 else changes[index][1]


def _modes_kept(logs: Logs) -> Iterator[str]:
    for life in logs.lives.values():
        if life.started_ns is not None and _mode_at(logs, life.alias, _start(life)) == "pause":
            yield f"{life.id} started while {life.alias} was paused"
        if _mode_at(logs, life.alias, life.submitted_ns) == "drain":
            yield f"{life.id} was accepted while {life.alias} drained"


def _slot_at(logs: Logs, alias: str, at_ns: int) -> Slot | None:
    for slot in logs.slots.values():
        if slot.alias == alias and slot.start_ns <= at_ns < slot.end_ns:
            return slot
    return None


def _slots_kept(logs: Logs, rules: Rules) -> Iterator[str]:
    for life in logs.lives.values():
        if life.started_ns is None:
            continue
        slot = _slot_at(logs, life.alias, life.started_ns)
        is_owner = slot is not None and slot.owner == life.user
        if life.use_timeslot and not is_owner:
            yield f"{life.id} of {life.user} uses timeslots and started outside his own"
        if slot is not None and not is_owner and not _is_released(logs, life, slot, rules):
            yield f"{life.id} of {life.user} started in the slot of {slot.owner}"
        yield from _fits(logs, life, slot if is_owner else None)


def _is_released(logs: Logs, life: Life, slot: Slot, rules: Rules) -> bool:
    """Whether the slot's owner had had no work for long enough."""
    now_ns = _start(life)
    own = [x for x in logs.lives.values() if x.user == slot.owner and x.alias == slot.alias]
    end_ns = _own_end(logs, slot)
    if any(x.is_startable(now_ns) and now_ns + x.run_p90_s * SECOND_NS <= end_ns for x in own):
        return False
    ends = [x.ended_ns for x in own if x.ended_ns is not None and x.ended_ns <= now_ns]
    quiet_since_ns = max([slot.start_ns, *ends])
    return now_ns - quiet_since_ns >= rules.idle_release_s * SECOND_NS


def _fits(logs: Logs, life: Life, own_slot: Slot | None) -> Iterator[str]:
    """What starts is expected to end before the next slot of somebody else begins."""
    begins = [
        slot.start_ns
        for slot in logs.slots.values()
        if slot.alias == life.alias
        and slot.owner != life.user
        and slot.start_ns > _start(life)
        and slot.booked_ns < _start(life)
        and slot.end_ns > slot.start_ns
    ]
    limits = [*begins, *([] if own_slot is None else [_own_end(logs, own_slot)])]
    end_ns = _start(life) + life.run_p90_s * SECOND_NS
    if limits and end_ns > min(limits):
        late_s = (end_ns - min(limits)) / SECOND_NS
        yield f"{life.id} of {life.user} was expected to run {late_s:.1f} s into what is not his"


def _own_end(logs: Logs, slot: Slot) -> int:
    """The end of the owner's contiguous slots; with nothing behind them, of time."""
    end_ns = slot.end_ns
    for other in sorted(logs.slots.values(), key=lambda each: each.start_ns):
        if (other.alias, other.owner, other.start_ns) == (slot.alias, slot.owner, end_ns):
            end_ns = other.end_ns
    return end_ns


def _slots_disjoint(logs: Logs) -> Iterator[str]:
    slots = [slot for slot in logs.slots.values() if slot.end_ns > slot.start_ns]
    ordered = sorted(slots, key=lambda slot: (slot.alias, slot.start_ns))
    for one, other in pairwise(ordered):
        if one.alias == other.alias and one.end_ns > other.start_ns:
            yield f"{other.alias}: slots of {one.owner} and {other.owner} overlap"


def _queue_limits_kept(logs: Logs, rules: Rules) -> Iterator[str]:
    for user, most in rules.queued_jobs.items():
        steps: list[tuple[int, int]] = []
        for life in logs.lives.values():
            if life.user == user:
                left = life.started_ns if life.started_ns is not None else life.ended_ns
                steps += [(life.submitted_ns, 1), (left or 1 << 62, -1)]
        n_queued = 0
        for _, step in sorted(steps):
            n_queued += step
            if n_queued > most:
                yield f"{user} had {n_queued} jobs in the queue; {most} are allowed"
                break


def _order_kept(logs: Logs) -> Iterator[str]:
    """Age within a user, class between all, among those that could have started."""
    rank = {"LOW": 1, "NORMAL": 2, "HIGH": 3}
    for alias in _aliases(logs):
        lives = [life for life in logs.lives.values() if life.alias == alias]
        for life in _started(logs, alias):
            now_ns = _start(life)
            mine = life.priority_at(now_ns)
            slot = _slot_at(logs, alias, now_ns)
            is_in_own_slot = slot is not None and slot.owner == life.user
            for other in _could_have_started(lives, life, is_in_own_slot):
                theirs = other.priority_at(now_ns)
                if other.user == life.user and theirs == mine:
                    if other.submitted_ns < life.submitted_ns:
                        yield f"{life.id} of {life.user} went before his older {other.id}"
                elif rank[theirs] > rank[mine]:
                    yield f"{life.id} ({mine}) went before {other.id} ({theirs})"


def _could_have_started(lives: Iterable[Life], life: Life, is_in_own_slot: bool) -> Iterator[Life]:
    """Jobs with the same right to the machine at that instant, no longer than the one it got."""
    for other in lives:
        if (
            other is not life
            and other.use_timeslot == life.use_timeslot
            and other.is_startable(_start(life))
            and other.run_p90_s <= life.run_p90_s
            and (other.user == life.user or not is_in_own_slot)
        ):
            yield other
