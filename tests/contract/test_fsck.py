"""The check of a store, and backups: what is wrong is found, what can be is mended."""

from __future__ import annotations

import io
import os
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from store_support import claim, completed, open_store, submit

from labd.cli.daemon import main
from labd.core.errors import Unavailable
from labd.core.jobs import Job, JobState
from labd.store.backup import BadBackup, restore
from labd.store.store import MAX_PAYLOAD_IN_ROW_BYTES, Store

pytestmark = pytest.mark.anyio

LARGE = os.urandom(MAX_PAYLOAD_IN_ROW_BYTES + 1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "state")
    yield opened
    opened.close()


def found(store: Store, *, is_quick: bool = False) -> list[str]:
    findings = store.check(is_quick=is_quick).findings()
    return [f"{each.object}: {each.what}" for each in findings if each is not None]


def mended(store: Store) -> int:
    """Mend all that can be; how many cannot."""
    findings = [each for each in store.check(is_quick=False).findings() if each is not None]
    return sum(not store.mend_blocking(each) for each in findings)


def change(store: Store, statement: str, *values: int | str | bytes) -> None:
    store._writer.call(lambda db: db.execute(statement, values))


async def test_a_store_that_is_well_has_no_findings(store: Store) -> None:
    await completed(store, LARGE, os.urandom(5000))
    await completed(store)
    await submit(store, LARGE)
    await claim(store)

    check = store.check(is_quick=False)
    assert [each for each in check.findings() if each is not None] == []

    assert check.extent.n_jobs == 3
    assert check.extent.n_files == 3


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def shorten(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("harm", "says"),
    [(flip, "its SHA-256 is another"), (shorten, "bytes"), (remove, "cannot be read")],
)
@pytest.mark.parametrize("kind", ["payload", "result"])
async def test_harm_to_a_file_is_found_and_noted_at_its_job(
    store: Store, kind: str, harm: Callable[[Path], None], says: str
) -> None:
    job = await completed(store, LARGE, os.urandom(5000))
    folder = store.directory
    path = folder.payload_path(job.id) if kind == "payload" else folder.result_path(job.id)
    healthy = path.read_bytes()
    harm(path)

    (finding,) = found(store)
    assert finding.startswith(f"{job.id}: its {kind}")
    assert says in finding
    assert mended(store) == 0
    assert says in store.keeping.of(job.id).damage

    path.write_bytes(healthy)
    assert "is whole again" in found(store)[0]
    assert mended(store) == 0
    assert store.keeping.of(job.id).damage == ""
    assert found(store) == []


async def test_a_quick_check_reads_no_file_and_finds_sizes(store: Store) -> None:
    job = await completed(store, LARGE, os.urandom(5000))
    flip(store.result_path(job.id))
    assert found(store, is_quick=True) == []

    shorten(store.result_path(job.id))

    assert len(found(store, is_quick=True)) == 1


async def test_a_queued_job_whose_payload_is_harmed_fails_instead_of_running(store: Store) -> None:
    job = await submit(store, LARGE)
    flip(store.directory.payload_path(job.id))

    assert mended(store) == 0

    ended = store.job(job.id)
    assert ended.state is JobState.FAILED
    assert "SHA-256 is another; submit the job again" in (ended.error or "")
    assert await claim(store) is None


async def test_a_payload_in_the_database_is_checked_too(store: Store) -> None:
    await completed(store, b"payload")
    change(store, "UPDATE job_payloads SET payload = x'7061796c6f6165'")

    (finding,) = found(store)

    assert "its SHA-256 is another" in finding


async def test_counts_are_made_right(store: Store) -> None:
    await submit(store)
    await completed(store, result=bytes(100))
    change(store, "UPDATE quantum_computers SET n_queued = 5")
    change(store, "UPDATE users SET result_bytes = 7, n_queued = 9")

    findings = found(store)
    assert any("5 jobs are noted as queued, there are 1" in each for each in findings)
    assert any("what is noted as used" in each for each in findings)
    assert mended(store) == 0
    assert found(store) == []


async def test_hashes_that_an_older_labd_did_not_make_are_recorded(store: Store) -> None:
    job = await completed(store, LARGE)
    change(
        store,
        "UPDATE jobs SET payload_sha256 = NULL, result_sha256 = NULL, result_bytes = 0",
    )

    assert len(found(store)) == 2
    assert mended(store) == 0
    assert mended(store) == 0
    assert found(store) == []
    assert store.keeping.of(job.id).result_sha256 is not None


async def test_a_lost_event_is_written_again_and_a_file_of_nobody_removed(store: Store) -> None:
    job = await completed(store)
    stray = store.directory.results / f"{store.new_job_id()}.bin"
    stray.write_bytes(b"whose?")
    change(store, "DROP TRIGGER job_events_no_delete")
    change(store, "DELETE FROM job_events WHERE number = 3")

    assert len(found(store)) == 2
    assert mended(store) == 0

    assert found(store) == []
    assert store.events_after(job.id, 0)[-1].state is JobState.COMPLETED
    assert not stray.exists()


