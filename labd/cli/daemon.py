"""The command `labd`: serve, check-config, make-safe, fsck, restore, hil, playground.

Exit 0 done, 1 refused, 2 usage.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labd import __version__

if TYPE_CHECKING:
    from labd.config import Config

SWITCH_INTERVAL_S = 0.0001
"""Threads that hold the interpreter while they check a payload let the event loop in this often."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_HEAP_BYTES = 16 << 20
LARGEST_ON_HEAP_BYTES = 32 << 20

_LAZY = {
    "fsck": "labd.cli.state",
    "hil": "labd.cli.hil",
    "make-safe": "labd.cli.make_safe",
    "playground": "labd.cli.playground",
    "restore": "labd.cli.state",
}


class _Commands(click.Group):
    """Commands of other modules are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_LAZY})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _LAZY:
            command = getattr(importlib.import_module(_LAZY[cmd_name]), cmd_name.replace("-", "_"))
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands)
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """The lab-controller daemon: IQM's job API in front, QCoDeS instruments behind."""


_CONFIG = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="labd.toml",
)


@main.command()
@_CONFIG
@click.option("--state-dir", type=click.Path(path_type=Path), help="replaces server.state_dir")
@click.option("--listen", help="host:port, replaces server.listen; port 0 is any free one")
@click.option("--verbose", is_flag=True, help="log every job's steps")
def serve(config_path: Path, state_dir: Path | None, listen: str | None, verbose: bool) -> None:
    """Serve jobs until SIGTERM or Ctrl-C; a second signal hurries. SIGHUP reads labd.toml again."""
    import asyncio
    import sqlite3

    from labd.config import BadConfig, read_config
    from labd.core.errors import Unavailable
    from labd.journal import start_logging
    from labd.listeners import AddressInUse
    from labd.store.files import StateDirectoryInUse

    faulthandler.enable()
    start_logging("info" if verbose else "auto")
    prepare_process()
    try:

        def read() -> Config:
            return read_config(config_path, state_dir=state_dir, listen=listen)

        asyncio.run(_serve(read, is_verbose=verbose))
    except BadConfig as error:
        raise click.ClickException(str(error)) from error
    except (StateDirectoryInUse, AddressInUse) as error:
        raise click.ClickException(str(error)) from error
    except (OSError, sqlite3.Error, Unavailable) as error:
        raise click.ClickException(f"labd cannot start: {error}") from error


async def _serve(read: Callable[[], Config], *, is_verbose: bool) -> None:
    from labd.daemon import Daemon

    config = read()

    def on_ready(address: str) -> None:
        scheme = "http" if config.tls is None else "https"
        urls = [f"{scheme}://{address}/{each.alias}" for each in config.quantum_computers]
        if config.server.unix_socket is not None:
            urls.append(f"unix:{config.server.unix_socket}")
        with contextlib.suppress(OSError):  # a log on a full disk: labd serves all the same
            click.echo(f"labd ready on {' '.join(urls)}")
            sys.stdout.flush()

    await Daemon(config, read, is_verbose=is_verbose).run(on_ready)


@main.command("check-config")
@_CONFIG
@click.option("--json", "is_json", is_flag=True, help="print a JSON object")
def check_config(config_path: Path, is_json: bool) -> None:
    """Print OK, or every mistake in labd.toml and the files it names."""
    from labd.config import BadConfig, read_config

    problems: list[dict[str, str]] = []
    try:
        read_config(config_path)
    except BadConfig as error:
        problems = [
            {"file": file.path, "where": problem.where, "what": problem.what}
            for file in error.files
            for problem in file.problems
        ]
        text = str(error)
    else:
        text = "OK"
    click.echo(json.dumps({"ok": not problems, "problems": problems}) if is_json else text)
    if problems:
        raise SystemExit(1)


@main.command()
@_CONFIG
@click.option("--state-dir", type=click.Path(path_type=Path), help="replaces server.state_dir")
def migrate(config_path: Path, state_dir: Path | None) -> None:
    """Back up the database of a stopped labd and bring it to this version's schema.

    `serve` does the latter by itself. The backup lies in backups/ of the state directory.
    """
    import sqlite3

    from labd.config import BadConfig, read_config
    from labd.store.files import StateDirectoryInUse
    from labd.store.migration import migrate_state

    try:
        config = read_config(config_path, state_dir=state_dir)
        done = migrate_state(config.server.state_dir, time.time_ns())
    except (BadConfig, StateDirectoryInUse) as error:
        raise click.ClickException(str(error)) from error
    except (OSError, sqlite3.Error) as error:
        raise click.ClickException(f"the database was not migrated: {error}") from error
    click.echo(str(done))


def prepare_process() -> None:
    """Settings of the whole process that make it serve fast."""
    import ctypes

    sys.setswitchinterval(SWITCH_INTERVAL_S)
    # glibc gives freed chunks of results back at once, to be faulted in again for the next ones.
    with contextlib.suppress(AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_HEAP_BYTES)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_ON_HEAP_BYTES)


if __name__ == "__main__":
    main()
