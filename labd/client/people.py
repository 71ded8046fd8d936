"""Users, tokens and limits from Python."""

from __future__ import annotations

from datetime import datetime

from labd.client.calls import Calls
from labd.client.convert import pack_instant
from labd.client.values_people import (
    Limit,
    Limits,
    NewToken,
    Token,
    User,
    WhoAmI,
    limit_of,
    pack_role,
    token_of,
    user_of,
)
from labd.core.access import Role
from labd.wire import lab_pb2 as lab


class PeopleCalls:
    """Calls that concern people. A user is named by his name; an empty one is the caller."""

    def __init__(self, calls: Calls) -> None:
        self._who_am_i = calls.own("WhoAmI", lab.Empty, lab.WhoAmIReply)
        self._users = calls.own("ListUsers", lab.Empty, lab.ListUsersReply)
        self._put_user = calls.own("PutUser", lab.PutUserRequest, lab.User)
        self._tokens = calls.own("ListTokens", lab.ListTokensRequest, lab.ListTokensReply)
        self._new_token = calls.own("CreateToken", lab.CreateTokenRequest, lab.CreateTokenReply)
        self._revoke = calls.own("RevokeToken", lab.RevokeTokenRequest, lab.Token)
        self._limits = calls.own("GetLimits", lab.GetLimitsRequest, lab.GetLimitsReply)
        self._set_limit = calls.own("SetLimit", lab.SetLimitRequest, lab.Limit)

    def who_am_i(self) -> WhoAmI:
        """Whom the server takes the caller for."""
        reply = self._who_am_i(lab.Empty())
        return WhoAmI(user_of(reply.user), reply.credential, reply.origin)

    def users(self) -> list[User]:
        """All users. For operators."""
        return [user_of(each) for each in self._users(lab.Empty()).users]

    def put_user(
        self,
        name: str,
        *,
        role: Role | None = None,
        uid: int | None = None,
        is_enabled: bool | None = None,
        note: str | None = None,
    ) -> User:
        """Make a user, or change one: what is None stays. For admins.

        uid: the local account that is this user without a token.
        """
        request = lab.PutUserRequest(
            name=name, role=pack_role(role), uid=uid, is_enabled=is_enabled, note=note
        )
        return user_of(self._put_user(request))

    def tokens(self, user: str = "") -> list[Token]:
        """The tokens of a user; without one, all that the caller may see."""
        reply = self._tokens(lab.ListTokensRequest(user=user))
        return [token_of(each) for each in reply.tokens]

    def new_token(
        self, *, user: str = "", note: str = "", expires_at: datetime | None = None
    ) -> NewToken:
        """A token that never expires, or then. Its secret is in the reply and nowhere else."""
        reply = self._new_token(
            lab.CreateTokenRequest(user=user, note=note, expires_at=pack_instant(expires_at))
        )
        return NewToken(token_of(reply.token), reply.secret)

    def revoke_token(self, token_id: str) -> Token:
        """From now on nobody gets in with it."""
        return token_of(self._revoke(lab.RevokeTokenRequest(id=token_id)))

    def limits(self, user: str = "") -> Limits:
        """What a user may use, and uses."""
        reply = self._limits(lab.GetLimitsRequest(user=user))
        return Limits(reply.user, tuple(limit_of(each) for each in reply.limits))

    def set_limit(self, whose: str | Role, name: str, limit: float | None) -> Limit:
        """Set a limit of a user (by name) or of a role. limit None: as much as they like."""
        request = _limit_request(whose, name)
        if limit is None:
            request.is_unlimited = True
        else:
            request.limit = limit
        return limit_of(self._set_limit(request))

    def take_back_limit(self, whose: str | Role, name: str) -> Limit:
        """Undo `set_limit`: a user has his role's limit again, a role the configuration's."""
        return limit_of(self._set_limit(_limit_request(whose, name)))


def _limit_request(whose: str | Role, name: str) -> lab.SetLimitRequest:
    if isinstance(whose, Role):
        return lab.SetLimitRequest(role=pack_role(whose), name=name)
    return lab.SetLimitRequest(user=whose, name=name)
