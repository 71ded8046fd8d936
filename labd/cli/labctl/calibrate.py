"""The verbs that calibrate the quantum computer and say how good it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labd.calibrate.kinds import BENCHMARKS, CALIBRATIONS
from labd.cli.labctl.calibrations import resolved_set
from labd.cli.labctl.options import echo_json, json_option
from labd.cli.labctl.target import Refused, Target

if TYPE_CHECKING:
    from labd.calibrate.recipe import Told
    from labd.calibrate.session import Outcome
    from labd.client import CalibrationHead, Client

_names_argument = click.argument("names", nargs=-1, metavar="[QUBIT|PAIR]...")
_plots_option = click.option(
    "--plots",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where plots and numbers go; a new directory named after the time by default.",
)


@click.command(short_help="Calibrate readout and gates; propose a calibration set.")
@click.argument("kind", type=click.Choice(CALIBRATIONS), default="all")
@_names_argument
@click.option("--from", "base", default="active", help="The set to begin from.")
@click.option("--apply", "is_applied", is_flag=True, help="Activate what was found. For admins.")
@click.option("--note", default="", help="Why; it stays with the set.")
@_plots_option
@json_option
@click.pass_obj
def calibrate(
    target: Target,
    kind: str,
    names: tuple[str, ...],
    base: str,
    is_applied: bool,
    note: str,
    plots: Path | None,
    as_json: bool,
) -> None:
    """Measure KIND on the rack and propose a set with what was found. For operators.

    KIND is one of readout, frequency, amplitude, drag, t1, t2, cz, or all, which goes through
    everything in order and repeats what did not converge. All qubits and pairs if none is named; a
    pair is QB1__QB3 or its coupler.

    Every job is an ordinary one in the queue. The active set stays as it is until somebody
    activates the proposed one; what came out badly changes nothing in it.
    """
    from labd.calibrate import session

    folder = _folder("calibration", plots)
    with target.connected(as_json=as_json) as client, _refusals():
        document = client.calibration_bytes(resolved_set(client, base))
        outcome = session.calibrate(
            client,
            kind,
            names,
            base=document,
            clock=lambda: datetime.now(UTC),
            folder=folder,
            say=_say,
        )
        proposed = _proposed(client, outcome, folder, note)
        is_active = is_applied and proposed is not None and _activated(client, outcome, proposed)
    _tell(outcome, proposed, folder, is_active=is_active, as_json=as_json)
    if outcome.stopped or is_applied != is_active:
        raise Refused("")


@click.command(short_help="How good gates and readout are.")
@click.argument("kind", type=click.Choice(BENCHMARKS))
@_names_argument
@click.option("--set", "set_id", default="active", help="The calibration set whose gates are used.")
@click.option("--shots", type=click.IntRange(10, 100_000), default=300, show_default=True)
@click.option("--seed", default=1, show_default=True, help="Of the random walks.")
@_plots_option
@json_option
@click.pass_obj
def benchmark(
    target: Target,
    kind: str,
    names: tuple[str, ...],
    set_id: str,
    shots: int,
    seed: int,
    plots: Path | None,
    as_json: bool,
) -> None:
    """Measure the quality of gates and readout with circuit jobs. It changes nothing.

    KIND is rb1 (randomized benchmarking of single qubits, all at the same time), rb2 (of pairs, one
    after the other) or readout (how often a bit is wrong).
    """
    from labd.calibrate.benchmark import Order
    from labd.calibrate.gauge import measure
    from labd.calibrate.session import finding_facts
    from labd.cli import tables, tables_calibration

    folder = _folder("benchmark", plots)
    with target.connected(as_json=as_json) as client, _refusals():
        chosen = resolved_set(client, set_id)
        findings = measure(
            client,
            kind,
            names,
            base=client.calibration_bytes(chosen),
            order=Order(shots, seed, chosen),
            folder=folder,
        )
    if as_json:
        told = [finding_facts(each) for each in findings]
        echo_json({"kind": kind, "findings": list(told), "folder": str(folder)})
    else:
        tables.show(tables_calibration.findings_table([(kind, each) for each in findings]))
        click.echo(f"plot and numbers in {folder}", err=True)
    if any(finding.is_bad for finding in findings):
        raise Refused("")


@contextmanager
def _refusals() -> Iterator[None]:
    """What cannot be calibrated, as the command's error."""
    from labd.calibrate.lab import UnknownLocus
    from labd.calibrate.stage import NotCalibratable

    try:
        yield
    except UnknownLocus as error:
        raise click.UsageError(str(error)) from error
    except NotCalibratable as error:
        raise Refused(str(error)) from error
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}") from error


def _folder(kind: str, plots: Path | None) -> Path:
    return plots or Path(f"{kind}-{datetime.now(UTC):%Y%m%d-%H%M%S}")


def _say(step: Told) -> None:
    """Progress, on standard error: a line for the step and one for each locus."""
    click.echo(f"{step.number:2d} {step.part}: {step.title}", err=True)
    for finding in step.findings:
        grade = finding.verdict.grade.value
        again = "" if finding.is_settled else " (not settled)"
        click.echo(f"   {finding.locus} {grade}: {finding.verdict.reason}{again}", err=True)


def _proposed(client: Client, outcome: Outcome, folder: Path, note: str) -> CalibrationHead | None:
    """The stored proposal; None where nothing changed or the caller may not store sets."""
    from labd.calibrate.session import PROPOSAL, propose
    from labd.client import NotAllowed

    if not outcome.working.changed:
        return None
    try:
        return propose(client, outcome, note)
    except NotAllowed as error:
        parent = outcome.working.parent_id
        click.echo(
            f"the set is not stored: {error}. An admin can: labctl calibrations import "
            f"{folder / PROPOSAL} --parent {parent}",
            err=True,
        )
        return None


def _activated(client: Client, outcome: Outcome, proposed: CalibrationHead) -> bool:
    """Activate, unless something that gates need could not be calibrated."""
    lacking = [each for each in outcome.stopped if each.is_needed]
    if lacking:
        click.echo(
            f"not activated, because {lacking[0].locus} stopped at {lacking[0].part}; "
            f"if you want it all the same: labctl calibrations activate {proposed.id}",
            err=True,
        )
        return False
    return client.calibration_sets.activate(proposed.id, note=f"calibrate {outcome.kind}").is_active


def _tell(
    outcome: Outcome,
    proposed: CalibrationHead | None,
    folder: Path,
    *,
    is_active: bool,
    as_json: bool,
) -> None:
    from labd.calibrate.session import facts
    from labd.cli import tables, tables_calibration

    if as_json:
        told = facts(outcome)
        told |= {"set_id": None if proposed is None else str(proposed.id), "is_active": is_active}
        echo_json({**told, "folder": str(folder)})
        return
    tables.show(tables_calibration.findings_table(outcome.last))
    for each in outcome.stopped:
        click.echo(f"stopped: {each.locus} at {each.part}: {each.reason}", err=True)
    click.echo(f"plots and numbers in {folder}", err=True)
    if proposed is not None:
        n_changed = len(outcome.working.changed)
        state = "is active now" if is_active else "is proposed"
        click.echo(f"set {proposed.id}, {n_changed} new observations, {state}")
