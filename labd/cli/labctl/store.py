"""The verbs for what labd keeps: pins, checks, backups, partial results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labd.cli.labctl.options import echo_json, job_argument, json_option, resolved
from labd.cli.labctl.target import Refused, Target

if TYPE_CHECKING:
    from uuid import UUID

    from labd.client import Client, JobDetails, Partial

_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Keep a job's payload and results from retention.")
@job_argument
@click.argument("note", default="")
@json_option
@click.pass_obj
def pin(target: Target, job_id: str, note: str, as_json: bool) -> None:
    """Keep a job's payload and results, however old they become. NOTE says why."""
    with target.connected(as_json=as_json) as client:
        _print(client.store.pin(resolved(client, job_id), note), as_json)


@click.command(short_help="Let retention have a pinned job again.")
@job_argument
@json_option
@click.pass_obj
def unpin(target: Target, job_id: str, as_json: bool) -> None:
    """Let retention have a pinned job's payload and results when their time is over."""
    with target.connected(as_json=as_json) as client:
        _print(client.store.unpin(resolved(client, job_id)), as_json)


def _print(details: JobDetails, as_json: bool) -> None:
    from labd.cli import facts

    if as_json:
        echo_json(facts.details_facts(details))
    else:
        click.echo("pinned" if details.keeping.pin_note is not None else "not pinned")


@click.command(short_help="Check labd's database against its files and hashes.")
@click.option("--repair", "repairs", is_flag=True, help="Mend what can be mended.")
@click.option("--quick", "is_quick", is_flag=True, help="Sizes only: no file is read whole.")
@json_option
@click.pass_obj
def fsck(target: Target, repairs: bool, is_quick: bool, as_json: bool) -> None:
    """Check labd's database against its files and their hashes, while labd works. For admins.

    Exit 1 if anything is wrong and was not mended. With --repair: counts are made right, missing
    hashes are recorded, files of nobody removed; what cannot be brought back is noted at its job,
    and a queued job whose payload is gone fails instead of being run.
    """
    from labd.cli import facts
    from labd.client import Checked

    n_bad = 0
    with target.connected(as_json=as_json) as client:
        for each in client.store.check(repairs=repairs, is_quick=is_quick):
            if as_json:
                echo_json(facts.facts(each))
            elif isinstance(each, Checked):
                megabytes = each.n_bytes / 1e6
                click.echo(f"{each.n_jobs} jobs, {each.n_files} files, {megabytes:.1f} MB checked")
            else:
                click.echo(f"{each.object}: {each.what}{' (mended)' if each.is_mended else ''}")
            n_bad += not (isinstance(each, Checked) or each.is_mended)
    if n_bad:
        raise Refused("" if as_json else f"{n_bad} findings are not mended")


@click.command(short_help="Save all that labd keeps, while it works.")
@click.argument("file", type=_OUT)
@json_option
@click.pass_obj
def backup(target: Target, file: Path, as_json: bool) -> None:
    """Save all that labd keeps into FILE, a tar archive for `labd restore`. For admins.

    labd goes on meanwhile; the archive is as of the moment at which it was begun.
    """
    with target.connected(as_json=as_json) as client:
        n_bytes = client.store.backup_to_file(file)
    if as_json:
        echo_json({"file": str(file), "bytes": n_bytes})
    else:
        click.echo(f"{file}: {n_bytes / 1e6:.1f} MB")


def print_partial(
    client: Client, job_id: UUID, *, npz: Path | None, raw: Path | None, as_json: bool
) -> None:
    """What was measured of a job that did not complete, for `labctl results --partial`."""
    found = client.store.partial_results(job_id)
    if raw is not None:
        raw.write_bytes(found.data)
    if npz is not None:
        _save_npz(client, job_id, found, npz)
    if as_json:
        _print_json(client, job_id, found)
    elif raw is None and npz is None:
        click.echo(_sentence(found))


def _save_npz(client: Client, job_id: UUID, found: Partial, path: Path) -> None:
    from labd.cli import saved

    if not found.is_pulse:
        raise Refused("circuits have rows, no arrays: use --json or --raw")
    saved.save_npz(found.results(client.payload(job_id)), path, {"valid": found.valid()})


def _print_json(client: Client, job_id: UUID, found: Partial) -> None:
    from labd.cli import facts, saved

    told: dict[str, facts.Json] = {"job": str(job_id), "mask": facts.facts(found.mask)}
    if found.is_pulse:
        told["results"] = saved.results_facts(str(job_id), found.results(client.payload(job_id)))
        told["valid"] = found.valid().tolist()
    else:
        told["circuits"] = json.loads(found.data)
    echo_json(told)


def _sentence(found: Partial) -> str:
    """How much there is, in a line or two."""
    mask = found.mask
    lines = [f"{mask.shots_valid} of {mask.shots_total} shots were measured"]
    if found.is_pulse:
        whole = sum(n == mask.n_bins for n in mask.bins_valid)
        begun = [(spot, n) for spot, n in enumerate(mask.bins_valid) if 0 < n < mask.n_bins]
        lines += [f"{whole} of {len(mask.bins_valid)} spots are whole, {mask.n_bins} bins each"]
        lines += [f"spot {spot} has its first {n} bins" for spot, n in begun]
    else:
        rows = ", ".join(str(n) for n in mask.rows_valid)
        lines += [f"rows of each circuit: {rows}"]
    lines += ["--npz saves arrays and the mask `valid`, --json and --raw all there is"]
    return "\n".join(lines)
