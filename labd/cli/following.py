"""Following one job on a terminal, in a log, or as JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from threading import Thread
from uuid import UUID

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from labd.cli.saved import job_facts
from labd.client import Client, ClientError, Job, JobState
from labd.client import Progress as Shots


def follow(client: Client, job_id: UUID) -> Job:
    """Show the job until it ends; its final state is the last line on stdout."""
    rack = client.rack()
    if rack.state != "ready":
        click.echo(f"the rack is {rack.state}{': ' if rack.what else ''}{rack.what}", err=True)
    job = _follow_with_bar(client, job_id) if sys.stderr.isatty() else _follow_lines(client, job_id)
    click.echo(job.status.value)
    return job


def follow_as_json(client: Client, job_id: UUID) -> Job:
    """One JSON object a change: a job, or ``{"shots_done": n, "shots_total": n}``."""
    watcher = _watch_shots(
        client,
        job_id,
        lambda shots: click.echo(
            json.dumps({"shots_done": shots.shots_done, "shots_total": shots.shots_total})
        ),
    )
    job = _last(client, job_id, lambda job: click.echo(json.dumps(job_facts(job))))
    watcher.join(timeout=1.0)
    return job


def _follow_lines(client: Client, job_id: UUID) -> Job:
    def say(job: Job) -> None:
        if not job.status.is_final:
            click.echo(_sentence(job), err=True)

    return _last(client, job_id, say)


def _follow_with_bar(client: Client, job_id: UUID) -> Job:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("asking labd", total=None, unit="")
        _watch_shots(client, job_id, lambda shots: _show_shots(bar, task, shots))
        first_position: list[int] = []

        def show(job: Job) -> None:
            if job.queue_position is not None:
                first_position.append(job.queue_position)
                ahead = first_position[0] + 1
                done = max(0, first_position[0] - job.queue_position)
                bar.update(task, description=_sentence(job), total=ahead, completed=done, unit="")
            elif job.status is JobState.EXECUTING:
                bar.reset(task, description="executing", total=None, unit="shots")

        return _last(client, job_id, show)


def _show_shots(bar: Progress, task: TaskID, shots: Shots) -> None:
    if shots.shots_total:
        bar.update(
            task,
            description="executing",
            total=shots.shots_total,
            completed=shots.shots_done,
            unit="shots",
        )


def _last(client: Client, job_id: UUID, show: Callable[[Job], None]) -> Job:
    last: Job | None = None
    for job in client.watch(job_id):
        last = job
        show(job)
    assert last is not None  # watch ends only after a final state
    return last


def _watch_shots(client: Client, job_id: UUID, show: Callable[[Shots], None]) -> Thread:
    """Show shots done from a thread of its own; a server that does not tell them is fine."""

    def run() -> None:
        try:
            for shots in client.progress(job_id):
                show(shots)
        except ClientError:
            return

    thread = Thread(target=run, name="shots", daemon=True)
    thread.start()
    return thread


def _sentence(job: Job) -> str:
    if job.queue_position is None:
        return job.status.value.lower().replace("_", " ")
    return "queued, runs next" if job.queue_position == 0 else f"queued, {job.queue_position} ahead"
