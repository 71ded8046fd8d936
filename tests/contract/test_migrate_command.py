"""`labd migrate`: a copy first, then the steps."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest
from sqlite_utils import Database

from labd.store import schema
from labd.store.files import StateDirectory, StateDirectoryInUse
from labd.store.migration import migrate_state

NOW_NS = 1_800_000_000 * 1_000_000_000


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A state directory as the first labd left it."""
    db = sqlite3.connect(tmp_path / "labd.db", isolation_level=None)
    schema._MIGRATIONS.apply(Database(db), stop_before="m002_users_and_order")
    db.execute(
        "INSERT INTO quantum_computers (id, alias, display_name) VALUES (zeroblob(16), 'q', 'Q')"
    )
    db.close()
    return tmp_path


def tables(database: Path) -> set[str]:
    db = sqlite3.connect(database)
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    db.close()
    return names


def test_the_backup_is_as_it_was_and_the_database_as_it_should_be(old: Path) -> None:
    done = migrate_state(old, NOW_NS)

    assert done.backup == old / "backups" / "labd-20270115T080000Z.db"
    assert done.backup.stat().st_mode & 0o077 == 0
    assert done.steps[0] == "m002_users_and_order"
    assert "users" in tables(old / "labd.db")
    assert "users" not in tables(done.backup)
    assert "steps: m002_users_and_order" in str(done)


def test_again_it_has_nothing_to_do(old: Path) -> None:
    migrate_state(old, NOW_NS)

    again = migrate_state(old, NOW_NS + 1_000_000_000)

    assert again.steps == ()
    assert str(again).endswith("steps: none was needed")


def test_where_labd_works_it_does_not(old: Path) -> None:
    directory = StateDirectory(old)
    directory.open()

    with pytest.raises(StateDirectoryInUse):
        migrate_state(old, time.time_ns())
    directory.close()


def test_an_empty_directory_stays_empty(tmp_path: Path) -> None:
    done = migrate_state(tmp_path / "none", NOW_NS)

    assert str(done) == "there is no database yet"
    assert not (tmp_path / "none").exists()
