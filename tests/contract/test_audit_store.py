"""Audit lines in a real database."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labd.core.audit import AuditEntry, AuditLine, verify
from labd.store import audit
from labd.store.audit import PAGE_LINES, Wanted
from labd.store.database import open_database, open_reader
from labd.store.schema import migrate
from labd.store.store import Store

ENTRY = AuditEntry("alice", "uid 1000", "unix, pid 7", "job.submit", "some-id", {"shots": 100})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "state", clock_ns=iter(range(1, 1_000_000)).__next__)
    yield opened
    opened.close()


EVERYTHING = Wanted()


def all_lines(store: Store, wanted: Wanted = EVERYTHING) -> list[AuditLine]:
    return [line for page in store.audit.pages(wanted) for line in page]


def test_lines_follow_each_other_over_transactions(store: Store) -> None:
    for name in ("alice", "bob", "carol"):
        store.audit.record_blocking(replace(ENTRY, user=name))

    lines = all_lines(store)

    assert [line.user for line in lines] == ["alice", "bob", "carol"]
    assert [line.number for line in lines] == [1, 2, 3]
    assert verify(lines) is None
    assert store.audit.head().hash == lines[-1].hash


def test_many_entries_of_one_transaction_are_one_chain(store: Store) -> None:
    entries = [replace(ENTRY, object=str(n)) for n in range(256)]

    store._writer.call(lambda db: audit.append(db, entries, 5))
    store._writer.call(lambda db: audit.append(db, [], 6))
    store._writer.call(lambda db: audit.append(db, entries[:3], 7))

    lines = all_lines(store)
    assert len(lines) == 259
    assert verify(lines) is None


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Wanted(), [1, 2, 3, 4]),
        (Wanted(first_number=3), [3, 4]),
        (Wanted(first_number=2, last_number=3), [2, 3]),
        (Wanted(last_number=99), [1, 2, 3, 4]),
        (Wanted(user="bob"), [2]),
        (Wanted(object="some-id"), [1, 2, 3]),
        (Wanted(action="job."), [1, 2, 3]),
        (Wanted(action="job.submit"), [1, 2]),
        (Wanted(action="job.s"), []),
        (Wanted(action="job.", user="alice", object="some-id"), [1, 3]),
    ],
)
def test_lines_are_found_by_every_condition(
    store: Store, wanted: Wanted, numbers: list[int]
) -> None:
    for entry in (
        ENTRY,
        replace(ENTRY, user="bob"),
        replace(ENTRY, action="job.cancel"),
        replace(ENTRY, action="machine.pause", object="star5"),
    ):
        store.audit.record_blocking(entry)

    assert [line.number for line in all_lines(store, wanted)] == numbers


def test_a_long_audit_is_read_in_short_reads(store: Store) -> None:
    n_lines = 2 * PAGE_LINES + 5
    store._writer.call(lambda db: audit.append(db, [ENTRY] * n_lines, 5))

    pages = list(store.audit.pages(Wanted()))

    assert [len(page) for page in pages] == [PAGE_LINES, PAGE_LINES, 5]
    assert verify(line for page in pages for line in page) is None


def test_the_database_changes_and_removes_no_line(tmp_path: Path) -> None:
    path = tmp_path / "labd.sqlite"
    db = open_database(path)
    migrate(db)
    audit.append(db, [ENTRY], 5)

    for statement in ("UPDATE audit SET user = 'eve'", "DELETE FROM audit"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute(statement)

    with open_reader(path) as reader:
        assert verify(audit.lines_between(reader, 1, 9, Wanted())) is None
    db.close()


MANUAL = Path(__file__).parents[2] / "docs" / "audit.md"


def recomputed(folder: Path) -> subprocess.CompletedProcess[str]:
    """What the program in the manual says of the database in a folder."""
    found = re.search(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    assert found is not None
    command = [sys.executable, "-I", "-c", found[1]]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_manuals_program_comes_to_the_same_head(store: Store, tmp_path: Path) -> None:
    for name in ("alice", "Zoë", "bob"):
        store.audit.record_blocking(replace(ENTRY, user=name, details={"note": "µ\n"}))

    told = recomputed(tmp_path / "state")

    assert told.stdout.strip() == str(store.audit.head())


def test_the_manuals_program_finds_a_changed_line(store: Store, tmp_path: Path) -> None:
    for name in ("alice", "bob"):
        store.audit.record_blocking(replace(ENTRY, user=name))
    with sqlite3.connect(tmp_path / "state" / "labd.db") as db:
        db.execute("DROP TRIGGER audit_no_update")
        db.execute("UPDATE audit SET origin = 'elsewhere' WHERE number = 2")
    db.close()

    told = recomputed(tmp_path / "state")

    assert told.stderr.strip().endswith("AssertionError: 2")
