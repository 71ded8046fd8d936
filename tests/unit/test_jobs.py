from __future__ import annotations

from itertools import product
from uuid import UUID

import pytest

from labd.core.jobs import TRANSITIONS, JobState, can_become, uuid7

ALLOWED = {
    ("IN_QUEUE", "EXECUTING"),
    ("IN_QUEUE", "CANCELLED"),
    ("IN_QUEUE", "FAILED"),
    ("EXECUTING", "COMPLETED"),
    ("EXECUTING", "FAILED"),
    ("EXECUTING", "CANCELLED"),
    ("EXECUTING", "INTERRUPTED"),
}


@pytest.mark.parametrize(("old", "new"), list(product(JobState, JobState)))
def test_a_state_changes_only_as_the_table_says(old: JobState, new: JobState) -> None:
    assert can_become(old, new) == ((old.value, new.value) in ALLOWED)


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(JobState)


def test_four_states_are_final() -> None:
    final = {state.value for state in JobState if state.is_final}

    assert final == {"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"}


def test_a_uuid7_holds_its_instant_version_and_variant() -> None:
    made = uuid7(0x0123456789AB, (1 << 74) - 1, None)

    assert made == UUID("01234567-89ab-7fff-bfff-ffffffffffff")
    assert made.version == 7


def test_ids_of_one_millisecond_grow() -> None:
    last = None
    for _ in range(1000):
        made = uuid7(1_700_000_000_000, 0x155555555555555555, last)
        assert last is None or made.int > last.int
        last = made

    assert last is not None
    assert last.int >> 80 == 1_700_000_000_000


def test_ids_grow_when_the_clock_goes_back() -> None:
    first = uuid7(2000, 5, None)

    second = uuid7(1000, 5, first)

    assert second.int > first.int


def test_a_full_random_field_moves_on_to_the_next_millisecond() -> None:
    first = uuid7(1000, (1 << 74) - 1, None)

    second = uuid7(1000, 7, first)

    assert second.int > first.int
    assert second.int >> 80 == 1001
    assert second.version == 7
