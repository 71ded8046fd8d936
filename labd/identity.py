"""Who calls: from the name of a connection and what the call shows, to a user.

What a call shows goes before what its connection shows: a token, else a client certificate, else
the local account. What is shown and is wrong is refused, whoever else the caller might be.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from labd.config import Access
from labd.core.access import Reach, Role, User
from labd.core.errors import Conflict, Unauthenticated, Unavailable
from labd.core.tokens import presented_token, token_hash
from labd.front.name import NAMES_NOBODY, Peer, peer_of
from labd.store.people import LocalAccount, People, TokenRecord, UserRecord

NOTED_EVERY_NS = 60_000_000_000
"""A token's last use is written down at most so often."""
UNNAMED = "the private socket"
"""Who comes without a name: a process of labd's own account, for nobody else can."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, how labd knows that it is he, and where from.

    credential: ``uid 1000``, ``token 3k9x0a1b``, ``certificate alice``. origin: ``unix, pid 4711``,
    ``127.0.0.1:51234``. reach: how far he reaches with what he calls (labd.core.access).
    connection: its unique key, empty if it has none. expires_at_ns: of the credential.
    """

    user: User
    credential: str
    origin: str
    reach: Reach = Reach.NONE
    connection: str = ""
    expires_at_ns: int | None = None

    def reaches(self, owner_id: int | None) -> bool:
        """Whether he may do what he calls to something of that owner's."""
        return self.reach is Reach.ALL or (self.reach is Reach.OWN and self.user.id == owner_id)


