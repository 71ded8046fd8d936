"""The verbs for the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from labd.cli.labctl.options import echo_json, json_option
from labd.cli.labctl.target import Refused, Target

if TYPE_CHECKING:
    from labd.client import AuditLine


@click.group()
def audit() -> None:
    """Who did what to what, when, from where: list, verify. For admins."""


@audit.command("list")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--user", default="", help="What this user did.")
@click.option("--action", default="", help='One, or the beginning of several, such as "job.".')
@click.option("--object", "object_", default="", help="What was done to this.")
@json_option
@click.pass_obj
def list_lines(
    target: Target, limit: int, user: str, action: str, object_: str, as_json: bool
) -> None:
    """The newest lines, the last one at the end. Conditions hold together."""
    from labd.cli import facts, tables, tables_lab

    with target.connected(as_json=as_json) as client:
        lines = list(client.audit.read(last=limit, user=user, action=action, object_=object_))
    if as_json:
        echo_json({"lines": [facts.audit_facts(line) for line in lines]})
    else:
        tables.show(tables_lab.audit_table(lines, target.zone))


@audit.command()
@click.option("--head", "noted", help="A head that an earlier verify printed.")
@json_option
@click.pass_obj
def verify(target: Target, noted: str | None, as_json: bool) -> None:
    """Read the whole log, check that no line was changed, and print its head.

    Every line seals all before it. Whoever can write to labd's disk could still write a whole new
    log: note the head somewhere else, and give it with --head the next time. Exit 1 if anything is
    not as it was written.
    """
    from labd.core.audit import EMPTY, Head
    from labd.core.audit import verify as check

    last, met = EMPTY, noted is None

    def passing(lines: Iterator[AuditLine]) -> Iterator[AuditLine]:
        nonlocal last, met
        for line in lines:
            last = Head(line.number, line.hash)
            met = met or str(last) == noted
            yield line

    with target.connected(as_json=as_json) as client:
        bad = check(passing(client.audit.read()))
    what = bad.what if bad else "" if met else f"the log does not hold the head {noted}"
    if as_json:
        echo_json({"ok": not what, "head": str(last), "lines": last.number, "what": what or None})
        if what:
            raise Refused("")
    elif what:
        raise Refused(f"the audit log is not as it was written: {what}")
    else:
        click.echo(str(last))
