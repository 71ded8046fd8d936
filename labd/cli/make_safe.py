"""`labd make-safe`: what the guard does, once, where no labd runs that has one.

For the end of the service and for people: it ends what a killed labd left, then brings every
declared output to its safe value and reads it back.
"""

from __future__ import annotations

import json
from pathlib import Path

import click


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
    from labd.config import BadConfig, read_config
    from labd.guard.hand import make_safe as apply
    from labd.guard.plan import plan_of
    from labd.guard_process import LEFTOVER_PATIENCE_S, NOTE
    from labd.rack_process import PID_FILE, end_leftover
    from labd.store.files import StateDirectory, StateDirectoryInUse

    try:
        config = read_config(config_path, state_dir=state_dir)
    except BadConfig as error:
        raise click.ClickException(str(error)) from error
    directory = StateDirectory(config.server.state_dir)
    try:
        directory.open()
    except StateDirectoryInUse as error:
        what = f"labd is running (pid {error.pid}) and has its own guard; stop it instead"
        raise click.ClickException(what) from error
    except OSError as error:
        raise click.ClickException(f"the state directory cannot be used: {error}") from error
    try:
        for computer in config.quantum_computers:
            run = directory.run / computer.alias
            end_leftover(run / NOTE, LEFTOVER_PATIENCE_S)
            end_leftover(run / PID_FILE)
        plans = [plan_of(one.wiring.outputs, one.station) for one in config.quantum_computers]
        outcome = apply(tuple(instrument for plan in plans for instrument in plan))
    finally:
        directory.close()
    told = {"safe": outcome.n_outputs, "problems": outcome.problems, "took_s": outcome.took_s}
    sentences = [f"not known to be safe: {problem}" for problem in outcome.problems]
    sentences.append(f"{outcome.n_outputs} outputs are safe after {outcome.took_s:.2f} s")
    click.echo(json.dumps(told) if is_json else "\n".join(sentences))
    if outcome.problems:
        raise SystemExit(1)
