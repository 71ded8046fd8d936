"""`labd fsck` and `labd restore`: a state directory in which no labd works."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from labd.core.errors import Unavailable
from labd.store.backup import BadBackup, Restored
from labd.store.backup import restore as unpack
from labd.store.files import StateDirectoryInUse
from labd.store.store import Store

_STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="As in labd.toml.",
)


@click.command()
@_STATE_DIR
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@click.option("--quick", is_flag=True, help="Sizes only: no file is read whole.")
def fsck(state_dir: Path, repair: bool, quick: bool) -> None:
    """Check a state directory in which no labd works: database, files, hashes.

    An older labd's database is brought up to date. Exit 1 if anything is wrong and was not mended.
    """
    if not (state_dir / "labd.db").exists():
        raise click.ClickException(f"{state_dir} holds no labd.db")
    with _opened(state_dir) as store:
        n_bad = _check(store, is_quick=quick, repairs=repair)
    if n_bad:
        raise click.ClickException(f"{n_bad} findings are not mended")


@click.command()
@click.argument("archive", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_STATE_DIR
@click.option("--run-queue", is_flag=True, help="Do not hold the jobs that were queued.")
def restore(archive: Path, state_dir: Path, run_queue: bool) -> None:
    """Unpack a backup into an empty directory and check it.

    Jobs that were queued are held, for they may have run since; `labctl release` lets them go on.
    The directory's owner owns all of it afterwards.
    """
    owner = state_dir.stat() if state_dir.exists() else None
    try:
        with archive.open("rb") as file:
            restored = unpack(file, state_dir)
    except (BadBackup, OSError) as error:
        raise click.ClickException(str(error)) from error
    with _opened(state_dir) as store:
        if not run_queue:
            n_held = store.hold_queue(f"restored from a backup of {_instant(restored)}")
            click.echo(f"{n_held} queued jobs are held: `labctl release JOB` lets one go on")
        n_bad = _check(store, is_quick=False, repairs=True)
    if owner is not None:
        _give_to(state_dir, owner)
    told = f"{restored.n_files} files, as of {_instant(restored)}, by labd {restored.version}"
    click.echo(f"restored {state_dir}: {told}")
    if restored.n_gone:
        click.echo(f"{restored.n_gone} files were deleted while the backup was made")
    if n_bad:
        raise click.ClickException(f"{n_bad} findings are not mended")


@contextmanager
def _opened(state_dir: Path) -> Iterator[Store]:
    """The store; what is wrong with it becomes the command's error."""
    try:
        store = Store.open(state_dir, clock_ns=time.time_ns)
    except (StateDirectoryInUse, OSError) as error:
        raise click.ClickException(str(error)) from error
    except sqlite3.Error as error:
        what = f"{state_dir}/labd.db cannot be opened: {error}; restore a backup"
        raise click.ClickException(what) from error
    try:
        yield store
    except (Unavailable, OSError, sqlite3.Error) as error:
        raise click.ClickException(str(error)) from error
    finally:
        store.close()


def _check(store: Store, *, is_quick: bool, repairs: bool) -> int:
    """Print findings; how many are not mended."""
    check, n_bad = store.check(is_quick=is_quick), 0
    for finding in check.findings():
        if finding is None:
            continue
        is_mended = repairs and store.mend_blocking(finding)
        click.echo(f"{finding.object}: {finding.what}{' (mended)' if is_mended else ''}")
        n_bad += not is_mended
    extent = check.extent
    megabytes = extent.n_bytes / 1e6
    click.echo(f"{extent.n_jobs} jobs, {extent.n_files} files, {megabytes:.1f} MB checked")
    return n_bad


def _instant(restored: Restored) -> str:
    return f"{datetime.fromtimestamp(restored.created_at_ns // 10**9, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _give_to(folder: Path, owner: os.stat_result) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
