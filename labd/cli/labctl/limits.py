"""The verbs for what a user may use at most."""

from __future__ import annotations

import re

import click

from labd.cli.labctl.options import echo_json, json_option
from labd.cli.labctl.target import Target
from labd.core.limits import LimitName

_UNITS: dict[str, dict[str, float]] = {
    "bytes": {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    | {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40},
    "seconds": {"": 1, "s": 1, "min": 60, "h": 3600},
    "": {"": 1, "k": 1e3, "M": 1e6, "G": 1e9},
}


def amount(name: LimitName, text: str) -> float:
    """A value of a limit as people type it: 500, 2GiB, 10h. Raises ValueError with the forms."""
    kind = "bytes" if name.endswith("_bytes") else "seconds" if name.startswith("run_s") else ""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", text)
    unit = found[2].removesuffix("B") if found and kind == "bytes" else found[2] if found else ""
    if found is None or unit not in _UNITS[kind]:
        forms = {"bytes": "500000, 20MB or 2GiB", "seconds": "3600, 90min or 10h", "": "500 or 2M"}
        raise ValueError(f"{text!r} is no value for {name}: give one like {forms[kind]}")
    return float(found[1]) * _UNITS[kind][unit]


@click.group()
def limits() -> None:
    """What a user may use at most: show, set."""


@limits.command()
@click.argument("user", default="")
@json_option
@click.pass_obj
def show(target: Target, user: str, as_json: bool) -> None:
    """What you (or USER) may use, and use."""
    from labd.cli import facts, tables, tables_lab

    with target.connected(as_json=as_json) as client:
        found = client.people.limits(user)
    if as_json:
        echo_json(facts.facts(found))
    else:
        tables.show(tables_lab.limits_table(found))


@limits.command("set")
@click.argument("name", metavar="LIMIT", type=click.Choice([name.value for name in LimitName]))
@click.argument("value")
@click.option("--user", default="", help="For one user, by name.")
@click.option("--role", type=click.Choice(["user", "operator", "admin"]), help="For a role.")
@json_option
@click.pass_obj
def set_limit(
    target: Target, name: str, value: str, user: str, role: str | None, as_json: bool
) -> None:
    """Set a limit of a user or a role. For admins.

    LIMIT: queued_jobs, queued_payload_bytes, queued_shots, run_s_per_day or result_bytes.

    VALUE: a number, for bytes also 20MB or 2GiB, for run_s_per_day 90min or 10h; "unlimited"; or
    "default": what was set here is taken back, a user has his role's value again, a role that of
    labd's configuration.
    """
    from labd.cli import facts, tables, tables_lab
    from labd.client import Limits, Role

    if bool(user) == bool(role):
        raise click.UsageError("name either a --user or a --role")
    limit = None
    if value not in ("unlimited", "default"):
        try:
            limit = amount(LimitName(name), value)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    whose = Role(role) if role else user
    with target.connected(as_json=as_json) as client:
        if value == "default":
            found = client.people.take_back_limit(whose, name)
        else:
            found = client.people.set_limit(whose, name, limit)
    if as_json:
        echo_json(facts.facts(found))
    else:
        tables.show(tables_lab.limits_table(Limits(user, (found,))))
