"""From deeds to lines of the audit: a caller's, labd's own, and calls that were refused."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable

from labd.core.audit import Action, AuditEntry, JsonScalar
from labd.core.errors import PermissionDenied, Refusal, Unauthenticated, Unavailable
from labd.core.jobs import Job
from labd.core.refusal_meter import RefusalMeter
from labd.identity import Caller
from labd.store.audit import Audit

_log = logging.getLogger(__name__)

DAY_S = 86_400.0
LABD = "labd"


def entry(caller: Caller, action: Action, object: str, **details: JsonScalar) -> AuditEntry:
    """What the caller did to the object, for labd.store.audit.append in the deed's transaction."""
    return AuditEntry(
        user=caller.user.name,
        credential=caller.credential,
        origin=caller.origin,
        action=action,
        object=object,
        details=details,
    )


def job_deletion(caller: Caller, job: Job) -> AuditEntry:
    """That the caller had a job forgotten, and whose and how large it was."""
    return entry(
        caller,
        "job.delete",
        str(job.id),
        owner=job.submitted_by,
        state=job.state.value,
        result_bytes=job.result_bytes,
    )


def own_entry(action: Action, object: str, **details: JsonScalar) -> AuditEntry:
    """What labd did by itself."""
    return AuditEntry(
        user=LABD, credential="", origin="", action=action, object=object, details=details
    )


class AuditTrail:
    """The daemon's own part of the audit, from its start to its stop.

    clock_ns: one that nobody sets; it only measures how often calls are refused.
    """

    def __init__(self, audit: Audit, clock_ns: Callable[[], int]) -> None:
        self._audit = audit
        self._clock_ns = clock_ns
        self._meter = RefusalMeter()
        self._writing: set[asyncio.Task[None]] = set()

    def begin(self, version: str) -> None:
        """Note the start. Blocks. Raises Unavailable."""
        self._audit.record_blocking(own_entry("daemon.start", LABD, version=version))
        self._log_head()

    def end(self) -> None:
        """Note the stop, if the store still can. Blocks."""
        try:
            self._audit.record_blocking(own_entry("daemon.stop", LABD))
        except Unavailable as error:
            _log.error("audit: the stop was not noted: %s", error)
        self._log_head()

    async def log_head_daily(self) -> None:
        """Once a day the head goes to the log, which is kept elsewhere: lines cannot vanish."""
        while True:
            await asyncio.sleep(DAY_S)
            self._log_head()

    def _log_head(self) -> None:
        try:
            head = self._audit.head()
        except sqlite3.Error as error:
            _log.error("audit: its head cannot be read: %s", error)
            return
        _log.info("audit head %s", head, extra={"AUDIT_HEAD": str(head)})

    def refused(
        self, refusal: Refusal, *, method: str, user: str, credential: str, origin: str
    ) -> None:
        """Note that a call was refused for who made it; not every one (labd.core.refusal_meter).

        user, credential: empty where the caller is unknown; never what he tried to be known by.
        """
        if not isinstance(refusal, Unauthenticated | PermissionDenied):
            return
        n_unwritten = self._meter.take((user, credential, method), self._clock_ns())
        if n_unwritten is None:
            return
        line = AuditEntry(
            user=user,
            credential=credential,
            origin=origin,
            action="access.refused",
            object=method,
            details={
                "error_code": refusal.error_code,
                "why": str(refusal),
                "n_unwritten_before": n_unwritten,
            },
        )
        task = asyncio.create_task(self._write(line))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, line: AuditEntry) -> None:
        try:
            await self._audit.record(line)
        except Unavailable as error:
            _log.error("audit: a refused call was not noted: %s", error)
