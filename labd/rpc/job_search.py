"""What ListJobs is asked for: conditions from a request, and the tokens of its pages.

A token holds a place in the list and a hash of the conditions. It is opaque and no secret: what a
caller may see is decided anew on every page.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import astuple
from typing import TypeVar

from labd.core.access import Reach
from labd.core.errors import InvalidArgument, NotFound, PermissionDenied
from labd.core.jobs import JobState, JobType
from labd.identity import Caller
from labd.rpc import convert
from labd.rpc.laboratory import Laboratory
from labd.store.search import NEWEST, Conditions, Place
from labd.wire import lab_pb2

Named = TypeVar("Named", JobState, JobType)

_TOKEN = struct.Struct(">B8sqq")
_VERSION = 1


def conditions_of(
    request: lab_pb2.ListJobsRequest, caller: Caller, laboratory: Laboratory
) -> Conditions:
    """What a caller looks for among the jobs that he may see.

    Raises NotFound, InvalidArgument, PermissionDenied.
    """
    from_ns = until_ns = None
    if request.HasField("created_from"):
        from_ns = convert.instant_ns(request.created_from, "created_from")
    if request.HasField("created_until"):
        until_ns = convert.instant_ns(request.created_until, "created_until")
    return Conditions(
        qc_id=laboratory.by_alias(request.alias).id if request.alias else None,
        states=frozenset(_named(JobState, name, "states") for name in request.states),
        user_id=_user_id(request.user, caller, laboratory),
        job_type=_named(JobType, request.type, "type") if request.type else None,
        tags=frozenset(request.tags),
        created_from_ns=from_ns,
        created_until_ns=until_ns,
    )


def _user_id(name: str, caller: Caller, laboratory: Laboratory) -> int | None:
    if caller.reach is not Reach.ALL:
        if name not in ("", caller.user.name):
            raise PermissionDenied(caller.user.name, caller.user.role.value, "list others' jobs")
        return caller.user.id
    if not name:
        return None
    found = laboratory.store.people.user(name)
    if found is None:
        raise NotFound("user", name)
    return found.user.id


def _named(kind: type[Named], name: str, field_name: str) -> Named:
    try:
        return kind(name)
    except ValueError:
        raise InvalidArgument(field_name, f"{name!r} is none of {', '.join(kind)}") from None


def place_of(token: str, conditions: Conditions) -> Place:
    """Where a page begins. Raises InvalidArgument for a token of another list, or none at all."""
    if not token:
        return NEWEST
    try:
        packed = base64.urlsafe_b64decode(token)
        version, hashed, created_at_ns, seq = _TOKEN.unpack(packed)
    except (binascii.Error, struct.error, ValueError):
        version, hashed, created_at_ns, seq = 0, b"", 0, 0
    if version != _VERSION:
        raise InvalidArgument("page_token", "it is none; leave it empty for the first page")
    if hashed != _hash_of(conditions):
        raise InvalidArgument(
            "page_token", "it belongs to a list with other conditions; begin at the first page"
        )
    return Place(created_at_ns, seq)


def token_of(place: Place | None, conditions: Conditions) -> str:
    """The token of the page that begins there; empty where there is none."""
    if place is None:
        return ""
    packed = _TOKEN.pack(_VERSION, _hash_of(conditions), place.created_at_ns, place.seq)
    return base64.urlsafe_b64encode(packed).decode()


def _hash_of(conditions: Conditions) -> bytes:
    parts = [sorted(each) if isinstance(each, frozenset) else each for each in astuple(conditions)]
    return hashlib.sha256(repr(parts).encode()).digest()[:8]
