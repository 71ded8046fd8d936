"""Following one job on a terminal, in a log, or as JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import tzinfo
from threading import Thread
from uuid import UUID

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from labd.cli import sentences
from labd.cli.facts import job_facts
from labd.client import Client, ClientError, Job
from labd.client import Progress as Shots


def follow(client: Client, job_id: UUID, zone: tzinfo) -> Job:
    """Show the job until it ends; its final state is the last line on stdout."""
    run = _follow_with_bar if sys.stderr.isatty() else _follow_lines
    job = run(client, job_id, zone)
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


def _follow_lines(client: Client, job_id: UUID, zone: tzinfo) -> Job:
    def say(job: Job) -> None:
        if not job.status.is_final:
            click.echo(_sentence(client, job, zone), err=True)

    return _last(client, job_id, say)


def _follow_with_bar(client: Client, job_id: UUID, zone: tzinfo) -> Job:
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
        lines = _Lines(bar, lambda job: _sentence(client, job, zone))
        _watch_shots(client, job_id, lines.show_shots)
        return _last(client, job_id, lines.show_job)


class _Lines:
    """The bar's one visible line: places in the queue, then shots."""

    def __init__(self, bar: Progress, sentence: Callable[[Job], str]) -> None:
        self._bar = bar
        self._sentence = sentence
        self._queue = bar.add_task("asking labd", total=None, unit="")
        self._shots = bar.add_task(
            "executing", total=None, unit="shots", visible=False, start=False
        )
        self._first_position: int | None = None

    def show_job(self, job: Job) -> None:
        """A change of state or place."""
        if job.queue_position is None:
            self._bar.update(self._queue, visible=False)
            self._bar.update(self._shots, visible=True)
            self._bar.start_task(self._shots)
            return
        if self._first_position is None:
            self._first_position = job.queue_position
        done = max(0, self._first_position - job.queue_position)
        self._bar.update(
            self._queue,
            description=self._sentence(job),
            total=self._first_position + 1,
            completed=done,
        )

    def show_shots(self, shots: Shots) -> None:
        """Progress; called from another thread."""
        if shots.shots_total:
            done, total = shots.shots_done, shots.shots_total
            self._bar.update(self._shots, total=total, completed=done)


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


def _sentence(client: Client, job: Job, zone: tzinfo) -> str:
    """Where the job stands; of one that waits also why, or when it starts."""
    if job.queue_position is None:
        return job.status.value.lower().replace("_", " ")
    return sentences.outlook(client.details(job.id).job, zone)
