"""labd.v1.Lab: users, their tokens, and who is connected."""

from __future__ import annotations

import secrets

from labd.audit_trail import entry
from labd.connections import Connections
from labd.core.access import Reach, Role
from labd.core.errors import InvalidArgument, NotFound, PermissionDenied
from labd.core.tokens import RANDOM_BYTES, make_token, token_hash
from labd.gate import Gate
from labd.identity import Caller
from labd.rpc import convert
from labd.rpc.caller import Context
from labd.rpc.laboratory import Laboratory
from labd.store.people import NewToken, TokenRecord, UserRecord, UserWish
from labd.wire import lab_pb2

NO_ACCOUNT = 2**32 - 1
"""(uid_t) -1: what chown takes for nobody."""


class LabPeople:
    """The methods of the service that concern people."""

    def __init__(self, laboratory: Laboratory, gate: Gate) -> None:
        self._people = laboratory.store.people
        self._admin_uids = gate.identities.admin_uids
        self._connections: Connections = gate.connections
        self._clock_ns = gate.connections.clock_ns

    async def who_am_i(
        self, request: lab_pb2.Empty, caller: Caller, context: Context
    ) -> lab_pb2.WhoAmIReply:
        """Who labd takes the caller for."""
        del request, context
        return lab_pb2.WhoAmIReply(
            user=_user_message(self._user(caller.user.name)),
            credential=caller.credential,
            origin=caller.origin,
        )

    async def list_users(
        self, request: lab_pb2.Empty, caller: Caller, context: Context
    ) -> lab_pb2.ListUsersReply:
        """All users, by name."""
        del request, caller, context
        return lab_pb2.ListUsersReply(users=[_user_message(each) for each in self._people.users()])

    async def put_user(
        self, request: lab_pb2.PutUserRequest, caller: Caller, context: Context
    ) -> lab_pb2.User:
        """Make a user or change one."""
        del context
        wish = _wish_of(request)
        details = {
            "role": None if wish.role is None else wish.role.value,
            "uid": wish.uid,
            "is_enabled": wish.is_enabled,
            "note": wish.note,
        }
        asked = {name: value for name, value in details.items() if value is not None}
        line = entry(caller, "user.put", wish.name, **asked)
        return _user_message(await self._people.put_user(wish, self._admin_uids, line))

    async def create_token(
        self, request: lab_pb2.CreateTokenRequest, caller: Caller, context: Context
    ) -> lab_pb2.CreateTokenReply:
        """Make a token; its secret is in the answer and nowhere else."""
        del context
        owner = request.user or caller.user.name
        if caller.reach is not Reach.ALL and owner != caller.user.name:
            raise PermissionDenied(
                caller.user.name, caller.user.role.value, "make tokens for others"
            )
        expires_at_ns = self._expiry(request, caller)
        note = convert.note_of(request.note)
        token_id, secret = make_token(secrets.token_bytes(RANDOM_BYTES))
        line = entry(
            caller, "token.create", token_id, owner=owner, note=note, expires_at_ns=expires_at_ns
        )
        token = NewToken(token_id, token_hash(secret), note, expires_at_ns)
        record = await self._people.create_token(owner, token, line)
        return lab_pb2.CreateTokenReply(token=_token_message(record), secret=secret)

    def _expiry(self, request: lab_pb2.CreateTokenRequest, caller: Caller) -> int | None:
        """No credential makes one that lives longer than itself."""
        if not request.HasField("expires_at"):
            return caller.expires_at_ns
        wished_ns = convert.instant_ns(request.expires_at, "expires_at")
        if wished_ns <= self._clock_ns():
            raise InvalidArgument("expires_at", "that time is past")
        if caller.expires_at_ns is not None and wished_ns > caller.expires_at_ns:
            what = "a token made with a token that expires cannot live longer than that one"
            raise InvalidArgument("expires_at", what)
        return wished_ns

    async def list_tokens(
        self, request: lab_pb2.ListTokensRequest, caller: Caller, context: Context
    ) -> lab_pb2.ListTokensReply:
        """Tokens without their secrets, the newest first; revoked and expired ones too."""
        del context
        if caller.reach is not Reach.ALL and request.user not in ("", caller.user.name):
            raise PermissionDenied(
                caller.user.name, caller.user.role.value, "see the tokens of others"
            )
        if request.user:
            owner_id: int | None = self._user(request.user).user.id
        else:
            owner_id = None if caller.reach is Reach.ALL else caller.user.id
        tokens = self._people.tokens(owner_id)
        return lab_pb2.ListTokensReply(tokens=[_token_message(each) for each in tokens])

    async def revoke_token(
        self, request: lab_pb2.RevokeTokenRequest, caller: Caller, context: Context
    ) -> lab_pb2.Token:
        """End a token at once, for calls that are under way too."""
        del context
        owner_id = None if caller.reach is Reach.ALL else caller.user.id
        line = entry(caller, "token.revoke", request.id)
        return _token_message(await self._people.revoke_token(request.id, owner_id, line))

    async def list_connections(
        self, request: lab_pb2.Empty, caller: Caller, context: Context
    ) -> lab_pb2.ListConnectionsReply:
        """The connections that are open and have made a call, the oldest first."""
        del request, caller, context
        return lab_pb2.ListConnectionsReply(
            connections=[
                lab_pb2.Connection(
                    user=each.user,
                    credential=each.credential,
                    origin=each.origin,
                    since=convert.timestamp(each.since_ns),
                    last_call_at=convert.timestamp(each.last_call_at_ns),
                    last_call=each.last_call,
                    n_calls=each.n_calls,
                )
                for each in self._connections.list()
            ]
        )

    def _user(self, name: str) -> UserRecord:
        record = self._people.user(name)
        if record is None:
            raise NotFound("user", name)
        return record


def _wish_of(request: lab_pb2.PutUserRequest) -> UserWish:
    """What is asked for. Raises InvalidArgument."""
    if request.role not in lab_pb2.Role.values():
        raise InvalidArgument("role", "one of USER, OPERATOR, ADMIN")
    role = Role(lab_pb2.Role.Name(request.role).lower()) if request.role else None
    if request.HasField("uid") and request.uid == NO_ACCOUNT:
        raise InvalidArgument("uid", f"{NO_ACCOUNT} is no account")
    return UserWish(
        name=request.name,
        role=role,
        uid=request.uid if request.HasField("uid") else None,
        is_enabled=request.is_enabled if request.HasField("is_enabled") else None,
        note=convert.note_of(request.note) if request.HasField("note") else None,
    )


def _user_message(record: UserRecord) -> lab_pb2.User:
    return lab_pb2.User(
        name=record.user.name,
        role=record.user.role.value.upper(),
        uid=record.uid,
        is_enabled=record.is_enabled,
        note=record.note,
        created_at=convert.timestamp(record.created_at_ns),
    )


def _token_message(record: TokenRecord) -> lab_pb2.Token:
    message = lab_pb2.Token(
        id=record.id,
        user=record.user_name,
        note=record.note,
        created_at=convert.timestamp(record.created_at_ns),
    )
    for name, at_ns in (
        ("expires_at", record.expires_at_ns),
        ("last_used_at", record.last_used_at_ns),
        ("revoked_at", record.revoked_at_ns),
    ):
        if at_ns is not None:
            getattr(message, name).CopyFrom(convert.timestamp(at_ns))
    return message
