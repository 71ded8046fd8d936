"""labd.v1.Lab: limits."""

from __future__ import annotations

import math
from collections.abc import Mapping

from labd.audit_trail import entry
from labd.core.access import Role
from labd.core.errors import InvalidArgument, PermissionDenied
from labd.core.limits import Bound, LimitName
from labd.identity import Caller
from labd.rpc.caller import Context
from labd.rpc.laboratory import Laboratory
from labd.wire import lab_pb2


class LabLimits:
    """The methods of the service that concern limits."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._limits = laboratory.store.limits

    @property
    def _configured(self) -> Mapping[Role, Mapping[str, float]]:
        """What labd.toml says now."""
        return self._laboratory.config.limits.per_role

    async def get(
        self, request: lab_pb2.GetLimitsRequest, caller: Caller, context: Context
    ) -> lab_pb2.GetLimitsReply:
        """A user's limits, and how much of each he uses now."""
        del context
        name = request.user or caller.user.name
        if name != caller.user.name and not caller.reaches(None):
            user = caller.user
            raise PermissionDenied(user.name, user.role.value, "see somebody else's limits")
        standing = self._limits.standing(name, self._configured)
        return lab_pb2.GetLimitsReply(
            user=standing.user.name,
            limits=[
                _limit_message(each, standing.bounds[each], standing.used[each])
                for each in LimitName
            ],
        )

    async def set(
        self, request: lab_pb2.SetLimitRequest, caller: Caller, context: Context
    ) -> lab_pb2.Limit:
        """Set or take back a limit of a user or a role; returns what holds for him, or it, now."""
        del context
        whose, name = _whose(request), _name(request.name)
        by = entry(caller, "limit.set", "")
        if request.HasField("limit") and request.is_unlimited:
            raise InvalidArgument("limit", "either a number or is_unlimited, not both")
        if request.is_unlimited:
            await self._limits.put(whose, name, None, by)
        elif request.HasField("limit"):
            if not 0 <= request.limit < math.inf:
                raise InvalidArgument("limit", f"{request.limit} is not a number from 0 on")
            await self._limits.put(whose, name, request.limit, by)
        else:
            await self._limits.unset(whose, name, by)
        if isinstance(whose, Role):
            return _limit_message(name, self._limits.of_role(whose, self._configured)[name], 0.0)
        standing = self._limits.standing(whose, self._configured)
        return _limit_message(name, standing.bounds[name], standing.used[name])


def _whose(request: lab_pb2.SetLimitRequest) -> str | Role:
    if request.WhichOneof("whose") == "user" and request.user:
        return request.user
    if request.WhichOneof("whose") == "role" and request.role != lab_pb2.ROLE_UNSPECIFIED:
        return Role(lab_pb2.Role.Name(request.role).lower())
    raise InvalidArgument("whose", "say whose limit: a user's or a role's")


def _name(name: str) -> LimitName:
    try:
        return LimitName(name)
    except ValueError:
        known = ", ".join(LimitName)
        raise InvalidArgument("name", f"{name!r} is no limit; there are {known}") from None


def _limit_message(name: LimitName, bound: Bound, used: float) -> lab_pb2.Limit:
    return lab_pb2.Limit(name=name.value, limit=bound.value, used=used, source=bound.source.value)