class Identities:
    """The one place that knows who a caller is.

    What was read from the store is kept until the people there change (People.generation).
    """

    def __init__(self, people: People, access: Access, clock_ns: Callable[[], int]) -> None:
        self._people = people
        self._clock_ns = clock_ns
        self._nobody = _overflow_uid()
        self._generation = people.generation
        self._tokens: dict[bytes, tuple[TokenRecord, UserRecord]] = {}
        self._accounts: dict[int, UserRecord] = {}
        self._certified: dict[str, UserRecord] = {}
        self._noted_ns: dict[str, int] = {}
        self.noting: set[asyncio.Task[None]] = set()
        """Last uses that are being written down."""
        self.use(access)

    def use(self, access: Access) -> None:
        """Let these in from now on. Who was an admin by labd.toml stays one in the store."""
        self._is_open = access.is_open
        self.admin_uids = frozenset({0, os.getuid(), *_uids(access.admins)})
        self._accounts.clear()

    @property
    def generation(self) -> int:
        """Grows whenever somebody may be let in or kept out who was not before."""
        return self._people.generation

    def is_over(self, caller: Caller, generation: int) -> bool:
        """Whether somebody identified at that generation must be identified again."""
        return generation != self._people.generation or (
            caller.expires_at_ns is not None and self._clock_ns() >= caller.expires_at_ns
        )

    async def identify(self, peer: str, authorizations: Sequence[str]) -> Caller:
        """The caller behind a connection. Raises Unauthenticated, Unavailable.

        peer: the name that the front gave its end of the private socket, percent-encoded as grpc
        does or not. authorizations: the headers of that name.
        """
        if self._generation != self._people.generation:
            self._generation = self._people.generation
            for cache in (self._tokens, self._accounts, self._certified):
                cache.clear()
        found = _peer(peer)
        token = presented_token(authorizations)
        if token is not None:
            return self._by_token(token, found)
        if found is None:
            raise Unauthenticated("no credentials")
        if found.certificate:
            return self._by_certificate(found)
        return await self._by_account(found)

    def origin(self, peer: str) -> str:
        """Where a call comes from."""
        found = _peer(peer)
        return UNNAMED if found is None else found.origin

    # ---- tokens

    def _by_token(self, token: str, peer: Peer | None) -> Caller:
        record, owner = self._token(token_hash(token))
        now_ns = self._clock_ns()
        if record.revoked_at_ns is not None:
            raise Unauthenticated(f"the token {record.id} was revoked")
        if record.expires_at_ns is not None and now_ns >= record.expires_at_ns:
            raise Unauthenticated(f"the token {record.id} expired at {_utc(record.expires_at_ns)}")
        self._note_use(record, now_ns)
        return Caller(
            user=_enabled(owner),
            credential=f"token {record.id}",
            origin=UNNAMED if peer is None else peer.origin,
            connection="" if peer is None else peer.unique,
            expires_at_ns=record.expires_at_ns,
        )

    def _token(self, hash: bytes) -> tuple[TokenRecord, UserRecord]:
        known = self._tokens.get(hash)
        if known is None:
            known = self._people.token_by_hash(hash)
            if known is None:
                raise Unauthenticated("the token is not known here")
            self._tokens[hash] = known
        return known

    def _note_use(self, record: TokenRecord, now_ns: int) -> None:
        """Write down when a token was used, later and not each time: nobody waits for it."""
        noted_ns = self._noted_ns.get(record.id, record.last_used_at_ns or 0)
        if abs(now_ns - noted_ns) < NOTED_EVERY_NS:
            return
        self._noted_ns[record.id] = now_ns
        task = asyncio.create_task(self._write_use(record.id, now_ns))
        self.noting.add(task)
        task.add_done_callback(self.noting.discard)

    async def _write_use(self, token_id: str, now_ns: int) -> None:
        try:
            await self._people.note_use(token_id, now_ns)
        except Unavailable as error:
            _log.warning("token %s: its use was not noted: %s", token_id, error)

    # ---- certificates

    def _by_certificate(self, peer: Peer) -> Caller:
        name = peer.certificate
        if name == NAMES_NOBODY:
            raise Unauthenticated("the certificate's common name is no user's name")
        record = self._certified.get(name)
        if record is None:
            record = self._people.user(name)
            if record is None:
                raise Unauthenticated(f"the certificate names {name}, who is no user here")
            self._certified[name] = record
        return Caller(_enabled(record), f"certificate {name}", peer.origin, connection=peer.unique)

    # ---- local accounts

    async def _by_account(self, peer: Peer) -> Caller:
        uid = peer.uid
        if uid is None or uid == self._nobody:
            raise Unauthenticated("no credentials, and the caller's account is not known here")
        record = self._known_account(uid) or await self._new_account(uid)
        return Caller(_enabled(record), f"uid {uid}", peer.origin, connection=peer.unique)

    def _known_account(self, uid: int) -> UserRecord | None:
        record = self._accounts.get(uid) or self._people.user_by_uid(uid)
        if record is None or (uid in self.admin_uids and record.user.role is not Role.ADMIN):
            return None
        self._accounts[uid] = record
        return record

    async def _new_account(self, uid: int) -> UserRecord:
        """Not kept: by the time it is known here, somebody may have changed it."""
        is_admin = uid in self.admin_uids
        if not is_admin and not self._is_open:
            raise Unauthenticated(f"no credentials, and the local account {uid} is no user here")
        name = await asyncio.to_thread(_account_name, uid)
        try:
            return await self._people.ensure_local_user(LocalAccount(uid, name, is_admin))
        except Conflict as error:
            raise Unauthenticated(str(error)) from error


@lru_cache(maxsize=4096)
def _peer(peer: str) -> Peer | None:
    return peer_of(unquote(peer).removeprefix("unix-abstract:"))


def _enabled(record: UserRecord) -> User:
    if not record.is_enabled:
        name = record.user.name
        remedy = f"an admin lets him in again by `labctl users set {name} --enable`"
        raise Unauthenticated(f"{name} is disabled", remedy)
    return record.user


def _utc(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _account_name(uid: int) -> str:
    """Asks the machine's directory of accounts, which may be far away."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _uids(accounts: Sequence[str]) -> list[int]:
    uids = []
    for account in accounts:
        try:
            uids.append(pwd.getpwnam(account).pw_uid)
        except KeyError:
            _log.warning("access.admins: there is no account %s on this machine", account)
    return uids


def _overflow_uid() -> int:
    """What the kernel calls accounts of other namespaces: that may be anybody."""
    try:
        return int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 65534
