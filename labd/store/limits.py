"""Limits in SQL: what is set, what is used."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from labd.core.access import Role, User
from labd.core.audit import AuditEntry, JsonScalar
from labd.core.errors import NotFound
from labd.core.limits import (
    DAY_NS,
    Amounts,
    Bounds,
    LimitName,
    Run,
    added,
    effective,
    frees,
    frees_at_ns,
)
from labd.store import audit
from labd.store.database import Writer

PerRole = Mapping[Role, Mapping[str, float]]
"""The configuration's values: role -> limit's name -> value."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A user's limits, and how much of each is used."""

    user: User
    bounds: Bounds
    used: Amounts


def standing(
    db: sqlite3.Connection, user_id: int, configured: PerRole, now_ns: int
) -> Standing | None:
    """How a user stands; None: there is none. What ran is counted only where it is limited."""
    rows = db.execute(
        "SELECT users.name, users.role, n_queued, queued_payload_bytes, queued_shots,"
        " queued_run_ms, result_bytes, limits.user_id, limits.name, value FROM users"
        " LEFT JOIN limits ON limits.user_id = users.id OR limits.role = users.role"
        " WHERE users.id = ?",
        (user_id,),
    ).fetchall()
    if not rows:
        return None
    name, role, n_queued, payload_bytes, shots, run_ms, result_bytes = rows[0][:7]
    user = User(user_id, name, Role(role))
    bounds = _bounds([row[7:] for row in rows if row[8] is not None], user.role, configured)
    run_s = run_ms / 1000
    if bounds[LimitName.RUN_S_PER_DAY].value is not None:
        run_s += ran_s_of_day(db, user_id, now_ns)
    used = {
        LimitName.QUEUED_JOBS: n_queued,
        LimitName.QUEUED_PAYLOAD_BYTES: payload_bytes,
        LimitName.QUEUED_SHOTS: shots,
        LimitName.RUN_S_PER_DAY: run_s,
        LimitName.RESULT_BYTES: result_bytes,
    }
    return Standing(user, bounds, used)


def bounds_of_role(db: sqlite3.Connection, role: Role, configured: PerRole) -> Bounds:
    """The values that hold for users of a role who have none of their own."""
    rows = db.execute(
        "SELECT user_id, name, value FROM limits WHERE role = ?", (role.value,)
    ).fetchall()
    return _bounds(rows, role, configured)


def _bounds(
    rows: Sequence[tuple[int | None, str, float | None]], role: Role, configured: PerRole
) -> Bounds:
    """rows: whose they are (None: the role's), names, values."""
    own = {LimitName(name): value for user_id, name, value in rows if user_id is not None}
    of_role = {LimitName(name): value for user_id, name, value in rows if user_id is None}
    return effective(own, of_role, configured.get(role, {}))


_OF_DAY = "user_id = ? AND ended_at_ns > ? AND state <> 'INTERRUPTED'"
"""All that is needed stands in an index: 50 000 runs take 10 ms."""


def ran_s_of_day(db: sqlite3.Connection, user_id: int, now_ns: int) -> float:
    """Seconds that a user's jobs ran within the last 24 hours, interrupted ones left out."""
    since_ns = now_ns - DAY_NS
    (ran_ns,) = db.execute(
        f"SELECT COALESCE(SUM(ended_at_ns - MAX(started_at_ns, ?)), 0) FROM jobs WHERE {_OF_DAY}",
        (since_ns, user_id, since_ns),
    ).fetchone()
    return float(ran_ns / 1e9)


def runs_of_day(db: sqlite3.Connection, user_id: int, now_ns: int) -> tuple[Run, ...]:
    """The runs that `ran_s_of_day` counts."""
    rows = db.execute(
        f"SELECT started_at_ns, ended_at_ns FROM jobs WHERE {_OF_DAY}",
        (user_id, now_ns - DAY_NS),
    )
    return tuple(Run(started_ns, ended_ns) for started_ns, ended_ns in rows)


