"""A scripted day of a lab, judged by a checker that sees nothing but its logs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from day_rules import SECOND_NS, Logs, Rules, broken_rules, read_logs
from lab_day import IDLE_RELEASE_S, QUEUED_JOBS, USERS, Day

from labd.core.audit import verify
from labd.store.audit import Wanted
from labd.store.store import Store

RULES = Rules(IDLE_RELEASE_S, dict.fromkeys(USERS, QUEUED_JOBS))


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    made = Day(tmp_path_factory.mktemp("day"), seed=1, n_jobs=1000)
    asyncio.run(made.run())
    return made


def test_no_rule_is_broken_on_a_day_with_a_thousand_jobs(day: Day) -> None:
    logs = read_logs(day.database)

    assert broken_rules(logs, RULES) == []
    assert len(logs.lives) > 700
    assert {"quota_exceeded", "no_booked_timeslots", "conflict", "unavailable"} <= set(day.refused)
    assert set(day.done) == {"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"}


def _slot_for_a_stranger(logs: Logs) -> None:
    slot = next(iter(logs.slots.values()))
    slot.owner = "user9"


def _slot_that_overlaps(logs: Logs) -> None:
    slot = next(iter(logs.slots.values()))
    logs.slots["another"] = replace(slot, start_ns=slot.start_ns + 1)


def _pause_all_day(logs: Logs) -> None:
    logs.modes["star5"] = [(0, "pause")]


def _drain_all_day(logs: Logs) -> None:
    logs.modes["star5"] = [(0, "drain")]


def _job_that_starts_early(logs: Logs) -> None:
    started = [life for life in logs.lives.values() if life.started_ns is not None]
    started[len(started) // 2].started_ns = started[len(started) // 2].submitted_ns


def _job_that_never_ends(logs: Logs) -> None:
    next(iter(logs.lives.values())).states.pop()


def _job_of_a_higher_class(logs: Logs) -> None:
    for life in list(logs.lives.values())[100:200]:
        life.priorities = [(life.submitted_ns, "HIGH")]


def _jobs_of_one_user(logs: Logs) -> None:
    for life in logs.lives.values():
        life.user = "user0"


@pytest.mark.parametrize(
    "tamper",
    [
        _slot_for_a_stranger,
        _slot_that_overlaps,
        _pause_all_day,
        _drain_all_day,
        _job_that_starts_early,
        _job_that_never_ends,
        _job_of_a_higher_class,
        _jobs_of_one_user,
    ],
)
def test_the_checker_sees_a_rule_that_is_broken(day: Day, tamper: Callable[[Logs], None]) -> None:
    logs = read_logs(day.database)

    tamper(logs)

    assert broken_rules(logs, RULES) != []


def test_slots_are_used_from_their_beginning(day: Day) -> None:
    logs = read_logs(day.database)
    waits_s = []
    for slot in logs.slots.values():
        own = [life for life in logs.lives.values() if life.user == slot.owner]
        waiting = [life for life in own if life.is_startable(slot.start_ns) and life.use_timeslot]
        running = [
            life.ended_ns
            for life in logs.lives.values()
            if life.started_ns is not None
            and life.ended_ns is not None
            and life.started_ns < slot.start_ns < life.ended_ns
        ]
        if waiting and not running:
            starts = [life.started_ns for life in own if life.started_ns is not None]
            first_ns = min(start for start in starts if start >= slot.start_ns)
            waits_s.append((first_ns - slot.start_ns) / SECOND_NS)

    assert waits_s
    assert max(waits_s) < 2.0


def test_the_audit_of_the_day_is_whole(day: Day) -> None:
    store = Store.open(day.database.parent, clock_ns=lambda: 0)
    try:
        lines = [line for page in store.audit.pages(Wanted()) for line in page]
    finally:
        store.close()

    assert len(lines) > 800
    assert verify(lines) is None
