"""Calibration sets in SQL. A set is immutable: a better one is a new one, and names its parent.

Which set is active is the last row of calibration_activations. Rolling back is a row too: it says
which earlier activation it restores, so that rolling back again goes one further.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, NotFound
from labd.core.jobs import QcId
from labd.store import audit
from labd.store.database import Writer


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """What is known of a set without its values. created_at_ns: since 1970, UTC.

    is_valid: whether it held, when it was stored, all that the station's gates need.
    """

    id: UUID
    qc_id: QcId
    created_at_ns: int
    dut_label: str
    is_valid: bool
    n_observations: int
    author: str = ""
    note: str = ""
    parent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Activation:
    """When a set became the active one of a quantum computer, by whom and why."""

    seq: int
    qc_id: QcId
    set_id: UUID
    at_ns: int
    by_user: str
    note: str
    restores: int | None

    @property
    def place(self) -> int:
        """Where it stands among those that can be gone back to: that of what it restores."""
        return self.seq if self.restores is None else self.restores


_COLUMNS = "id, qc_id, created_at_ns, dut_label, is_valid, n_observations, author, note, parent_id"
_Row = tuple[bytes, bytes, int, str, int, int, str, str, bytes | None]


def _set(row: _Row) -> CalibrationSet:
    id, qc_id, created_at_ns, dut_label, is_valid, n_observations, author, note, parent_id = row
    return CalibrationSet(
        id=UUID(bytes=id),
        qc_id=QcId(UUID(bytes=qc_id)),
        created_at_ns=created_at_ns,
        dut_label=dut_label,
        is_valid=bool(is_valid),
        n_observations=n_observations,
        author=author,
        note=note,
        parent_id=None if parent_id is None else UUID(bytes=parent_id),
    )


# ---- changes: run by the writer, inside its transaction


def insert_calibration(
    db: sqlite3.Connection, calibration: CalibrationSet, observations: str
) -> None:
    """Store a set. Raises Conflict for an id that exists, NotFound for a parent that does not.

    observations: JSON text of an object, dut field -> {"value": ..., "unit": ...}.
    """
    if find_calibration(db, calibration.id) is not None:
        raise Conflict(
            f"calibration set {calibration.id} is stored already and never changes; leave out"
            " calibration_set_id to store another one"
        )
    parent_id = calibration.parent_id
    if parent_id is not None:
        parent = find_calibration(db, parent_id)
        if parent is None or parent.qc_id != calibration.qc_id:
            raise NotFound("parent calibration set", str(parent_id))
    db.execute(
        f"INSERT INTO calibration_sets ({_COLUMNS}, observations)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            calibration.id.bytes,
            calibration.qc_id.bytes,
            calibration.created_at_ns,
            calibration.dut_label,
            int(calibration.is_valid),
            calibration.n_observations,
            calibration.author,
            calibration.note,
            None if parent_id is None else parent_id.bytes,
            observations,
        ),
    )


def activate(
    db: sqlite3.Connection, calibration: CalibrationSet, by_user: str, note: str, now_ns: int
) -> Activation:
    """Make a set the active one. Raises Conflict when it is already."""
    present = active_one(db, calibration.qc_id)
    if present is not None and present.set_id == calibration.id:
        by = f" by {present.by_user}" if present.by_user else ""
        raise Conflict(f"calibration set {calibration.id} is the active one already{by}")
    return _insert_activation(db, calibration.qc_id, calibration.id, (by_user, note), now_ns, None)


def roll_back(
    db: sqlite3.Connection, qc_id: QcId, by_user: str, note: str, now_ns: int
) -> Activation:
    """Make the set active that was so before the present one. Raises Conflict when none was."""
    present = active_one(db, qc_id)
    row = None
    if present is not None:
        row = db.execute(
            f"SELECT {_ACTIVATION} FROM calibration_activations WHERE qc_id = ? AND seq < ?"
            " ORDER BY seq DESC LIMIT 1",
            (qc_id.bytes, present.place),
        ).fetchone()
    if row is None:
        raise Conflict("no calibration set was active before the present one")
    before = _activation(row)
    return _insert_activation(db, qc_id, before.set_id, (by_user, note), now_ns, before.place)


def _insert_activation(
    db: sqlite3.Connection,
    qc_id: QcId,
    set_id: UUID,
    who_and_why: tuple[str, str],
    now_ns: int,
    restores: int | None,
) -> Activation:
    cursor = db.execute(
        "INSERT INTO calibration_activations (qc_id, set_id, at_ns, by_user, note, restores)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (qc_id.bytes, set_id.bytes, now_ns, *who_and_why, restores),
    )
    assert cursor.lastrowid is not None
    return Activation(cursor.lastrowid, qc_id, set_id, now_ns, *who_and_why, restores)


# ---- questions

_ACTIVATION = "seq, qc_id, set_id, at_ns, by_user, note, restores"


def _activation(row: tuple[int, bytes, bytes, int, str, str, int | None]) -> Activation:
    seq, qc_id, set_id, at_ns, by_user, note, restores = row
    qc, calibration = QcId(UUID(bytes=qc_id)), UUID(bytes=set_id)
    return Activation(seq, qc, calibration, at_ns, by_user, note, restores)


def active_one(db: sqlite3.Connection, qc_id: QcId) -> Activation | None:
    """The activation that holds now."""
    row = db.execute(
        f"SELECT {_ACTIVATION} FROM calibration_activations WHERE qc_id = ?"
        " ORDER BY seq DESC LIMIT 1",
        (qc_id.bytes,),
    ).fetchone()
    return None if row is None else _activation(row)


def find_calibration(db: sqlite3.Connection, calibration_id: UUID) -> CalibrationSet | None:
    """A set by its id."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM calibration_sets WHERE id = ?", (calibration_id.bytes,)
    ).fetchone()
    return None if row is None else _set(row)


