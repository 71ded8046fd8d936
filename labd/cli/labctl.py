"""`labctl`: jobs from a terminal.

Prints the answer and nothing else; errors are one line on stderr; exit 0 done, 1 refused, 2 usage.
Nothing heavier than click is imported before a command runs, so that --help is instant.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, NoReturn

import click

if TYPE_CHECKING:
    from uuid import UUID

    from labd.client import Client, ClientError, Job

DEFAULT_URL = "http://localhost:50051/star5"
_N_SEARCHED = 200


class _Refused(click.ClickException):
    """One line on stderr and exit code 1; with --json a JSON object."""

    exit_code = 1

    def show(self, file: IO[str] | None = None) -> None:
        """Print the sentence; nothing where stdout has said it all."""
        if self.message:
            click.echo(self.message, file=file, err=True)


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
_job_argument = click.argument("job_id", metavar="JOB")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option(
    "--url",
    envvar="LABD_URL",
    default=DEFAULT_URL,
    show_default=True,
    help="http://HOST:PORT/ALIAS or unix:/path/labd.sock. Environment: LABD_URL.",
)
@click.option("--alias", default="", help="Quantum computer, where the URL names none.")
@click.option("--token", envvar="LABD_TOKEN", help="Sent with every call. Environment: LABD_TOKEN.")
@click.version_option(package_name="labd", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, url: str, alias: str, token: str | None) -> None:
    """Submit jobs to labd, follow them and fetch what came out.

    JOB is a job's id, the end of one (4 characters or more, searched for among the newest 200), or
    "last" for the newest job of this quantum computer.
    """
    context.obj = _Target(url, alias, token)


class _Target:
    """Where the commands go."""

    def __init__(self, url: str, alias: str, token: str | None) -> None:
        self.url, self.alias, self.token = url, alias, token

    @contextmanager
    def connected(self, *, as_json: bool = False) -> Iterator[Client]:
        """A client; what it is refused becomes the command's error."""
        from labd.client import Client, ClientError, JobNotCompleted, WaitTimeout

        try:
            client = Client(self.url, alias=self.alias, token=self.token)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        try:
            with client:
                yield client
        except ClientError as error:
            raise _refusal(error, self.url, as_json) from error
        except (JobNotCompleted, WaitTimeout) as error:
            raise _Refused(json.dumps({"error": str(error)}) if as_json else str(error)) from error


def _refusal(error: ClientError, url: str, as_json: bool) -> _Refused:
    """What the server (or its absence) says, one line a mistake."""
    if as_json:
        facts = {"error": str(error), "code": error.code, "error_code": error.error_code}
        return _Refused(json.dumps(facts | {"problems": list(error.problems)}))
    if error.code == "UNAVAILABLE" and not error.error_code:
        return _Refused(f"nobody answers at {url}; is labd running? (--url or LABD_URL chooses)")
    if len(error.problems) > 1:
        head = f"{error.error_code or 'refused'}, {len(error.problems)} mistakes:"
        return _Refused("\n  ".join([head, *error.problems]))
    return _Refused(str(error))


@cli.command(short_help="Hand in a payload and print the job's id.")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--type",
    "job_type",
    type=click.Choice(["pulse", "circuit"]),
    default="pulse",
    show_default=True,
    help="What the file holds.",
)
@click.option("--wait", is_flag=True, help="Follow the job; exit 1 if it does not complete.")
@_as_json
@click.pass_obj
def submit(target: _Target, file: BinaryIO, job_type: str, wait: bool, as_json: bool) -> None:
    """Hand in the payload in FILE ("-" is standard input) and print the job's id.

    When this returns 0, labd has the job on disk.
    """
    from labd.client import JobType

    with target.connected(as_json=as_json) as client:
        job = client.submit(file.read(), JobType(job_type.upper()))
        if not as_json:
            click.echo(str(job.id))
        if wait:
            _follow_to_the_end(client, job.id, as_json)
        elif as_json:
            _echo_json(_job_facts(job))


@cli.command("list")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
@click.option("--all", "of_all", is_flag=True, help="Jobs of all the server's quantum computers.")
@_as_json
@click.pass_obj
def list_jobs(target: _Target, limit: int, of_all: bool, as_json: bool) -> None:
    """The newest jobs first, whoever submitted them."""
    from labd.cli import tables

    with target.connected(as_json=as_json) as client:
        jobs = client.jobs(limit, of_all=of_all)
    if as_json:
        _echo_json([_job_facts(job) for job in jobs])
    else:
        tables.show(tables.jobs_table(jobs, with_alias=of_all))


@cli.command()
@_job_argument
@_as_json
@click.pass_obj
def show(target: _Target, job_id: str, as_json: bool) -> None:
    """All that is known of a job."""
    from labd.cli import tables

    with target.connected(as_json=as_json) as client:
        job = client.job(_resolved(client, job_id))
        rack = None if job.status.is_final or as_json else client.rack()
    if as_json:
        _echo_json(_job_facts(job))
    else:
        tables.show(tables.job_table(job, rack))


