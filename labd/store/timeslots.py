"""Timeslots in SQL, and the claim that heeds them.

Slots of one quantum computer do not overlap: triggers of labd.store.schema hold it, here it becomes
a refusal that names the slot in the way. What has been stays as it was: a slot never begins before
it is booked, one that has begun keeps its start, one that is over is not touched.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, InvalidArgument, NotFound, Unavailable
from labd.core.jobs import Job, QcId
from labd.core.openings import (
    S_NS,
    Mode,
    Situation,
    Slot,
    TimeslotRules,
    next_change_ns,
    openings,
)
from labd.store import audit, leases, queue
from labd.store.database import Writer, storage_sentence
from labd.store.instants import utc_text
from labd.store.space import Disk

Told = Callable[[Slot], None]

FARTHEST_NS = 5 * 366 * 86_400 * S_NS
"""Slots are booked so far ahead at most: what lies beyond is a slip of the pen."""
NOW_NS = 60 * S_NS
"""A start that is past by no more than this means now: clocks of two machines differ."""
LOOK_AGAIN_NS = 2 * S_NS
"""Nobody tells when a disk has room again."""

_SLOTS = (
    "SELECT timeslots.id, qc_id, user_id, users.name, start_ns, end_ns, timeslots.note"
    " FROM timeslots JOIN users ON users.id = user_id"
)
_Row = tuple[bytes, bytes, int, str, int, int, str]


def _slot(row: _Row) -> Slot:
    return Slot(
        id=UUID(bytes=row[0]),
        qc_id=QcId(UUID(bytes=row[1])),
        user_id=row[2],
        user=row[3],
        start_ns=row[4],
        end_ns=row[5],
        note=row[6],
    )


# ---- what a claim is decided on


@dataclass(frozen=True, slots=True)
class Decision:
    """Which job starts now, if any, and until when time alone changes nothing of that.

    next_change_ns None: for ever.
    """

    job: Job | None
    at_ns: int
    next_change_ns: int | None


def claim(
    db: sqlite3.Connection, qc_id: QcId, rules: TimeslotRules, now_ns: int, room_bytes: int
) -> Decision:
    """Make EXECUTING the job that the openings of this instant let go first, if its result fits."""
    seen = _situation(db, qc_id, rules, _deciding_slots(db, qc_id, now_ns), now_ns)
    job = queue.claim(db, qc_id, openings(seen), now_ns, room_bytes)
    due_ns = next_change_ns(seen)
    if job is None and queue.is_any_too_large(db, qc_id, room_bytes):
        look_again_ns = now_ns + LOOK_AGAIN_NS
        due_ns = look_again_ns if due_ns is None else min(due_ns, look_again_ns)
    return Decision(job, now_ns, due_ns)


def situation(db: sqlite3.Connection, qc_id: QcId, rules: TimeslotRules, now_ns: int) -> Situation:
    """A quantum computer as it stands. To be called in the transaction that relies on it."""
    return _situation(db, qc_id, rules, slots_near(db, qc_id, now_ns), now_ns)


def _situation(
    db: sqlite3.Connection,
    qc_id: QcId,
    rules: TimeslotRules,
    slots: tuple[Slot, ...],
    now_ns: int,
) -> Situation:
    (mode,) = db.execute(
        "SELECT mode FROM quantum_computers WHERE id = ?", (qc_id.bytes,)
    ).fetchone()
    lease = leases.lease_of(db, qc_id, now_ns)
    seen = Situation(now_ns, Mode(mode), slots, rules, lease=lease)
    if seen.current is None:
        return seen
    return replace(seen, owner_active_ns=_active_ns(db, seen.current))


def slots_near(db: sqlite3.Connection, qc_id: QcId, now_ns: int) -> tuple[Slot, ...]:
    """The slots that are not over, in order."""
    return tuple(_slots_not_over(db, qc_id, now_ns))


def _deciding_slots(db: sqlite3.Connection, qc_id: QcId, now_ns: int) -> tuple[Slot, ...]:
    """As many of them as the openings follow from: ahead, two owners' first slots are enough."""
    slots: list[Slot] = []
    owners_ahead: set[int] = set()
    for slot in _slots_not_over(db, qc_id, now_ns):
        slots.append(slot)
        if slot.start_ns > now_ns:
            owners_ahead.add(slot.user_id)
        if len(owners_ahead) == 2:
            break
    return tuple(slots)


