"""The order of a queue: class of priority, then fair share between users, then age.

A queue is sorted by (priority descending, tag ascending, seq ascending). Tags make the share fair
(start-time fair queueing, Goyal, Vin, Cheng, SIGCOMM 1996): each class has a clock, each user an
account in it, both in seconds of machine time. A new job's tag is where its user's account stands,
or the clock if that is further; then the account is charged with what the job is expected to run,
and corrected when it has run. The clock is set to the tag of the job that starts. Of two users who
always have jobs waiting, neither gets ahead of the other by more than one longest job each; who
comes after a pause finds no debt and brings no savings.

A user's own jobs of a class run in the order in which they came, whatever their lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

from labd.core.jobs import Priority

SortKey = tuple[int, float, int]


def sort_key(priority: Priority, tag_s: float, seq: int) -> SortKey:
    """A job's place in its queue: the least one is first."""
    return -int(priority), tag_s, seq


@dataclass(frozen=True, slots=True)
class Placing:
    """A new job's tag, and its user's account after it was charged; both in seconds."""

    tag_s: float
    account_s: float


def place(clock_s: float, account_s: float, newest_s: float | None, cost_s: float) -> Placing:
    """The tag of a job that is handed in now.

    clock_s: of the queue's class. account_s: the user's in it. newest_s: the greatest tag of his
    jobs that wait in it, None when there are none: a younger job stays behind them even after
    his account was corrected downwards. cost_s: how long the job is expected to run.
    """
    begin_s = max(clock_s, account_s)
    tag_s = begin_s if newest_s is None else max(begin_s, newest_s)
    return Placing(tag_s, begin_s + cost_s)


def settled(account_s: float, cost_s: float, run_s: float) -> float:
    """An account after a job that was charged with cost_s ran for run_s; 0 if it never started."""
    return account_s + run_s - cost_s


def advanced(clock_s: float, started_tag_s: float, first_left_s: float | None) -> float:
    """The clock after a job started.

    first_left_s: the least tag of those that wait and could have started instead, None when none
    does. A job that overtook others, in its user's timeslot, does not set the clock beyond them:
    those who come next would be placed behind all of them.
    """
    reached = started_tag_s if first_left_s is None else min(started_tag_s, first_left_s)
    return max(clock_s, reached)


def rested(clock_s: float, greatest_account_s: float) -> float:
    """The clock when a job ended and none waits: nobody was kept waiting, so no debt remains."""
    return max(clock_s, greatest_account_s)
