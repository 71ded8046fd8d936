"""The verbs for timeslots."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from labd.cli.labctl.options import (
    INSTANT,
    PAST,
    Instant,
    demand_end,
    echo_json,
    instant,
    json_option,
    the_one_that_ends,
)
from labd.cli.labctl.target import Target

if TYPE_CHECKING:
    from uuid import UUID

    from labd.client import Client, Timeslot

_slot_argument = click.argument("slot_id", metavar="SLOT")


@click.group()
def slots() -> None:
    """Timeslots: list, book, change, cancel.

    In a timeslot only its owner's jobs start. SLOT is a slot's id or the end of it.
    """


@slots.command("list")
@click.option("--since", type=PAST, help="Slots that end after; now if not given.")
@click.option("--until", type=INSTANT, help="Slots that begin before.")
@json_option
@click.pass_obj
def list_slots(target: Target, since: Instant, until: Instant, as_json: bool) -> None:
    """What is booked, in order of time: the slot that runs and those that come."""
    from labd.cli import facts, tables, tables_lab

    with target.connected(as_json=as_json) as client:
        found = client.timeslots.booked(ends_after=since, begins_before=until)
    if as_json:
        echo_json({"timeslots": facts.listed(found)})
    else:
        tables.show(tables_lab.slots_table(found, target.zone))


@slots.command()
@click.argument("start", type=INSTANT)
@click.argument("end")
@click.option("--user", default="", help="For whom; you if not given.")
@click.option("--note", default="", help="What for.")
@json_option
@click.pass_obj
def book(
    target: Target,
    start: datetime,
    end: str,
    user: str,
    note: str,
    as_json: bool,
) -> None:
    """Book from START to END. For admins.

    \b
    START  "tomorrow 09:00", "friday 14:00", "2026-03-29 14:30", "14:30", now
    END    the same, or a length: +2h, +90m, +1d
    """
    until = instant(end, target, after=start)
    with target.connected(as_json=as_json) as client:
        _print(client.timeslots.book(start, until, user=user, note=note), target, as_json)


@slots.command()
@_slot_argument
@click.option("--start", type=INSTANT)
@click.option("--end", type=INSTANT)
@click.option("--note")
@json_option
@click.pass_obj
def change(
    target: Target, slot_id: str, start: Instant, end: Instant, note: str | None, as_json: bool
) -> None:
    """Change a slot: what no option names stays. A slot that runs keeps its start. For admins."""
    if start is None and end is None and note is None:
        raise click.UsageError("say what changes: --start, --end or --note")
    with target.connected(as_json=as_json) as client:
        identity = _resolved(client, slot_id)
        _print(client.timeslots.change(identity, start=start, end=end, note=note), target, as_json)


@slots.command()
@_slot_argument
@json_option
@click.pass_obj
def cancel(target: Target, slot_id: str, as_json: bool) -> None:
    """Give a slot back; one that runs ends now. For its owner and for admins."""
    with target.connected(as_json=as_json) as client:
        slot = client.timeslots.cancel(_resolved(client, slot_id))
    if as_json:
        from labd.cli.facts import facts

        echo_json(facts(slot))
    else:
        click.echo(f"timeslot {slot.id} of {slot.user} is cancelled")


def _resolved(client: Client, text: str) -> UUID:
    from uuid import UUID

    try:
        return UUID(text)
    except ValueError:
        pass
    demand_end(text, "timeslot", "its id or the end of it")
    recent = datetime.now(UTC) - timedelta(days=7)
    ids = [slot.id for slot in client.timeslots.booked(ends_after=recent)]
    return the_one_that_ends(text, ids, "timeslot of the last week or later")


def _print(slot: Timeslot, target: Target, as_json: bool) -> None:
    from labd.cli import facts, tables, tables_lab

    if as_json:
        echo_json(facts.facts(slot))
    else:
        tables.show(tables_lab.slots_table([slot], target.zone))
