"""The verbs for the quantum computer as a whole, and who is connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from labd.cli.labctl.options import echo_json, json_option, yes_option
from labd.cli.labctl.target import Target, ask

if TYPE_CHECKING:
    from labd.client import Machine

_note_argument = click.argument("note")


@click.command(short_help="How the quantum computer stands.")
@click.option("--all", "of_all", is_flag=True, help="All the server's quantum computers.")
@json_option
@click.pass_obj
def status(target: Target, of_all: bool, as_json: bool) -> None:
    """How the quantum computer stands: mode, rack, queue, running job, timeslots, calibration.

    Below, how each instrument is: OK, SLOW, FAULTED, QUARANTINED or OFFLINE, and why.
    """
    from labd.cli import facts, tables, tables_lab

    with target.connected(as_json=as_json) as client:
        aliases = [each.alias for each in client.quantum_computers()] if of_all else [client.alias]
        machines = [client.machine.status(alias) for alias in aliases]
    if as_json:
        echo_json({"quantum_computers": facts.listed(machines)})
    else:
        for machine in machines:
            tables.show(tables_lab.machine_table(machine, target.zone))
            if machine.instruments:
                tables.show(tables_lab.instruments_table(machine, target.zone))


@click.command(short_help="Start no jobs until `labctl resume`.")
@_note_argument
@json_option
@click.pass_obj
def pause(target: Target, note: str, as_json: bool) -> None:
    """Start no jobs until `labctl resume`. Jobs are still accepted; the running one goes on.

    NOTE says why: everyone who waits is shown it.
    """
    with target.connected(as_json=as_json) as client:
        _print(client.machine.pause(note), as_json)


@click.command(short_help="Accept no jobs until `labctl resume`; work off the queue.")
@_note_argument
@yes_option
@json_option
@click.pass_obj
def drain(target: Target, note: str, yes: bool, as_json: bool) -> None:
    """Accept no jobs until `labctl resume`; those in the queue run to the last one. Asks first.

    NOTE says why: everyone who is refused is shown it.
    """
    with target.connected(as_json=as_json) as client:
        now = client.machine.status()
        ask(f"refuse all jobs for {now.alias} until `labctl resume`?", yes)
        _print(client.machine.drain(note), as_json)


@click.command(short_help="Accept and start jobs again.")
@json_option
@click.pass_obj
def resume(target: Target, as_json: bool) -> None:
    """Accept and start jobs again, after a pause or a drain."""
    with target.connected(as_json=as_json) as client:
        _print(client.machine.resume(), as_json)


@click.command(short_help="Who is connected.")
@json_option
@click.pass_obj
def who(target: Target, as_json: bool) -> None:
    """Who is connected, from where, since when. For operators."""
    from labd.cli import facts, tables, tables_lab

    with target.connected(as_json=as_json) as client:
        connections = client.machine.connections()
    if as_json:
        echo_json({"connections": facts.listed(connections)})
    else:
        tables.show(tables_lab.connections_table(connections, target.zone))


def _print(machine: Machine, as_json: bool) -> None:
    from labd.cli import facts, sentences

    if as_json:
        echo_json(facts.facts(machine))
    else:
        click.echo(sentences.mode(machine))
