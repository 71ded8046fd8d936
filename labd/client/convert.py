"""Between the wire's identities and instants and Python's."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from labd.wire import iqm_server_pb2 as iqm


def uuid_of(message: iqm.Uuid) -> UUID:
    """A UUID from either of its two forms on the wire."""
    return UUID(bytes=message.raw) if message.HasField("raw") else UUID(message.str)


def pack_uuid(identity: UUID | str) -> iqm.Uuid:
    """A UUID as the wire has it. Raises ValueError if the text is none."""
    return iqm.Uuid(raw=(identity if isinstance(identity, UUID) else UUID(identity)).bytes)


def instant_of(stamp: Timestamp) -> datetime:
    """An aware datetime, UTC."""
    return stamp.ToDatetime(tzinfo=UTC)


def pack_instant(instant: datetime | None) -> Timestamp | None:
    """An instant as the wire has it; None stays None. Raises ValueError if it has no zone."""
    if instant is None:
        return None
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone; an instant needs one")
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp
