"""What labd keeps, from Python: partial results, pins, checks, backups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from labd.client.calls import Calls
from labd.client.convert import pack_uuid
from labd.client.files import write_whole
from labd.client.values_jobs import JobDetails, details_of
from labd.client.values_store import Checked, Finding, Partial, mask_of
from labd.wire import iqm_server_pb2 as wire
from labd.wire import lab_pb2 as lab

JobId = UUID | str


class StoreCalls:
    """Partial results and pins for a job's owner; checks and backups for admins."""

    def __init__(self, calls: Calls) -> None:
        self._partial = calls.own_stream("GetPartialResults", wire.JobLookupV1, lab.PartialPiece)
        self._pin = calls.own("PinJob", lab.PinJobRequest, lab.JobDetails)
        self._unpin = calls.own("UnpinJob", wire.JobLookupV1, lab.JobDetails)
        self._fsck = calls.own_stream("Fsck", lab.FsckRequest, lab.FsckLine)
        self._backup = calls.own_stream("Backup", lab.Empty, wire.DataChunk)

    def partial_results(self, job_id: JobId) -> Partial:
        """What was measured of a job that did not complete. Raises NotFound."""
        pieces = self._partial(wire.JobLookupV1(id=pack_uuid(job_id)))
        mask = mask_of(next(pieces).mask)
        return Partial(mask, b"".join(piece.data for piece in pieces))

    def pin(self, job_id: JobId, note: str) -> JobDetails:
        """Let retention leave the job's payload and results alone. note: why."""
        return details_of(self._pin(lab.PinJobRequest(id=pack_uuid(job_id), note=note)))

    def unpin(self, job_id: JobId) -> JobDetails:
        """Undo `pin`."""
        return details_of(self._unpin(wire.JobLookupV1(id=pack_uuid(job_id))))

    def check(self, *, repairs: bool, is_quick: bool) -> Iterator[Finding | Checked]:
        """Findings as they come; the last value says how much was looked at.

        repairs: mend what can be mended. is_quick: look at sizes only, read no file whole.
        """
        for line in self._fsck(lab.FsckRequest(repairs=repairs, is_quick=is_quick)):
            if line.what:
                yield Finding(line.object, line.what, line.is_mended)
            else:
                yield Checked(line.n_jobs, line.n_files, line.n_bytes)

    def backup_to_file(self, path: Path) -> int:
        """The whole store as an archive for `labd restore`, whole or not at all; its bytes."""
        return write_whole(path, (chunk.data for chunk in self._backup(lab.Empty())))
