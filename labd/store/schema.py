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


class NewerDatabase(sqlite3.DatabaseError):
    """A database that a newer labd has changed: this one does not know what to do with it."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to the newest schema; each step is one transaction with its record.

    Raises NewerDatabase, and changes nothing, where it is newer than this labd.
    """
    database = Database(connection)
    known = {each.name for each in _MIGRATIONS.pending(Database(memory=True))}
    unknown = {each.name for each in _MIGRATIONS.applied(database)} - known
    if unknown:
        names = ", ".join(sorted(unknown))
        raise NewerDatabase(f"the database was changed by a newer labd ({names}): use that one")
    _MIGRATIONS.apply(database)


def pending(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Names of the steps that `migrate` would take."""
    return tuple(each.name for each in _MIGRATIONS.pending(Database(connection)))


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


# ---- users, limits, timeslots, the order of the queue, audit

_TABLES_2 = (
    # The counters are kept by triggers, so that a limit is checked without counting rows; they
    # count a job from its acceptance to its end (labd.core.limits).
    """CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 32),
        role TEXT NOT NULL CHECK (role IN ('user', 'operator', 'admin')),
        uid INTEGER UNIQUE,
        is_enabled INTEGER NOT NULL DEFAULT 1 CHECK (is_enabled IN (0, 1)),
        note TEXT NOT NULL DEFAULT '',
        created_at_ns INTEGER NOT NULL,
        n_queued INTEGER NOT NULL DEFAULT 0 CHECK (n_queued >= 0),
        queued_payload_bytes INTEGER NOT NULL DEFAULT 0 CHECK (queued_payload_bytes >= 0),
        queued_shots INTEGER NOT NULL DEFAULT 0 CHECK (queued_shots >= 0),
        queued_run_ms INTEGER NOT NULL DEFAULT 0 CHECK (queued_run_ms >= 0),
        result_bytes INTEGER NOT NULL DEFAULT 0 CHECK (result_bytes >= 0)
    ) STRICT""",
    # hash: SHA-256 of the secret, which has 256 random bits.
    """CREATE TABLE tokens (
        id TEXT PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users (id),
        hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
        note TEXT NOT NULL,
        created_at_ns INTEGER NOT NULL,
        expires_at_ns INTEGER,
        last_used_at_ns INTEGER,
        revoked_at_ns INTEGER
    ) STRICT, WITHOUT ROWID""",
    # Either a user's or a role's. value NULL: unlimited.
    """CREATE TABLE limits (
        user_id INTEGER REFERENCES users (id),
        role TEXT CHECK (role IN ('user', 'operator', 'admin')),
        name TEXT NOT NULL,
        value REAL CHECK (value >= 0),
        CHECK ((user_id IS NULL) <> (role IS NULL))
    ) STRICT""",
    "CREATE UNIQUE INDEX limits_of_user ON limits (user_id, name) WHERE user_id IS NOT NULL",
    "CREATE UNIQUE INDEX limits_of_role ON limits (role, name) WHERE role IS NOT NULL",
    """CREATE TABLE timeslots (
        id BLOB PRIMARY KEY CHECK (length(id) = 16),
        qc_id BLOB NOT NULL REFERENCES quantum_computers (id),
        user_id INTEGER NOT NULL REFERENCES users (id),
        start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL,
        note TEXT NOT NULL,
        booked_by TEXT NOT NULL,
        booked_at_ns INTEGER NOT NULL,
        cancelled_at_ns INTEGER,
        CHECK (start_ns < end_ns)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX timeslots_of_qc ON timeslots (qc_id, end_ns) WHERE cancelled_at_ns IS NULL",
    "ALTER TABLE quantum_computers ADD COLUMN mode TEXT NOT NULL DEFAULT 'RUNNING'"
    " CHECK (mode IN ('RUNNING', 'PAUSED', 'DRAINING'))",
    "ALTER TABLE quantum_computers ADD COLUMN mode_note TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE quantum_computers ADD COLUMN mode_by TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE quantum_computers ADD COLUMN mode_since_ns INTEGER",
    # The clock of every class of a queue, and the users' accounts in it (labd.core.queue_order).
    """CREATE TABLE queue_clocks (
        qc_id BLOB NOT NULL REFERENCES quantum_computers (id),
        priority INTEGER NOT NULL,
        clock_s REAL NOT NULL,
        PRIMARY KEY (qc_id, priority)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE shares (
        qc_id BLOB NOT NULL REFERENCES quantum_computers (id),
        priority INTEGER NOT NULL,
        user_id INTEGER NOT NULL REFERENCES users (id),
        account_s REAL NOT NULL,
        PRIMARY KEY (qc_id, priority, user_id)
    ) STRICT, WITHOUT ROWID""",
    "ALTER TABLE jobs ADD COLUMN user_id INTEGER REFERENCES users (id)",
    "ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 2 CHECK (priority IN (1, 2, 3))",
    "ALTER TABLE jobs ADD COLUMN share_tag_s REAL NOT NULL DEFAULT 0",
    # hold_role: of whoever holds it; nobody of a lesser role releases it.
    "ALTER TABLE jobs ADD COLUMN hold_note TEXT",
    "ALTER TABLE jobs ADD COLUMN hold_role TEXT",
    "ALTER TABLE jobs ADD COLUMN payload_bytes INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE jobs ADD COLUMN result_bytes INTEGER NOT NULL DEFAULT 0",
    # playing_s: the compiled duration. kind: equal for jobs that are expected to run equally long.
    "ALTER TABLE jobs ADD COLUMN playing_s REAL NOT NULL DEFAULT 0",
    "ALTER TABLE jobs ADD COLUMN kind TEXT NOT NULL DEFAULT ''",
    # What was foretold when the job was stored: how long it runs, when it starts.
    "ALTER TABLE jobs ADD COLUMN run_p50_s REAL",
    "ALTER TABLE jobs ADD COLUMN run_p90_s REAL",
    "ALTER TABLE jobs ADD COLUMN start_p50_ns INTEGER",
    "ALTER TABLE jobs ADD COLUMN start_p90_ns INTEGER",
    # What its wait was foreseen as, before experience corrected it (labd.store.history).
    "ALTER TABLE jobs ADD COLUMN foreseen_s REAL",
    "ALTER TABLE jobs ADD COLUMN calibration_set_id BLOB",
    # created_at_ns: the job's, so that a tag's jobs lie in the order in which they are listed.
    """CREATE TABLE job_tags (
        tag TEXT NOT NULL,
        created_at_ns INTEGER NOT NULL,
        job_seq INTEGER NOT NULL REFERENCES jobs (seq) ON DELETE CASCADE,
        PRIMARY KEY (tag, created_at_ns, job_seq)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX job_tags_of_job ON job_tags (job_seq)",
    # No reference to jobs: the key of a deleted job is still used up.
    """CREATE TABLE idempotency_keys (
        user_id INTEGER NOT NULL REFERENCES users (id),
        key TEXT NOT NULL,
        job_id BLOB NOT NULL,
        request_hash BLOB NOT NULL,
        at_ns INTEGER NOT NULL,
        PRIMARY KEY (user_id, key)
    ) STRICT, WITHOUT ROWID""",
    "DROP INDEX jobs_queued",
    "CREATE INDEX jobs_queued ON jobs (qc_id, priority DESC, share_tag_s, seq)"
    " WHERE state = 'IN_QUEUE'",
    "CREATE INDEX jobs_queued_of_user ON jobs (qc_id, user_id, priority DESC, share_tag_s, seq)"
    " WHERE state = 'IN_QUEUE'",
    # What jobs are searched by (labd.store.search); seq is the end of every index.
    "CREATE INDEX jobs_created ON jobs (created_at_ns)",
    "CREATE INDEX jobs_of_user ON jobs (user_id, created_at_ns)",
    "CREATE INDEX jobs_of_qc ON jobs (qc_id, created_at_ns)",
    "CREATE INDEX jobs_of_state ON jobs (state, job_type, created_at_ns)",
    "CREATE INDEX jobs_ended_of_user ON jobs (user_id, ended_at_ns, started_at_ns, state)"
    " WHERE ended_at_ns IS NOT NULL",
    "ALTER TABLE calibration_sets ADD COLUMN parent_id BLOB",
    "ALTER TABLE calibration_sets ADD COLUMN author TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE calibration_sets ADD COLUMN note TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE calibration_sets ADD COLUMN n_observations INTEGER NOT NULL DEFAULT 0",
    "DROP TRIGGER calibration_no_update",
    "UPDATE calibration_sets SET n_observations = (SELECT COUNT(*) FROM json_each(observations))",
    # restores: the activation (seq) whose set was brought back by rolling back to it.
    """CREATE TABLE calibration_activations (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        qc_id BLOB NOT NULL REFERENCES quantum_computers (id),
        set_id BLOB NOT NULL,
        at_ns INTEGER NOT NULL,
        by_user TEXT NOT NULL,
        note TEXT NOT NULL,
        restores INTEGER
    ) STRICT""",
    "CREATE INDEX calibration_activations_of_qc ON calibration_activations (qc_id, seq)",
    """CREATE TABLE audit (
        number INTEGER PRIMARY KEY,
        at_ns INTEGER NOT NULL,
        user TEXT NOT NULL,
        credential TEXT NOT NULL,
        origin TEXT NOT NULL,
        action TEXT NOT NULL,
        object TEXT NOT NULL,
        details TEXT NOT NULL,
        previous_hash BLOB NOT NULL CHECK (length(previous_hash) = 32),
        hash BLOB NOT NULL CHECK (length(hash) = 32)
    ) STRICT""",
    "CREATE INDEX audit_of_user ON audit (user, number)",
    "CREATE INDEX audit_of_object ON audit (object, number)",
)

_OVERLAP = """EXISTS (SELECT 1 FROM timeslots AS other
    WHERE other.qc_id = new.qc_id AND other.id <> new.id AND other.cancelled_at_ns IS NULL
    AND other.start_ns < new.end_ns AND other.end_ns > new.start_ns)"""
_USES = """n_queued = n_queued {sign} 1,
    queued_payload_bytes = queued_payload_bytes {sign} {row}.payload_bytes,
    queued_shots = queued_shots {sign} {row}.shots * MAX({row}.circuits, 1),
    queued_run_ms = queued_run_ms
        {sign} CAST(ROUND(1000 * COALESCE({row}.run_p50_s, 0)) AS INTEGER)"""
_IS_OPEN = "{row}.state IN ('IN_QUEUE', 'EXECUTING')"

_TRIGGERS_2 = (
    _refuse(
        "timeslots_no_overlap",
        "INSERT ON timeslots",
        "timeslots overlap",
        f"new.cancelled_at_ns IS NULL AND {_OVERLAP}",
    ),
    _refuse(
        "timeslots_no_later_overlap",
        "UPDATE ON timeslots",
        "timeslots overlap",
        f"new.cancelled_at_ns IS NULL AND {_OVERLAP}",
    ),
    _refuse("audit_no_update", "UPDATE ON audit", "audit is append-only"),
    _refuse("audit_no_delete", "DELETE ON audit", "audit is append-only"),
    _refuse(
        "calibration_no_update", "UPDATE ON calibration_sets", "calibration sets are immutable"
    ),
    _refuse(
        "activations_no_update", "UPDATE ON calibration_activations", "activations are append-only"
    ),
    _refuse(
        "activations_no_delete", "DELETE ON calibration_activations", "activations are append-only"
    ),
    f"CREATE TRIGGER jobs_used AFTER INSERT ON jobs WHEN {_IS_OPEN.format(row='new')} BEGIN"
    f" UPDATE users SET {_USES.format(sign='+', row='new')} WHERE id = new.user_id; END",
    f"CREATE TRIGGER jobs_freed AFTER UPDATE OF state ON jobs WHEN {_IS_OPEN.format(row='old')}"
    f" AND NOT {_IS_OPEN.format(row='new')} BEGIN"
    f" UPDATE users SET {_USES.format(sign='-', row='old')} WHERE id = old.user_id; END",
    f"CREATE TRIGGER jobs_removed AFTER DELETE ON jobs WHEN {_IS_OPEN.format(row='old')} BEGIN"
    f" UPDATE users SET {_USES.format(sign='-', row='old')} WHERE id = old.user_id; END",
    "CREATE TRIGGER results_stored AFTER UPDATE OF result_bytes ON jobs BEGIN"
    " UPDATE users SET result_bytes = result_bytes + new.result_bytes - old.result_bytes"
    " WHERE id = new.user_id; END",
    "CREATE TRIGGER results_removed AFTER DELETE ON jobs WHEN old.result_bytes > 0 BEGIN"
    " UPDATE users SET result_bytes = result_bytes - old.result_bytes WHERE id = old.user_id; END",
)


@_MIGRATIONS()
def m002_users_and_order(db: Database) -> None:
    """Users, limits, timeslots, a fair queue, audit. Jobs keep the callers they had, as users."""
    for statement in _TABLES_2:
        db.conn.execute(statement)
    for (caller,) in db.conn.execute("SELECT DISTINCT submitted_by FROM jobs").fetchall():
        uid = int(caller.removeprefix("uid ")) if caller.startswith("uid ") else None
        name = "anonymous" if uid is None else f"uid{uid}"
        created = db.conn.execute(
            "INSERT INTO users (name, role, uid, created_at_ns)"
            " SELECT ?, 'user', ?, MIN(created_at_ns) FROM jobs WHERE submitted_by = ?",
            (name, uid, caller),
        )
        db.conn.execute(
            "UPDATE jobs SET user_id = ?, submitted_by = ? WHERE submitted_by = ?",
            (created.lastrowid, name, caller),
        )
    db.conn.execute(
        "UPDATE jobs SET payload_bytes = COALESCE((SELECT length(payload) FROM job_payloads"
        " WHERE job_seq = jobs.seq), 0)"
    )
    is_open = _IS_OPEN.format(row="jobs")
    db.conn.execute(f"UPDATE jobs SET run_p50_s = 1, run_p90_s = 1 WHERE {is_open}")
    db.conn.execute(
        "UPDATE users SET (n_queued, queued_payload_bytes, queued_shots, queued_run_ms) ="
        " (SELECT COUNT(*), COALESCE(SUM(payload_bytes), 0),"
        " COALESCE(SUM(shots * MAX(circuits, 1)), 0), 1000 * COUNT(*)"
        f" FROM jobs WHERE user_id = users.id AND {is_open})"
    )
    db.conn.execute(
        "INSERT INTO calibration_activations (qc_id, set_id, at_ns, by_user, note)"
        " SELECT qc_id, id, created_at_ns, '', 'first set' FROM calibration_sets WHERE seq IN"
        " (SELECT MAX(seq) FROM calibration_sets GROUP BY qc_id)"
    )
    for statement in _TRIGGERS_2:
        db.conn.execute(statement)


# ---- keeping: hashes, space, partial results, pins, retention

_KEEPING_3 = (
    # NULL: not computed yet (an older labd's job, or a large result that ended just now).
    "ALTER TABLE jobs ADD COLUMN payload_sha256 BLOB CHECK (length(payload_sha256) = 32)",
    "ALTER TABLE jobs ADD COLUMN result_sha256 BLOB CHECK (length(result_sha256) = 32)",
    # What its result will take on the disk, as far as it is known beforehand.
    "ALTER TABLE jobs ADD COLUMN needed_bytes INTEGER NOT NULL DEFAULT 0 CHECK (needed_bytes >= 0)",
    # Of a job that did not complete: what was measured until then is kept.
    "ALTER TABLE jobs ADD COLUMN is_partial INTEGER NOT NULL DEFAULT 0"
    " CHECK (is_partial IN (0, 1))",
    # pin_note: set while it is held back from retention.
    "ALTER TABLE jobs ADD COLUMN pin_note TEXT",
    "ALTER TABLE jobs ADD COLUMN pinned_by TEXT",
    # When retention removed its payload and results.
    "ALTER TABLE jobs ADD COLUMN expired_at_ns INTEGER",
    # What is wrong with its files, as a check found it.
    "ALTER TABLE jobs ADD COLUMN damage TEXT",
    # What lies on the disk of jobs that are over, the oldest first.
    "CREATE INDEX jobs_kept ON jobs (updated_at_ns, payload_bytes, result_bytes)"
    " WHERE expired_at_ns IS NULL AND state NOT IN ('IN_QUEUE', 'EXECUTING')",
    "CREATE INDEX jobs_unhashed ON jobs (seq) WHERE result_sha256 IS NULL AND result_bytes > 0",
)


@_MIGRATIONS()
def m003_keeping(db: Database) -> None:
    """Hashes of payloads and results, space that jobs need, pins, retention, partial results."""
    for statement in _KEEPING_3:
        db.conn.execute(statement)


# ---- what is told: flight records, counts of jobs

_TELLING = (
    # What was said to the instruments in a job that did not complete (labd.core.flight).
    """CREATE TABLE job_flights (
        job_seq INTEGER PRIMARY KEY REFERENCES jobs (seq) ON DELETE CASCADE,
        record BLOB NOT NULL
    ) STRICT""",
    # Kept by triggers, so that a million jobs are counted by reading six rows.
    """CREATE TABLE job_counts (
        qc_id BLOB NOT NULL REFERENCES quantum_computers (id),
        state TEXT NOT NULL,
        n_jobs INTEGER NOT NULL CHECK (n_jobs >= 0),
        PRIMARY KEY (qc_id, state)
    ) STRICT, WITHOUT ROWID""",
    "INSERT INTO job_counts (qc_id, state, n_jobs)"
    " SELECT qc_id, state, COUNT(*) FROM jobs GROUP BY qc_id, state",
    # The eldest of a queue.
    "CREATE INDEX jobs_queued_since ON jobs (qc_id, created_at_ns) WHERE state = 'IN_QUEUE'",
)

_COUNT_ONE_MORE = """INSERT INTO job_counts (qc_id, state, n_jobs) VALUES (new.qc_id, new.state, 1)
    ON CONFLICT (qc_id, state) DO UPDATE SET n_jobs = n_jobs + 1"""
_COUNT_ONE_LESS = """UPDATE job_counts SET n_jobs = n_jobs - 1
    WHERE qc_id = old.qc_id AND state = old.state"""

_TELLING_TRIGGERS = (
    f"CREATE TRIGGER jobs_counted AFTER INSERT ON jobs BEGIN {_COUNT_ONE_MORE}; END",
    f"CREATE TRIGGER jobs_counted_anew AFTER UPDATE OF state ON jobs WHEN old.state <> new.state"
    f" BEGIN {_COUNT_ONE_LESS}; {_COUNT_ONE_MORE}; END",
    f"CREATE TRIGGER jobs_counted_out AFTER DELETE ON jobs BEGIN {_COUNT_ONE_LESS}; END",
)


@_MIGRATIONS()
def m004_telling(db: Database) -> None:
    """Flight records of jobs that did not complete; how many jobs are in which state."""
    for statement in (*_TELLING, *_TELLING_TRIGGERS):
        db.conn.execute(statement)
