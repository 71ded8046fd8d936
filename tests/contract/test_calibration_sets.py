"""Calibration sets in a real database: stored for ever, one active, each step back possible."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.audit_trail import own_entry
from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, NotFound
from labd.core.jobs import QcId
from labd.store.audit import Wanted
from labd.store.calibrations import Activation, CalibrationSet, active_one, roll_back
from labd.store.calibrations import activate as activate_in
from labd.store.jobs import put_quantum_computer
from labd.store.schema import migrate
from labd.store.store import Store

pytestmark = pytest.mark.anyio

QC, OTHER = QcId(uuid4()), QcId(uuid4())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path, clock_ns=time.time_ns)
    for qc_id in (QC, OTHER):
        opened.put_quantum_computer(qc_id, f"qc{qc_id}", "")
    yield opened
    opened.close()


def a_set(qc_id: QcId = QC, parent_id: UUID | None = None) -> CalibrationSet:
    return CalibrationSet(uuid4(), qc_id, 50, "chip", True, 1, "alice", "tuned", parent_id)


def told(activation: Activation) -> AuditEntry:
    return own_entry("calibration.roll_back", str(activation.set_id))


async def put(store: Store, calibration: CalibrationSet, text: str = "{}") -> CalibrationSet:
    key = str(calibration.id)
    await store.calibration_sets.put(calibration, text, own_entry("calibration.import", key))
    return calibration


async def activate(store: Store, calibration: CalibrationSet) -> None:
    entry = own_entry("calibration.activate", str(calibration.id))
    await store.calibration_sets.activate(calibration, "", entry)


def active_id(store: Store, qc_id: QcId = QC) -> UUID | None:
    activation = store.calibration_sets.activation(qc_id)
    return None if activation is None else activation.set_id


def actions(store: Store) -> list[str]:
    return [line.action for page in store.audit.pages(Wanted()) for line in page]


async def test_a_stored_set_is_found_as_it_was_given(store: Store) -> None:
    first = await put(store, a_set(), '{"a": {"value": 1, "unit": "V"}}')
    second = await put(store, a_set(parent_id=first.id))

    assert store.calibration_sets.get(second.id) == second
    assert json.loads(store.calibration_sets.observations(first.id)) == {
        "a": {"value": 1, "unit": "V"}
    }
    with pytest.raises(NotFound, match="calibration set"):
        store.calibration_sets.get(uuid4())
    with pytest.raises(NotFound, match="calibration set"):
        store.calibration_sets.observations(uuid4())


async def test_a_stored_set_is_not_active(store: Store) -> None:
    await put(store, a_set())

    assert store.calibration_sets.active(QC) is None


async def test_a_set_is_stored_once(store: Store) -> None:
    first = await put(store, a_set())

    with pytest.raises(Conflict, match="is stored already and never changes"):
        await put(store, first)

    assert actions(store) == ["calibration.import"]


@pytest.mark.parametrize("is_of_another", [True, False])
async def test_a_parent_is_a_set_of_the_same_quantum_computer(
    store: Store, is_of_another: bool
) -> None:
    parent_id = (await put(store, a_set(OTHER))).id if is_of_another else uuid4()

    with pytest.raises(NotFound, match="parent calibration set"):
        await put(store, a_set(parent_id=parent_id))


async def test_the_active_set_is_the_one_that_was_activated_last(store: Store) -> None:
    first, second = await put(store, a_set()), await put(store, a_set())
    await activate(store, second)
    await activate(store, first)

    assert store.calibration_sets.active(QC) == first
    assert store.calibration_sets.active(OTHER) is None
    with pytest.raises(Conflict, match="is the active one already by labd"):
        await activate(store, first)


async def test_rolling_back_again_goes_one_further(store: Store) -> None:
    a, b, c, d = [await put(store, a_set()) for _ in range(4)]
    for each in (a, b, c):
        await activate(store, each)

    await store.calibration_sets.roll_back(QC, "bob", "", told)
    assert active_id(store) == b.id
    await activate(store, d)
    for expected in (b, a):
        await store.calibration_sets.roll_back(QC, "bob", "worse", told)
        assert active_id(store) == expected.id
    with pytest.raises(Conflict, match="no calibration set was active before"):
        await store.calibration_sets.roll_back(QC, "bob", "", told)

    activation = store.calibration_sets.activation(QC)
    assert activation is not None
    assert (activation.by_user, activation.note) == ("bob", "worse")
    assert actions(store)[4:] == [
        *["calibration.activate"] * 3,
        "calibration.roll_back",
        "calibration.activate",
        *["calibration.roll_back"] * 2,
    ]


async def test_nothing_to_roll_back_to_is_refused(store: Store) -> None:
    with pytest.raises(Conflict, match="no calibration set was active before"):
        await store.calibration_sets.roll_back(QC, "bob", "", told)


async def test_pages_hold_every_set_once_the_newest_first(store: Store) -> None:
    sets = [await put(store, a_set()) for _ in range(7)]
    await put(store, a_set(OTHER))

    listed: list[CalibrationSet] = []
    before, sizes = 0, []
    while True:
        page = store.calibration_sets.page(QC, 3, before)
        listed += page.sets
        sizes.append(len(page.sets))
        before = page.next_before
        if not before:
            break

    assert listed == sets[::-1]
    assert sizes == [3, 3, 1]


async def test_activations_are_for_ever(store: Store, tmp_path: Path) -> None:
    await activate(store, await put(store, a_set()))
    db = sqlite3.connect(tmp_path / "labd.db")

    for statement in (
        "UPDATE calibration_activations SET by_user = 'eve'",
        "DELETE FROM calibration_activations",
        "UPDATE calibration_sets SET note = ''",
    ):
        with pytest.raises(sqlite3.IntegrityError, match=r"append-only|immutable"):
            db.execute(statement)
    db.close()


@given(st.lists(st.integers(-1, 4), max_size=25))
def test_activating_and_rolling_back_are_a_stack(steps: list[int]) -> None:
    """A step is the set that is activated, or -1: roll back."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    put_quantum_computer(db, QC, "q", "Q")
    sets = [a_set() for _ in range(5)]
    stack: list[UUID] = []

    for step in steps:
        try:
            if step < 0:
                roll_back(db, QC, "bob", "", 5)
                stack.pop()
            else:
                activate_in(db, sets[step], "bob", "", 5)
                stack.append(sets[step].id)
        except Conflict:
            assert len(stack) < 2 if step < 0 else stack[-1] == sets[step].id
        found = active_one(db, QC)
        assert (None if found is None else found.set_id) == (stack[-1] if stack else None)

    db.close()
