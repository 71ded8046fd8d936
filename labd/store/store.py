"""The store as the daemon uses it: durable changes awaited on the event loop, quick reads in place.

One Store per daemon, made and closed on the event loop's thread. Changes go to the writer thread;
reads run on the caller's own connection and see every change that was answered.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from labd.core.access import Role, User
from labd.core.audit import AuditEntry
from labd.core.errors import NotFound, Refusal, Unavailable
from labd.core.flight import FlightRecord
from labd.core.jobs import Job, JobEvent, JobId, JobState, NewJob, QcId, uuid7
from labd.store import jobs, people
from labd.store.audit import Audit
from labd.store.backup import Stamp, backup, remove_snapshots
from labd.store.calibrations import CalibrationSets
from labd.store.database import (
    Batched,
    OnCommit,
    Writer,
    is_full,
    open_database,
    open_reader,
    storage_sentence,
)
from labd.store.files import StateDirectory
from labd.store.fsck import Check, Finding
from labd.store.history import History
from labd.store.keeping import HASHED_AT_ONCE_BYTES, Keeping
from labd.store.leases import Leases
from labd.store.leftovers import leftovers_removed
from labd.store.limits import Limits
from labd.store.queue import Queue, hold_all
from labd.store.records import Records
from labd.store.salvage import salvage
from labd.store.schema import migrate
from labd.store.search import Search
from labd.store.space import Disk, Shortage, shortage
from labd.store.spare import Spare
from labd.store.submissions import UNCONDITIONAL, IdempotencyKey, Submission, Terms, insert_jobs
from labd.store.timeslots import Timeslots
from labd.store.vitals import Vitals

Told = Callable[[Job], None]

MAX_PAYLOAD_IN_ROW_BYTES = 256 * 1024
LABD_STOPPED = "labd stopped while the job was executing"

_log = logging.getLogger(__name__)


class Store:
    """Jobs, payloads, results and calibration sets under one state directory."""

    def __init__(
        self,
        directory: StateDirectory,
        clock_ns: Callable[[], int],
        reserve_bytes: int,
        on_commit: OnCommit | None,
    ) -> None:
        self.directory = directory
        self.spare = Spare(directory.spare, reserve_bytes)
        self._disk = Disk(directory, reserve_bytes)
        self._clock_ns = clock_ns
        self._last_id: UUID | None = None
        self.arriving: set[JobId] = set()
        """Jobs whose payload is being stored."""
        self._writer = Writer(self._open_database(), on_commit, self.spare.give)
        self._reader = open_reader(directory.database)
        self.search = Search(directory.database)
        self.vitals = Vitals(directory.database)
        self.records = Records(self._writer, self._reader, clock_ns, directory)
        self.audit = Audit(self._writer, self._reader, clock_ns)
        self.calibration_sets = CalibrationSets(self._writer, self._reader, clock_ns)
        self.queue = Queue(self._writer, self._reader, clock_ns)
        self.history = History(self._writer, self._reader, clock_ns)
        self.limits = Limits(self._writer, self._reader, clock_ns)
        self.timeslots = Timeslots(self._writer, self._reader, clock_ns, self._disk)
        self.leases = Leases(self._writer, self._reader, clock_ns)
        self.keeping = Keeping(self._writer, self._reader, clock_ns, directory)
        self.people = people.People(self._writer, self._reader, clock_ns)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock_ns: Callable[[], int],
        reserve_bytes: int = 0,
        on_commit: OnCommit | None = None,
    ) -> Store:
        """Take the state directory and bring its database up to date.

        reserve_bytes: of its disk, for no payload and no result.

        Raises StateDirectoryInUse, OSError, sqlite3.Error.
        """
        directory = StateDirectory(path)
        directory.open()
        try:
            return cls(directory, clock_ns, reserve_bytes, on_commit)
        except BaseException:
            directory.close()
            raise

    def _open_database(self) -> sqlite3.Connection:
        """Of today's schema. On a full disk, with the spare room. Raises sqlite3.Error."""
        try:
            return _opened(self.directory.database)
        except sqlite3.Error as error:
            if not is_full(error):
                raise
        self.spare.give()
        return _opened(self.directory.database)

    def close(self) -> None:
        """Finish the writes, close, let go of the directory. Idempotent."""
        self._writer.close()
        self._reader.close()
        self.search.close()
        self.vitals.close()
        self.directory.close()

    def recover(self) -> tuple[Job, ...]:
        """After a start: what was EXECUTING becomes INTERRUPTED, and is returned. Blocks."""
        with suppress(OSError):
            remove_snapshots(self.directory)
        now_ns = self._clock_ns()
        return self._writer.call(lambda db: jobs.interrupt_executing(db, LABD_STOPPED, now_ns))

    def leftovers_removed(self) -> Iterator[list[str]]:
        """After `recover`: removes what a crash left of files, a few looked at in each step.

        Each step blocks, and says what it removed; any thread may make it.
        """
        return leftovers_removed(self.directory, self.arriving)

    def check(self, *, is_quick: bool) -> Check:
        """A check of database and files; may be made beside the work."""
        return Check(self.directory, self.arriving, self._clock_ns, is_quick=is_quick)

    async def mend(self, finding: Finding) -> bool:
        """Mend what a check found, if that can be. Raises Unavailable."""
        if finding.mend is None:
            return False
        await self._writer.write(finding.mend)
        return True

    def mend_blocking(self, finding: Finding) -> bool:
        """As `mend`. Blocks. Raises Unavailable."""
        if finding.mend is None:
            return False
        self._writer.call(finding.mend)
        return True

    def backup(self, version: str) -> Iterator[bytes]:
        """A backup in pieces; blocks at each. Raises Unavailable, OSError, sqlite3.Error."""
        room_bytes = self._disk.space(self._reader).room_bytes
        return backup(self.directory, Stamp(version, self._clock_ns(), room_bytes))

    def hold_queue(self, note: str) -> int:
        """Hold every queued job; how many. Blocks."""
        return self._writer.call(lambda db: hold_all(db, note))

    def put_quantum_computer(self, qc_id: QcId, alias: str, name: str) -> None:
        """Know a quantum computer by its present alias and name. Blocks."""
        self._writer.call(lambda db: jobs.put_quantum_computer(db, qc_id, alias, name))

    def ensure_local_user(self, uid: int, name: str, role: Role) -> User:
        """The user that a local account is, made if need be. Blocks."""
        now_ns = self._clock_ns()
        account = people.LocalAccount(uid, name, is_admin=role is Role.ADMIN)
        return self._writer.call(lambda db: people.ensure_local_user(db, account, now_ns)).user

    # ---- changes

    def new_job_id(self) -> JobId:
        """A UUIDv7 greater than every one before it in this process."""
        self._last_id = uuid7(self._clock_ns() // 1_000_000, secrets.randbits(74), self._last_id)
        return JobId(self._last_id)

    async def submit(
        self,
        job: NewJob,
        payload: bytes,
        terms: Terms = UNCONDITIONAL,
        *,
        entry: AuditEntry | None = None,
        key: IdempotencyKey | None = None,
        then: Told | None = None,
    ) -> Job:
        """Store a job with its payload, durable when this returns.

        entry: its line in the audit. key: the request's; where it was used before, the job that was
        stored then is returned. then: called with a job that was stored now as soon as it is
        durable, even if the caller is gone.

        Raises the refusals of labd.store.submissions, Unavailable, InvalidPayload where its result
        is larger than the disk.
        """
        self._disk.demand(self._reader, len(payload), job.needed_bytes)
        in_row = len(payload) <= MAX_PAYLOAD_IN_ROW_BYTES
        self.arriving.add(job.id)

        def answered(answer: Job | Refusal | None) -> None:
            is_stored = isinstance(answer, Job) and answer.id == job.id
            if not is_stored and not in_row:
                self.directory.payload_path(job.id).unlink(missing_ok=True)
            self.arriving.discard(job.id)
            if isinstance(answer, Job) and is_stored and then is not None:
                then(answer)

        if not in_row:
            await self._write_payload(job.id, payload)
        submission = Submission(
            job, payload if in_row else None, self._clock_ns(), terms, entry, key
        )
        try:
            answer = await self._writer.write(Batched(insert_jobs, submission), answered)
        except Exception:
            answered(None)
            raise
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def _write_payload(self, job_id: JobId, payload: bytes) -> None:
        try:
            await asyncio.to_thread(self.directory.write_payload, job_id, payload)
        except BaseException as error:
            self.arriving.discard(job_id)
            if isinstance(error, OSError):
                raise Unavailable(storage_sentence(error)) from error
            raise

    async def end_executing(self, job_id: JobId, ending: jobs.Ending) -> Job | None:
        """Give an executing job its final state, once; None when it has one already.

        A result must lie at its path, durable but for its name, before COMPLETED is written. Of
        any other end what was measured is kept, unless the rack may still be writing it: then
        `Keeping.salvage_all` does so after the next start. Raises Unavailable.
        """
        outcome = jobs.NO_RESULT
        if ending.state is JobState.COMPLETED:
            outcome = await asyncio.to_thread(self._finished_result, job_id)
        elif not ending.is_rack_busy:
            outcome = await asyncio.to_thread(self._partial_result, job_id)
        return await self._writer.write(
            lambda db: jobs.end_executing(db, job_id, ending, outcome, self._clock_ns())
        )

    async def begin_again(self, job_id: JobId, what: str) -> None:
        """Log another attempt at an executing job; nothing is left of the first one's result.

        No rack may be writing it any more. Raises Unavailable.
        """
        try:
            self.directory.remove_result(job_id)
        except OSError as error:
            raise Unavailable(storage_sentence(error)) from error
        await self._writer.write(lambda db: jobs.begin_again(db, job_id, what, self._clock_ns()))

    def _finished_result(self, job_id: JobId) -> jobs.StoredResult:
        """A large one is hashed after the job has ended (`Keeping.hash_all`)."""
        try:
            n_bytes = self.directory.sync_result(job_id)
        except OSError as error:
            raise Unavailable(storage_sentence(error)) from error
        hashed = None
        if 0 < n_bytes <= HASHED_AT_ONCE_BYTES:
            with suppress(OSError):  # a result that cannot be read is found by a check
                hashed = self.directory.file_hash(self.directory.result_path(job_id))
        return jobs.StoredResult(n_bytes, hashed, is_partial=False)

    def _partial_result(self, job_id: JobId) -> jobs.StoredResult:
        try:
            n_bytes = salvage(self.directory, job_id)
        except OSError as error:
            _log.error("job %s: what was measured cannot be kept: %s", job_id, error)
            return jobs.NO_RESULT
        return jobs.StoredResult(n_bytes, None, is_partial=n_bytes > 0)

    async def cancel(
        self,
        job_id: JobId,
        reason: str,
        *,
        entry: AuditEntry | None = None,
        then: Told | None = None,
    ) -> Job:
        """Cancel a queued job, or note the wish on a running one (it stays EXECUTING).

        entry, then: as in `submit`. Raises NotFound, JobAlreadyFinal, Unavailable.
        """
        return await self._writer.write(
            lambda db: jobs.cancel(db, job_id, reason, entry, self._clock_ns()), then
        )

    # ---- questions

    def job(self, job_id: JobId) -> Job:
        """A job with its queue position. Raises NotFound."""
        job = self.queue.find_job(job_id)
        if job is None:
            raise NotFound("job", str(job_id))
        return job

    def job_record(self, job_id: JobId) -> Job | None:
        """A job without its queue position, or None."""
        return jobs.find_job(self._reader, job_id)

    def follow(self, job_id: JobId, number: int) -> tuple[Job | None, tuple[JobEvent, ...]]:
        """A job without its queue position, and its log after an event, as of one instant."""
        return jobs.job_and_events(self._reader, job_id, number)

    def events_after(self, job_id: JobId, number: int) -> tuple[JobEvent, ...]:
        """A job's log after an event."""
        return jobs.events_after(self._reader, job_id, number)

    def timings_s(self, job_id: JobId) -> Mapping[str, float]:
        """What the rack measured of a job, by phase."""
        return jobs.job_timings_s(self._reader, job_id)

    def flight(self, job: Job) -> FlightRecord | None:
        """What was said to the instruments in a job that did not complete; None: nothing."""
        return jobs.job_flight(self._reader, job.seq)

    def payload(self, job: Job) -> bytes | Path:
        """A job's payload: itself when it is small, else the path of its file."""
        payload = jobs.job_payload(self._reader, job.seq)
        return self.directory.payload_path(job.id) if payload is None else payload

    def shortage(self, job_id: JobId) -> Shortage | None:
        """Why a queued job finds no room on the disk; None where it does."""
        return shortage(self._reader, self._disk, job_id)

    def result_path(self, job_id: JobId) -> Path:
        """Where a job's result is, or will be."""
        return self.directory.result_path(job_id)

    def quantum_computer_name(self, qc_id: QcId) -> tuple[str, str]:
        """Alias and display name, also of one that is not configured any more."""
        return jobs.quantum_computer_name(self._reader, qc_id)


def _opened(database: Path) -> sqlite3.Connection:
    connection = open_database(database)
    try:
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection
