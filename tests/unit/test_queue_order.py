from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from labd.core.jobs import Priority
from labd.core.queue_order import advanced, place, rested, settled, sort_key

LENGTHS_S = st.floats(0.01, 100.0)


@dataclass(slots=True)
class Waiting:
    user: int
    seq: int
    tag_s: float
    expected_s: float
    run_s: float
    priority: Priority = Priority.NORMAL
    is_held: bool = False


@dataclass(slots=True)
class Machine:
    """A queue played by the rules: clocks, accounts, one job after the other."""

    waiting: list[Waiting] = field(default_factory=list)
    clocks_s: dict[Priority, float] = field(default_factory=lambda: defaultdict(float))
    accounts_s: dict[tuple[Priority, int], float] = field(
        default_factory=lambda: defaultdict(float)
    )
    served_s: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    n_submitted: int = 0

    def submit(
        self,
        user: int,
        run_s: float,
        expected_s: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> Waiting:
        own = [job.tag_s for job in self.waiting if (job.user, job.priority) == (user, priority)]
        expected_s = run_s if expected_s is None else expected_s
        placing = place(
            self.clocks_s[priority],
            self.accounts_s[priority, user],
            max(own, default=None),
            expected_s,
        )
        self.accounts_s[priority, user] = placing.account_s
        self.n_submitted += 1
        job = Waiting(user, self.n_submitted, placing.tag_s, expected_s, run_s, priority)
        self.waiting.append(job)
        return job

    def order(self) -> list[Waiting]:
        return sorted(self.waiting, key=lambda job: sort_key(job.priority, job.tag_s, job.seq))

    def start(self, job: Waiting | None = None) -> Waiting:
        job = next(job for job in self.order() if not job.is_held) if job is None else job
        self.waiting.remove(job)
        left = [
            each.tag_s
            for each in self.waiting
            if each.priority is job.priority and not each.is_held
        ]
        clock_s = self.clocks_s[job.priority]
        self.clocks_s[job.priority] = advanced(clock_s, job.tag_s, min(left, default=None))
        return job

    def end(self, job: Waiting) -> None:
        key = (job.priority, job.user)
        self.accounts_s[key] = settled(self.accounts_s[key], job.expected_s, job.run_s)
        self.served_s[job.user] += job.run_s
        if not any(each.priority is job.priority and not each.is_held for each in self.waiting):
            greatest_s = max(
                account_s
                for (priority, _), account_s in self.accounts_s.items()
                if priority is job.priority
            )
            self.clocks_s[job.priority] = rested(self.clocks_s[job.priority], greatest_s)


@given(st.lists(st.tuples(st.integers(0, 3), LENGTHS_S, st.booleans()), max_size=60))
def test_a_users_jobs_run_in_the_order_in_which_they_came(
    steps: list[tuple[int, float, bool]],
) -> None:
    machine = Machine()
    started: dict[int, list[int]] = defaultdict(list)

    for user, run_s, starts in steps:
        machine.submit(user, run_s, expected_s=run_s * (1 + user))
        if starts:
            job = machine.start()
            started[job.user].append(job.seq)
            machine.end(job)
    while machine.waiting:
        job = machine.start()
        started[job.user].append(job.seq)

    assert all(seqs == sorted(seqs) for seqs in started.values())


@given(
    st.lists(LENGTHS_S, min_size=1, max_size=30),
    st.lists(LENGTHS_S, min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(2, 4), LENGTHS_S), max_size=10),
)
def test_of_two_who_wait_none_gets_ahead_by_more_than_one_longest_job_each(
    first: list[float], second: list[float], others: list[tuple[int, float]]
) -> None:
    machine = Machine()
    for user, run_s in others:
        machine.submit(user, run_s)
    for user, lengths in enumerate((first, second)):
        for run_s in lengths:
            machine.submit(user, run_s)

    while {0, 1} <= {job.user for job in machine.waiting}:
        machine.end(machine.start())

        ahead_s = abs(machine.served_s[0] - machine.served_s[1])
        assert ahead_s <= max(first) + max(second) + 0.2


@settings(max_examples=50)
@given(LENGTHS_S, LENGTHS_S, st.integers(0, 20), st.integers(1, 4))
def test_no_job_starves_however_many_come_after_it(
    own_s: float, others_s: float, n_before: int, n_others: int
) -> None:
    machine = Machine()
    for _ in range(n_before):
        for other in range(1, n_others + 1):
            machine.submit(other, others_s)
    for _ in range(n_before):
        machine.end(machine.start())
    mine = machine.submit(0, own_s)

    before_s = 0.0
    while True:
        for other in range(1, n_others + 1):
            machine.submit(other, others_s)
        job = machine.start()
        if job is mine:
            break
        before_s += job.run_s
        machine.end(job)

    assert before_s <= n_others * (own_s + 2 * others_s) + others_s


