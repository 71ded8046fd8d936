from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labd.core.access import Role
from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, InvalidArgument, NotFound
from labd.core.jobs import QcId
from labd.core.openings import (
    S_NS,
    Candidate,
    Mode,
    Situation,
    Slot,
    TimeslotRules,
    first_to_start,
    next_change_ns,
)
from labd.store import timeslots as sql
from labd.store.audit import Wanted
from labd.store.database import open_database
from labd.store.schema import migrate
from labd.store.store import Store
from labd.store.timeslots import Booking, SlotChange

pytestmark = pytest.mark.anyio

QC = QcId(UUID(int=1))
OTHER = QcId(UUID(int=2))
T0 = 1_800_000_000
RULES = TimeslotRules(
    is_required=False, refuses_overrun=False, idle_release_s=100.0, shows_owners=True
)
BY = AuditEntry("root", "uid 0", "unix, pid 1", "timeslot.book", "", {})


class Clock:
    """Set by hand; seconds after T0."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> int:
        return ns(self.now_s)


def ns(after_s: float) -> int:
    return T0 * S_NS + round(after_s * S_NS)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    opened = Store.open(tmp_path, clock_ns=clock)
    for qc_id, alias in ((QC, "star5"), (OTHER, "other")):
        opened.put_quantum_computer(qc_id, alias, alias)
    for uid, name in enumerate(("alice", "bob"), 1):
        assert opened.ensure_local_user(uid, name, Role.USER).id == uid
    yield opened
    opened.close()


async def book(
    store: Store, start_s: float, end_s: float, user: str = "alice", qc_id: QcId = QC
) -> Slot:
    return await store.timeslots.book(Booking(qc_id, user, ns(start_s), ns(end_s), "tune"), BY)


def change(
    start_s: float | None = None, end_s: float | None = None, note: str | None = None
) -> SlotChange:
    return SlotChange(
        None if start_s is None else ns(start_s), None if end_s is None else ns(end_s), note
    )


def times_s(slot: Slot) -> tuple[float, float]:
    return (slot.start_ns - ns(0)) / S_NS, (slot.end_ns - ns(0)) / S_NS


# ---- booking


async def test_a_booked_slot_is_listed_as_it_was_wished(store: Store) -> None:
    slot = await book(store, 10, 20)

    assert store.timeslots.list(QC) == (slot,)
    assert store.timeslots.list(OTHER) == ()
    assert store.timeslots.find(slot.id) == slot
    assert (slot.user, slot.user_id, slot.note, times_s(slot)) == ("alice", 1, "tune", (10, 20))


async def test_slots_are_listed_in_order_of_time_between_two_instants(store: Store) -> None:
    late, early, other = [
        await book(store, 50, 60),
        await book(store, 10, 20),
        await book(store, 30, 40, qc_id=OTHER),
    ]

    assert store.timeslots.list() == (early, other, late)
    assert store.timeslots.list(ends_after_ns=ns(20)) == (other, late)
    assert store.timeslots.list(begins_before_ns=ns(30)) == (early,)


async def test_an_overlap_is_refused_and_names_the_slot_in_the_way(store: Store) -> None:
    await book(store, 10, 20)

    with pytest.raises(Conflict) as caught:
        await book(store, 19, 30, "bob")

    assert str(caught.value) == (
        "the slot of alice from 2027-01-15 08:00:10 UTC to 2027-01-15 08:00:20 UTC is in the way"
    )
    assert len(store.timeslots.list(QC)) == 1


async def test_slots_may_touch_and_stand_side_by_side_on_two_machines(store: Store) -> None:
    await book(store, 10, 20)

    await book(store, 20, 30, "bob")
    await book(store, 0.5, 10, "bob")
    await book(store, 10, 20, "bob", OTHER)

    assert len(store.timeslots.list()) == 4


@pytest.mark.parametrize(
    ("start_s", "end_s", "sentence"),
    [
        (10, 10, "end: 2027-01-15 08:00:10 UTC is not after the start, 2027-01-15 08:00:10 UTC"),
        (-10, 0, "end: 2027-01-15 08:00:00 UTC is past"),
        (-61, 9, "start: 2027-01-15 07:58:59 UTC is past; a slot begins now or later"),
        (10, 6 * 366 * 86400, "end: 2033-01-19 08:00:00 UTC is more than five years ahead"),
    ],
)
async def test_times_that_make_no_slot_are_refused(
    store: Store, start_s: float, end_s: float, sentence: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await book(store, start_s, end_s)

    assert str(caught.value) == sentence


async def test_a_slot_never_begins_before_it_is_booked(store: Store, clock: Clock) -> None:
    clock.now_s = 50

    slightly_late = await book(store, 0, 60)
    at_once = await store.timeslots.book(Booking(OTHER, "alice", None, ns(60), ""), BY)

    assert times_s(slightly_late) == (50, 60)
    assert times_s(at_once) == (50, 60)


async def test_a_slot_of_nobody_is_refused(store: Store) -> None:
    with pytest.raises(NotFound, match="user mallory not found"):
        await book(store, 10, 20, "mallory")


# ---- changing and cancelling


async def test_a_slot_ahead_can_be_moved_and_noted(store: Store) -> None:
    slot = await book(store, 10, 20)

    moved = await store.timeslots.change(slot.id, change(15, 30, "retune"), BY)
    noted = await store.timeslots.change(slot.id, change(note=""), BY)

    assert (times_s(moved), moved.note) == ((15, 30), "retune")
    assert noted == replace(moved, note="")
    assert store.timeslots.list(QC) == (noted,)


async def test_a_slot_moved_onto_another_is_refused_and_stays(store: Store) -> None:
    slot = await book(store, 10, 20)
    await book(store, 30, 40, "bob")

    with pytest.raises(Conflict, match="the slot of bob from"):
        await store.timeslots.change(slot.id, change(end_s=31), BY)

    assert store.timeslots.find(slot.id) == slot


async def test_a_slot_that_runs_keeps_its_start_and_may_end_otherwise(
    store: Store, clock: Clock
) -> None:
    slot = await book(store, 10, 20)
    clock.now_s = 15

    with pytest.raises(Conflict, match="has begun and keeps its start"):
        await store.timeslots.change(slot.id, change(16), BY)
    with pytest.raises(InvalidArgument, match="is past"):
        await store.timeslots.change(slot.id, change(end_s=15), BY)
    longer = await store.timeslots.change(slot.id, change(10, 60), BY)

    assert times_s(longer) == (10, 60)


async def test_a_slot_that_is_over_stays_as_it_was(store: Store, clock: Clock) -> None:
    slot = await book(store, 10, 20)
    clock.now_s = 20

    with pytest.raises(Conflict, match="is over and stays as it was"):
        await store.timeslots.change(slot.id, change(end_s=60), BY)
    with pytest.raises(Conflict, match="is over and stays as it was"):
        await store.timeslots.cancel(slot.id, BY)

    assert store.timeslots.list(QC) == ()
    assert store.timeslots.list(QC, ends_after_ns=0) == (slot,)


async def test_a_cancelled_slot_makes_room(store: Store) -> None:
    slot = await book(store, 10, 20)

    await store.timeslots.cancel(slot.id, BY)

    assert store.timeslots.list(QC, ends_after_ns=0) == ()
    await book(store, 10, 20, "bob")
    with pytest.raises(Conflict, match="was cancelled at 2027-01-15 08:00:00 UTC"):
        await store.timeslots.cancel(slot.id, BY)


async def test_a_slot_that_runs_ends_when_it_is_cancelled(store: Store, clock: Clock) -> None:
    slot = await book(store, 10, 20)
    clock.now_s = 15

    ended = await store.timeslots.cancel(slot.id, BY)

    assert times_s(ended) == (10, 15)
    assert store.timeslots.list(QC, ends_after_ns=0) == (ended,)
    assert store.timeslots.situation(QC, RULES).current is None


async def test_unknown_slots_are_not_found(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.timeslots.cancel(uuid4(), BY)
    with pytest.raises(NotFound):
        await store.timeslots.change(uuid4(), change(note="x"), BY)


async def test_the_audit_tells_of_every_deed_and_of_no_refusal(store: Store) -> None:
    slot = await book(store, 10, 20)
    with pytest.raises(Conflict):
        await book(store, 10, 20, "bob")
    await store.timeslots.change(slot.id, change(end_s=30), replace(BY, action="timeslot.change"))
    await store.timeslots.cancel(slot.id, replace(BY, action="timeslot.cancel"))

    lines = [line for page in store.audit.pages(Wanted()) for line in page]

    assert [line.action for line in lines] == [
        "timeslot.book",
        "timeslot.change",
        "timeslot.cancel",
    ]
    assert {line.object for line in lines} == {str(slot.id)}
    assert f'"end_ns":{ns(30)}' in lines[1].details.replace(" ", "")
    assert '"owner":"alice"' in lines[0].details.replace(" ", "")


async def test_the_database_refuses_overlaps_whoever_asks(store: Store) -> None:
    slot = await book(store, 10, 20)
    await book(store, 30, 40, "bob")
    db = sqlite3.connect(store.directory.database, isolation_level=None)

    with pytest.raises(sqlite3.IntegrityError, match="timeslots overlap"):
        db.execute("UPDATE timeslots SET end_ns = ? WHERE id = ?", (ns(31), slot.id.bytes))
    db.close()


# ---- the situation, and the claim


@dataclass(frozen=True)
class Queued:
    """A queued job: what matters to the claim."""

    job: Candidate
    priority: int
    tag_s: float


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    connection = open_database(tmp_path_factory.mktemp("claims") / "labd.db")
    migrate(connection)
    for qc_id in (QC, OTHER):
        connection.execute(
            "INSERT INTO quantum_computers (id, alias, display_name) VALUES (?, '', '')",
            (qc_id.bytes,),
        )
    connection.executemany(
        "INSERT INTO users (id, name, role, created_at_ns) VALUES (?, ?, 'user', 0)",
        [(1, "alice"), (2, "bob"), (3, "carol")],
    )
    yield connection
    connection.close()


def insert_slot(db: sqlite3.Connection, user_id: int, start_s: float, end_s: float) -> None:
    db.execute(
        "INSERT INTO timeslots (id, qc_id, user_id, start_ns, end_ns, note, booked_by,"
        " booked_at_ns) VALUES (?, ?, ?, ?, ?, '', '', 0)",
        (uuid4().bytes, QC.bytes, user_id, ns(start_s), ns(end_s)),
    )


def insert_job(db: sqlite3.Connection, queued: Queued, at_s: float = -1000.0) -> int:
    job = queued.job
    row = db.execute(
        "INSERT INTO jobs (id, qc_id, job_type, shots, circuits, is_timeslot, submitted_by,"
        " created_at_ns, updated_at_ns, user_id, priority, share_tag_s, hold_note, run_p50_s,"
        " run_p90_s) VALUES (?, ?, 'PULSE', 1, 1, ?, '', ?, ?, ?, ?, ?, ?, 1, ?) RETURNING seq",
        (
            uuid4().bytes,
            QC.bytes,
            int(job.with_timeslot),
            ns(at_s),
            ns(at_s),
            job.user_id,
            queued.priority,
            queued.tag_s,
            "later" if job.is_held else None,
            job.run_p90_s,
        ),
    ).fetchone()
    return int(row[0])


@pytest.fixture
def undone(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN")
    yield db
    db.execute("ROLLBACK")


def seen(db: sqlite3.Connection, now_s: float) -> Situation:
    return sql.situation(db, QC, RULES, ns(now_s))


def test_the_owner_is_idle_since_his_last_job_came_or_ended(undone: sqlite3.Connection) -> None:
    insert_slot(undone, 1, 0, 1000)
    alices = Queued(Candidate(1, with_timeslot=True, run_p90_s=1.0), 2, 0.0)
    assert seen(undone, 10).release_ns == ns(100)

    insert_job(undone, replace(alices, job=replace(alices.job, user_id=2)), 10)
    assert seen(undone, 20).release_ns == ns(100)
    seq = insert_job(undone, alices, 20)
    assert seen(undone, 30).release_ns == ns(120)
    undone.execute("UPDATE jobs SET state = 'EXECUTING' WHERE seq = ?", (seq,))
    undone.execute(
        "UPDATE jobs SET state = 'COMPLETED', ended_at_ns = ? WHERE seq = ?", (ns(50), seq)
    )

    assert seen(undone, 60).release_ns == ns(150)


def test_work_before_the_slot_or_on_another_machine_is_no_work(undone: sqlite3.Connection) -> None:
    alices = Queued(Candidate(1, with_timeslot=True, run_p90_s=1.0), 2, 0.0)
    insert_job(undone, alices, 0)
    insert_slot(undone, 1, 10, 1000)
    elsewhere = insert_job(undone, alices, 20)
    undone.execute("UPDATE jobs SET qc_id = ? WHERE seq = ?", (OTHER.bytes, elsewhere))

    assert seen(undone, 30).release_ns == ns(110)


def test_a_slot_that_is_over_or_cancelled_is_not_in_the_way(undone: sqlite3.Connection) -> None:
    insert_slot(undone, 1, 0, 10)
    insert_slot(undone, 1, 20, 30)
    undone.execute("UPDATE timeslots SET cancelled_at_ns = 0 WHERE start_ns = ?", (ns(20),))
    insert_slot(undone, 2, 40, 50)

    assert [slot.user for slot in seen(undone, 10).slots] == ["bob"]


SLOTS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([0, 0, 5, 30]), st.integers(1, 60)), max_size=6
)
QUEUES = st.lists(
    st.builds(
        Queued,
        st.builds(
            Candidate,
            st.integers(1, 3),
            st.booleans(),
            st.one_of(st.integers(1, 40).map(float), st.floats(0.001, 200)),
            st.booleans(),
        ),
        st.integers(1, 3),
        st.sampled_from([0.0, 1.0, 2.5]),
    ),
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(SLOTS, QUEUES, st.floats(0, 120), st.sampled_from(list(Mode)), st.sampled_from([0, 20, 999]))
def test_the_claim_takes_the_job_that_the_rules_let_go_first(
    db: sqlite3.Connection,
    slots: Sequence[tuple[int, int, int]],
    queue: Sequence[Queued],
    now_s: float,
    mode: Mode,
    idle_release_s: float,
) -> None:
    rules = replace(RULES, idle_release_s=idle_release_s)
    db.execute("BEGIN")
    try:
        end_s = 0
        for user_id, gap_s, length_s in slots:
            start_s, end_s = end_s + gap_s, end_s + gap_s + length_s
            insert_slot(db, user_id, start_s, end_s)
        db.execute("UPDATE quantum_computers SET mode = ? WHERE id = ?", (mode, QC.bytes))
        seqs = {insert_job(db, each): each for each in queue}
        order = sorted(seqs, key=lambda seq: (-seqs[seq].priority, seqs[seq].tag_s, seq))
        situation = sql.situation(db, QC, rules, ns(now_s))

        decision = sql.claim(db, QC, rules, ns(now_s), 1 << 60)

        first = first_to_start(situation, [seqs[seq].job for seq in order])
        assert (None if decision.job is None else decision.job.seq) == (
            None if first is None else order[first]
        )
        assert decision.next_change_ns == next_change_ns(situation)
    finally:
        db.execute("ROLLBACK")