def _slots_not_over(db: sqlite3.Connection, qc_id: QcId, now_ns: int) -> Iterator[Slot]:
    rows = db.execute(
        f"{_SLOTS} WHERE qc_id = ? AND end_ns > ? AND cancelled_at_ns IS NULL ORDER BY end_ns",
        (qc_id.bytes, now_ns),
    )
    return (_slot(row) for row in rows)


def _active_ns(db: sqlite3.Connection, slot: Slot) -> int | None:
    """When the owner last handed in a job, or had one end, since his slot began."""
    (at_ns,) = db.execute(
        "SELECT MAX(at_ns) FROM ("
        " SELECT * FROM (SELECT ended_at_ns AS at_ns FROM jobs WHERE user_id = :user"
        " AND ended_at_ns > :start AND qc_id = :qc ORDER BY ended_at_ns DESC LIMIT 1) UNION ALL"
        " SELECT * FROM (SELECT created_at_ns AS at_ns FROM jobs WHERE user_id = :user"
        " AND created_at_ns > :start AND qc_id = :qc ORDER BY created_at_ns DESC LIMIT 1))",
        {"user": slot.user_id, "qc": slot.qc_id.bytes, "start": slot.start_ns},
    ).fetchone()
    return None if at_ns is None else int(at_ns)


# ---- changes: run by the writer, inside its transaction


@dataclass(frozen=True, slots=True)
class Booking:
    """A slot that is wished for. user: the owner's name. start_ns None: now."""

    qc_id: QcId
    user: str
    start_ns: int | None
    end_ns: int
    note: str


@dataclass(frozen=True, slots=True)
class SlotChange:
    """What becomes of a slot; None: it stays."""

    start_ns: int | None
    end_ns: int | None
    note: str | None


def book(db: sqlite3.Connection, wish: Booking, by: AuditEntry, now_ns: int) -> Slot:
    """Book a slot.

    Raises InvalidArgument, NotFound (the user), Conflict (naming the slot in the way).
    """
    start_ns = now_ns if wish.start_ns is None else _not_past(wish.start_ns, now_ns)
    _check_times(start_ns, wish.end_ns, now_ns)
    user = db.execute(
        "SELECT id FROM users WHERE name = ? AND is_enabled = 1", (wish.user,)
    ).fetchone()
    if user is None:
        raise NotFound("user", wish.user, "`labctl users list` has them")
    slot = Slot(uuid4(), wish.qc_id, int(user[0]), wish.user, start_ns, wish.end_ns, wish.note)
    _demand_no_lease(db, slot, now_ns)
    with _no_overlap(db, slot):
        db.execute(
            "INSERT INTO timeslots (id, qc_id, user_id, start_ns, end_ns, note, booked_by,"
            " booked_at_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                slot.id.bytes,
                slot.qc_id.bytes,
                slot.user_id,
                slot.start_ns,
                slot.end_ns,
                slot.note,
                by.user,
                now_ns,
            ),
        )
    _record(db, slot, by, now_ns)
    return slot


def change(
    db: sqlite3.Connection, slot_id: UUID, wish: SlotChange, by: AuditEntry, now_ns: int
) -> Slot:
    """Move a slot, or note something else.

    Raises NotFound, InvalidArgument, Conflict (also: over, or its start is past).
    """
    old = _changeable(db, slot_id, now_ns)
    start_ns = old.start_ns if wish.start_ns is None else wish.start_ns
    end_ns = old.end_ns if wish.end_ns is None else wish.end_ns
    if old.start_ns > now_ns:
        start_ns = _not_past(start_ns, now_ns)
    elif start_ns != old.start_ns:
        raise Conflict(f"{sentence(old)} has begun and keeps its start; its end can be moved")
    _check_times(start_ns, end_ns, now_ns)
    note = old.note if wish.note is None else wish.note
    new = replace(old, start_ns=start_ns, end_ns=end_ns, note=note)
    _demand_no_lease(db, new, now_ns)
    with _no_overlap(db, new):
        db.execute(
            "UPDATE timeslots SET start_ns = ?, end_ns = ?, note = ? WHERE id = ?",
            (new.start_ns, new.end_ns, new.note, new.id.bytes),
        )
    _record(db, new, by, now_ns)
    return new


