"""Who calls: from the name of a connection and what it shows, to a user."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from urllib.parse import unquote

from labd.core.access import Reach, Role, User
from labd.core.errors import Unauthenticated
from labd.front.name import Peer, peer_of
from labd.store.store import Store


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, how labd knows that it is he, and where from.

    credential: ``uid 1000``, ``token 3k9x0a1b``, ``certificate alice``. origin: ``unix, pid 4711``,
    ``127.0.0.1:51234``. reach: how far he reaches with what he calls (labd.core.access).
    """

    user: User
    credential: str
    origin: str
    reach: Reach = Reach.NONE
    connection: str = ""

    def reaches(self, owner_id: int | None) -> bool:
        """Whether he may do what he calls to something of that owner's."""
        return self.reach is Reach.ALL or (self.reach is Reach.OWN and self.user.id == owner_id)


def origin_of(peer: str) -> str:
    """Where a connection comes from, as people write it; empty where the front did not name it."""
    found = _peer(peer)
    return "" if found is None else found.origin


def _peer(name: str) -> Peer | None:
    return peer_of(unquote(name).removeprefix("unix-abstract:"))


class Identities:
    """The one place that knows who a caller is."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._local: dict[int, User] = {}

    def identify(self, peer: str, authorization: str) -> Caller:
        """The caller behind a connection. Raises Unauthenticated.

        peer: the name that the front gave its end of the private socket, percent-encoded as grpc
        does or not. authorization: the header's value, empty where there is none.
        """
        del authorization
        found = _peer(peer)
        if found is None or found.uid is None:
            raise Unauthenticated("no credentials")
        user = self._local_user(found.uid)
        return Caller(user, f"uid {found.uid}", found.origin, connection=found.unique)

    def _local_user(self, uid: int) -> User:
        known = self._local.get(uid)
        if known is None:
            try:
                name = pwd.getpwuid(uid).pw_name[:32]
            except KeyError:
                name = f"uid{uid}"
            role = Role.ADMIN if uid in (0, os.getuid()) else Role.USER
            known = self._local[uid] = self._store.ensure_local_user(uid, name, role)
        return known
