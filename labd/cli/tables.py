"""What labctl prints of jobs: tables that fit 80 columns, with colours where there is a terminal.

Ids are never cut, for they are typed again; names and notes are. A column that does not fit is left
out: the least important first, and before it those that say the same in every row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from labd.cli import sentences
from labd.cli.times import shown_instant
from labd.client import Job, JobDetails, JobState, JobSummary, Keeping, Priority

_STYLES = {
    JobState.IN_QUEUE: "yellow",
    JobState.EXECUTING: "cyan",
    JobState.COMPLETED: "green",
    JobState.CANCELLED: "dim",
    JobState.FAILED: "red",
    JobState.INTERRUPTED: "magenta",
}
_LONGEST_NAME = 12
_LONGEST_TAGS = 20
_GAP = 2


def show(*renderables: RenderableType) -> None:
    """Print tables on stdout, as wide as the terminal, 80 columns where there is none."""
    console = Console(highlight=False, soft_wrap=False)
    for number, renderable in enumerate(renderables):
        if number:
            console.print()
        console.print(renderable)


def width() -> int:
    """Columns that `show` has."""
    return Console().width


def plain_table(*names: str | Text) -> Table:
    """Columns that do not break, under bold heads."""
    table = Table(box=None, header_style="bold", padding=(0, _GAP, 0, 0), pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=True)
    return table


def facts_table(rows: Sequence[tuple[str, str | Text]]) -> Table:
    """A line a fact; those without one are left out."""
    table = Table(box=None, show_header=False, padding=(0, _GAP, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        if str(value):
            table.add_row(name, value)
    return table


def jobs_table(jobs: Sequence[JobSummary], zone: tzinfo, n_columns: int) -> Table:
    """One line a job, in so many columns."""
    columns = [
        _Column("job", [Text(str(job.id)) for job in jobs]),
        _Column("status", [_status(job) for job in jobs]),
        _Column("user", [cut(job.user, _LONGEST_NAME) for job in jobs], rank=4),
        _Column("on", [cut(job.alias, _LONGEST_NAME) for job in jobs], rank=3),
        _Column("priority", [_priority(job) for job in jobs], rank=2),
        _Column("shots", [Text(f"{job.shots}") for job in jobs], rank=5, justify="right"),
        _Column("tags", [cut(" ".join(job.tags), _LONGEST_TAGS) for job in jobs], rank=1),
        _Column("submitted", [Text(short_instant(job.created_at, zone)) for job in jobs], rank=6),
        _Column("took", [_took_or_start(job, zone) for job in jobs], justify="right"),
    ]
    return _fitted(columns, n_columns)


def reasons(jobs: Sequence[JobSummary], zone: tzinfo) -> list[Text]:
    """Why jobs wait for more than those before them, each reason once, with its jobs."""
    waiting: dict[str, int] = {}
    for job in jobs:
        if job.waiting is not None and job.waiting.kind not in sentences.ORDINARY:
            sentence = sentences.reason(job.waiting, zone)
            waiting[sentence] = waiting.get(sentence, 0) + 1
    lines = [
        f"{n_jobs} wait{'s' if n_jobs == 1 else ''}: {sentence}"
        for sentence, n_jobs in waiting.items()
    ]
    return [Text("\n".join(lines), style="yellow")] if lines else []


def details_tables(details: JobDetails, zone: tzinfo) -> list[RenderableType]:
    """A line a fact, then the job's events."""
    events = plain_table("at", "state", "")
    events.columns[-1].no_wrap, events.columns[-1].overflow = False, "fold"
    for event in details.events:
        state = Text(event.state.value, style=_STYLES[event.state])
        events.add_row(full_instant(event.at, zone), state, Text(event.error))
    return [facts_table(_details_rows(details, zone)), events]


def _details_rows(details: JobDetails, zone: tzinfo) -> list[tuple[str, str | Text]]:
    job = details.job
    longest_first = sorted(details.timings_s.items(), key=lambda item: -item[1])
    timings = [f"{name} {_phase(s)}" for name, s in longest_first if name != "total"]
    sizes = f"payload {n_bytes(details.payload_bytes)}"
    if details.result_bytes:
        sizes += f", results {n_bytes(details.result_bytes)}"
    return [
        ("job", str(job.id)),
        ("status", _status(job)),
        ("error", Text(job.error, style="red")),
        ("waits", sentences.reason(job.waiting, zone) if job.waiting else ""),
        ("expected", "\n".join(sentences.expectation(job.estimate, zone)) if job.estimate else ""),
        ("held", job.hold_note or ("yes" if job.hold_note is not None else "")),
        ("user", job.user),
        ("type", job.job_type.value),
        ("on", job.alias + (", in timeslots only" if job.use_timeslot else "")),
        ("priority", _priority(job)),
        ("tags", " ".join(job.tags)),
        ("shots", f"{job.shots}"),
        ("circuits", f"{job.circuits}"),
        ("size", sizes),
        ("took", _took(job)),
        ("of that", ", ".join(timings)),
        ("calibration", str(details.calibration_set_id or "")),
        ("kept", "\n".join(_kept(details.keeping, zone))),
    ]


