"""When a job is given up: the nearer of the limits for the whole and for a step."""

from __future__ import annotations

import pytest

from labd.core.budget import PAYLOAD_BYTES_PER_S, Budget, BudgetClock

PATIENCE_S = 60.0


def clock(payload_bytes: int = 0) -> BudgetClock:
    return BudgetClock(payload_bytes, PATIENCE_S, now_s=1000.0)


def test_before_anything_is_known_there_is_time_to_read_the_payload() -> None:
    assert clock().due_s == 1060.0
    assert clock(int(30 * PAYLOAD_BYTES_PER_S)).due_s == 1090.0


def test_a_sign_of_progress_begins_a_step_anew() -> None:
    one = clock()
    one.grant(Budget(total_s=600.0, step_s=5.0), now_s=1010.0)

    before_s = one.due_s
    one.progress(1050.0)

    assert (before_s, one.due_s) == (1075.0, 1115.0)


def test_progress_without_end_does_not_go_beyond_the_whole() -> None:
    one = clock(int(10 * PAYLOAD_BYTES_PER_S))
    one.grant(Budget(total_s=100.0, step_s=50.0), now_s=1010.0)
    for now_s in range(1010, 1200):
        one.progress(float(now_s))

    assert one.due_s == 1000.0 + PATIENCE_S + 10.0 + 100.0


def test_the_last_budget_counts() -> None:
    one = clock()
    one.grant(Budget(total_s=1000.0, step_s=500.0), now_s=1001.0)
    one.grant(Budget(total_s=100.0, step_s=5.0), now_s=1002.0)

    assert one.due_s == 1002.0 + PATIENCE_S + 5.0


@pytest.mark.parametrize("now_s", [1065.0, 1100.0])
def test_the_sentence_tells_both_limits_and_what_was_used(now_s: float) -> None:
    one = clock()
    one.grant(Budget(total_s=30.0, step_s=4.0), now_s=1001.0)

    assert one.sentence(now_s) == (
        f"its time budget is over: {now_s - 1001:.0f} s without progress of 64 s allowed,"
        f" {now_s - 1000:.0f} s in all of 90 s allowed"
    )