async def test_pages_that_are_not_sqlites_are_found(store: Store, tmp_path: Path) -> None:
    for _ in range(200):
        await submit(store, os.urandom(3000))
    store.close()
    path = tmp_path / "state" / "labd.db"
    data = bytearray(path.read_bytes())
    for page in range(40, 60):
        data[page * 4096 : page * 4096 + 200] = os.urandom(200)
    path.write_bytes(data)

    done = CliRunner().invoke(main, ["fsck", "--state-dir", str(path.parent)])

    assert done.exit_code == 1
    assert "restore a backup" in done.output or "malformed" in done.output


# ---- backups


def archive_of(store: Store, path: Path) -> Path:
    path.write_bytes(b"".join(store.backup("1.0")))
    return path


async def test_a_restored_store_has_every_job_and_every_byte(store: Store, tmp_path: Path) -> None:
    result = os.urandom(3_000_000)
    done = await completed(store, LARGE, result)
    queued = await submit(store, LARGE)
    archive = archive_of(store, tmp_path / "backup.tar")
    later = await submit(store)
    target = tmp_path / "restored"

    run = CliRunner().invoke(main, ["restore", str(archive), "--state-dir", str(target)])

    assert run.exit_code == 0, run.output
    with closing(open_store(target)) as restored:
        assert restored.result_path(done.id).read_bytes() == result
        assert restored.job(done.id).state is JobState.COMPLETED
        held = restored.job(queued.id)
        assert (held.state, held.queue_position) == (JobState.IN_QUEUE, 0)
        assert (held.hold_note or "").startswith("restored from a backup of 20")
        assert restored.job_record(later.id) is None
        assert found(restored) == []
        assert sorted(os.listdir(target)) == [
            "labd.db", "labd.db-shm", "labd.db-wal", "labd.lock", "payloads", "results", "run",
        ]  # fmt: skip


async def test_a_backup_goes_on_while_jobs_come_and_go(store: Store, tmp_path: Path) -> None:
    doomed: Job = await completed(store, result=os.urandom(100_000))
    kept = await completed(store, result=os.urandom(2_000_000))
    pieces = store.backup("1.0")
    begun = [next(pieces) for _ in range(3)]
    store.result_path(doomed.id).unlink()
    await completed(store)
    archive = tmp_path / "backup.tar"
    archive.write_bytes(b"".join([*begun, *pieces]))

    run = CliRunner().invoke(
        main, ["restore", str(archive), "--state-dir", str(tmp_path / "restored")]
    )

    assert run.exit_code == 0, run.output
    assert "1 files were deleted while the backup was made" in run.output
    with closing(open_store(tmp_path / "restored")) as restored:
        assert restored.result_path(kept.id).stat().st_size == 2_000_000
        assert "cannot be read" in restored.keeping.of(doomed.id).damage
    assert list((tmp_path / "state" / "run").glob("backup-*")) == []


@pytest.mark.parametrize("left_out", [1, 2000, 500_000])
async def test_half_an_archive_is_refused_and_leaves_nothing(
    store: Store, tmp_path: Path, left_out: int
) -> None:
    await completed(store, result=os.urandom(1_000_000))
    data = b"".join(store.backup("1.0"))
    target = tmp_path / "restored"

    with pytest.raises(BadBackup, match="whole"):
        restore(io.BufferedReader(io.BytesIO(data[: -1024 - left_out])), target)

    assert os.listdir(target) == []


async def test_a_changed_database_in_an_archive_is_refused(store: Store, tmp_path: Path) -> None:
    await submit(store, b"look for me")
    data = bytearray(b"".join(store.backup("1.0")))
    place = data.index(b"look for me")
    data[place] ^= 1

    with pytest.raises(BadBackup, match="SHA-256 is another"):
        restore(io.BufferedReader(io.BytesIO(data)), tmp_path / "restored")


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "results/../../x", "payloads/x", "run/x"]
)
def test_a_member_that_is_none_of_ours_is_refused(tmp_path: Path, name: str) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))

    with pytest.raises(BadBackup, match="no part of a backup"):
        restore(io.BufferedReader(io.BytesIO(made.getvalue())), tmp_path / "t")


def test_a_place_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").touch()

    with pytest.raises(BadBackup, match="not empty"):
        restore(io.BufferedReader(io.BytesIO()), tmp_path)


async def test_a_backup_that_would_fill_the_disk_is_refused(store: Store) -> None:
    store._disk._reserve_bytes = 1 << 60

    with pytest.raises(Unavailable, match="a backup needs"):
        next(store.backup("1.0"))


def test_only_one_works_in_a_state_directory(store: Store, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["fsck", "--state-dir", str(tmp_path / "state")])

    assert done.exit_code == 1
    assert "another labd" in done.output


async def test_an_older_databases_rows_stay_readable(store: Store) -> None:
    with closing(sqlite3.connect(store.directory.database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
