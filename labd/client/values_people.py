"""Users, tokens and limits as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from labd.client.convert import instant_of
from labd.core.access import Role
from labd.wire import lab_pb2 as lab


@dataclass(frozen=True, slots=True)
class User:
    """A user. uid: the local account that is this user without a token."""

    name: str
    role: Role
    uid: int | None
    is_enabled: bool
    note: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """Whom the server takes the caller for.

    credential: how it knows him, such as ``uid 1000`` or ``token 3k9x0a1b``. origin: from where.
    """

    user: User
    credential: str
    origin: str


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret. expires_at None: never."""

    id: str
    user: str
    note: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made. secret: what a client sends; the server keeps only its hash."""

    token: Token
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Limit:
    """How much a user may use, and uses. limit None: as much as he likes.

    source: where the value was set: ``user``, ``role`` or ``config``; empty where it was nowhere.
    """

    name: str
    limit: float | None
    used: float
    source: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one user."""

    user: str
    limits: tuple[Limit, ...]


def user_of(message: lab.User) -> User:
    """The frozen value of a user."""
    return User(
        name=message.name,
        role=Role(lab.Role.Name(message.role).lower()),
        uid=message.uid if message.HasField("uid") else None,
        is_enabled=message.is_enabled,
        note=message.note,
        created_at=instant_of(message.created_at),
    )


def token_of(message: lab.Token) -> Token:
    """The frozen value of a token."""

    def maybe(name: str) -> datetime | None:
        return instant_of(getattr(message, name)) if message.HasField(name) else None

    return Token(
        id=message.id,
        user=message.user,
        note=message.note,
        created_at=instant_of(message.created_at),
        expires_at=maybe("expires_at"),
        last_used_at=maybe("last_used_at"),
        revoked_at=maybe("revoked_at"),
    )


def limit_of(message: lab.Limit) -> Limit:
    """The frozen value of a limit."""
    return Limit(
        name=message.name,
        limit=message.limit if message.HasField("limit") else None,
        used=message.used,
        source=message.source,
    )


_ROLES = {Role.USER: lab.USER, Role.OPERATOR: lab.OPERATOR, Role.ADMIN: lab.ADMIN}


def pack_role(role: Role | None) -> lab.Role:
    """A role as the wire has it; None is unset."""
    return lab.ROLE_UNSPECIFIED if role is None else _ROLES[role]
