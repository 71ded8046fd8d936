"""The verbs for calibration sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from labd.cli.labctl.options import (
    demand_end,
    echo_json,
    json_option,
    the_one_that_ends,
    yes_option,
)
from labd.cli.labctl.target import Target, ask

if TYPE_CHECKING:
    from uuid import UUID

    from labd.client import CalibrationHead, Client

_N_SEARCHED = 200
_set_argument = click.argument("set_id", metavar="SET")
_note_option = click.option("--note", default="", help="Why; it stays with the set.")


@click.group()
def calibrations() -> None:
    """Calibration sets: list, import, export, diff, activate, rollback.

    The active set is what clients get as the latest. SET is a set's id, the end of it, or
    "active".
    """


@calibrations.command("list")
@click.option("-n", "--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--page", default="", help="Go on where an earlier list ended.")
@json_option
@click.pass_obj
def list_sets(target: Target, limit: int, page: str, as_json: bool) -> None:
    """Calibration sets, the newest first."""
    from labd.cli import facts, tables, tables_lab

    with target.connected(as_json=as_json) as client:
        found = client.calibration_sets.page(limit, page)
    if as_json:
        sets = facts.listed(found.sets)
        echo_json({"calibration_sets": sets, "next_page": found.next_page_token or None})
        return
    activation = tables_lab.activation(found.sets, target.zone)
    tables.show(tables_lab.calibrations_table(found.sets, target.zone), *activation)
    if found.next_page_token:
        click.echo(f"more: --page {found.next_page_token}", err=True)


@calibrations.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--parent", help="The set that it was made from.")
@_note_option
@json_option
@click.pass_obj
def import_set(
    target: Target, file: BinaryIO, parent: str | None, note: str, as_json: bool
) -> None:
    """Store the set in FILE (JSON as `export` writes it; "-" is standard input). For admins.

    It is checked, and not activated.
    """
    with target.connected(as_json=as_json) as client:
        parent_id = None if parent is None else resolved_set(client, parent)
        made = client.calibration_sets.store(file.read(), parent_id=parent_id, note=note)
        _print(made, target, as_json)


@calibrations.command()
@click.argument("set_id", metavar="SET", default="active")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write there."
)
@click.pass_obj
def export(target: Target, set_id: str, output: Path | None) -> None:
    """The JSON of a set, of the active one if none is named, to standard output or --output."""
    with target.connected() as client:
        document = client.calibration_bytes(resolved_set(client, set_id))
    if output is None:
        click.echo(document.decode())
    else:
        output.write_bytes(document)


@calibrations.command()
@click.argument("old_id", metavar="OLD")
@click.argument("new_id", metavar="NEW", default="active")
@json_option
@click.pass_obj
def diff(target: Target, old_id: str, new_id: str, as_json: bool) -> None:
    """What differs between two sets; NEW is the active one if it is not named."""
    from labd.cli import facts, tables, tables_lab

    with target.connected(as_json=as_json) as client:
        old, new = resolved_set(client, old_id), resolved_set(client, new_id)
        changes = client.calibration_sets.diff(old, new)
    if as_json:
        told: list[facts.Json] = [facts.change_facts(change) for change in changes]
        echo_json({"old_id": str(old), "new_id": str(new), "changes": told})
    else:
        tables.show(tables_lab.changes_table(changes))


@calibrations.command()
@_set_argument
@_note_option
@click.option("--force", is_flag=True, help="Also if it lacks what the station's gates need.")
@json_option
@click.pass_obj
def activate(target: Target, set_id: str, note: str, force: bool, as_json: bool) -> None:
    """Make a set the one that clients get as the latest. For admins."""
    with target.connected(as_json=as_json) as client:
        resolved = resolved_set(client, set_id)
        _print(client.calibration_sets.activate(resolved, note=note, force=force), target, as_json)


@calibrations.command()
@_note_option
@yes_option
@json_option
@click.pass_obj
def rollback(target: Target, note: str, yes: bool, as_json: bool) -> None:
    """Activate the set that was active before the present one; asks first. For admins."""
    with target.connected(as_json=as_json) as client:
        active = client.active_calibration_id()
        ask(f"leave set {active} for the one that was active before it?", yes)
        _print(client.calibration_sets.roll_back(note=note), target, as_json)


def resolved_set(client: Client, text: str) -> UUID:
    """The set that the user means: an id, the end of one, or "active"."""
    from uuid import UUID

    try:
        return UUID(text)
    except ValueError:
        pass
    if text == "active":
        return client.active_calibration_id()
    demand_end(text, "calibration set", "its id, the end of it, or 'active'")
    ids = [each.id for each in client.calibration_sets.page(_N_SEARCHED).sets]
    return the_one_that_ends(text, ids, f"calibration set of the newest {_N_SEARCHED}")


def _print(head: CalibrationHead, target: Target, as_json: bool) -> None:
    from labd.cli import facts, tables, tables_lab

    if as_json:
        echo_json(facts.facts(head))
    else:
        tables.show(tables_lab.calibrations_table((head,), target.zone))