def cancel(db: sqlite3.Connection, slot_id: UUID, by: AuditEntry, now_ns: int) -> Slot:
    """Give a slot back: one that has not begun is gone, one that runs ends now.

    Raises NotFound, Conflict (it is over, or cancelled).
    """
    slot = _changeable(db, slot_id, now_ns)
    if slot.start_ns < now_ns:
        slot = replace(slot, end_ns=now_ns)
        db.execute("UPDATE timeslots SET end_ns = ? WHERE id = ?", (now_ns, slot.id.bytes))
    else:
        db.execute("UPDATE timeslots SET cancelled_at_ns = ? WHERE id = ?", (now_ns, slot.id.bytes))
    _record(db, slot, by, now_ns)
    return slot


def _changeable(db: sqlite3.Connection, slot_id: UUID, now_ns: int) -> Slot:
    slot, cancelled_at_ns = find_slot(db, slot_id)
    if cancelled_at_ns is not None:
        raise Conflict(f"{sentence(slot)} was cancelled at {utc_text(cancelled_at_ns)}")
    if slot.end_ns <= now_ns:
        raise Conflict(f"{sentence(slot)} is over and stays as it was")
    return slot


def _not_past(start_ns: int, now_ns: int) -> int:
    if start_ns < now_ns - NOW_NS:
        raise InvalidArgument("start", f"{utc_text(start_ns)} is past; a slot begins now or later")
    return max(start_ns, now_ns)


def _check_times(start_ns: int, end_ns: int, now_ns: int) -> None:
    if end_ns <= now_ns:
        raise InvalidArgument("end", f"{utc_text(end_ns)} is past")
    if end_ns <= start_ns:
        raise InvalidArgument(
            "end", f"{utc_text(end_ns)} is not after the start, {utc_text(start_ns)}"
        )
    if end_ns > now_ns + FARTHEST_NS:
        raise InvalidArgument("end", f"{utc_text(end_ns)} is more than five years ahead")


def _demand_no_lease(db: sqlite3.Connection, slot: Slot, now_ns: int) -> None:
    """Raises Conflict where somebody else's lease would not be over when the slot begins."""
    held = leases.lease_of(db, slot.qc_id, now_ns)
    if held is not None and held.user_id != slot.user_id and slot.start_ns < held.until_ns:
        raise Conflict(f"{leases.sentence(held)} is in the way")


