from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import UUID

import pytest

from labd import job_runner
from labd.changes import Changes, Watch
from labd.job_runner import until_due
from labd.store.timeslots import Decision

pytestmark = pytest.mark.anyio

HOUR_NS = 3600 * 10**9


class Clock:
    """Stands still until it is set, and counts who looks."""

    def __init__(self) -> None:
        self.now_ns = 10 * HOUR_NS
        self.n_looks = 0

    def __call__(self) -> int:
        self.n_looks += 1
        return self.now_ns


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(job_runner, "CLOCK_STEP_S", 0.005)
    return Clock()


@pytest.fixture
def work() -> Iterator[Watch]:
    with Changes().watch(("arrival", UUID(int=1))) as watch:
        yield watch


def decision(due_ns: int | None) -> Decision:
    return Decision(None, 10 * HOUR_NS, due_ns)


async def is_over(waiting: asyncio.Task[None]) -> bool:
    await asyncio.wait([waiting], timeout=0.03)
    return waiting.done()


@pytest.mark.parametrize("hours", [12, 9])
async def test_a_clock_that_is_set_ends_the_wait(work: Watch, clock: Clock, hours: int) -> None:
    waiting = asyncio.create_task(until_due(work, decision(11 * HOUR_NS), clock))
    assert not await is_over(waiting)

    clock.now_ns = hours * HOUR_NS

    await asyncio.wait_for(waiting, 5.0)


async def test_the_instant_itself_is_met_by_one_wait(work: Watch, clock: Clock) -> None:
    due_ns = clock.now_ns + 1_000_000
    waiting = asyncio.create_task(until_due(work, decision(due_ns), clock))
    await asyncio.sleep(0)
    clock.now_ns = due_ns

    await asyncio.wait_for(waiting, 5.0)

    assert clock.n_looks == 3


@pytest.mark.parametrize("due_ns", [None, 11 * HOUR_NS])
async def test_news_end_the_wait(work: Watch, clock: Clock, due_ns: int | None) -> None:
    waiting = asyncio.create_task(until_due(work, decision(due_ns), clock))
    assert not await is_over(waiting)

    work.wake()

    await asyncio.wait_for(waiting, 5.0)


async def test_where_time_changes_nothing_the_clock_is_left_alone(
    work: Watch, clock: Clock
) -> None:
    waiting = asyncio.create_task(until_due(work, decision(None), clock))
    assert not await is_over(waiting)

    assert clock.n_looks == 0
    waiting.cancel()
