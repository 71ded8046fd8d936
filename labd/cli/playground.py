"""`labd playground`: a whole laboratory for trying things out, gone without a trace when it ends.

The simulated rack and the daemon run as two child processes on free ports, with copies of the
shipped configuration and a throw-away state directory. Children start first to last and end last to
first; they do not outlive this process even if it is killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from labd.children import Child, ChildFailed, start_daemon, start_rack, url_of
from labd.shipped import shipped_config

_PREFIX = "labd-playground-"
_ABANDONED_S = 60.0
_END_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Stopped(Exception):
    """SIGTERM or Ctrl-C arrived."""


@click.command()
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--seed", default=1, show_default=True, help="Of the chip's noise.")
@click.option(
    "--transport",
    type=click.Choice(["hislip", "vxi11", "socket"]),
    default="hislip",
    show_default=True,
    help="How labd talks to the simulated instruments.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object once ready.")
def playground(port: int, seed: int, transport: str, as_json: bool) -> None:
    """Run labd with a simulated five-qubit rack until Ctrl-C.

    Prints the URL for clients once everything is ready. When it ends, both processes are gone and
    so are all jobs and files.
    """
    os.umask(0o077)
    for number in _END_SIGNALS:
        signal.signal(number, _on_end_signal)
    try:
        with _workspace() as directory, ExitStack() as children:
            shutil.copytree(shipped_config(), directory / "config", copy_function=shutil.copyfile)
            source = directory / "config/star5"
            rack = start_rack(children, source, directory, seed=seed, transport=transport)
            daemon = start_daemon(children, directory, _write_config(directory, port))
            url = url_of(daemon)
            facts = {"url": url, "directory": str(directory), "control": rack.control}
            pids = {"labd_pid": daemon.pid, "simrack_pid": rack.child.pid}
            click.echo(json.dumps(facts | pids) if as_json else url)
            if not as_json:
                click.echo(f"jobs and logs in {directory}; Ctrl-C ends it all", err=True)
            _watch(daemon, rack.child)
    except _Stopped:
        return
    except ChildFailed as error:
        click.echo(f"labd playground: {error}", err=True)
        sys.exit(1)


def _on_end_signal(_number: int, _frame: FrameType | None) -> NoReturn:
    """End in order; from now on nothing interrupts that."""
    for number in _END_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise _Stopped


def _write_config(directory: Path, port: int) -> Path:
    """The shipped labd.toml with our port, state directory and station file."""
    shipped = tomllib.loads((directory / "config/labd.toml").read_text(encoding="utf-8"))
    server = {"listen": f"127.0.0.1:{port}", "state_dir": str(directory / "state")}
    lines = ["[server]", *(f"{key} = {json.dumps(value)}" for key, value in server.items())]
    for alias, computer in shipped["quantum_computers"].items():
        keys = computer | {"station": str(directory / "station.yaml")}
        lines += ["", f"[quantum_computers.{alias}]"]
        scalars = {key: value for key, value in keys.items() if not isinstance(value, dict)}
        lines += [f"{key} = {json.dumps(value)}" for key, value in scalars.items()]
    path = directory / "config/playground.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _watch(*children: Child) -> NoReturn:
    """Until a signal, or until a child ends, which raises ChildFailed."""
    while True:
        for child in children:
            child.check()
        time.sleep(0.1)


@contextmanager
def _workspace() -> Iterator[Path]:
    """A private directory, removed at the end; those of playgrounds that were killed go first."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_if_abandoned(left)
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with (directory / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _remove_if_abandoned(directory: Path) -> None:
    """Its lock is free once the playground that made it is dead."""
    with suppress(OSError), (directory / "lock").open("rb") as lock:
        facts = directory.stat()
        if facts.st_uid != os.getuid() or facts.st_mtime > time.time() - _ABANDONED_S:
            return
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
