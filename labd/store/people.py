"""Users and their tokens in SQL.

Users are never deleted: their jobs and the audit name them. A token is kept as the SHA-256 of the
whole of it, and stays in the list when it is revoked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from labd.core.access import Role, User
from labd.core.audit import AuditEntry
from labd.core.errors import Conflict, InvalidArgument, NotFound
from labd.core.names import UID_NAME, USER_NAME
from labd.store import audit
from labd.store.database import Change, Writer

T = TypeVar("T")

_USER = "users.id, users.name, users.role, users.uid, users.is_enabled, users.note, created_at_ns"
_TOKEN = (
    "tokens.id, user_id, users.name, tokens.note, tokens.created_at_ns, expires_at_ns,"
    " last_used_at_ns, revoked_at_ns"
)
_FROM_TOKENS = "FROM tokens JOIN users ON users.id = tokens.user_id"
_UserRow = tuple[int, str, str, int | None, int, str, int]


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user with all that is known of him. uid: the local account that he is without a token."""

    user: User
    uid: int | None
    is_enabled: bool
    note: str
    created_at_ns: int


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token without its secret."""

    id: str
    user_id: int
    user_name: str
    note: str
    created_at_ns: int
    expires_at_ns: int | None
    last_used_at_ns: int | None
    revoked_at_ns: int | None


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """A local account as its machine knows it. is_admin: by labd's configuration."""

    uid: int
    name: str
    is_admin: bool


@dataclass(frozen=True, slots=True)
class UserWish:
    """What a user shall be; None: as he is, for a new one the default."""

    name: str
    role: Role | None = None
    uid: int | None = None
    is_enabled: bool | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to be stored. hash: SHA-256 of what a client sends."""

    id: str
    hash: bytes
    note: str
    expires_at_ns: int | None


def _user(row: _UserRow | None) -> UserRecord | None:
    if row is None:
        return None
    return UserRecord(User(row[0], row[1], Role(row[2])), row[3], bool(row[4]), row[5], row[6])


def find_user_by_uid(db: sqlite3.Connection, uid: int) -> UserRecord | None:
    """The user that a local account is, also a disabled one."""
    return _user(db.execute(f"SELECT {_USER} FROM users WHERE uid = ?", (uid,)).fetchone())


def find_user(db: sqlite3.Connection, name: str) -> UserRecord | None:
    """A user by name, also a disabled one."""
    return _user(db.execute(f"SELECT {_USER} FROM users WHERE name = ?", (name,)).fetchone())


def find_token(db: sqlite3.Connection, hash: bytes) -> tuple[TokenRecord, UserRecord] | None:
    """A token and its owner by the token's hash, whatever their state."""
    row = db.execute(
        f"SELECT {_TOKEN}, users.id, users.name, users.role, users.uid, users.is_enabled,"
        f" users.note, users.created_at_ns {_FROM_TOKENS} WHERE hash = ?",
        (hash,),
    ).fetchone()
    if row is None:
        return None
    owner = _user(row[8:])
    assert owner is not None
    return TokenRecord(*row[:8]), owner


# ---- changes: run by the writer, inside its transaction


def ensure_local_user(db: sqlite3.Connection, account: LocalAccount, now_ns: int) -> UserRecord:
    """The user that a local account is, made if need be; an admin by configuration is made one.

    A name that is no user's name or is somebody else's is not taken: the user is uid<N> then.
    Raises Conflict when even that is somebody else's.
    """
    found = find_user_by_uid(db, account.uid)
    if found is None:
        name, role = account.name, Role.ADMIN if account.is_admin else Role.USER
        if not is_free_name(name) or find_user(db, name) is not None:
            name = f"uid{account.uid}"
        try:
            db.execute(
                "INSERT INTO users (name, role, uid, created_at_ns) VALUES (?, ?, ?, ?)",
                (name, role.value, account.uid, now_ns),
            )
        except sqlite3.IntegrityError as error:
            raise Conflict(f"{name} is somebody else than account {account.uid}") from error
    elif account.is_admin and found.user.role is not Role.ADMIN:
        db.execute("UPDATE users SET role = 'admin' WHERE id = ?", (found.user.id,))
    made = find_user_by_uid(db, account.uid)
    assert made is not None
    return made


