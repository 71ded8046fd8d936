from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labd.core.access import Role
from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, InvalidArgument, NotFound
from labd.core.jobs import QcId
from labd.core.leases import Lease
from labd.core.openings import S_NS, TimeslotRules
from labd.store import leases as sql
from labd.store.audit import Wanted
from labd.store.database import open_database
from labd.store.leases import LeaseWish
from labd.store.schema import migrate
from labd.store.store import Store
from labd.store.timeslots import Booking

pytestmark = pytest.mark.anyio

QC, OTHER = QcId(UUID(int=1)), QcId(UUID(int=2))
ALICE, BOB = 1, 2
T0 = 1_800_000_000
BY = AuditEntry("root", "uid 0", "unix, pid 1", "lease.take", "", {})
RULES = TimeslotRules(
    is_required=False, refuses_overrun=False, idle_release_s=100.0, shows_owners=True
)


class Clock:
    """Set by hand; seconds after T0."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> int:
        return ns(self.now_s)


def ns(after_s: float) -> int:
    return T0 * S_NS + round(after_s * S_NS)


def wish(
    user_id: int, ttl_s: float = 20.0, name: str = "bench", note: str = "", qc_id: QcId = QC
) -> LeaseWish:
    return LeaseWish(qc_id, user_id, name, ttl_s, note)


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


def held(store: Store) -> Lease | None:
    return store.timeslots.situation(QC, RULES).held


async def test_a_lease_that_was_taken_is_held_and_audited(store: Store) -> None:
    lease = await store.leases.take(wish(ALICE, note="tune"), BY)

    assert held(store) == lease == store.leases.find(lease.id)
    assert (lease.user, lease.name, lease.note) == ("alice", "bench", "tune")
    assert (lease.since_ns, lease.until_ns) == (ns(0), ns(20))
    (line,) = [each for page in store.audit.pages(Wanted(action="lease.take")) for each in page]
    assert line.object == str(lease.id)


@pytest.mark.parametrize("user_id", [ALICE, BOB])
async def test_a_second_holder_is_refused_and_told_who_is_first(store: Store, user_id: int) -> None:
    await store.leases.take(wish(ALICE, note="tune"), BY)

    with pytest.raises(Conflict) as caught:
        await store.leases.take(wish(user_id, name="other bench"), BY)

    assert str(caught.value) == (
        'the lease "bench" of alice until 2027-01-15 08:00:20 UTC: tune is in the way'
    )


async def test_two_machines_have_a_holder_each(store: Store) -> None:
    first = await store.leases.take(wish(ALICE), BY)

    second = await store.leases.take(wish(BOB, qc_id=OTHER), BY)

    assert (held(store), second.user) == (first, "bob")


async def test_a_lease_that_is_not_renewed_is_free_at_its_time(store: Store, clock: Clock) -> None:
    first = await store.leases.take(wish(ALICE, ttl_s=20), BY)
    clock.now_s = 20

    second = await store.leases.take(wish(BOB), BY)

    assert held(store) == second
    with pytest.raises(NotFound):
        await store.leases.renew(first.id, 20, BY)
    assert held(store) == second


async def test_taken_again_under_its_name_or_renewed_it_is_the_same_lease_for_longer(
    store: Store, clock: Clock
) -> None:
    first = await store.leases.take(wish(ALICE, ttl_s=20, note="tune"), BY)
    clock.now_s = 15

    again = await store.leases.take(wish(ALICE, ttl_s=20), BY)
    clock.now_s = 30
    renewed = await store.leases.renew(first.id, 40, BY)

    assert again == replace(first, until_ns=ns(35))
    assert held(store) == renewed == replace(first, until_ns=ns(70))


async def test_a_lease_given_back_is_free_at_once(store: Store) -> None:
    first = await store.leases.take(wish(ALICE), BY)

    assert await store.leases.give(first.id, BY) == first

    assert held(store) is None
    with pytest.raises(NotFound):
        await store.leases.give(first.id, BY)
    assert (await store.leases.take(wish(BOB), BY)).user == "bob"


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, 86_401.0, float("nan"), float("inf")])
async def test_a_length_that_no_lease_has_is_refused(store: Store, ttl_s: float) -> None:
    with pytest.raises(InvalidArgument, match="1 to 86400 s"):
        await store.leases.take(wish(ALICE, ttl_s=ttl_s), BY)


@pytest.mark.parametrize("name", ["", "x" * 65, "two\nlines"])
async def test_a_name_that_no_lease_has_is_refused(store: Store, name: str) -> None:
    with pytest.raises(InvalidArgument, match="1 to 64 characters"):
        await store.leases.take(wish(ALICE, name=name), BY)


async def test_a_lease_outlives_a_restart(store: Store, tmp_path: Path, clock: Clock) -> None:
    lease = await store.leases.take(wish(ALICE), BY)
    store.close()

    again = Store.open(tmp_path, clock_ns=clock)

    assert held(again) == lease
    with pytest.raises(Conflict):
        await again.leases.take(wish(BOB), BY)
    clock.now_s = 21
    assert held(again) is None
    again.close()


async def test_a_lease_and_somebody_elses_slot_do_not_overlap(store: Store) -> None:
    await store.timeslots.book(Booking(QC, "bob", ns(100), ns(200), ""), BY)

    with pytest.raises(Conflict, match="the slot of bob"):
        await store.leases.take(wish(ALICE, ttl_s=101), BY)
    lease = await store.leases.take(wish(ALICE, ttl_s=100), BY)
    with pytest.raises(Conflict, match="the slot of bob"):
        await store.leases.renew(lease.id, 101, BY)
    with pytest.raises(Conflict, match="the lease"):
        await store.timeslots.book(Booking(QC, "bob", ns(50), ns(60), ""), BY)
    own = await store.timeslots.book(Booking(QC, "alice", ns(50), ns(60), ""), BY)

    assert own.user == "alice"


# ---- one holder, never two

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "renew", "give"]),
        st.sampled_from([ALICE, BOB]),
        st.sampled_from(["a", "b"]),
        st.floats(1, 30),
        st.sampled_from([0.0, 0.0, 0.5, 7.0, 40.0]),
    ),
    max_size=30,
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_database(tmp_path / "labd.db")
    migrate(connection)
    connection.execute(
        "INSERT INTO quantum_computers (id, alias, display_name) VALUES (?, 'q', 'Q')", (QC.bytes,)
    )
    for user_id, name in ((ALICE, "alice"), (BOB, "bob")):
        connection.execute(
            "INSERT INTO users (id, name, role, created_at_ns) VALUES (?, ?, 'user', 0)",
            (user_id, name),
        )
    yield connection
    connection.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(STEPS)
def test_who_was_told_that_he_holds_it_holds_it_alone_until_he_gives_it_or_its_time(
    db: sqlite3.Connection, steps: list[tuple[str, int, str, float, float]]
) -> None:
    now_s = 0.0
    promised: dict[UUID, Lease] = {}
    db.execute("BEGIN")
    try:
        for deed, user_id, name, ttl_s, pause_s in steps:
            now_s += pause_s
            live = [each for each in promised.values() if each.is_held(ns(now_s))]
            assert len(live) <= 1
            mine = [each.id for each in live if each.user_id == user_id] or [uuid4()]
            try:
                if deed == "take":
                    lease = sql.take(db, wish(user_id, ttl_s, name), BY, ns(now_s))
                elif deed == "renew":
                    lease = sql.renew(db, mine[0], ttl_s, BY, ns(now_s))
                else:
                    sql.give(db, mine[0], BY, ns(now_s))
                    del promised[mine[0]]
                    continue
            except (Conflict, NotFound):
                assert live == [] or (live[0].user_id, live[0].name) != (user_id, name)
                continue
            promised[lease.id] = lease
            assert sql.lease_of(db, QC, ns(now_s)) == lease
    finally:
        db.execute("ROLLBACK")


def test_the_database_itself_knows_one_holder_at_a_time(db: sqlite3.Connection) -> None:
    sql.take(db, wish(ALICE), BY, ns(0))
    insert = (
        "INSERT INTO leases (qc_id, id, user_id, name, note, since_ns, until_ns)"
        " VALUES (?, ?, ?, 'x', '', ?, ?)"
    )

    with pytest.raises(sqlite3.IntegrityError):
        db.execute(insert, (QC.bytes, uuid4().bytes, BOB, ns(1), ns(9)))
    with pytest.raises(sqlite3.IntegrityError, match="still held"):
        db.execute(
            "UPDATE leases SET id = ?, user_id = ?, since_ns = ?, until_ns = ?",
            (uuid4().bytes, BOB, ns(1), ns(9)),
        )
    with pytest.raises(sqlite3.IntegrityError, match="does not change hands"):
        db.execute("UPDATE leases SET user_id = ?", (BOB,))