def _kept(kept: Keeping, zone: tzinfo) -> list[str]:
    """What is not as usual with what is kept of it."""
    lines = []
    if kept.is_partial:
        lines.append("what was measured until then: `labctl results --partial`")
    if kept.pin_note is not None:
        note = f": {kept.pin_note}" if kept.pin_note else ""
        lines.append(f"pinned by {kept.pinned_by}{note}")
    if kept.expired_at is not None:
        lines.append(f"payload and results were removed {full_instant(kept.expired_at, zone)}")
    return [*lines, f"damaged: {kept.damage}"] if kept.damage else lines


@dataclass(frozen=True, slots=True)
class _Column:
    """rank: of those that do not fit the lowest goes first; None stays."""

    name: str
    cells: Sequence[Text]
    rank: int | None = None
    justify: JustifyMethod = "left"

    @property
    def width(self) -> int:
        return max([len(self.name), *(cell.cell_len for cell in self.cells)])

    def order(self) -> tuple[bool, int]:
        """What goes first."""
        is_same = len({cell.plain for cell in self.cells}) < 2
        return not is_same, self.rank or 0


def _fitted(columns: list[_Column], n_columns: int) -> Table:
    """A table of those that fit beside each other."""
    kept = [column for column in columns if column.rank is None or any(column.cells)]
    for column in sorted((each for each in kept if each.rank is not None), key=_Column.order):
        if sum(each.width + 1 for each in kept) - 1 <= n_columns:
            break
        kept.remove(column)
    spare = n_columns - sum(each.width + 1 for each in kept)
    table = Table(
        box=None,
        header_style="bold",
        padding=(0, _GAP if spare >= len(kept) else 1, 0, 0),
        pad_edge=False,
    )
    for column in kept:
        table.add_column(column.name, no_wrap=True, justify=column.justify)
    for row in zip(*(column.cells for column in kept), strict=True):
        table.add_row(*row)
    return table


def cut(text: str, longest: int) -> Text:
    """Text of at most so many characters."""
    return Text(text if len(text) <= longest else f"{text[: longest - 1]}…")


def short_instant(instant: datetime, zone: tzinfo) -> str:
    """Time of day; the date too if it is not today's, the year if it is not this one."""
    local, now = instant.astimezone(zone), datetime.now(zone)
    if local.date() == now.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%d %b %H:%M}" if local.year == now.year else f"{local:%Y-%m-%d}"


def full_instant(instant: datetime | None, zone: tzinfo) -> str:
    """The instant with its zone; empty where there is none."""
    return "" if instant is None else shown_instant(instant, zone=zone, now=datetime.now(UTC))


def n_bytes(number: float) -> str:
    """Bytes in the unit that people use for so many."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} TiB"


def _phase(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"


def _status(job: JobSummary) -> Text:
    position = "" if job.queue_position is None else f" #{job.queue_position}"
    if job.hold_note is not None:
        return Text(f"HELD{position}", style="magenta")
    return Text(f"{job.status.value}{position}", style=_STYLES[job.status])


def _priority(job: JobSummary) -> Text:
    style = {Priority.HIGH: "bold", Priority.LOW: "dim"}.get(job.priority, "")
    return Text(job.priority.name.lower(), style=style)


def _took(job: Job) -> str:
    seconds = job.execution_s
    if seconds is None:
        return ""
    return f"{seconds:.2f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def _took_or_start(job: JobSummary, zone: tzinfo) -> Text:
    """How long it ran; of a job that waits, when it is expected to start."""
    start = job.estimate.start_p50 if job.estimate else None
    if start is None:
        return Text(_took(job))
    local = start.astimezone(zone)
    is_today = local.date() == datetime.now(zone).date()
    return Text(f"~{local:%H:%M}" if is_today else f"~{local:%d %b}", style="dim")
