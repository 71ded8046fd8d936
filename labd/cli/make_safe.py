"""`labd make-safe`: what the guard does, once, where no labd runs that has one.

For the end of the service and for people. It ends what a killed labd left; then it brings every
output that the last labd had declared to its safe value, which needs nothing but the plan that one
wrote down; then what the configuration says, if that is another thing by now.
"""

from __future__ import annotations

import errno
import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labd.guard.lightness import without_numpy

if TYPE_CHECKING:
    from labd.guard.hand import Outcome
    from labd.guard.plan import Plan


DEFAULT_STATE_DIR = "/var/lib/labd"
_BAD_DISK = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS})


@click.command("make-safe")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="labd.toml",
)
@click.option("--state-dir", type=click.Path(path_type=Path), help="replaces server.state_dir")
@click.option("--json", "is_json", is_flag=True, help="print a JSON object")
def make_safe(config_path: Path, state_dir: Path | None, is_json: bool) -> None:
    """Bring every declared output to its safe value and read it back; labd must not be running.

    Exit status 0 if all are safe, 1 if one is not known to be.
    """
    from labd.store.files import StateDirectory, StateDirectoryInUse

    place = state_dir or _state_dir_of(config_path)
    if place is None:
        plans = _configured(config_path)
        _tell([_applied(plans)], is_json)
        return
    directory = StateDirectory(place)
    try:
        directory.open()
    except StateDirectoryInUse as error:
        what = f"labd is running (pid {error.pid}) and has its own guard; stop it instead"
        raise click.ClickException(what) from error
    except OSError as error:
        if error.errno not in _BAD_DISK:
            raise click.ClickException(f"the state directory cannot be used: {error}") from error
        what = "only what the configuration declares is made safe"
        click.echo(f"the state directory cannot be used ({error}): {what}", err=True)
        _tell([_applied(_configured(config_path))], is_json)
        return
    try:
        noted = _noted(directory.run)
        outcomes = [_applied(noted)] if noted else []
        try:
            changed = [plan for plan in _configured(config_path) if plan not in noted]
        except click.ClickException as error:
            if not noted:
                raise
            click.echo(f"only what was declared at labd's last start: {error.message}", err=True)
            changed = []
        if changed or not noted:
            outcomes.append(_applied(changed))
    finally:
        directory.close()
    _tell(outcomes, is_json)


def _state_dir_of(config_path: Path) -> Path | None:
    """As the file says it, whatever else is wrong with the file."""
    try:
        tables = tomllib.loads(config_path.read_text(encoding="utf-8"))
        path = str(tables.get("server", {}).get("state_dir", DEFAULT_STATE_DIR))
        return config_path.parent.absolute() / path
    except (OSError, ValueError, AttributeError):
        return None


def _noted(run: Path) -> list[Plan]:
    """The plans of the last labd; its leftovers are ended."""
    from labd.guard.plan import unpack_plan
    from labd.left_behind import PLAN_FILE, end_leftovers

    try:
        directories = [path for path in run.iterdir() if path.is_dir()]
    except OSError as error:
        click.echo(f"what was declared at labd's last start cannot be read: {error}", err=True)
        return []
    end_leftovers(directories)
    plans = []
    for directory in directories:
        try:
            plans.append(unpack_plan((directory / PLAN_FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return plans


def _configured(config_path: Path) -> list[Plan]:
    from labd.config import BadConfig, read_config
    from labd.guard.plan import plan_of

    try:
        config = read_config(config_path)
    except BadConfig as error:
        raise click.ClickException(str(error)) from error
    return [plan_of(one.wiring.outputs, one.station) for one in config.quantum_computers]


def _applied(plans: Iterable[Plan]) -> Outcome:
    with without_numpy():
        from labd.guard.hand import make_safe as apply

    return apply(tuple(instrument for plan in plans for instrument in plan))


def _tell(outcomes: list[Outcome], is_json: bool) -> None:
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    n_outputs = sum(outcome.n_outputs for outcome in outcomes)
    took_s = sum(outcome.took_s for outcome in outcomes)
    sentences = [f"not known to be safe: {problem}" for problem in problems]
    sentences.append(f"{n_outputs} outputs are safe after {took_s:.2f} s")
    told = {"safe": n_outputs, "problems": problems, "took_s": took_s}
    click.echo(json.dumps(told) if is_json else "\n".join(sentences))
    if problems:
        raise SystemExit(1)
