"""The queue in SQL: in which order jobs stand (labd.core.queue_order), and which one starts."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence

from labd.core.jobs import Job, Priority, QcId
from labd.core.openings import Opening
from labd.core.queue_order import SortKey, advanced, sort_key
from labd.store.jobs import COLUMNS, job_of_row

_ORDER = "priority DESC, share_tag_s, seq"
_SHARES = "hold_note IS NULL AND is_timeslot = 0"
"""Jobs that the clock of their class counts: those that could start in the free time."""


def claim(
    db: sqlite3.Connection, qc_id: QcId, openings: Sequence[Opening], now_ns: int
) -> Job | None:
    """Make EXECUTING the first job of the first tier of openings that has one; None if none has.

    To be called in the transaction that read what the openings follow from.
    """
    for _, tier in itertools.groupby(openings, key=lambda opening: opening.tier):
        firsts = [_first(db, qc_id, opening, now_ns) for opening in tier]
        found = [first for first in firsts if first is not None]
        if found:
            _, _, seq = min(found)
            return _start(db, qc_id, seq, now_ns)
    return None


def _first(db: sqlite3.Connection, qc_id: QcId, opening: Opening, now_ns: int) -> SortKey | None:
    """The place of the first job of an opening; the same jobs as `Opening.admits`."""
    conditions = ["qc_id = ?", "state = 'IN_QUEUE'", "hold_note IS NULL", "is_timeslot = ?"]
    values: list[bytes | int | float] = [qc_id.bytes, int(opening.with_timeslot)]
    if opening.user_id is not None:
        conditions.append("user_id = ?")
        values.append(opening.user_id)
    if opening.except_user_id is not None:
        conditions.append("user_id <> ?")
        values.append(opening.except_user_id)
    max_run_s = opening.max_run_s(now_ns)
    if max_run_s is not None:
        conditions.append("run_p90_s <= ?")
        values.append(max_run_s)
    row = db.execute(
        f"SELECT priority, share_tag_s, seq FROM jobs WHERE {' AND '.join(conditions)}"
        f" ORDER BY {_ORDER} LIMIT 1",
        values,
    ).fetchone()
    return None if row is None else sort_key(Priority(row[0]), row[1], row[2])


def _start(db: sqlite3.Connection, qc_id: QcId, seq: int, now_ns: int) -> Job:
    row = db.execute(
        "UPDATE jobs SET state = 'EXECUTING', updated_at_ns = MAX(?, updated_at_ns),"
        " started_at_ns = ?, calibration_set_id = (SELECT set_id FROM calibration_activations"
        " WHERE qc_id = jobs.qc_id ORDER BY seq DESC LIMIT 1)"
        f" WHERE seq = ? AND state = 'IN_QUEUE' RETURNING {COLUMNS}",
        (now_ns, now_ns, seq),
    ).fetchone()
    job = job_of_row(row)
    if not job.is_timeslot:
        _advance_clock(db, qc_id, job)
    return job


def _advance_clock(db: sqlite3.Connection, qc_id: QcId, started: Job) -> None:
    left = db.execute(
        "SELECT share_tag_s FROM jobs WHERE qc_id = ? AND state = 'IN_QUEUE' AND priority = ?"
        f" AND {_SHARES} ORDER BY share_tag_s, seq LIMIT 1",
        (qc_id.bytes, started.priority),
    ).fetchone()
    clock_s = _clock_s(db, qc_id, started.priority)
    db.execute(
        "INSERT INTO queue_clocks (qc_id, priority, clock_s) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET clock_s = excluded.clock_s",
        (
            qc_id.bytes,
            started.priority,
            advanced(clock_s, started.share_tag_s, None if left is None else left[0]),
        ),
    )


def _clock_s(db: sqlite3.Connection, qc_id: QcId, priority: int) -> float:
    row = db.execute(
        "SELECT clock_s FROM queue_clocks WHERE qc_id = ? AND priority = ?", (qc_id.bytes, priority)
    ).fetchone()
    return 0.0 if row is None else float(row[0])
