"""How foreseen waits turn out, and what follows for the next ones."""

from __future__ import annotations

import random
import statistics

import pytest

from labd.core.experience import (
    SLACK_S,
    Correction,
    Crowd,
    Experience,
    Outcome,
    bound_s,
    crowd_of,
    quantile,
)
from labd.core.forecast import Foreseen
from labd.core.jobs import Priority


def outcome(
    ratio: float, *, user: int = 1, has_started: bool = True, crowd: Crowd = Crowd.REST
) -> Outcome:
    return Outcome(crowd, user, 100.0, ratio * 100.0 - SLACK_S, has_started)


def test_a_wait_is_compared_with_what_was_foreseen() -> None:
    assert outcome(1.7).ratio == pytest.approx(1.7)


def test_before_anything_turned_out_the_bound_is_wider_than_what_was_foreseen() -> None:
    correction = Experience().corrections()[Crowd.REST]

    assert correction.p50 == pytest.approx(1.0, rel=0.1)
    assert 2.0 < correction.p90 < 6.0


def test_waits_that_come_as_foreseen_narrow_the_bound() -> None:
    exact = Experience([outcome(1.0, user=number) for number in range(1000)])

    assert exact.corrections()[Crowd.REST] == Correction(1.0, 1.0)


def test_jobs_that_still_wait_beyond_their_bound_widen_it() -> None:
    experience = Experience([outcome(1.0, user=number) for number in range(100)])

    calm = experience.corrections()[Crowd.REST].p90
    alarmed = experience.corrections([outcome(5.0, has_started=False)] * 60)[Crowd.REST].p90

    assert calm < 2.0
    assert alarmed >= 5.0


def test_jobs_that_have_just_come_say_nothing_yet() -> None:
    experience = Experience([outcome(1.0, user=number) for number in range(1000)])

    fresh = [outcome(0.02, has_started=False)] * 200

    assert experience.corrections(fresh) == experience.corrections()


def test_low_priority_does_not_widen_the_bounds_of_the_others() -> None:
    experience = Experience(
        [outcome(1.0, user=number) for number in range(300)]
        + [outcome(8.0, user=number, crowd=Crowd.LOW) for number in range(300)]
    )

    corrections = experience.corrections()

    assert corrections[Crowd.LOW].p90 >= 8.0
    assert corrections[Crowd.REST].p90 < 2.0


def test_a_job_for_a_timeslot_is_among_its_like_whatever_its_priority() -> None:
    assert crowd_of(Priority.LOW, with_timeslot=True) is Crowd.TIMESLOT
    assert crowd_of(Priority.LOW, with_timeslot=False) is Crowd.LOW
    assert crowd_of(Priority.HIGH, with_timeslot=False) is Crowd.REST


def test_the_quantile_counts_those_who_left_for_what_they_had_waited() -> None:
    everybody = [(float(number), True) for number in range(1, 101)]
    without_some = [(ratio, ratio % 3 != 0) for ratio, _ in everybody]

    assert quantile(everybody, 0.5) == pytest.approx(51, abs=1)
    assert quantile(without_some, 0.5) > quantile(everybody, 0.5)
    assert quantile([(4.0, False)], 0.9) == 4.0


def test_nine_of_ten_independent_waits_stay_within_the_bound() -> None:
    chance = random.Random(3)
    experience = Experience()
    within_p50, within_p90 = [], []

    for number in range(1200):
        foreseen = Foreseen(chance.expovariate(0.01), 2.0, 3)
        p50_s, p90_s = experience.corrections()[Crowd.REST].waits_s(foreseen)
        waited_s = bound_s(foreseen) * chance.lognormvariate(0.0, 0.4)
        within_p50.append(waited_s <= p50_s)
        within_p90.append(waited_s <= p90_s)
        experience.learn(Outcome(Crowd.REST, number, bound_s(foreseen), waited_s, True))

    assert 0.45 < statistics.mean(within_p50) < 0.55
    assert 0.9 < statistics.mean(within_p90) < 0.94


def test_a_job_that_starts_at_once_is_foretold_so() -> None:
    p50_s, p90_s = Correction(1.5, 4.0).waits_s(Foreseen(0.0, 0.0, 0))

    assert (p50_s, p90_s) == (0.0, SLACK_S)
