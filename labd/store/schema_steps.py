"""Statements of the later steps of labd.store.schema, and how a trigger refuses."""

from __future__ import annotations


def refuse(name: str, before: str, sentence: str, when: str = "") -> str:
    """A trigger that aborts what it stands before. when: an SQL condition; empty: always."""
    condition = f"WHEN {when} " if when else ""
    action = f"SELECT RAISE(ABORT, '{sentence}')"
    return f"CREATE TRIGGER {name} BEFORE {before} {condition}BEGIN {action}; END"


# ---- keeping: hashes, space, partial results, pins, retention

KEEPING = (
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


# ---- what is told: flight records, counts of jobs

TELLING = (
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

TELLING_TRIGGERS = (
    f"CREATE TRIGGER jobs_counted AFTER INSERT ON jobs BEGIN {_COUNT_ONE_MORE}; END",
    f"CREATE TRIGGER jobs_counted_anew AFTER UPDATE OF state ON jobs WHEN old.state <> new.state"
    f" BEGIN {_COUNT_ONE_LESS}; {_COUNT_ONE_MORE}; END",
    f"CREATE TRIGGER jobs_counted_out AFTER DELETE ON jobs BEGIN {_COUNT_ONE_LESS}; END",
)


# ---- leases

# One row per quantum computer, the last lease: two holders cannot be written down.
LEASES = (
    """CREATE TABLE leases (
        qc_id BLOB PRIMARY KEY REFERENCES quantum_computers (id),
        id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
        user_id INTEGER NOT NULL REFERENCES users (id),
        name TEXT NOT NULL,
        note TEXT NOT NULL,
        since_ns INTEGER NOT NULL,
        until_ns INTEGER NOT NULL,
        CHECK (since_ns < until_ns)
    ) STRICT, WITHOUT ROWID""",
    refuse(
        "leases_one_holder",
        "UPDATE ON leases",
        "the lease before is still held",
        "new.id <> old.id AND new.since_ns < old.until_ns",
    ),
    refuse(
        "leases_keep_their_holder",
        "UPDATE ON leases",
        "a lease does not change hands",
        "new.id = old.id AND (new.user_id <> old.user_id OR new.since_ns <> old.since_ns)",
    ),
)
