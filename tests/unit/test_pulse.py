"""When a process that answers pings is taken for dead."""

from __future__ import annotations

from labd.pulse import MAX_MISSED, MAX_MISSED_AT_START, Pulse


def after(n_turns: int, pulse: Pulse) -> Pulse:
    for _ in range(n_turns):
        pulse.turn()
    return pulse


def test_one_that_answers_each_time_lives_for_ever() -> None:
    pulse = Pulse()

    for _ in range(100):
        pulse.turn()
        pulse.heard()

    assert pulse.is_alive
    assert not pulse.is_silent


def test_the_watchdog_starves_before_the_process_is_given_up() -> None:
    pulse = Pulse()
    pulse.heard()

    after(2, pulse)

    assert not pulse.is_alive
    assert not pulse.is_silent


def test_one_that_fell_silent_is_given_up() -> None:
    pulse = Pulse()
    pulse.heard()

    after(MAX_MISSED, pulse)

    assert pulse.is_silent
    assert pulse.silence_s == 10.0


def test_one_that_is_still_starting_gets_more_time() -> None:
    pulse = after(MAX_MISSED_AT_START - 1, Pulse())

    assert pulse.is_alive
    assert not pulse.is_silent
    assert after(1, pulse).is_silent
