"""The verbs for leases: take the quantum computer for a while, give it back."""

from __future__ import annotations

import getpass
import socket
from typing import TYPE_CHECKING

import click

from labd.cli.labctl.options import complete_alias, echo_json, json_option
from labd.cli.labctl.target import Refused, Target

if TYPE_CHECKING:
    from labd.client import Lease

_alias_argument = click.argument("alias", required=False, default="", shell_complete=complete_alias)


def default_name() -> str:
    """What a lease is called if nobody says: who takes it where."""
    return f"{getpass.getuser()}@{socket.gethostname()}"[:64]


class _Length(click.ParamType[float]):
    """A length of time such as 20m, in seconds."""

    name = "length"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds that the text means."""
        from labd.cli.times import BadTime, parse_duration

        try:
            return parse_duration(str(value)).total_seconds()
        except BadTime as error:
            self.fail(str(error), param, ctx)


@click.command(short_help="Take the quantum computer: only your jobs start.")
@_alias_argument
@click.option("--for", "ttl_s", type=_Length(), default="20m", show_default=True, help="How long.")
@click.option("--note", default="", help="What for; everyone who waits is shown it.")
@click.option("--name", default="", help="Tells your leases apart; you@this-computer if not given.")
@json_option
@click.pass_obj
def take(target: Target, alias: str, ttl_s: float, note: str, name: str, as_json: bool) -> None:
    """Take the quantum computer for a while: only your jobs start, until you give it back.

    The job that runs now goes on to its end. Taken again under the same name before it is over, the
    lease is renewed; left alone, it ends by itself. Refused while somebody else holds a lease.
    """
    with target.connected(as_json=as_json, alias=alias) as client:
        lease = client.leases.take(name or default_name(), ttl_s, note=note)
    _print(lease, target, as_json, "is yours")


@click.command(short_help="Give the quantum computer back before the lease is over.")
@_alias_argument
@json_option
@click.pass_obj
def give(target: Target, alias: str, as_json: bool) -> None:
    """Give the quantum computer back. Operators give back anybody's lease."""
    with target.connected(as_json=as_json, alias=alias) as client:
        machine = client.machine.status()
        if machine.lease is None:
            raise Refused(f"nobody holds a lease on {machine.alias}")
        lease = client.leases.give(machine.lease.id)
    _print(lease, target, as_json, "is free; it was taken")


def _print(lease: Lease, target: Target, as_json: bool, what: str) -> None:
    if as_json:
        from labd.cli.facts import facts

        echo_json(facts(lease))
        return
    from datetime import UTC, datetime

    from labd.cli.times import shown_instant

    until = shown_instant(lease.until, zone=target.zone, now=datetime.now(UTC))
    note = f": {lease.note}" if lease.note else ""
    click.echo(f"{lease.alias} {what} until {until}{note}")