def when_free(
    db: sqlite3.Connection, standing: Standing, name: LimitName, asked: float, now_ns: int
) -> str:
    """When a user has room again under a limit that he has used up, as a sentence's end."""
    limit = standing.bounds[name].value or 0.0
    at_ns = None
    if name is LimitName.RUN_S_PER_DAY:
        excess_s = standing.used[name] + asked - limit
        at_ns = frees_at_ns(runs_of_day(db, standing.user.id, now_ns), excess_s, now_ns)
    return frees(name, limit=limit, asked=asked, run_frees_ns=at_ns)


def put_limit(
    db: sqlite3.Connection, whose: int | Role, name: LimitName, value: float | None
) -> None:
    """Set a user's or a role's limit; value None: unlimited."""
    unset_limit(db, whose, name)
    column = "role" if isinstance(whose, Role) else "user_id"
    db.execute(
        f"INSERT INTO limits ({column}, name, value) VALUES (?, ?, ?)",
        (whose, name.value, value),
    )


def unset_limit(db: sqlite3.Connection, whose: int | Role, name: LimitName) -> None:
    """Take a user's or a role's own value back."""
    column = "role" if isinstance(whose, Role) else "user_id"
    db.execute(f"DELETE FROM limits WHERE {column} = ? AND name = ?", (whose, name.value))


def user_named(db: sqlite3.Connection, name: str) -> int:
    """A user's key. Raises NotFound."""
    row = db.execute("SELECT id FROM users WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise NotFound("user", name)
    return int(row[0])


class Limits:
    """Limits as the daemon sets and reads them."""

    def __init__(
        self, writer: Writer, reader: sqlite3.Connection, clock_ns: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock_ns = clock_ns

    async def put(
        self, whose: str | Role, name: LimitName, value: float | None, by: AuditEntry
    ) -> None:
        """Set the limit of a user, by his name, or of a role; value None: unlimited.

        by: its object and details are filled in. Raises NotFound, Unavailable.
        """

        def change(db: sqlite3.Connection) -> None:
            put_limit(db, _key(db, whose), name, value)
            details = {"name": name.value, "value": "unlimited" if value is None else value}
            _record(db, whose, details, by, self._clock_ns())

        await self._writer.write(change)

    async def unset(self, whose: str | Role, name: LimitName, by: AuditEntry) -> None:
        """Take a user's or a role's own value back; as in `put`."""

        def change(db: sqlite3.Connection) -> None:
            unset_limit(db, _key(db, whose), name)
            details = {"name": name.value, "value": None}
            _record(db, whose, details, by, self._clock_ns())

        await self._writer.write(change)

    def standing(self, user: str, configured: PerRole) -> Standing:
        """How a user stands, also in what is not limited. Raises NotFound."""
        now_ns = self._clock_ns()
        self._reader.execute("BEGIN")
        try:
            user_id = user_named(self._reader, user)
            found = standing(self._reader, user_id, configured, now_ns)
            if found is None:
                raise NotFound("user", user)
            if found.bounds[LimitName.RUN_S_PER_DAY].value is not None:
                return found
            run_s = ran_s_of_day(self._reader, user_id, now_ns)
            return replace(found, used=added(found.used, {LimitName.RUN_S_PER_DAY: run_s}))
        finally:
            self._reader.execute("COMMIT")

    def of_role(self, role: Role, configured: PerRole) -> Bounds:
        """The values that hold for users of a role who have none of their own."""
        return bounds_of_role(self._reader, role, configured)


def _key(db: sqlite3.Connection, whose: str | Role) -> int | Role:
    return whose if isinstance(whose, Role) else user_named(db, whose)


def _record(
    db: sqlite3.Connection,
    whose: str | Role,
    details: Mapping[str, JsonScalar],
    by: AuditEntry,
    now_ns: int,
) -> None:
    object = f"role {whose.value}" if isinstance(whose, Role) else f"user {whose}"
    audit.append(db, (replace(by, object=object, details=details),), now_ns)