@dataclass(frozen=True, slots=True)
class Page:
    """Sets, the newest first. next_before: where the next page begins; 0: this is the last one."""

    sets: tuple[CalibrationSet, ...]
    next_before: int


def page_of(db: sqlite3.Connection, qc_id: QcId, limit: int, before: int) -> Page:
    """The newest sets of a quantum computer that were stored before a number; 0: all were."""
    rows = db.execute(
        f"SELECT seq, {_COLUMNS} FROM calibration_sets WHERE qc_id = ? AND seq < ?"
        " ORDER BY seq DESC LIMIT ?",
        (qc_id.bytes, before or 2**62, limit + 1),
    ).fetchall()
    kept = rows[:limit]
    is_last = len(rows) == len(kept)
    return Page(tuple(_set(row[1:]) for row in kept), 0 if is_last else int(kept[-1][0]))


class CalibrationSets:
    """The sets, as the daemon stores and reads them."""

    def __init__(
        self, writer: Writer, reader: sqlite3.Connection, clock_ns: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock_ns = clock_ns

    def now_ns(self) -> int:
        """The time by the store's clock."""
        return self._clock_ns()

    def put_first(
        self, calibration: CalibrationSet, observations: str, entries: tuple[AuditEntry, ...]
    ) -> None:
        """Store a set and make it the active one. Blocks. Raises Conflict."""
        now_ns = self._clock_ns()

        def change(db: sqlite3.Connection) -> None:
            insert_calibration(db, calibration, observations)
            activate(db, calibration, calibration.author, calibration.note, now_ns)
            audit.append(db, entries, now_ns)

        self._writer.call(change)

    async def put(self, calibration: CalibrationSet, observations: str, entry: AuditEntry) -> None:
        """Store a set, durable when this returns. Raises Conflict, NotFound, Unavailable."""
        now_ns = self._clock_ns()

        def change(db: sqlite3.Connection) -> None:
            insert_calibration(db, calibration, observations)
            audit.append(db, (entry,), now_ns)

        await self._writer.write(change)

    async def activate(self, calibration: CalibrationSet, note: str, entry: AuditEntry) -> None:
        """Make a set the active one, by who is in the entry. Raises Conflict, Unavailable."""
        now_ns = self._clock_ns()

        def change(db: sqlite3.Connection) -> None:
            activate(db, calibration, entry.user, note, now_ns)
            audit.append(db, (entry,), now_ns)

        await self._writer.write(change)

    async def roll_back(
        self, qc_id: QcId, by_user: str, note: str, told: Callable[[Activation], AuditEntry]
    ) -> Activation:
        """Make the set active that was so before. told: the line of what was done.

        Raises Conflict, Unavailable.
        """
        now_ns = self._clock_ns()

        def change(db: sqlite3.Connection) -> Activation:
            activation = roll_back(db, qc_id, by_user, note, now_ns)
            audit.append(db, (told(activation),), now_ns)
            return activation

        return await self._writer.write(change)

    def active(self, qc_id: QcId) -> CalibrationSet | None:
        """The active set of a quantum computer."""
        activation = self.activation(qc_id)
        return None if activation is None else self.get(activation.set_id)

    def activation(self, qc_id: QcId) -> Activation | None:
        """Since when which set is active."""
        return active_one(self._reader, qc_id)

    def get(self, calibration_id: UUID) -> CalibrationSet:
        """A calibration set. Raises NotFound."""
        found = find_calibration(self._reader, calibration_id)
        if found is None:
            raise NotFound("calibration set", str(calibration_id))
        return found

    def observations(self, calibration_id: UUID) -> str:
        """A set's observations as JSON text of an object. Raises NotFound."""
        row = self._reader.execute(
            "SELECT observations FROM calibration_sets WHERE id = ?", (calibration_id.bytes,)
        ).fetchone()
        if row is None:
            raise NotFound("calibration set", str(calibration_id))
        return str(row[0])

    def page(self, qc_id: QcId, limit: int, before: int) -> Page:
        """The newest sets that were stored before a number; 0: all were."""
        return page_of(self._reader, qc_id, limit, before)