@contextmanager
def _no_overlap(db: sqlite3.Connection, slot: Slot) -> Iterator[None]:
    """Turns the triggers' refusal into a Conflict that names the slot in the way."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        row = db.execute(
            f"{_SLOTS} WHERE qc_id = ? AND timeslots.id <> ? AND end_ns > ? AND start_ns < ?"
            " AND cancelled_at_ns IS NULL ORDER BY end_ns LIMIT 1",
            (slot.qc_id.bytes, slot.id.bytes, slot.start_ns, slot.end_ns),
        ).fetchone()
        if row is None:
            raise
        raise Conflict(f"{sentence(_slot(row))} is in the way") from error


def _record(db: sqlite3.Connection, slot: Slot, by: AuditEntry, now_ns: int) -> None:
    (alias,) = db.execute(
        "SELECT alias FROM quantum_computers WHERE id = ?", (slot.qc_id.bytes,)
    ).fetchone()
    details = {
        "alias": alias,
        "owner": slot.user,
        "start_ns": slot.start_ns,
        "end_ns": slot.end_ns,
        "note": slot.note,
    }
    audit.append(db, (replace(by, object=str(slot.id), details=details),), now_ns)


# ---- questions


def find_slot(db: sqlite3.Connection, slot_id: UUID) -> tuple[Slot, int | None]:
    """A slot, and when it was cancelled. Raises NotFound."""
    row = db.execute(
        f"{_SLOTS.replace(' FROM', ', cancelled_at_ns FROM', 1)} WHERE timeslots.id = ?",
        (slot_id.bytes,),
    ).fetchone()
    if row is None:
        raise NotFound("timeslot", str(slot_id), "`labctl slots list` has them")
    return _slot(row[:-1]), row[-1]


def list_slots(
    db: sqlite3.Connection, qc_id: QcId | None, ends_after_ns: int, begins_before_ns: int | None
) -> tuple[Slot, ...]:
    """The slots between two instants, in order of time. qc_id None: of all quantum computers."""
    conditions, values = ["cancelled_at_ns IS NULL", "end_ns > ?"], [ends_after_ns]
    keys: list[bytes] = []
    if begins_before_ns is not None:
        conditions.append("start_ns < ?")
        values.append(begins_before_ns)
    if qc_id is not None:
        conditions.append("qc_id = ?")
        keys.append(qc_id.bytes)
    rows = db.execute(
        f"{_SLOTS} WHERE {' AND '.join(conditions)} ORDER BY start_ns, qc_id", (*values, *keys)
    )
    return tuple(_slot(row) for row in rows)


def sentence(slot: Slot) -> str:
    """A slot, for people; in UTC, because nobody knows where they are."""
    return f"the slot of {slot.user} from {utc_text(slot.start_ns)} to {utc_text(slot.end_ns)}"


class Timeslots:
    """Slots as the daemon works with them."""

    def __init__(
        self,
        writer: Writer,
        reader: sqlite3.Connection,
        clock_ns: Callable[[], int],
        disk: Disk,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock_ns = clock_ns
        self._disk = disk

    async def claim(self, qc_id: QcId, rules: TimeslotRules) -> Decision:
        """Start the job that may start first, decided and done at one instant.

        Raises Unavailable, also when the disk does not answer.
        """

        def change(db: sqlite3.Connection) -> Decision:
            try:
                room_bytes = self._disk.space(db).room_bytes
            except OSError as error:
                raise Unavailable(storage_sentence(error)) from error
            return claim(db, qc_id, rules, self._clock_ns(), room_bytes)

        return await self._writer.write(change)

    # Of the three changes: the entry's object and details are filled in; `then` is called with the
    # slot as soon as it is durable, even if the caller is gone.

    async def book(self, wish: Booking, by: AuditEntry, then: Told | None = None) -> Slot:
        """As `book` above."""
        return await self._writer.write(lambda db: book(db, wish, by, self._clock_ns()), then)

    async def change(
        self, slot_id: UUID, wish: SlotChange, by: AuditEntry, then: Told | None = None
    ) -> Slot:
        """As `change` above."""
        return await self._writer.write(
            lambda db: change(db, slot_id, wish, by, self._clock_ns()), then
        )

    async def cancel(self, slot_id: UUID, by: AuditEntry, then: Told | None = None) -> Slot:
        """As `cancel` above."""
        return await self._writer.write(lambda db: cancel(db, slot_id, by, self._clock_ns()), then)

    def situation(self, qc_id: QcId, rules: TimeslotRules) -> Situation:
        """A quantum computer as it stands now, as of one instant."""
        self._reader.execute("BEGIN")
        try:
            return situation(self._reader, qc_id, rules, self._clock_ns())
        finally:
            self._reader.execute("COMMIT")

    def find(self, slot_id: UUID) -> Slot:
        """A slot, whatever became of it. Raises NotFound."""
        return find_slot(self._reader, slot_id)[0]

    def list(
        self,
        qc_id: QcId | None = None,
        *,
        ends_after_ns: int | None = None,
        begins_before_ns: int | None = None,
    ) -> tuple[Slot, ...]:
        """Slots in order of time. ends_after_ns None: those that are not over."""
        after_ns = self._clock_ns() if ends_after_ns is None else ends_after_ns
        return list_slots(self._reader, qc_id, after_ns, begins_before_ns)
