"""Users in SQL."""

from __future__ import annotations

import sqlite3

from labd.core.access import Role, User

_COLUMNS = "id, name, role"


def _user(row: tuple[int, str, str] | None) -> User | None:
    return None if row is None else User(row[0], row[1], Role(row[2]))


def find_user_by_uid(db: sqlite3.Connection, uid: int) -> User | None:
    """The user that a local account is."""
    return _user(
        db.execute(
            f"SELECT {_COLUMNS} FROM users WHERE uid = ? AND is_enabled = 1", (uid,)
        ).fetchone()
    )


def ensure_local_user(db: sqlite3.Connection, uid: int, name: str, role: Role, now_ns: int) -> User:
    """The user that a local account is, made if need be. A name that is taken gets the uid."""
    db.execute(
        "INSERT INTO users (name, role, uid, created_at_ns) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (uid) DO NOTHING ON CONFLICT (name) DO UPDATE SET uid = excluded.uid"
        " WHERE uid IS NULL",
        (name, role.value, uid, now_ns),
    )
    found = find_user_by_uid(db, uid)
    if found is None:
        raise ValueError(f"{name} is another user than uid {uid}, or disabled")
    return found
