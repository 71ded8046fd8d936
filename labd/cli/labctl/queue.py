"""The verbs that change what becomes of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from labd.cli.labctl.options import (
    complete_finished,
    echo_json,
    job_argument,
    json_option,
    queued_argument,
    resolved,
    unfinished_argument,
    yes_option,
)
from labd.cli.labctl.target import Target, ask

if TYPE_CHECKING:
    from labd.client import JobDetails


@click.command(short_help="Take a job out of the queue, or stop it.")
@unfinished_argument
@json_option
@click.pass_obj
def cancel(target: Target, job_id: str, as_json: bool) -> None:
    """Take a job out of the queue, or stop it if it runs, and print its state.

    A running job stops at the next block of shots: its state may still be EXECUTING when this
    returns. A job that has ended cannot be cancelled (exit 1).
    """
    with target.connected(as_json=as_json) as client:
        job = client.cancel(resolved(client, job_id))
    if as_json:
        from labd.cli.facts import job_facts

        echo_json(job_facts(job))
    else:
        click.echo(job.status.value)


@click.command(short_help="Remove jobs that have ended, with their results.")
@click.argument(
    "job_ids", metavar="JOB...", nargs=-1, required=True, shell_complete=complete_finished
)
@yes_option
@json_option
@click.pass_obj
def delete(target: Target, job_ids: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Remove jobs that have ended, with payload and results, for ever; asks first.

    That a job was there stays in the audit log.
    """
    with target.connected(as_json=as_json) as client:
        identities = [resolved(client, job_id) for job_id in job_ids]
        for identity in identities:
            job = client.job(identity)
            ask(f"delete {job.status} job {identity} with its payload and results?", yes)
            client.delete(identity)
            if not as_json:
                click.echo(str(identity))
    if as_json:
        echo_json({"deleted": [str(identity) for identity in identities]})


@click.command(short_help="Keep a queued job from starting; it keeps its place.")
@queued_argument
@click.argument("note", default="")
@json_option
@click.pass_obj
def hold(target: Target, job_id: str, note: str, as_json: bool) -> None:
    """Keep a queued job from starting until `labctl release`; it keeps its place.

    NOTE says why. What an operator holds only an operator releases.
    """
    with target.connected(as_json=as_json) as client:
        _print(client.hold(resolved(client, job_id), note), as_json)


@click.command(short_help="Let a held job start again.")
@queued_argument
@json_option
@click.pass_obj
def release(target: Target, job_id: str, as_json: bool) -> None:
    """Let a held job start again, from the place that it kept."""
    with target.connected(as_json=as_json) as client:
        _print(client.release(resolved(client, job_id)), as_json)


@click.command(short_help="Move a queued job to another class.")
@queued_argument
@click.argument("level", metavar="LOW|NORMAL|HIGH", type=click.Choice(["low", "normal", "high"]))
@json_option
@click.pass_obj
def priority(target: Target, job_id: str, level: str, as_json: bool) -> None:
    """Move a queued job to another class: all jobs of a higher one run first.

    high is for operators to give.
    """
    from labd.client import Priority

    with target.connected(as_json=as_json) as client:
        details = client.set_priority(resolved(client, job_id), Priority[level.upper()])
        _print(details, as_json)


@click.command(short_help="Replace the tags of a job.")
@job_argument
@click.argument("tags", metavar="[TAG]...", nargs=-1)
@click.option("--none", "is_none", is_flag=True, help="Take all tags away.")
@json_option
@click.pass_obj
def tag(target: Target, job_id: str, tags: tuple[str, ...], is_none: bool, as_json: bool) -> None:
    """Replace the tags of a job, by which `labctl list --tag` finds it."""
    if bool(tags) == is_none:
        raise click.UsageError("name the TAGs that the job is to have, or --none")
    with target.connected(as_json=as_json) as client:
        _print(client.set_tags(resolved(client, job_id), tags), as_json)


def _print(details: JobDetails, as_json: bool) -> None:
    """What has become of the job, in a line."""
    from labd.cli import facts, sentences

    if as_json:
        echo_json(facts.details_facts(details))
    else:
        click.echo(sentences.line(details.job))
