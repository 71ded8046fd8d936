"""The command `labctl` with its options, and its verbs in groups."""

from __future__ import annotations

import errno
from pathlib import Path

import click

from labd.cli.labctl import (
    audit,
    calibrate,
    calibrations,
    completion,
    jobs,
    leases,
    limits,
    machine,
    people,
    queue,
    slots,
    store,
)
from labd.cli.labctl.options import complete_alias
from labd.cli.labctl.target import DEFAULT_URL, Refused, Target, default_token_file

_SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Jobs": (
        *(jobs.submit, jobs.list_jobs, jobs.show, jobs.why, jobs.watch, jobs.results),
        *(jobs.payload, queue.cancel, queue.hold, queue.release, queue.priority, queue.tag),
        *(queue.delete, store.pin, store.unpin),
    ),
    "The machine": (
        *(machine.status, machine.pause, machine.drain, machine.resume),
        *(leases.take, leases.give, slots.slots),
    ),
    "Calibration": (calibrate.calibrate, calibrate.benchmark, calibrations.calibrations),
    "People": (people.whoami, people.token, limits.limits, people.users, machine.who, audit.audit),
    "The store": (store.fsck, store.backup),
    "This program": (completion.completion,),
}


class _Sections(click.Group):
    """Verbs in the order in which they are looked for."""

    def invoke(self, ctx: click.Context) -> object:
        """A file that cannot be read or written is told of in one line."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno in (None, errno.EPIPE):  # nobody reads any more: click ends quietly
                raise
            where = "" if error.filename is None else f"{error.filename}: "
            raise Refused(f"{where}{error.strerror}") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One list per section."""
        del ctx
        width = max(len(name) for name in self.commands)
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                rows = [
                    (f"{command.name:{width}}", command.get_short_help_str(66))
                    for command in commands
                ]
                formatter.write_dl(rows)


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(
    cls=_Sections,
    commands=[command for commands in _SECTIONS.values() for command in commands],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.option(
    "--url",
    envvar="LABD_URL",
    default=DEFAULT_URL,
    show_default=True,
    help="http(s)://HOST:PORT/ALIAS or unix:/path/labd.sock. Environment: LABD_URL.",
)
@click.option(
    "--alias",
    default="",
    help="Quantum computer, where the URL names none.",
    shell_complete=complete_alias,
)
@click.option("--token", envvar="LABD_TOKEN", help="Environment: LABD_TOKEN.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="LABD_TOKEN_FILE",
    default=default_token_file,
    show_default="~/.config/labd/token",
    help="Read where no --token is given. Environment: LABD_TOKEN_FILE.",
)
@click.option("--ca", type=_FILE, envvar="LABD_CA", help="PEM of who signed labd's certificate.")
@click.option("--certificate", type=_FILE, envvar="LABD_CERTIFICATE", help="PEM: who you are.")
@click.option("--key", type=_FILE, envvar="LABD_KEY", help="PEM: the certificate's private key.")
@click.option(
    "--zone",
    envvar="LABD_ZONE",
    help="Of times typed and printed, such as Europe/Helsinki; the computer's by default.",
)
@click.version_option(package_name="labd", message="%(prog)s %(version)s")
@click.pass_context
def cli(
    context: click.Context,
    url: str,
    alias: str,
    token: str | None,
    token_file: Path,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    zone: str | None,
) -> None:
    """Hand in jobs to labd, follow them, fetch what came out; look after the lab.

    JOB is a job's id, the end of one (4 characters or more, searched for among the newest 200), or
    "last" for the newest job of yours. Every verb takes --json, but those whose answer is a file.
    """
    context.obj = Target(
        url,
        alias=alias,
        token=token,
        token_file=token_file,
        ca=ca,
        certificate=certificate,
        key=key,
        zone_name=zone,
    )
