"""Tables, triggers and their migrations. The rules of a job's life are held here once more.

A migration that was released is never edited: the next change is the next migration.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping

from labd.core.jobs import TRANSITIONS, JobState

# sqlite_utils imports pandas when it is there (QCoDeS brings it), only to add column types that
# are not used here: half a second and 40 MiB of daemon. None in sys.modules makes that import fail.
_PANDAS = "pandas"
_hides_pandas = _PANDAS not in sys.modules
if _hides_pandas:
    sys.modules[_PANDAS] = None  # type: ignore[assignment]
try:
    from sqlite_utils import Database, Migrations
finally:
    if _hides_pandas:
        del sys.modules[_PANDAS]

_MIGRATIONS = Migrations("labd")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to the newest schema; each step is one transaction with its record."""
    _MIGRATIONS.apply(Database(connection))


def _states(states: Mapping[JobState, frozenset[JobState]]) -> str:
    return ", ".join(f"'{state}'" for state in states)


def _transition_is_allowed() -> str:
    pairs = [f"('{old}', '{new}')" for old, news in TRANSITIONS.items() for new in sorted(news)]
    return f"(old.state, new.state) IN (VALUES {', '.join(pairs)})"


_TABLES_1 = (
    # n_queued is kept by triggers, so that a new job's queue position costs nothing to know.
    """CREATE TABLE quantum_computers (
        id BLOB PRIMARY KEY CHECK (length(id) = 16),
        alias TEXT NOT NULL,
        display_name TEXT NOT NULL,
        n_queued INTEGER NOT NULL DEFAULT 0 CHECK (n_queued >= 0)
    ) STRICT, WITHOUT ROWID""",
    f"""CREATE TABLE jobs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
        qc_id BLOB NOT NULL REFERENCES quantum_computers (id),
        job_type TEXT NOT NULL CHECK (job_type IN ('CIRCUIT', 'PULSE')),
        state TEXT NOT NULL DEFAULT 'IN_QUEUE' CHECK (state IN ({_states(TRANSITIONS)})),
        shots INTEGER NOT NULL,
        circuits INTEGER NOT NULL,
        is_timeslot INTEGER NOT NULL CHECK (is_timeslot IN (0, 1)),
        submitted_by TEXT NOT NULL,
        error TEXT,
        created_at_ns INTEGER NOT NULL,
        updated_at_ns INTEGER NOT NULL,
        started_at_ns INTEGER,
        ended_at_ns INTEGER,
        cancel_requested_at_ns INTEGER,
        timings TEXT
    ) STRICT""",
    "CREATE INDEX jobs_queued ON jobs (qc_id, seq) WHERE state = 'IN_QUEUE'",
    "CREATE UNIQUE INDEX jobs_executing ON jobs (qc_id) WHERE state = 'EXECUTING'",
    # Small payloads only; a large one is a file.
    """CREATE TABLE job_payloads (
        job_seq INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
        payload BLOB NOT NULL
    ) STRICT""",
    # No reference to jobs: the log outlives a job that is deleted.
    """CREATE TABLE job_events (
        job_id BLOB NOT NULL,
        number INTEGER NOT NULL,
        state TEXT NOT NULL,
        at_ns INTEGER NOT NULL,
        error TEXT,
        PRIMARY KEY (job_id, number)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE calibration_sets (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
        qc_id BLOB NOT NULL REFERENCES quantum_computers (id),
        created_at_ns INTEGER NOT NULL,
        dut_label TEXT NOT NULL,
        is_valid INTEGER NOT NULL CHECK (is_valid IN (0, 1)),
        observations TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX calibration_sets_of_qc ON calibration_sets (qc_id, seq)",
)


def _refuse(name: str, before: str, sentence: str, when: str = "") -> str:
    condition = f"WHEN {when} " if when else ""
    action = f"SELECT RAISE(ABORT, '{sentence}')"
    return f"CREATE TRIGGER {name} BEFORE {before} {condition}BEGIN {action}; END"


_TRIGGERS_1 = (
    _refuse(
        "jobs_transition",
        "UPDATE OF state ON jobs",
        "this change of a job''s state is not allowed",
        f"NOT {_transition_is_allowed()}",
    ),
    _refuse("job_events_no_update", "UPDATE ON job_events", "job_events is append-only"),
    _refuse("job_events_no_delete", "DELETE ON job_events", "job_events is append-only"),
    _refuse(
        "calibration_no_update", "UPDATE ON calibration_sets", "calibration sets are immutable"
    ),
    _refuse(
        "calibration_no_delete", "DELETE ON calibration_sets", "calibration sets are immutable"
    ),
    """CREATE TRIGGER jobs_inserted AFTER INSERT ON jobs BEGIN
        INSERT INTO job_events (job_id, number, state, at_ns, error)
            VALUES (new.id, 1, new.state, new.created_at_ns, new.error);
        UPDATE quantum_computers SET n_queued = n_queued + 1
            WHERE id = new.qc_id AND new.state = 'IN_QUEUE';
    END""",
    """CREATE TRIGGER jobs_changed AFTER UPDATE OF state ON jobs BEGIN
        INSERT INTO job_events (job_id, number, state, at_ns, error)
            SELECT new.id, MAX(number) + 1, new.state, new.updated_at_ns, new.error
            FROM job_events WHERE job_id = new.id;
        UPDATE quantum_computers SET n_queued = n_queued - 1
            WHERE id = old.qc_id AND old.state = 'IN_QUEUE';
    END""",
    """CREATE TRIGGER jobs_deleted AFTER DELETE ON jobs WHEN old.state = 'IN_QUEUE' BEGIN
        UPDATE quantum_computers SET n_queued = n_queued - 1 WHERE id = old.qc_id;
    END""",
)


@_MIGRATIONS()
def m001_jobs_and_calibrations(db: Database) -> None:
    """The first schema."""
    for statement in (*_TABLES_1, *_TRIGGERS_1):
        db.conn.execute(statement)
