"""A little queued, some who come and go, a few who do not read; `make memory` has 10 GB of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bounded_memory import queue_much, read_slowly, subscribe_much
from quick_lab import QuickLab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with QuickLab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def untold(_: str) -> None:
    pass


def test_queued_payloads_are_not_kept_in_memory_and_outlive_a_kill(lab: QuickLab) -> None:
    growth = queue_much(lab, 120_000_000, untold, payload_mib=12)

    assert growth.problems == []


def test_subscribers_who_leave_leave_nothing(lab: QuickLab) -> None:
    growth = subscribe_much(lab, 200, untold)

    assert growth.problems == []


def test_readers_that_do_not_read_delay_nobody(lab: QuickLab) -> None:
    growth = read_slowly(lab, n_readers=10, n_bytes=32 << 20, hold_s=0.2, tell=untold)

    assert growth.problems == []