@given(st.integers(1, 50), LENGTHS_S)
def test_who_comes_back_after_a_pause_brings_no_savings(n_jobs: int, run_s: float) -> None:
    machine = Machine()
    machine.submit(1, run_s)
    machine.end(machine.start())
    for _ in range(n_jobs):
        machine.submit(0, run_s)
        machine.end(machine.start())

    for _ in range(3):
        machine.submit(0, run_s)
        machine.submit(1, run_s)
    users = []
    while machine.waiting:
        job = machine.start()
        users.append(job.user)
        machine.end(job)

    assert all(set(pair) == {0, 1} for pair in zip(users[::2], users[1::2], strict=True))


def test_a_newcomer_does_not_wait_for_the_whole_backlog_of_another() -> None:
    machine = Machine()
    for _ in range(1000):
        machine.submit(0, 1.0)
    machine.end(machine.start())

    newcomer = machine.submit(1, 1.0)

    assert machine.order().index(newcomer) <= 2


def test_the_higher_class_goes_first_and_leaves_the_other_classes_clock_alone() -> None:
    machine = Machine()
    for _ in range(100):
        machine.submit(0, 1.0)
    urgent = machine.submit(0, 1.0, priority=Priority.HIGH)
    machine.submit(2, 1.0, priority=Priority.LOW)

    assert machine.start() is urgent
    newcomer = machine.submit(1, 1.0)

    assert machine.order().index(newcomer) <= 1
    assert machine.order()[-1].priority is Priority.LOW


def test_jobs_that_overtake_in_their_slot_push_nobody_back() -> None:
    machine = Machine()
    others = [machine.submit(1, 1.0) for _ in range(50)]
    for job in [machine.submit(0, 1.0) for _ in range(200)]:
        machine.end(machine.start(job))

    newcomer = machine.submit(2, 1.0)

    assert machine.order().index(newcomer) <= 1
    assert machine.order()[0] is others[0]


def test_a_job_that_was_held_long_goes_first_and_gives_nobody_else_an_advantage() -> None:
    machine = Machine()
    held = machine.submit(3, 1.0)
    held.is_held = True
    for _ in range(100):
        machine.submit(0, 1.0)
        machine.end(machine.start())
    waiting = [machine.submit(0, 1.0) for _ in range(3)]
    newcomer = machine.submit(1, 1.0)

    held.is_held = False

    order = machine.order()
    assert order[0] is held
    assert order.index(waiting[0]) < order.index(newcomer)


@given(st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_wrong_expectations_are_settled(first_error: float, second_error: float) -> None:
    machine = Machine()
    errors = (first_error, second_error)
    queues = [itertools.repeat(1.0), itertools.repeat(1.0)]

    def submit(user: int) -> None:
        run_s = next(queues[user])
        machine.submit(user, run_s, expected_s=run_s * errors[user])

    for user in (0, 1, 0, 1):
        submit(user)
    for _ in range(300):
        job = machine.start()
        machine.end(job)
        submit(job.user)

    assert abs(machine.served_s[0] - machine.served_s[1]) <= 2 * (2 + sum(errors))


def test_what_was_cancelled_is_not_charged() -> None:
    machine = Machine()
    for job in [machine.submit(0, 50.0) for _ in range(100)]:
        machine.waiting.remove(job)
        machine.accounts_s[Priority.NORMAL, 0] = settled(
            machine.accounts_s[Priority.NORMAL, 0], 50.0, 0.0
        )
    for _ in range(3):
        machine.submit(1, 1.0)

    mine = machine.submit(0, 1.0)

    assert machine.order().index(mine) <= 1


def test_a_debt_is_forgiven_when_nobody_is_kept_waiting() -> None:
    machine = Machine()
    machine.submit(0, 1000.0, expected_s=1.0)
    machine.end(machine.start())

    mine = machine.submit(0, 1.0)
    machine.submit(1, 1.0)

    assert machine.order()[0] is mine


def test_jobs_that_cost_nothing_still_stand_in_order() -> None:
    machine = Machine()
    jobs = [machine.submit(0, 0.0) for _ in range(5)]

    assert machine.order() == jobs
