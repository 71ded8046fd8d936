"""labd.v1.Lab: partial results, the check of the store, backups."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from typing import TypeVar
from uuid import UUID

import labd
from labd.audit_trail import entry
from labd.core.errors import Unavailable
from labd.identity import Caller
from labd.rpc import convert
from labd.rpc.caller import Context
from labd.rpc.chunks import framed, stream_file
from labd.rpc.laboratory import Laboratory
from labd.store.database import storage_sentence
from labd.store.fsck import Check, Finding
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import lab_pb2

T = TypeVar("T")

_DATA_TAG = b"\x12"


class LabStore:
    """The methods of the service that concern what is stored."""

    def __init__(self, laboratory: Laboratory) -> None:
        self._laboratory = laboratory
        self._store = laboratory.store
        self._chunk_bytes = laboratory.config.server.chunk_bytes
        self._is_checking = asyncio.Lock()
        self._is_backing_up = asyncio.Lock()

    async def partial_results(
        self, request: iqm.JobLookupV1, caller: Caller, context: Context
    ) -> AsyncGenerator[bytes]:
        """The mask, then the bytes, of a job that did not complete; serialised PartialPieces."""
        del context
        job = self._laboratory.job(request.id, caller)
        path, mask = self._store.keeping.partial(job.id)
        yield lab_pb2.PartialPiece(mask=convert.mask_message(mask)).SerializeToString()
        async with contextlib.aclosing(stream_file(path, self._chunk_bytes)) as chunks:
            async for chunk in chunks:
                yield _DATA_TAG + chunk[1:]

    async def fsck(
        self, request: lab_pb2.FsckRequest, caller: Caller, context: Context
    ) -> AsyncGenerator[lab_pb2.FsckLine]:
        """Findings as they come, then how much was looked at. One check at a time."""
        del context
        async with self._is_checking:
            if request.repairs:
                by = entry(caller, "store.fsck", "store", is_quick=request.is_quick)
                await self._store.audit.record(by)
            check = self._store.check(is_quick=request.is_quick)
            async with contextlib.aclosing(_steps(check.findings())) as findings:
                async for finding in findings:
                    if finding is not None:
                        is_mended = request.repairs and await self._store.mend(finding)
                        if is_mended:
                            self._tell_mended(finding)
                        yield _line(finding, is_mended=is_mended)
            yield _last_line(check)

    def _tell_mended(self, finding: Finding) -> None:
        """A job may have left the queue."""
        changes = self._laboratory.desk.changes
        for computer in self._laboratory.config.quantum_computers:
            changes.notify(("queue", computer.id), ("arrival", computer.id))
        with contextlib.suppress(ValueError):
            changes.notify(("job", UUID(finding.object)))

    async def backup(
        self, request: lab_pb2.Empty, caller: Caller, context: Context
    ) -> AsyncGenerator[bytes]:
        """A tar archive as serialised DataChunks. One at a time."""
        del request, context
        async with self._is_backing_up:
            await self._store.audit.record(entry(caller, "store.backup", "store"))
            waiting = bytearray()
            pieces = _steps(self._store.backup(labd.__version__))
            async with contextlib.aclosing(pieces) as pieces:
                async for piece in pieces:
                    waiting += piece
                    while len(waiting) >= self._chunk_bytes:
                        yield framed(bytes(waiting[: self._chunk_bytes]))
                        del waiting[: self._chunk_bytes]
            yield framed(bytes(waiting))


async def _steps(steps: Iterator[T]) -> AsyncGenerator[T]:
    """What a blocking generator gives, each step made in a thread. Raises Unavailable."""
    nothing = object()
    try:
        while True:
            try:
                given = await asyncio.to_thread(next, steps, nothing)
            except (OSError, EOFError, sqlite3.Error) as error:
                raise Unavailable(storage_sentence(error)) from error
            if given is nothing:
                return
            yield given  # type: ignore[misc]
    finally:
        close = getattr(steps, "close", None)
        if close is not None:
            close()


def _line(finding: Finding, *, is_mended: bool) -> lab_pb2.FsckLine:
    return lab_pb2.FsckLine(object=finding.object, what=finding.what, is_mended=is_mended)


def _last_line(check: Check) -> lab_pb2.FsckLine:
    extent = check.extent
    return lab_pb2.FsckLine(n_jobs=extent.n_jobs, n_files=extent.n_files, n_bytes=extent.n_bytes)
