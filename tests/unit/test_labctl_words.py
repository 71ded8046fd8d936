"""What labctl makes of words and puts into tables, without a server."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from uuid import UUID

import click
import pytest
from hypothesis import given
from hypothesis import strategies as some
from rich.console import Console, RenderableType

from labd.cli import sentences, tables
from labd.cli.facts import job_facts
from labd.cli.labctl.limits import amount
from labd.cli.labctl.root import cli
from labd.client import (
    AuditLine,
    CalibrationHead,
    Connection,
    Estimate,
    JobDetails,
    JobEvent,
    JobState,
    JobSummary,
    JobType,
    Limit,
    Limits,
    Machine,
    Priority,
    Timeslot,
    Token,
    User,
    Waiting,
    WaitingKind,
    WhoAmI,
)
from labd.core.access import TABLE, Reach, deed
from labd.core.limits import LimitName

NOW = datetime.now(UTC)
JOB = JobSummary(
    id=UUID("01920000-0000-7000-8000-000000000001"),
    job_type=JobType.PULSE,
    status=JobState.IN_QUEUE,
    alias="star5",
    shots=1000,
    circuits=1,
    created_at=NOW,
    updated_at=NOW,
    queue_position=3,
    user="alice",
    tags=(),
    priority=Priority.NORMAL,
    use_timeslot=False,
    hold_note=None,
    waiting=None,
    estimate=None,
)


def printed(*renderables: RenderableType, n_columns: int = 80) -> list[str]:
    out = StringIO()
    console = Console(file=out, width=n_columns, highlight=False)
    for renderable in renderables:
        console.print(renderable)
    return [line.rstrip() for line in out.getvalue().splitlines()]


# ---- amounts


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        (LimitName.QUEUED_JOBS, "500", 500),
        (LimitName.QUEUED_SHOTS, "2M", 2e6),
        (LimitName.RESULT_BYTES, "20MB", 20e6),
        (LimitName.RESULT_BYTES, "2GiB", 2 * 2**30),
        (LimitName.QUEUED_PAYLOAD_BYTES, "1.5 k", 1500),
        (LimitName.RUN_S_PER_DAY, "90min", 5400),
        (LimitName.RUN_S_PER_DAY, "10h", 36000),
    ],
)
def test_amounts_have_units(name: LimitName, text: str, value: float) -> None:
    assert amount(name, text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (LimitName.QUEUED_JOBS, "5GB"),
        (LimitName.QUEUED_JOBS, "-5"),
        (LimitName.RESULT_BYTES, "2 furlongs"),
        (LimitName.RUN_S_PER_DAY, "10 GB"),
        (LimitName.RUN_S_PER_DAY, ""),
    ],
)
def test_what_is_no_amount_is_refused_with_an_example(name: LimitName, text: str) -> None:
    with pytest.raises(ValueError, match="give one like"):
        amount(name, text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.004, "0.004 s"),
        (1.96, "2 s"),
        (42.4, "42 s"),
        (60, "1 min"),
        (135, "2 min 15 s"),
        (7200, "2 h"),
        (9000, "2 h 30 min"),
        (3 * 86400, "3.0 days"),
    ],
)
def test_durations_are_no_finer_than_they_matter(seconds: float, text: str) -> None:
    assert sentences.duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**31, "2 GiB")]
)
def test_bytes_have_units(number: int, text: str) -> None:
    assert tables.n_bytes(number) == text


# ---- jobs in tables


names = some.text(some.characters(categories=("L", "N")), min_size=1, max_size=32)
jobs = some.builds(
    JobSummary,
    id=some.uuids(),
    job_type=some.sampled_from(JobType),
    status=some.sampled_from(JobState),
    alias=names,
    shots=some.integers(1, 2**31 - 1),
    circuits=some.just(1),
    created_at=some.datetimes(timezones=some.just(UTC)),
    updated_at=some.just(NOW),
    execution_started_at=some.just(NOW),
    execution_ended_at=some.sampled_from([None, NOW, NOW + timedelta(days=3)]),
    queue_position=some.one_of(some.none(), some.integers(0, 10**6)),
    error=some.just(""),
    user=names,
    tags=some.lists(names, max_size=4).map(tuple),
    priority=some.sampled_from(Priority),
    use_timeslot=some.booleans(),
    hold_note=some.one_of(some.none(), names),
    waiting=some.none(),
    estimate=some.none(),
)


@given(some.lists(jobs, max_size=5))
def test_a_list_of_any_jobs_fits_and_cuts_no_id(listed: list[JobSummary]) -> None:
    lines = printed(tables.jobs_table(listed, UTC, 80))

    assert len(lines) == len(listed) + 1
    assert max(map(len, lines)) <= 80
    for job, line in zip(listed, lines[1:], strict=True):
        assert line.startswith(f"{job.id} ")


def test_a_wide_terminal_gets_all_columns() -> None:
    job = replace(JOB, tags=("rabi",))

    head = printed(tables.jobs_table([job], UTC, 160), n_columns=160)[0].split()

    assert head == [
        *("job", "status", "user", "on", "priority", "shots", "tags", "submitted", "took")
    ]


def test_what_tells_jobs_apart_stays_longest() -> None:
    two = [replace(JOB, shots=10_000_000, user=name) for name in ("alexandra", "benedicta")]

    head = printed(tables.jobs_table(two, UTC, 72), n_columns=72)[0].split()

    assert "user" in head
    assert "shots" not in head


def test_reasons_are_told_once_below_the_list() -> None:
    paused = Waiting(WaitingKind.MACHINE_HELD, 'star5 is paused by root: "He low"', None)
    behind = Waiting(WaitingKind.JOBS_BEFORE, "3 jobs run before it", None)
    waiting = [replace(JOB, waiting=each) for each in (paused, paused, behind, None)]

    assert printed(*tables.reasons(waiting, UTC)) == ['2 wait: star5 is paused by root: "He low"']


def test_a_reason_ends_in_the_users_zone_too() -> None:
    until = datetime(2031, 7, 1, 12, 0, tzinfo=UTC)
    slot = Waiting(WaitingKind.TIMESLOT, "bob has star5 until 2031-07-01 12:00 UTC", until)

    assert sentences.reason(slot, UTC) == slot.sentence
    assert sentences.reason(slot, timezone(timedelta(hours=3), "EEST")) == (
        f"{slot.sentence} (until Tue 1 Jul 2031 15:00 EEST)"
    )


def test_an_estimate_is_told_with_its_error() -> None:
    start = NOW + timedelta(hours=2)
    job = replace(JOB, estimate=Estimate(start, start + timedelta(hours=1), 12.3, 80.0))

    lines = sentences.why(job, UTC)

    assert "in nine of ten cases before" in lines[1]
    assert lines[2] == "it runs for about 12 s, in nine of ten cases less than 1 min 20 s"
    assert " ~" in printed(tables.jobs_table([job], UTC, 80))[1]


def test_a_job_as_json_is_json() -> None:
    told = job_facts(replace(JOB, hold_note="", tags=("a", "b")))

    assert told["priority"] == "normal"
    assert told["tags"] == ["a", "b"]
    assert told["hold_note"] == ""
    assert told["error"] is None
    assert str(told["created_at"]).endswith("+00:00")


# ---- sentences of refusals


def test_every_deed_that_somebody_may_not_do_has_words() -> None:
    refused = [method for method, row in TABLE.items() if Reach.NONE in row.values()]

    assert refused
    assert [method for method in refused if deed(method).startswith("call ")] == []


# ---- the manual

MANUAL = (Path(__file__).parents[2] / "docs" / "labctl.md").read_text(encoding="utf-8")


def verbs(group: click.Group, path: str = "") -> list[str]:
    found: list[str] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += verbs(command, f"{path}{name} ")
        else:
            found.append(f"{path}{name}")
    return found


def test_the_manual_has_every_verb() -> None:
    heads = [line for line in MANUAL.splitlines() if line.startswith("### ")]

    def is_there(verb: str) -> bool:
        return any(set(verb.split()) <= set(re.findall(r"\w+", head)) for head in heads)

    assert len(verbs(cli)) > 35
    assert [verb for verb in verbs(cli) if not is_there(verb)] == ["completion"]


@pytest.mark.parametrize(
    "value",
    [
        *(CalibrationHead, Connection, JobDetails, JobEvent, JobSummary, Estimate, Waiting),
        *(Limit, Limits, Machine, Timeslot, Token, User, WhoAmI, AuditLine),
    ],
)
def test_the_manual_has_every_key(value: type) -> None:
    renamed = {"alias": "quantum_computer", "job_type": "type", "job": "jobs"}
    keys = [renamed.get(field.name, field.name) for field in fields(value)]

    assert [key for key in keys if f"`{key}`" not in MANUAL] == []


def test_every_verb_but_those_that_answer_with_a_file_takes_json() -> None:
    def without(group: click.Group, path: str = "") -> list[str]:
        found: list[str] = []
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                found += without(command, f"{path}{name} ")
            elif all("--json" not in parameter.opts for parameter in command.params):
                found.append(f"{path}{name}")
        return found

    assert without(cli) == ["payload", "calibrations export", "completion"]
