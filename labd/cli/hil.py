"""`labd hil`: a report card of a rack, simulated or real."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from labd.hil.card import ReportCard

_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--station",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Directory with station.yaml and wiring.toml, such as config/star5.",
)
@click.option(
    "--rack",
    type=click.Choice(["simulated", "hardware"]),
    default=None,
    help="Simulated where there is a simrack.toml, if not given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option("--json-out", type=_OUT, help="Write JSON here, too.")
@click.option("--junit-out", type=_OUT, help="Write a JUnit report here, too.")
def hil(
    station: Path,
    rack: str | None,
    as_json: bool,
    json_out: Path | None,
    junit_out: Path | None,
) -> None:
    """Open a rack, check it from all sides, print a report card.

    Every instrument is identified; every limit is walked, and nothing is driven beyond one; pulses
    are played through the probe lines and the loop-back cables of the wiring file; all is left
    safe, also when this is interrupted. No labd may serve the same instruments meanwhile. Exit
    status 1: something is wrong.
    """
    from labd.hil.card import json_of, junit_of, text_of

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    outs = [path.resolve() if path else None for path in (json_out, junit_out)]
    try:
        card = _card_of(station.resolve(), rack or "")
    except _Ended as ended:
        sys.exit(128 + ended.number)
    for path, content in zip(outs, (json_of(card), junit_of(card)), strict=True):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    click.echo(json_of(card) if as_json else text_of(card), nl=as_json)
    sys.exit(0 if card.is_good else 1)


def _card_of(station: Path, rack: str) -> ReportCard:
    """Open the rack, and all that it takes, check it, and close it. Raises _Ended."""
    from labd.children import ChildFailed
    from labd.hil.card import Check
    from labd.hil.inspection import RackFiles, inspect
    from labd.hil.own_lab import kind_of, opened_station

    def told(check: Check) -> None:
        if sys.stderr.isatty():
            click.echo(f"{check.verdict}: {check.area} {check.subject}", err=True)

    with (
        tempfile.TemporaryDirectory(prefix="labd-hil-") as text,
        contextlib.ExitStack() as children,
    ):
        directory = Path(text)
        children.callback(os.chdir, Path.cwd())
        try:
            kind = kind_of(station, rack)
            files = RackFiles(
                station.name,
                opened_station(children, station, kind, directory),
                station / "wiring.toml",
            )
        except (FileNotFoundError, ChildFailed) as error:
            raise click.ClickException(str(error)) from error
        os.chdir(directory)  # QCoDeS reads its configuration from where it runs
        with contextlib.redirect_stdout(sys.stderr):  # drivers say whom they are connected to
            return inspect(files, kind.value, told)


class _Ended(BaseException):
    """Somebody wants an end. Nothing that a driver raises is taken for it, nor it for that."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _end(number: int, _: object) -> None:
    """Leave, and on the way make safe and close what was opened."""
    raise _Ended(number)
