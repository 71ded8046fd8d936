"""Clocks and accounts of the queues in SQL (labd.core.queue_order)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from labd.core.jobs import Job, JobState, Priority, QcId
from labd.core.queue_order import Placing, advanced, place, rested, settled


def clock_s(db: sqlite3.Connection, qc_id: QcId, priority: Priority) -> float:
    """The clock of a class of a queue."""
    row = db.execute(
        "SELECT clock_s FROM queue_clocks WHERE qc_id = ? AND priority = ?", (qc_id.bytes, priority)
    ).fetchone()
    return 0.0 if row is None else float(row[0])


def advance_clock(db: sqlite3.Connection, started: Job) -> None:
    """Let the clock of its class follow a job that started."""
    if started.is_timeslot:
        return
    before_s = clock_s(db, started.qc_id, started.priority)
    after_s = advanced(before_s, started.share_tag_s, _first_left_s(db, started))
    _set_clock(db, started, after_s)


def _first_left_s(db: sqlite3.Connection, job: Job) -> float | None:
    """The least tag of those of the job's class that wait and could start in the free time."""
    row = db.execute(
        "SELECT share_tag_s FROM jobs WHERE qc_id = ? AND state = 'IN_QUEUE' AND priority = ?"
        " AND hold_note IS NULL AND is_timeslot = 0 ORDER BY share_tag_s, seq LIMIT 1",
        (job.qc_id.bytes, job.priority),
    ).fetchone()
    return None if row is None else float(row[0])


def _set_clock(db: sqlite3.Connection, job: Job, clock_s: float) -> None:
    db.execute(
        "INSERT INTO queue_clocks (qc_id, priority, clock_s) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET clock_s = excluded.clock_s",
        (job.qc_id.bytes, job.priority, clock_s),
    )


@dataclass(slots=True)
class _Account:
    """A user's account in a class of a queue. newest_s: the greatest tag of his that waits."""

    clock_s: float
    account_s: float
    newest_s: float | None
    is_charged: bool = False


@dataclass(slots=True)
class Accounts:
    """The accounts that new jobs are charged to, read once and written once per transaction."""

    db: sqlite3.Connection
    _open: dict[tuple[QcId, Priority, int], _Account] = field(default_factory=dict)

    def place(
        self, qc_id: QcId, priority: Priority, user_id: int, *, run_s: float, is_timeslot: bool
    ) -> float:
        """The tag of a new job, in seconds. Booked time costs no share of the free time."""
        account = self._account(qc_id, priority, user_id)
        placing = place(account.clock_s, account.account_s, account.newest_s, run_s)
        account.newest_s = placing.tag_s
        if not is_timeslot:
            self._charge(account, placing)
        return placing.tag_s

    def write(self) -> None:
        """Write what was charged."""
        for (qc_id, priority, user_id), account in self._open.items():
            if account.is_charged:
                self.db.execute(
                    "INSERT INTO shares (qc_id, priority, user_id, account_s) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET account_s = excluded.account_s",
                    (qc_id.bytes, priority, user_id, account.account_s),
                )

    @staticmethod
    def _charge(account: _Account, placing: Placing) -> None:
        account.account_s = placing.account_s
        account.is_charged = True

    def _account(self, qc_id: QcId, priority: Priority, user_id: int) -> _Account:
        key = (qc_id, priority, user_id)
        known = self._open.get(key)
        if known is None:
            clock_s, account_s, newest_s = self.db.execute(
                "SELECT (SELECT clock_s FROM queue_clocks WHERE qc_id = ?1 AND priority = ?2),"
                " (SELECT account_s FROM shares"
                " WHERE qc_id = ?1 AND priority = ?2 AND user_id = ?3),"
                " (SELECT MAX(share_tag_s) FROM jobs WHERE qc_id = ?1 AND user_id = ?3"
                " AND state = 'IN_QUEUE' AND priority = ?2)",
                (qc_id.bytes, int(priority), user_id),
            ).fetchone()
            known = _Account(clock_s or 0.0, account_s or 0.0, newest_s)
            self._open[key] = known
        return known


def settle(db: sqlite3.Connection, job: Job) -> None:
    """Correct the account of a job that ended, or left its class, by what it really used.

    What labd interrupted is not charged: nobody knows how much of the time was the job's.
    """
    if job.is_timeslot:
        return
    key = (job.qc_id.bytes, job.priority, job.user_id)
    row = db.execute(
        "SELECT account_s, (SELECT run_p50_s FROM jobs WHERE seq = ?) FROM shares"
        " WHERE qc_id = ? AND priority = ? AND user_id = ?",
        (job.seq, *key),
    ).fetchone()
    if row is None:
        return
    account_s, expected_s = row
    db.execute(
        "UPDATE shares SET account_s = ? WHERE qc_id = ? AND priority = ? AND user_id = ?",
        (settled(account_s, expected_s or 0.0, _run_s(job)), *key),
    )
    if job.state.is_final and _first_left_s(db, job) is None:
        _rest(db, job)


def _run_s(job: Job) -> float:
    was_run = job.state.is_final and job.state is not JobState.INTERRUPTED
    if not was_run or job.started_at_ns is None or job.ended_at_ns is None:
        return 0.0
    return (job.ended_at_ns - job.started_at_ns) / 1e9


def _rest(db: sqlite3.Connection, job: Job) -> None:
    (greatest_s,) = db.execute(
        "SELECT MAX(account_s) FROM shares WHERE qc_id = ? AND priority = ?",
        (job.qc_id.bytes, job.priority),
    ).fetchone()
    _set_clock(db, job, rested(clock_s(db, job.qc_id, job.priority), greatest_s))
