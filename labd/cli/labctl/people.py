"""The verbs for users and their tokens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labd.cli.labctl.options import EXPIRY, Instant, echo_json, json_option, yes_option
from labd.cli.labctl.target import Refused, Target, ask

if TYPE_CHECKING:
    from labd.client import NewToken, User

_ROLES = click.Choice(["user", "operator", "admin"])
_role_option = click.option(
    "--role", type=_ROLES, help="operators see and cancel all jobs; admins do everything."
)
_uid_option = click.option(
    "--uid", type=click.IntRange(0, 2**32 - 2), help="The local account that gets in without token."
)
_note_option = click.option("--note", help="A line about him.")


@click.command(short_help="Whom labd takes you for.")
@json_option
@click.pass_obj
def whoami(target: Target, as_json: bool) -> None:
    """Whom labd takes you for, and why."""
    from labd.cli import facts

    with target.connected(as_json=as_json) as client:
        found = client.people.who_am_i()
    if as_json:
        echo_json(facts.facts(found))
    else:
        click.echo(f"{found.user.name}, {found.user.role}, by {found.credential}, {found.origin}")


@click.group()
def users() -> None:
    """Who has access: list, add, set."""


@users.command("list")
@json_option
@click.pass_obj
def list_users(target: Target, as_json: bool) -> None:
    """All users. For operators."""
    from labd.cli import facts, tables, tables_lab

    with target.connected(as_json=as_json) as client:
        found = client.people.users()
    if as_json:
        echo_json({"users": facts.listed(found)})
    else:
        tables.show(tables_lab.users_table(found, target.zone))


@users.command()
@click.argument("name")
@_role_option
@_uid_option
@_note_option
@json_option
@click.pass_obj
def add(
    target: Target, name: str, role: str | None, uid: int | None, note: str | None, as_json: bool
) -> None:
    """Add a user. He gets in by his local account (--uid), or by `labctl token new --user`."""
    from labd.client import Role

    with target.connected(as_json=as_json) as client:
        if any(user.name == name for user in client.people.users()):
            raise Refused(f"there is a user {name} already; `labctl users set {name}` changes it")
        made = client.people.put_user(name, role=Role(role) if role else None, uid=uid, note=note)
    _print_user(made, as_json)


@users.command("set")
@click.argument("name")
@_role_option
@_uid_option
@_note_option
@click.option("--enable/--disable", default=None, help="A disabled user is let in no more.")
@json_option
@click.pass_obj
def set_user(
    target: Target,
    name: str,
    role: str | None,
    uid: int | None,
    note: str | None,
    enable: bool | None,
    as_json: bool,
) -> None:
    """Change a user: what no option names stays."""
    from labd.client import Role

    with target.connected(as_json=as_json) as client:
        if all(user.name != name for user in client.people.users()):
            raise Refused(f"there is no user {name}; `labctl users add {name}` adds one")
        changed = client.people.put_user(
            name, role=Role(role) if role else None, uid=uid, is_enabled=enable, note=note
        )
    _print_user(changed, as_json)


def _print_user(user: User, as_json: bool) -> None:
    from labd.cli import facts, sentences

    if as_json:
        echo_json(facts.facts(user))
    else:
        click.echo(sentences.user(user))


@click.group()
def token() -> None:
    """What lets a program in from anywhere: new, list, revoke."""


@token.command()
@click.option("--user", default="", help="Whose: yours unless you are an admin.")
@click.option("--note", default="", help="What it is for: a machine, a script.")
@click.option("--expires", type=EXPIRY, help="Such as 90d or 2027-06-30; never if not given.")
@click.option("--save", is_flag=True, help="Write it to the token file instead of printing it.")
@json_option
@click.pass_obj
def new(target: Target, user: str, note: str, expires: Instant, save: bool, as_json: bool) -> None:
    """Make a token and print its secret, which nobody can read again.

    Whoever has the secret is that user. IQM's clients take it as their token; labctl from
    LABD_TOKEN, --token or the token file.
    """
    with target.connected(as_json=as_json) as client:
        made = client.people.new_token(user=user, note=note, expires_at=expires)
    if save:
        _save(made, target.token_file)
    from labd.cli import facts

    if as_json:
        told = facts.facts(made.token)
        secret = {"saved_to": str(target.token_file)} if save else {"secret": made.secret}
        echo_json({"token": told, **secret})
    else:
        click.echo(f"token {made.token.id} of {made.token.user}", err=True)
        click.echo(str(target.token_file) if save else made.secret)


def _save(made: NewToken, path: Path) -> None:
    """A file that only its owner may read, whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{made.secret}\n")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Refused(
            f"token {made.token.id} was made, but could not be written: {error}; its secret is"
            f" {made.secret}"
        ) from error


@token.command("list")
@click.option("--user", default="", help="Only this user's.")
@json_option
@click.pass_obj
def list_tokens(target: Target, user: str, as_json: bool) -> None:
    """Your tokens, without their secrets; for admins everyone's."""
    from labd.cli import facts, tables, tables_lab

    with target.connected(as_json=as_json) as client:
        found = client.people.tokens(user)
    if as_json:
        echo_json({"tokens": facts.listed(found)})
    else:
        tables.show(tables_lab.tokens_table(found, target.zone))


@token.command()
@click.argument("token_id", metavar="TOKEN")
@yes_option
@json_option
@click.pass_obj
def revoke(target: Target, token_id: str, yes: bool, as_json: bool) -> None:
    """Let nobody in with a token any more, from now on; asks first. TOKEN is its id in the list."""
    from labd.cli import facts

    with target.connected(as_json=as_json) as client:
        whose = [each for each in client.people.tokens() if each.id == token_id]
        about = f" of {whose[0].user} ({whose[0].note or 'no note'})" if whose else ""
        ask(f"let nobody in with token {token_id}{about} any more?", yes)
        revoked = client.people.revoke_token(token_id)
    if as_json:
        echo_json(facts.facts(revoked))
    else:
        click.echo(f"token {revoked.id} of {revoked.user} is revoked")
