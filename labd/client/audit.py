"""The audit log from Python. For admins."""

from __future__ import annotations

from collections.abc import Iterator

from labd.client.calls import Calls
from labd.core.audit import AuditLine
from labd.wire import lab_pb2 as lab


class AuditCalls:
    """Reads the lines that say who did what. `labd.core.audit.verify` checks them."""

    def __init__(self, calls: Calls) -> None:
        self._read = calls.own_stream("ReadAudit", lab.ReadAuditRequest, lab.AuditLine)

    def read(
        self,
        *,
        first_number: int = 1,
        last_number: int = 0,
        last: int = 0,
        user: str = "",
        action: str = "",
        object_: str = "",
    ) -> Iterator[AuditLine]:
        """Lines in order, as they come. last_number 0: to the end. last: only so many of the end.

        action: one, or the beginning of several, such as ``job.``. Only all lines together, with no
        condition, can be verified.
        """
        request = lab.ReadAuditRequest(
            first_number=first_number,
            last_number=last_number,
            last=last,
            user=user,
            action=action,
            object=object_,
        )
        return map(_line_of, self._read(request))


def _line_of(message: lab.AuditLine) -> AuditLine:
    return AuditLine(
        number=message.number,
        at_ns=message.at_ns,
        user=message.user,
        credential=message.credential,
        origin=message.origin,
        action=message.action,
        object=message.object,
        details=message.details,
        previous_hash=message.previous_hash,
        hash=message.hash,
    )