def is_free_name(name: str) -> bool:
    """Whether people may choose the name: the form is right, and it is not kept for an account."""
    return bool(USER_NAME.fullmatch(name)) and not UID_NAME.fullmatch(name)


def put_user(
    db: sqlite3.Connection, wish: UserWish, admin_uids: frozenset[int], now_ns: int
) -> UserRecord:
    """Make a user or change one. admin_uids: accounts that are admins by configuration.

    Raises InvalidArgument for a name that a new user cannot have; Conflict where an account is
    another user's, or the last admin would go.
    """
    old = find_user(db, wish.name)
    if old is None and not is_free_name(wish.name) and wish.name != f"uid{wish.uid}":
        what = (
            "a letter or digit, then letters, digits, '.', '_' and '-', all lower case, 32 at most"
        )
        raise InvalidArgument("name", f"a user's name is {what}; uid<N> is account N's")
    role = wish.role or (Role.USER if old is None else old.user.role)
    uid = wish.uid if wish.uid is not None or old is None else old.uid
    is_enabled = wish.is_enabled if wish.is_enabled is not None else old is None or old.is_enabled
    note = wish.note if wish.note is not None else ("" if old is None else old.note)
    if uid in admin_uids and role is not Role.ADMIN:
        raise Conflict(f"account {uid} is an admin by labd's configuration and stays one")
    if wish.uid is not None:
        other = find_user_by_uid(db, wish.uid)
        if other is not None and other.user.name != wish.name:
            raise Conflict(f"account {wish.uid} is {other.user.name}; an account is one user's")
    if old is None:
        db.execute(
            "INSERT INTO users (name, role, uid, is_enabled, note, created_at_ns)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (wish.name, role.value, uid, int(is_enabled), note, now_ns),
        )
    else:
        if old.is_enabled and old.user.role is Role.ADMIN:
            _demand_another_admin(db, old.user, role, is_enabled=is_enabled)
        db.execute(
            "UPDATE users SET role = ?, uid = ?, is_enabled = ?, note = ? WHERE id = ?",
            (role.value, uid, int(is_enabled), note, old.user.id),
        )
    new = find_user(db, wish.name)
    assert new is not None
    return new


def _demand_another_admin(
    db: sqlite3.Connection, admin: User, role: Role, *, is_enabled: bool
) -> None:
    if is_enabled and role is Role.ADMIN:
        return
    (n_others,) = db.execute(
        "SELECT COUNT(*) FROM users WHERE role = 'admin' AND is_enabled = 1 AND id <> ?",
        (admin.id,),
    ).fetchone()
    if n_others == 0:
        what = "given another role" if is_enabled else "disabled"
        raise Conflict(f"{admin.name} is the last admin and cannot be {what}; make another first")


def create_token(db: sqlite3.Connection, owner: str, token: NewToken, now_ns: int) -> TokenRecord:
    """Store a token. Raises NotFound, and Conflict for a disabled owner."""
    found = find_user(db, owner)
    if found is None:
        raise NotFound("user", owner)
    if not found.is_enabled:
        raise Conflict(f"{owner} is disabled and gets no token; enable him first")
    db.execute(
        "INSERT INTO tokens (id, user_id, hash, note, created_at_ns, expires_at_ns)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (token.id, found.user.id, token.hash, token.note, now_ns, token.expires_at_ns),
    )
    return _token(db, token.id)


def revoke_token(
    db: sqlite3.Connection, token_id: str, owner_id: int | None, now_ns: int
) -> TokenRecord:
    """End a token; one that was revoked before stays as it is. owner_id: whose it must be.

    Raises NotFound, also for somebody else's.
    """
    changed = db.execute(
        "UPDATE tokens SET revoked_at_ns = COALESCE(revoked_at_ns, ?)"
        " WHERE id = ? AND (? IS NULL OR user_id = ?)",
        (now_ns, token_id, owner_id, owner_id),
    )
    if changed.rowcount == 0:
        raise NotFound("token", token_id)
    return _token(db, token_id)


def note_use(db: sqlite3.Connection, token_id: str, at_ns: int) -> None:
    """Remember when a token was last used."""
    db.execute("UPDATE tokens SET last_used_at_ns = ? WHERE id = ?", (at_ns, token_id))


def _token(db: sqlite3.Connection, token_id: str) -> TokenRecord:
    row = db.execute(f"SELECT {_TOKEN} {_FROM_TOKENS} WHERE tokens.id = ?", (token_id,)).fetchone()
    return TokenRecord(*row)


class People:
    """Users and tokens, as the daemon changes and reads them.

    generation grows with every change that lets somebody in or keeps him out: what was found out
    before is to be asked again.
    """

    def __init__(
        self, writer: Writer, reader: sqlite3.Connection, clock_ns: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock_ns = clock_ns
        self.generation = 0

    # ---- changes; each raises Unavailable

    async def ensure_local_user(self, account: LocalAccount) -> UserRecord:
        """The user that a local account is, made if need be. Raises Conflict."""

        def change(db: sqlite3.Connection) -> UserRecord:
            before = find_user_by_uid(db, account.uid)
            record = ensure_local_user(db, account, self._clock_ns())
            if record != before:
                details = {"uid": account.uid, "role": record.user.role.value}
                line = AuditEntry("labd", "", "", "user.put", record.user.name, details)
                audit.append(db, (line,), self._clock_ns())
            return record

        return await self._change(change)

    async def put_user(
        self, wish: UserWish, admin_uids: frozenset[int], line: AuditEntry
    ) -> UserRecord:
        """Make a user or change one. Raises Conflict."""

        def change(db: sqlite3.Connection) -> UserRecord:
            record = put_user(db, wish, admin_uids, self._clock_ns())
            audit.append(db, (line,), self._clock_ns())
            return record

        return await self._change(change)

    async def create_token(self, owner: str, token: NewToken, line: AuditEntry) -> TokenRecord:
        """Store a token. Raises NotFound, Conflict."""

        def change(db: sqlite3.Connection) -> TokenRecord:
            record = create_token(db, owner, token, self._clock_ns())
            audit.append(db, (line,), self._clock_ns())
            return record

        return await self._writer.write(change)

    async def revoke_token(
        self, token_id: str, owner_id: int | None, line: AuditEntry
    ) -> TokenRecord:
        """End a token; owner_id: whose it must be, None: anybody's. Raises NotFound."""

        def change(db: sqlite3.Connection) -> TokenRecord:
            record = revoke_token(db, token_id, owner_id, self._clock_ns())
            audit.append(db, (line,), self._clock_ns())
            return record

        return await self._change(change)

    async def note_use(self, token_id: str, at_ns: int) -> None:
        """Remember when a token was last used."""
        await self._writer.write(lambda db: note_use(db, token_id, at_ns))

    async def _change(self, change: Change[T]) -> T:
        return await self._writer.write(change, self._count)

    def _count(self, _: object) -> None:
        self.generation += 1

    # ---- questions

    def user_by_uid(self, uid: int) -> UserRecord | None:
        """The user that a local account is, also a disabled one."""
        return find_user_by_uid(self._reader, uid)

    def user(self, name: str) -> UserRecord | None:
        """A user by name, also a disabled one."""
        return find_user(self._reader, name)

    def users(self) -> tuple[UserRecord, ...]:
        """All of them, by name."""
        rows = self._reader.execute(f"SELECT {_USER} FROM users ORDER BY name").fetchall()
        return tuple(record for record in map(_user, rows) if record is not None)

    def token_by_hash(self, hash: bytes) -> tuple[TokenRecord, UserRecord] | None:
        """A token and its owner, whatever their state."""
        return find_token(self._reader, hash)

    def tokens(self, owner_id: int | None) -> Sequence[TokenRecord]:
        """A user's tokens, or everybody's, the newest first."""
        rows = self._reader.execute(
            f"SELECT {_TOKEN} {_FROM_TOKENS} WHERE ? IS NULL OR user_id = ?"
            " ORDER BY tokens.created_at_ns DESC, tokens.id",
            (owner_id, owner_id),
        ).fetchall()
        return tuple(TokenRecord(*row) for row in rows)
