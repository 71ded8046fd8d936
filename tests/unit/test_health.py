"""An instrument's state: what each event makes of it, and when it is tried again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.health import (
    FORGIVEN_S,
    LONGEST_ABSENCE_S,
    LONGEST_QUARANTINE_S,
    S_NS,
    SLOW_FLOOR_S,
    Condition,
    Health,
    HealthBook,
    Sign,
    answered,
    faulted,
    forgiven,
    opened,
    seconds_text,
    unreachable,
)

T_NS = 1_000 * S_NS
Event = Callable[[Condition, int], Condition]


def fault(one: Condition, at_ns: int) -> Condition:
    return faulted(one, "it is mute", at_ns)


def absence(one: Condition, at_ns: int) -> Condition:
    return unreachable(one, "no connection", at_ns)


def good_answer(one: Condition, at_ns: int) -> Condition:
    return answered(one, 0.003, at_ns)


EVENTS: dict[str, Event] = {
    "opened": opened,
    "answered": good_answer,
    "faulted": fault,
    "unreachable": absence,
}

OK = opened(Condition("awg1"), T_NS)
SLOW = answered(answered(answered(OK, 0.003, T_NS), 9.0, T_NS), 9.0, T_NS)
FAULTED = fault(OK, T_NS)
QUARANTINED = fault(opened(FAULTED, T_NS), T_NS)
OFFLINE = absence(OK, T_NS)

TABLE = {
    (Health.OK, "opened"): Health.OK,
    (Health.OK, "answered"): Health.OK,
    (Health.OK, "faulted"): Health.FAULTED,
    (Health.OK, "unreachable"): Health.OFFLINE,
    (Health.SLOW, "opened"): Health.OK,
    (Health.SLOW, "answered"): Health.OK,
    (Health.SLOW, "faulted"): Health.FAULTED,
    (Health.SLOW, "unreachable"): Health.OFFLINE,
    (Health.FAULTED, "opened"): Health.OK,
    (Health.FAULTED, "answered"): Health.FAULTED,
    (Health.FAULTED, "faulted"): Health.QUARANTINED,
    (Health.FAULTED, "unreachable"): Health.OFFLINE,
    (Health.QUARANTINED, "opened"): Health.OK,
    (Health.QUARANTINED, "answered"): Health.QUARANTINED,
    (Health.QUARANTINED, "faulted"): Health.QUARANTINED,
    (Health.QUARANTINED, "unreachable"): Health.OFFLINE,
    (Health.OFFLINE, "opened"): Health.OK,
    (Health.OFFLINE, "answered"): Health.OFFLINE,
    (Health.OFFLINE, "faulted"): Health.FAULTED,
    (Health.OFFLINE, "unreachable"): Health.OFFLINE,
}


@pytest.mark.parametrize("before", [OK, SLOW, FAULTED, QUARANTINED, OFFLINE])
@pytest.mark.parametrize("event", EVENTS)
def test_every_event_leads_where_the_table_says(before: Condition, event: str) -> None:
    after = EVENTS[event](before, T_NS + S_NS)

    assert after.health is TABLE[before.health, event]
    assert (after.retry_ns is None) == after.health.is_usable
    assert (after.since_ns == before.since_ns) == (after.health is before.health)


def test_a_first_fault_is_tried_again_at_once_and_the_next_ones_later_and_later() -> None:
    one, waits_s = OK, []
    for _ in range(10):
        one = fault(opened(one, T_NS), T_NS)
        assert one.retry_ns is not None
        waits_s.append((one.retry_ns - T_NS) / S_NS)

    assert waits_s[:5] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert waits_s[-1] == LONGEST_QUARANTINE_S


def test_an_absence_is_looked_after_less_and_less_often() -> None:
    one, waits_s = OK, []
    for _ in range(10):
        one = absence(one, T_NS)
        assert one.retry_ns is not None
        waits_s.append((one.retry_ns - T_NS) / S_NS)

    assert waits_s[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits_s[-1] == LONGEST_ABSENCE_S


def test_a_job_that_goes_well_forgives() -> None:
    once = fault(OK, T_NS)

    again = fault(forgiven(opened(once, T_NS)), T_NS)

    assert again.health is Health.FAULTED


def test_a_job_that_goes_well_does_not_free_what_is_in_quarantine() -> None:
    assert forgiven(QUARANTINED) == QUARANTINED


def test_being_well_for_long_forgives() -> None:
    one = opened(FAULTED, T_NS)

    early = good_answer(one, T_NS + S_NS)
    late = good_answer(one, T_NS + round(FORGIVEN_S + 1) * S_NS)

    assert early.n_faults == 1
    assert late.n_faults == 0


def test_one_slow_answer_is_an_accident_and_two_are_slow() -> None:
    one = good_answer(OK, T_NS)
    once = answered(one, 2.0, T_NS)
    twice = answered(once, 2.5, T_NS)
    after = good_answer(twice, T_NS)

    assert once.health is Health.OK
    assert twice.health is Health.SLOW
    assert twice.what == "it takes 2.5 s to answer; 3 ms are usual"
    assert after.health is Health.OK


def test_what_is_always_leisurely_is_not_slow() -> None:
    one = OK
    for _ in range(5):
        one = answered(one, 0.9, T_NS)

    assert one.health is Health.OK


def test_what_is_quick_may_vary_below_the_floor() -> None:
    one = answered(OK, 0.001, T_NS)
    for _ in range(5):
        one = answered(one, SLOW_FLOOR_S, T_NS)

    assert one.health is Health.OK


def test_a_rack_waits_for_the_one_that_is_left_alone_longest() -> None:
    book = HealthBook(["awg1", "scope"])
    book.faulted("awg1", "it is mute", T_NS)
    book.unreachable("scope", "no connection", T_NS)

    waited_ns = book.retry_ns
    book.opened(T_NS + S_NS)

    assert waited_ns == T_NS + S_NS // 2
    assert book.retry_ns == 0
    assert [one.health for one in book.conditions] == [Health.OK, Health.OK]


def test_signs_tell_who_is_well_and_who_is_not() -> None:
    book = HealthBook(["awg1", "scope"])
    book.opened(T_NS)

    book.probed((Sign("awg1", 0.002), Sign("scope", 5.0, "it was switched off and on")), T_NS)

    awg1, scope = book.conditions
    assert (awg1.health, awg1.answer_s) == (Health.OK, 0.002)
    assert (scope.health, scope.what) == (Health.FAULTED, "scope: it was switched off and on")


def test_other_instruments_keep_nothing_and_those_that_stay_keep_their_history() -> None:
    book = HealthBook(["awg1", "scope"])
    book.faulted("awg1", "it is mute", T_NS)

    book.use(["lo", "awg1"])

    assert [(one.instrument, one.n_faults) for one in book.conditions] == [("lo", 0), ("awg1", 1)]


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=40))
def test_an_instrument_is_always_tried_again_within_the_longest_wait(names: list[str]) -> None:
    one = Condition("awg1")

    for name in names:
        one = EVENTS[name](one, T_NS)

    assert one.health.is_usable or one.what
    assert one.retry_ns is None or T_NS <= one.retry_ns <= T_NS + LONGEST_QUARANTINE_S * S_NS


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0008, "0.8 ms"), (0.0253, "25 ms"), (1.26, "1.3 s"), (12.0, "12.0 s")]
)
def test_short_times_are_said_with_their_unit(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
