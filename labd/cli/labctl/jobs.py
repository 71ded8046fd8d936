"""The verbs that hand in jobs, look at them and fetch what came out."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from labd.cli.labctl.options import (
    PAST,
    Instant,
    echo_json,
    job_argument,
    json_option,
    resolved,
    unfinished_argument,
)
from labd.cli.labctl.store import print_partial
from labd.cli.labctl.target import Refused, Target
from labd.core.jobs import JobType

if TYPE_CHECKING:
    from uuid import UUID

    from labd.client import Client, JobFilter

_STATES = ("IN_QUEUE", "EXECUTING", "COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED")
_PRIORITIES = click.Choice(["low", "normal", "high"])
_TYPES = click.Choice(["pulse", "circuit"])
_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Hand in a payload and print the job's id.")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--type", "job_type", type=_TYPES, default="pulse", show_default=True, help="What FILE holds."
)
@click.option("--tag", "tags", multiple=True, help="To find it by; may be given several times.")
@click.option(
    "--priority", type=_PRIORITIES, default="normal", help="high is for operators to give."
)
@click.option("--slot", is_flag=True, help="Run it in your timeslots only.")
@click.option(
    "--key", default="", help="The same key again hands in nothing new: for scripts that try again."
)
@click.option("--wait", is_flag=True, help="Follow the job; exit 1 if it does not complete.")
@json_option
@click.pass_obj
def submit(
    target: Target,
    file: BinaryIO,
    job_type: str,
    tags: tuple[str, ...],
    priority: str,
    slot: bool,
    key: str,
    wait: bool,
    as_json: bool,
) -> None:
    """Hand in the payload in FILE ("-" is standard input) and print the job's id.

    When this returns 0, labd has the job on disk.
    """
    from labd.client import JobType, Priority

    with target.connected(as_json=as_json) as client:
        job = client.submit(
            file.read(),
            JobType(job_type.upper()),
            tags=tags,
            priority=Priority[priority.upper()],
            use_timeslot=slot or None,
            idempotency_key=key,
        )
        if not as_json:
            click.echo(str(job.id))
        if wait:
            _follow_to_the_end(target, client, job.id, as_json)
        elif as_json:
            from labd.cli.facts import job_facts

            echo_json(job_facts(job))


@click.command("list", short_help="Jobs, the newest first.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--all", "of_all", is_flag=True, help="Of all the server's quantum computers.")
@click.option("--mine", is_flag=True, help="Only those that you handed in.")
@click.option("--user", default="", help="Only this user's.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES, case_sensitive=False))
@click.option("--tag", "tags", multiple=True, help="Jobs that have all these tags.")
@click.option("--type", "job_type", type=_TYPES)
@click.option("--since", type=PAST, help="Handed in at that time or later; 2h: so long ago.")
@click.option("--until", type=PAST, help="Handed in before.")
@click.option("--page", default="", help="Go on where an earlier list ended.")
@json_option
@click.pass_obj
def list_jobs(
    target: Target,
    limit: int,
    of_all: bool,
    mine: bool,
    user: str,
    states: tuple[str, ...],
    tags: tuple[str, ...],
    job_type: str | None,
    since: Instant,
    until: Instant,
    page: str,
    as_json: bool,
) -> None:
    """Jobs, the newest first: your own, for operators everyone's. Conditions hold together.

    For a job that waits the last column is when it starts, with even odds; below the table it says
    why some wait for more than the jobs before them.
    """
    from labd.client import JobFilter, JobState

    with target.connected(as_json=as_json) as client:
        chosen = JobFilter(
            alias="" if of_all else client.alias,
            states=tuple(JobState(state.upper()) for state in states),
            user=client.people.who_am_i().user.name if mine else user,
            job_type=(job_type or "").upper(),
            tags=tags,
            created_from=since,
            created_until=until,
        )
        _print_jobs(target, client, chosen, limit=limit, page=page, as_json=as_json)


def _print_jobs(
    target: Target, client: Client, chosen: JobFilter, *, limit: int, page: str, as_json: bool
) -> None:
    from labd.cli import facts, tables

    found = client.job_page(chosen, limit=limit, page_token=page)
    jobs, token = list(found.jobs), found.next_page_token
    while token and len(jobs) < limit:
        found = client.job_page(chosen, limit=limit - len(jobs), page_token=token)
        jobs, token = [*jobs, *found.jobs], found.next_page_token
    if as_json:
        echo_json({"jobs": [facts.job_facts(job) for job in jobs], "next_page": token or None})
        return
    reasons = tables.reasons(jobs, target.zone)
    tables.show(tables.jobs_table(jobs, target.zone, tables.width()), *reasons)
    if token:
        click.echo(f"more: --page {token}", err=True)


@click.command(short_help="All that is known of a job.")
@job_argument
@click.option(
    "--log", "with_log", is_flag=True, help="And the last messages to and from the instruments."
)
@json_option
@click.pass_obj
def show(target: Target, job_id: str, with_log: bool, as_json: bool) -> None:
    """All that is known of a job: state, reason, expected start, events, phase timings.

    Of a job that was executed and did not complete labd keeps what was said to the instruments
    last (--log).
    """
    from labd.cli import facts, tables, tables_flight

    with target.connected(as_json=as_json) as client:
        details = client.details(resolved(client, job_id))
        record = client.flight_record(details.job.id) if with_log else None
    if as_json:
        told = facts.details_facts(details)
        if record is not None:
            told["log"] = facts.facts(record)
        echo_json(told)
        return
    shown = tables.details_tables(details, target.zone)
    if record is not None:
        shown += tables_flight.flight_tables(record, target.zone)
    tables.show(*shown)


@click.command(short_help="Why a job does not run yet, and when it will.")
@job_argument
@json_option
@click.pass_obj
def why(target: Target, job_id: str, as_json: bool) -> None:
    """Why a job does not run yet, and when it is expected to."""
    from labd.cli import facts, sentences

    with target.connected(as_json=as_json) as client:
        job = client.details(resolved(client, job_id)).job
    if as_json:
        told = facts.job_facts(job)
        names = ("id", "status", "queue_position", "error", "waiting", "estimate")
        echo_json({name: told[name] for name in names})
    else:
        click.echo("\n".join(sentences.why(job, target.zone)))


@click.command(short_help="Follow a job to its end: place in the queue, then shots.")
@unfinished_argument
@json_option
@click.pass_obj
def watch(target: Target, job_id: str, as_json: bool) -> None:
    """Follow a job to its end: queue position, then shots done.

    On a terminal a progress bar; otherwise a line per change (with --json an object per change).
    The last line is the final state; exit 1 if that is not COMPLETED. Ctrl-C leaves the job alone.
    """
    with target.connected(as_json=as_json) as client:
        _follow_to_the_end(target, client, resolved(client, job_id), as_json)


@click.command(short_help="What came out of a completed job.")
@job_argument
@click.option("--npz", type=_OUT, help="Save arrays here.")
@click.option("--plot", type=_OUT, help="Draw a PNG here.")
@click.option("--raw", type=_OUT, help="Save the bytes here.")
@click.option(
    "--partial", is_flag=True, help="Of a job that did not complete: what was measured until then."
)
@json_option
@click.pass_obj
def results(
    target: Target,
    job_id: str,
    npz: Path | None,
    plot: Path | None,
    raw: Path | None,
    partial: bool,
    as_json: bool,
) -> None:
    """What came out of a completed job, as a table, or where the options say.

    Of circuits it is how often each bitstring was measured.

    --npz saves one array per label, shape (spots, bins, triggers), for time traces (…, samples).
    --plot draws a histogram for bits, an IQ cloud for integrals, lines for sweeps, averages and
    time traces. --raw saves the result as labd streams it, at any size. --partial says how much
    was measured; --npz then has an array `valid` too, (spots, bins): what is false there is not.
    """
    from labd.cli import saved, tables, tables_results

    if partial and plot is not None:
        raise click.UsageError("--partial is not drawn: save --npz and look at its mask `valid`")
    with target.connected(as_json=as_json) as client:
        identity = resolved(client, job_id)
        if partial:
            print_partial(client, identity, npz=npz, raw=raw, as_json=as_json)
            return
        if raw is not None:
            client.results_to_file(identity, raw)
        if raw is not None and npz is plot is None and not as_json:
            return
        if client.job(identity).job_type is JobType.CIRCUIT:
            _show_circuits(client, identity, npz or plot, as_json)
            return
        try:
            found = client.results(identity)
        except ValueError as error:
            raise Refused(f"{error}; --raw saves the bytes as they are") from error
    if npz is not None:
        saved.save_npz(found, npz)
    if plot is not None:
        from labd.cli import plots

        plots.save_plot(found, plot, title=str(identity))
    if as_json:
        echo_json(saved.results_facts(str(identity), found))
    elif npz is None and plot is None:
        tables.show(*tables_results.results_tables(found))


def _show_circuits(client: Client, job_id: UUID, drawn: Path | None, as_json: bool) -> None:
    from labd.cli import saved, tables, tables_results

    if drawn is not None:
        raise Refused("--npz and --plot are for pulse jobs; circuits' bits are in --raw FILE")
    counted = client.circuit_counts(job_id)
    if as_json:
        echo_json(saved.circuits_facts(str(job_id), counted))
    else:
        tables.show(*tables_results.circuits_tables(counted))


@click.command(short_help="The payload of a job as it was submitted.")
@click.argument("job_id", metavar="[JOB]", required=False)
@click.option("-o", "--output", type=_OUT, help="Write there.")
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A payload in a file.",
)
@click.option("--text", is_flag=True, help="A readable dump instead of the bytes.")
@click.pass_obj
def payload(
    target: Target, job_id: str | None, output: Path | None, path: Path | None, text: bool
) -> None:
    """The payload of a job as it was submitted: to standard output, or to --output.

    --text prints settings, sweeps, channels, instructions and waveforms. With --file it is the
    payload in a file that is read, not a job's.
    """
    if (job_id is None) == (path is None):
        raise click.UsageError("name a JOB or a --file")
    if path is not None:
        content = path.read_bytes()
    else:
        with target.connected() as client:
            content = client.payload(resolved(client, job_id or ""))
    if text:
        content = _readable(content)
    elif output is None and sys.stdout.isatty():
        raise click.UsageError("a payload is binary; use --output FILE or --text")
    if output is None:
        sys.stdout.buffer.write(content)
    else:
        output.write_bytes(content)


def _readable(content: bytes) -> bytes:
    if content.lstrip()[:1] == b"{":  # circuits; no pulse job begins so
        with suppress(ValueError):
            return json.dumps(json.loads(content), indent=1, ensure_ascii=False).encode() + b"\n"
    from labd.cli.payload_text import payload_text
    from labd.core.errors import InvalidPayload

    try:
        return payload_text(content).encode()
    except InvalidPayload as error:
        raise Refused(str(error)) from error


def _follow_to_the_end(target: Target, client: Client, job_id: UUID, as_json: bool) -> None:
    from labd.cli import following

    if as_json:
        job = following.follow_as_json(client, job_id)
    else:
        job = following.follow(client, job_id, target.zone)
    if job.status.value != "COMPLETED":
        raise Refused("" if as_json else job.error or f"the job is {job.status}")
