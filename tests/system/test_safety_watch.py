"""What the watch over outputs counts, and what it does not."""

from __future__ import annotations

import time

import pytest
from safety_watch import Debt, SafetyWatch

ON, OFF = {"bias.voltage": 0.3}, dict[str, float | bool]()
A_LOOK_S = 0.1


class Lab:
    """Outputs and processes as a test sets them."""

    def __init__(self) -> None:
        self.now: dict[str, float | bool] = {**ON}
        self.living = {"daemon": 1, "rack": 2, "guard": 3}

    def unsafe(self) -> dict[str, float | bool]:
        return self.now

    def alive(self) -> dict[str, int]:
        return self.living


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_what_the_next_job_switches_on_is_not_owed_for_a_guard_killed_by_then(lab: Lab) -> None:
    with SafetyWatch(lab) as watch:
        watch.mark()
        lab.now = OFF
        first_s = watch.safe_after_s(60.0)
        lab.now = {**ON}
        watch.mark(Debt.NONE)

        assert watch.safe_after_s(60.0) == first_s < 60.0


def test_a_guard_killed_before_all_is_safe_has_the_time_anew(lab: Lab) -> None:
    with SafetyWatch(lab) as watch:
        watch.mark()
        assert watch.safe_after_s(A_LOOK_S) == A_LOOK_S
        watch.mark(Debt.NONE)
        struck = time.monotonic()
        lab.now = OFF

        assert watch.safe_after_s(60.0) <= time.monotonic() - struck + 0.01


def test_who_kills_a_daemon_that_only_starts_gives_nobody_more_time(lab: Lab) -> None:
    with SafetyWatch(lab) as watch:
        watch.mark(label="rack")
        assert watch.safe_after_s(A_LOOK_S) == A_LOOK_S
        watch.mark(Debt.KEPT, label="daemon")
        lab.now = OFF

        assert A_LOOK_S < watch.safe_after_s(60.0) < 60.0
    assert watch.taken_s.keys() == {"rack"}


def test_a_rack_killed_owes_all_of_it_again(lab: Lab) -> None:
    with SafetyWatch(lab) as watch:
        watch.mark()
        lab.now = OFF
        assert watch.safe_after_s(60.0) < 60.0
        lab.now = {**ON}
        watch.mark()

        assert watch.safe_after_s(A_LOOK_S) == A_LOOK_S


def test_what_is_on_without_a_rack_is_counted_however_it_came_about(lab: Lab) -> None:
    with SafetyWatch(lab) as watch:
        watch.mark()
        lab.now = OFF
        assert watch.safe_after_s(60.0) < 60.0
        lab.living = {"daemon": 1, "guard": 3}
        lab.now = {**ON}
        until = time.monotonic() + 60.0
        while not (deserted_s := watch.take_deserted_s()):
            assert time.monotonic() < until

        story = watch.story()

    assert deserted_s > 0.0
    assert "alive: daemon 1, guard 3" in story
    assert "unsafe: 1 outputs: bias.voltage 0.3" in story