@cli.command()
@_job_argument
@_as_json
@click.pass_obj
def watch(target: _Target, job_id: str, as_json: bool) -> None:
    """Follow a job to its end: queue position, then shots done.

    On a terminal a progress bar; otherwise a line per change (with --json an object per change).
    The last line is the final state; exit 1 if that is not COMPLETED. Ctrl-C leaves the job alone.
    """
    with target.connected(as_json=as_json) as client:
        _follow_to_the_end(client, _resolved(client, job_id), as_json)


@cli.command(short_help="What came out of a completed job.")
@_job_argument
@click.option("--npz", type=click.Path(dir_okay=False, path_type=Path), help="Save arrays here.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw a PNG here.")
@click.option("--raw", type=click.Path(dir_okay=False, path_type=Path), help="Save the bytes here.")
@_as_json
@click.pass_obj
def results(
    target: _Target,
    job_id: str,
    npz: Path | None,
    plot: Path | None,
    raw: Path | None,
    as_json: bool,
) -> None:
    """What came out of a completed job, as a table, or where the options say.

    --npz saves one array per label, shape (spots, bins, triggers), for time traces (…, samples).
    --plot draws a histogram for bits, an IQ cloud for integrals, lines for sweeps, averages and
    time traces. --raw saves the result as labd streams it, at any size.
    """
    from labd.cli import saved, tables

    with target.connected(as_json=as_json) as client:
        identity = _resolved(client, job_id)
        if raw is not None:
            client.results_to_file(identity, raw)
        if raw is not None and npz is plot is None and not as_json:
            return
        try:
            found = client.results(identity)
        except ValueError as error:
            raise _Refused(f"{error}; --raw saves the bytes as they are") from error
    if npz is not None:
        saved.save_npz(found, npz)
    if plot is not None:
        from labd.cli import plots

        plots.save_plot(found, plot, title=str(identity))
    if as_json:
        _echo_json(saved.results_facts(str(identity), found))
    elif npz is None and plot is None:
        tables.show(*tables.results_tables(found))


@cli.command(short_help="Take a job out of the queue, or stop it.")
@_job_argument
@_as_json
@click.pass_obj
def cancel(target: _Target, job_id: str, as_json: bool) -> None:
    """Take a job out of the queue, or stop it if it runs, and print its state.

    A running job stops at the next block of shots: its state may still be EXECUTING when this
    returns. A job that has ended cannot be cancelled (exit 1).
    """
    with target.connected(as_json=as_json) as client:
        job = client.cancel(_resolved(client, job_id))
    if as_json:
        _echo_json(_job_facts(job))
    else:
        click.echo(job.status.value)


@cli.command(short_help="The payload of a job as it was submitted.")
@click.argument("job_id", metavar="[JOB]", required=False)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write there."
)
@click.option(
    "--file",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A payload in a file.",
)
@click.option("--text", is_flag=True, help="A readable dump instead of the bytes.")
@click.pass_obj
def payload(
    target: _Target, job_id: str | None, output: Path | None, path: Path | None, text: bool
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
            content = client.payload(_resolved(client, job_id or ""))
    if text:
        content = _readable(content)
    elif output is None and sys.stdout.isatty():
        raise click.UsageError("a payload is binary; use --output FILE or --text")
    if output is None:
        sys.stdout.buffer.write(content)
    else:
        output.write_bytes(content)


def _readable(payload: bytes) -> bytes:
    from labd.cli.payload_text import payload_text
    from labd.core.errors import InvalidPayload

    try:
        return payload_text(payload).encode()
    except InvalidPayload as error:
        raise _Refused(str(error)) from error


def _follow_to_the_end(client: Client, job_id: UUID, as_json: bool) -> None:
    from labd.cli import following

    job = following.follow_as_json(client, job_id) if as_json else following.follow(client, job_id)
    if job.status.value != "COMPLETED":
        raise _Refused("" if as_json else job.error or f"the job is {job.status}")


def _resolved(client: Client, text: str) -> UUID:
    """The job that the user means."""
    from uuid import UUID

    try:
        return UUID(text)
    except ValueError:
        pass
    if text == "last":
        newest = client.jobs(1)
        return newest[0].id if newest else _no_such(text, "there are no jobs yet")
    if len(text) < 4 or set(text.lower()) - set("0123456789abcdef-"):
        raise click.UsageError(f"{text!r} is not a job: give its id, the end of it, or 'last'")
    ending = [job.id for job in client.jobs(_N_SEARCHED) if str(job.id).endswith(text.lower())]
    if len(ending) == 1:
        return ending[0]
    return _no_such(text, f"{len(ending) or 'none'} of the newest {_N_SEARCHED} jobs end like that")


def _no_such(text: str, why: str) -> NoReturn:
    raise _Refused(f"job {text} not found: {why}")


def _job_facts(job: Job) -> dict[str, str | int | float | None]:
    from labd.cli.saved import job_facts

    return job_facts(job)


def _echo_json(value: object) -> None:
    click.echo(json.dumps(value))


def main() -> None:
    """The command's entry point."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    cli()
