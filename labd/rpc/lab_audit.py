"""labd.v1.Lab: the audit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from labd.core.audit import AuditLine
from labd.core.errors import InvalidArgument
from labd.identity import Caller
from labd.rpc.caller import Context
from labd.rpc.laboratory import Laboratory
from labd.store.audit import Wanted
from labd.wire import lab_pb2

MOST_LAST = 10_000
MOST_NUMBER = 2**63 - 1
"""The largest number that the database knows."""


class LabAudit:
    """The method of the service that concerns the audit."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._audit = laboratory.store.audit

    async def read(
        self, request: lab_pb2.ReadAuditRequest, caller: Caller, context: Context
    ) -> AsyncGenerator[lab_pb2.AuditLine]:
        """The lines that are asked for, of those that exist now, a few at a time from the disk."""
        del caller, context
        if request.last > MOST_LAST:
            raise InvalidArgument("last", f"{request.last} lines are more than {MOST_LAST}")
        wanted = Wanted(
            first_number=min(request.first_number, MOST_NUMBER),
            last_number=min(request.last_number, MOST_NUMBER),
            user=request.user,
            action=request.action,
            object=request.object,
        )
        if request.last:
            for line in await self._last(wanted, request.last):
                yield _message(line)
            return
        for page in self._audit.pages(wanted):
            for line in page:
                yield _message(line)
            await asyncio.sleep(0)  # between two reads others have their turn

    async def _last(self, wanted: Wanted, n_lines: int) -> list[AuditLine]:
        """The last so many lines that are asked for, in order."""
        newest_first: list[AuditLine] = []
        for page in self._audit.pages_from_end(wanted):
            newest_first += page[::-1]
            if len(newest_first) >= n_lines:
                break
            await asyncio.sleep(0)
        return newest_first[:n_lines][::-1]


def _message(line: AuditLine) -> lab_pb2.AuditLine:
    return lab_pb2.AuditLine(
        number=line.number,
        at_ns=line.at_ns,
        user=line.user,
        credential=line.credential,
        origin=line.origin,
        action=line.action,
        object=line.object,
        details=line.details,
        previous_hash=line.previous_hash,
        hash=line.hash,
    )
