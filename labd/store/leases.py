"""Leases in SQL (labd.core.leases).

One row per quantum computer; a trigger of labd.store.schema keeps a lease that is held from being
replaced by another, here it becomes a refusal that names the holder. A lease and a timeslot of two
users do not overlap: whoever comes second is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, NotFound
from labd.core.jobs import QcId
from labd.core.leases import Lease, demand_name, demand_ttl
from labd.core.openings import S_NS
from labd.store import audit
from labd.store.database import Writer
from labd.store.instants import utc_text

Told = Callable[[Lease], None]

_LEASES = (
    "SELECT leases.id, qc_id, user_id, users.name, leases.name, leases.note, since_ns, until_ns"
    " FROM leases JOIN users ON users.id = user_id"
)
_Row = tuple[bytes, bytes, int, str, str, str, int, int]


def _lease(row: _Row) -> Lease:
    return Lease(UUID(bytes=row[0]), QcId(UUID(bytes=row[1])), *row[2:])


@dataclass(frozen=True, slots=True)
class LeaseWish:
    """A lease that is wished for, from now on. note: empty leaves a renewed lease its own."""

    qc_id: QcId
    user_id: int
    name: str
    ttl_s: float
    note: str


def lease_of(db: sqlite3.Connection, qc_id: QcId, now_ns: int) -> Lease | None:
    """The lease that is held now."""
    row = db.execute(
        f"{_LEASES} WHERE qc_id = ? AND until_ns > ?", (qc_id.bytes, now_ns)
    ).fetchone()
    return None if row is None else _lease(row)


def find_lease(db: sqlite3.Connection, lease_id: UUID, now_ns: int) -> Lease:
    """A lease that is held. Raises NotFound, also where it is over."""
    row = db.execute(
        f"{_LEASES} WHERE leases.id = ? AND until_ns > ?", (lease_id.bytes, now_ns)
    ).fetchone()
    if row is None:
        raise NotFound("lease", str(lease_id), "it was given back, or its time was over")
    return _lease(row)


# ---- changes: run by the writer, inside its transaction


def take(db: sqlite3.Connection, wish: LeaseWish, by: AuditEntry, now_ns: int) -> Lease:
    """Take a lease, or renew the caller's own of that name.

    Raises InvalidArgument, Conflict (naming the lease or the timeslot in the way).
    """
    demand_name(wish.name)
    demand_ttl(wish.ttl_s)
    until_ns = now_ns + round(wish.ttl_s * S_NS)
    held = lease_of(db, wish.qc_id, now_ns)
    if held is not None and (held.user_id, held.name) == (wish.user_id, wish.name):
        return _renewed(db, replace(held, note=wish.note or held.note), until_ns, by, now_ns)
    _demand_free_time(db, wish.qc_id, wish.user_id, now_ns, until_ns)
    lease_id = uuid4()
    try:
        db.execute(
            "INSERT INTO leases (qc_id, id, user_id, name, note, since_ns, until_ns)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (qc_id) DO UPDATE SET id = excluded.id,"
            " user_id = excluded.user_id, name = excluded.name, note = excluded.note,"
            " since_ns = excluded.since_ns, until_ns = excluded.until_ns",
            (
                *(wish.qc_id.bytes, lease_id.bytes, wish.user_id, wish.name, wish.note),
                *(now_ns, until_ns),
            ),
        )
    except sqlite3.IntegrityError as error:
        if held is None:
            raise
        raise Conflict(f"{sentence(held)} is in the way") from error
    lease = find_lease(db, lease_id, now_ns)
    _record(db, lease, by, now_ns)
    return lease


def renew(
    db: sqlite3.Connection, lease_id: UUID, ttl_s: float, by: AuditEntry, now_ns: int
) -> Lease:
    """Hold a lease so long from now. Raises NotFound (it is over), InvalidArgument, Conflict."""
    demand_ttl(ttl_s)
    held = find_lease(db, lease_id, now_ns)
    return _renewed(db, held, now_ns + round(ttl_s * S_NS), by, now_ns)


def give(db: sqlite3.Connection, lease_id: UUID, by: AuditEntry, now_ns: int) -> Lease:
    """End a lease now; returns it as it was. Raises NotFound (it is over)."""
    lease = find_lease(db, lease_id, now_ns)
    db.execute("DELETE FROM leases WHERE id = ?", (lease_id.bytes,))
    _record(db, lease, by, now_ns)
    return lease


def _renewed(
    db: sqlite3.Connection, lease: Lease, until_ns: int, by: AuditEntry, now_ns: int
) -> Lease:
    _demand_free_time(db, lease.qc_id, lease.user_id, now_ns, until_ns)
    db.execute(
        "UPDATE leases SET until_ns = ?, note = ? WHERE id = ?",
        (until_ns, lease.note, lease.id.bytes),
    )
    renewed = replace(lease, until_ns=until_ns)
    _record(db, renewed, by, now_ns)
    return renewed


def _demand_free_time(
    db: sqlite3.Connection, qc_id: QcId, user_id: int, now_ns: int, until_ns: int
) -> None:
    """Raises Conflict where somebody else has booked a part of that time."""
    row = db.execute(
        "SELECT users.name, start_ns, end_ns FROM timeslots JOIN users ON users.id = user_id"
        " WHERE qc_id = ? AND user_id <> ? AND end_ns > ? AND start_ns < ?"
        " AND cancelled_at_ns IS NULL ORDER BY end_ns LIMIT 1",
        (qc_id.bytes, user_id, now_ns, until_ns),
    ).fetchone()
    if row is not None:
        user, start_ns, end_ns = row
        raise Conflict(
            f"the slot of {user} from {utc_text(start_ns)} to {utc_text(end_ns)} is in the way"
        )


def _record(db: sqlite3.Connection, lease: Lease, by: AuditEntry, now_ns: int) -> None:
    (alias,) = db.execute(
        "SELECT alias FROM quantum_computers WHERE id = ?", (lease.qc_id.bytes,)
    ).fetchone()
    details = {
        "alias": alias,
        "owner": lease.user,
        "name": lease.name,
        "until_ns": lease.until_ns,
        "note": lease.note,
    }
    audit.append(db, (replace(by, object=str(lease.id), details=details),), now_ns)


def sentence(lease: Lease) -> str:
    """A lease, for people; in UTC, because nobody knows where they are."""
    note = f": {lease.note}" if lease.note else ""
    return f'the lease "{lease.name}" of {lease.user} until {utc_text(lease.until_ns)}{note}'


class Leases:
    """Leases as the daemon works with them.

    Of the three changes: the entry's object and details are filled in; `then` is called with the
    lease as soon as it is durable, even if the caller is gone.
    """

    def __init__(
        self, writer: Writer, reader: sqlite3.Connection, clock_ns: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock_ns = clock_ns

    async def take(self, wish: LeaseWish, by: AuditEntry, then: Told | None = None) -> Lease:
        """As `take` above."""
        return await self._writer.write(lambda db: take(db, wish, by, self._clock_ns()), then)

    async def renew(
        self, lease_id: UUID, ttl_s: float, by: AuditEntry, then: Told | None = None
    ) -> Lease:
        """As `renew` above."""
        return await self._writer.write(
            lambda db: renew(db, lease_id, ttl_s, by, self._clock_ns()), then
        )

    async def give(self, lease_id: UUID, by: AuditEntry, then: Told | None = None) -> Lease:
        """As `give` above."""
        return await self._writer.write(lambda db: give(db, lease_id, by, self._clock_ns()), then)

    def find(self, lease_id: UUID) -> Lease:
        """A lease that is held. Raises NotFound, also where it is over."""
        return find_lease(self._reader, lease_id, self._clock_ns())
