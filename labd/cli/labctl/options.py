"""Options and arguments that several verbs have, and what the shell completes them to."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import click
from click.shell_completion import CompletionItem

from labd.cli.labctl.target import Refused, Target, default_token_file

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from labd.cli.facts import Json
    from labd.client import Client


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_N_SEARCHED = 200
_N_COMPLETED = 20
_COMPLETION_TIMEOUT_S = 1.0

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def echo_json(value: Json) -> None:
    """The answer for another program."""
    click.echo(json.dumps(value))


def resolved(client: Client, text: str) -> UUID:
    """The job that the user means."""
    from uuid import UUID

    from labd.client import JobFilter

    try:
        return UUID(text)
    except ValueError:
        pass
    if text == "last":
        mine = JobFilter(alias=client.alias, user=client.people.who_am_i().user.name)
        newest = client.job_page(mine, limit=1).jobs
        return newest[0].id if newest else no_such("job", text, "you have handed in none yet")
    demand_end(text, "job", "its id, the end of one, or 'last'")
    ids = [job.id for job in client.jobs(_N_SEARCHED)]
    return the_one_that_ends(text, ids, f"job of the newest {_N_SEARCHED}")


def demand_end(text: str, kind: str, forms: str) -> None:
    """Raises UsageError unless the text can be the end of an id."""
    if len(text) < 4 or set(text.lower()) - set("0123456789abcdef-"):
        raise click.UsageError(f"{text!r} is not a {kind}: give {forms}")


def the_one_that_ends(text: str, ids: Sequence[UUID], what: str) -> UUID:
    """The id with that end. Raises Refused if there is none, or several."""
    ending = [each for each in ids if str(each).endswith(text.lower())]
    if len(ending) == 1:
        return ending[0]
    if ending:
        return no_such(what.split()[0], text, f"{len(ending)} ids end like that; give more of it")
    return no_such(what.split()[0], text, f"no {what} ends like that; give the whole id")


def no_such(kind: str, text: str, why: str) -> NoReturn:
    """Raises Refused."""
    raise Refused(f"{kind} {text} not found: {why}")


# ---- times


Instant: TypeAlias = "datetime | None"


class _Time(click.ParamType["datetime"]):
    """An instant in the user's zone.

    sign: what a bare length such as 2h means, -1 so long ago, 1 so long from now; then a bare date
    is the beginning of that day. 0: neither says enough.
    """

    name = "time"

    def __init__(self, sign: int) -> None:
        self._sign = sign

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The instant that the text means."""
        del param
        from datetime import UTC, datetime

        from labd.cli.times import BadTime, parse_duration

        target = ctx.find_object(Target) if ctx else None
        assert target is not None  # the group was called before its verbs
        if self._sign:
            with suppress(BadTime):
                return datetime.now(UTC) + self._sign * parse_duration(value)
            if _DATE.fullmatch(value):
                value = f"{value} 00:00"
        return instant(value, target)


def instant(text: str, target: Target, after: datetime | None = None) -> datetime:
    """The instant that the user means; after: what ends at the instant begins then."""
    from datetime import UTC, datetime

    from labd.cli.times import BadTime, parse_instant

    try:
        return parse_instant(text, zone=target.zone, now=datetime.now(UTC), after=after)
    except BadTime as error:
        raise click.UsageError(str(error)) from error


INSTANT, PAST, EXPIRY = _Time(0), _Time(-1), _Time(1)


# ---- completion: quick, and silent where the server is


def complete_queued(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Jobs that wait."""
    return _complete_jobs(context, incomplete, ("IN_QUEUE",))


def complete_unfinished(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Jobs that wait or run."""
    return _complete_jobs(context, incomplete, ("IN_QUEUE", "EXECUTING"))


def complete_finished(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Jobs that have ended."""
    states = ("COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED")
    return _complete_jobs(context, incomplete, states)


def complete_job(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Any jobs."""
    return _complete_jobs(context, incomplete, ())


def complete_alias(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The quantum computers that the server offers."""
    try:
        with _target(context).connected(timeout_s=_COMPLETION_TIMEOUT_S) as client:
            offered = client.quantum_computers()
    except (Refused, click.UsageError):
        return []
    return [
        CompletionItem(each.alias, help=each.display_name)
        for each in offered
        if each.alias.startswith(incomplete)
    ]


def _complete_jobs(
    context: click.Context, incomplete: str, states: tuple[str, ...]
) -> list[CompletionItem]:
    from labd.client import JobFilter, JobState

    try:
        with _target(context).connected(timeout_s=_COMPLETION_TIMEOUT_S) as client:
            chosen = JobFilter(alias=client.alias, states=tuple(map(JobState, states)))
            jobs = client.job_page(chosen, limit=_N_COMPLETED).jobs
    except (Refused, click.UsageError):
        return []
    items = [CompletionItem("last", help="your newest job")] if not states else []
    items += [
        CompletionItem(str(job.id), help=f"{job.status.value}, {job.user} {' '.join(job.tags)}")
        for job in jobs
    ]
    return [item for item in items if item.value.startswith(incomplete)]


def _target(context: click.Context) -> Target:
    """The target of a line that is being typed, whose group was not called."""
    given = context.find_root().params

    def path(name: str) -> Path | None:
        value = given.get(name)
        return value if isinstance(value, Path) else None

    return Target(
        str(given.get("url") or ""),
        alias=str(given.get("alias") or ""),
        token=given.get("token"),
        token_file=path("token_file") or default_token_file(),
        ca=path("ca"),
        certificate=path("certificate"),
        key=path("key"),
        zone_name=None,
    )


job_argument = click.argument("job_id", metavar="JOB", shell_complete=complete_job)
queued_argument = click.argument("job_id", metavar="JOB", shell_complete=complete_queued)
unfinished_argument = click.argument("job_id", metavar="JOB", shell_complete=complete_unfinished)
