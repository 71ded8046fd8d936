"""What estimates and forecasts are learnt from, and the queue as they see it, in SQL.

foreseen_s of a job is the bound of its wait that was foreseen (labd.core.experience), counted from
its acceptance. NULL: none was, or the wait says nothing of the queue, because the job was held, the
quantum computer paused or its rack not ready meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from labd.core.estimate import FinishedRun, RunEstimate
from labd.core.experience import Crowd, Outcome, crowd_of
from labd.core.forecast import Standing
from labd.core.jobs import JobId, JobState, JobType, Priority, QcId
from labd.core.openings import S_NS, Candidate, Situation, TimeslotRules
from labd.store.database import Writer
from labd.store.queue import MachineRecord, machine
from labd.store.timeslots import situation

CALIBRATION_TAG = "calibration"
"""A job with this tag is a calibration: those who wait for it are told so."""
UNKNOWN_RUN_S = 1.0

_PAST = (
    "state, kind, job_type, playing_s, user_id, priority, is_timeslot, created_at_ns,"
    " updated_at_ns, started_at_ns, ended_at_ns, foreseen_s"
)
_PastRow = tuple[
    str, str, str, float, int, int, int, int, int, int | None, int | None, float | None
]


@dataclass(frozen=True, slots=True)
class Past:
    """What a job teaches, as far as it has come: of run times, of waits."""

    run: FinishedRun | None
    outcome: Outcome | None


def _past(row: _PastRow) -> Past:
    state, kind, job_type, playing_s, user_id, priority, is_timeslot = row[:7]
    created_ns, updated_ns, started_ns, ended_ns, bound_s = row[7:]
    run = outcome = None
    if state == JobState.COMPLETED and started_ns is not None and ended_ns is not None:
        run = FinishedRun(kind, JobType(job_type), playing_s, (ended_ns - started_ns) / S_NS)
    if bound_s is not None and state != JobState.IN_QUEUE:
        waited_s = ((updated_ns if started_ns is None else started_ns) - created_ns) / S_NS
        crowd = crowd_of(Priority(priority), with_timeslot=bool(is_timeslot))
        outcome = Outcome(crowd, user_id, bound_s, waited_s, has_started=started_ns is not None)
    return Past(run, outcome)


def past_of(db: sqlite3.Connection, job_id: JobId) -> Past:
    """What one job teaches."""
    row = db.execute(f"SELECT {_PAST} FROM jobs WHERE id = ?", (job_id.bytes,)).fetchone()
    return Past(None, None) if row is None else _past(row)


def past(db: sqlite3.Connection, qc_id: QcId, limit: int) -> tuple[Past, ...]:
    """What the youngest jobs that are over teach, the eldest of them first."""
    rows = db.execute(
        f"SELECT {_PAST} FROM jobs WHERE qc_id = ? AND state NOT IN ('IN_QUEUE', 'EXECUTING')"
        " ORDER BY created_at_ns DESC LIMIT ?",
        (qc_id.bytes, limit),
    ).fetchall()
    return tuple(_past(row) for row in reversed(rows))


@dataclass(frozen=True, slots=True)
class Queued:
    """A queued job. is_foretold: whether its start was foretold; bound_s: see above."""

    id: JobId
    standing: Standing
    crowd: Crowd
    created_ns: int
    is_foretold: bool
    bound_s: float | None


@dataclass(frozen=True, slots=True)
class Running:
    """The job that runs."""

    id: JobId
    user_id: int
    run: RunEstimate
    started_ns: int
    is_calibration: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """A quantum computer and its queue as of one instant; the queue in its order."""

    situation: Situation
    machine: MachineRecord
    running: Running | None
    queue: tuple[Queued, ...]


def scene(db: sqlite3.Connection, qc_id: QcId, rules: TimeslotRules, now_ns: int) -> Scene:
    """The scene of a forecast. To be called in a transaction."""
    return Scene(
        situation(db, qc_id, rules, now_ns),
        machine(db, qc_id),
        _running(db, qc_id),
        _queue(db, qc_id),
    )


def _queue(db: sqlite3.Connection, qc_id: QcId) -> tuple[Queued, ...]:
    rows = db.execute(
        "SELECT id, user_id, priority, is_timeslot, hold_note IS NOT NULL, run_p50_s, run_p90_s,"
        " created_at_ns, start_p90_ns IS NOT NULL, foreseen_s FROM jobs"
        " WHERE qc_id = ? AND state = 'IN_QUEUE' ORDER BY priority DESC, share_tag_s, seq",
        (qc_id.bytes,),
    )
    runs: dict[tuple[float | None, float | None], RunEstimate] = {}
    crowds = {
        (int(priority), is_slot): crowd_of(priority, with_timeslot=bool(is_slot))
        for priority in Priority
        for is_slot in (0, 1)
    }
    queue = []
    for job_id, user_id, priority, is_slot, is_held, p50_s, p90_s, created_ns, *foretold in rows:
        run = runs.get((p50_s, p90_s))
        if run is None:
            run = runs[p50_s, p90_s] = _run(p50_s, p90_s)
        candidate = Candidate(user_id, bool(is_slot), run.p90_s, bool(is_held))
        queue.append(
            Queued(
                id=JobId(UUID(bytes=job_id)),
                standing=Standing(candidate, run),
                crowd=crowds[priority, is_slot],
                created_ns=created_ns,
                is_foretold=bool(foretold[0]),
                bound_s=foretold[1],
            )
        )
    return tuple(queue)


def _running(db: sqlite3.Connection, qc_id: QcId) -> Running | None:
    row = db.execute(
        "SELECT id, user_id, run_p50_s, run_p90_s, started_at_ns, EXISTS"
        " (SELECT 1 FROM job_tags WHERE job_seq = jobs.seq AND tag = ?)"
        " FROM jobs WHERE qc_id = ? AND state = 'EXECUTING'",
        (CALIBRATION_TAG, qc_id.bytes),
    ).fetchone()
    if row is None:
        return None
    job_id, user_id, p50_s, p90_s, started_ns, is_calibration = row
    return Running(
        JobId(UUID(bytes=job_id)), user_id, _run(p50_s, p90_s), started_ns, bool(is_calibration)
    )


def _run(p50_s: float | None, p90_s: float | None) -> RunEstimate:
    p50_s = p50_s or UNKNOWN_RUN_S
    return RunEstimate(p50_s, max(p50_s, p90_s or UNKNOWN_RUN_S))


# ---- changes: run by the writer, inside its transaction


@dataclass(frozen=True, slots=True)
class Foretold:
    """A forecast as it is recorded. bound_s: what the wait is compared with, from acceptance on."""

    id: JobId
    start_p50_ns: int
    start_p90_ns: int
    bound_s: float


def foretell(db: sqlite3.Connection, forecasts: Sequence[Foretold]) -> None:
    """Record the first forecasts of queued jobs; one that has left the queue gets none."""
    db.executemany(
        "UPDATE jobs SET start_p50_ns = ?, start_p90_ns = ?, foreseen_s = ?"
        " WHERE id = ? AND state = 'IN_QUEUE' AND start_p90_ns IS NULL",
        [(each.start_p50_ns, each.start_p90_ns, each.bound_s, each.id.bytes) for each in forecasts],
    )


def void(db: sqlite3.Connection, job_ids: Sequence[JobId]) -> None:
    """Let the waits of queued jobs teach nothing."""
    db.executemany(
        "UPDATE jobs SET foreseen_s = NULL WHERE id = ? AND state = 'IN_QUEUE'",
        [(job_id.bytes,) for job_id in job_ids],
    )


class History:
    """The past and the queue as the daemon's foresight reads them."""

    def __init__(
        self, writer: Writer, reader: sqlite3.Connection, clock_ns: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock_ns = clock_ns

    def past(self, qc_id: QcId, limit: int) -> tuple[Past, ...]:
        """As `past` above."""
        return past(self._reader, qc_id, limit)

    def past_of(self, job_id: JobId) -> Past:
        """As `past_of` above."""
        return past_of(self._reader, job_id)

    def scene(self, qc_id: QcId, rules: TimeslotRules) -> Scene:
        """A quantum computer and its queue as of now."""
        self._reader.execute("BEGIN")
        try:
            return scene(self._reader, qc_id, rules, self._clock_ns())
        finally:
            self._reader.execute("COMMIT")

    async def foretell(self, forecasts: Sequence[Foretold]) -> None:
        """As `foretell` above. Raises Unavailable."""
        await self._writer.write(lambda db: foretell(db, forecasts))

    async def void(self, job_ids: Sequence[JobId]) -> None:
        """As `void` above. Raises Unavailable."""
        await self._writer.write(lambda db: void(db, job_ids))
