from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labd.core.jobs import JobState, JobType, QcId
from labd.store.database import open_database
from labd.store.schema import migrate
from labd.store.search import NEWEST, Conditions, Effort, Page, Place, Search

COMPUTERS = (QcId(UUID(int=1)), QcId(UUID(int=2)))
USERS = (1, 2, 3)
TAGS = ("bell", "t1", "night")
N_INSTANTS = 12


@dataclass(frozen=True)
class Row:
    qc_id: QcId
    state: JobState
    user_id: int
    job_type: JobType
    created_at_ns: int
    tags: frozenset[str]


ROWS = st.builds(
    Row,
    qc_id=st.sampled_from(COMPUTERS),
    state=st.sampled_from(JobState).filter(lambda state: state is not JobState.EXECUTING),
    user_id=st.sampled_from(USERS),
    job_type=st.sampled_from(JobType),
    created_at_ns=st.integers(0, N_INSTANTS),
    tags=st.frozensets(st.sampled_from(TAGS)),
)
INSTANTS = st.none() | st.integers(-1, N_INSTANTS + 1)
CONDITIONS = st.builds(
    Conditions,
    qc_id=st.none() | st.sampled_from(COMPUTERS),
    states=st.frozensets(st.sampled_from(JobState)),
    user_id=st.none() | st.sampled_from(USERS),
    job_type=st.none() | st.sampled_from(JobType),
    tags=st.frozensets(st.sampled_from(TAGS), max_size=2),
    created_from_ns=INSTANTS,
    created_until_ns=INSTANTS,
)
EFFORTS = st.builds(
    Effort,
    page_s=st.sampled_from((0.0, 3.0, 1000.0)),
    stride_s=st.sampled_from((0.01, 1.0, 100.0)),
    first_stride=st.integers(1, 6),
    longest_stride=st.integers(1, 16),
)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search") / "labd.db"
    db = open_database(path)
    migrate(db)
    for qc_id in COMPUTERS:
        db.execute(
            "INSERT INTO quantum_computers (id, alias, display_name) VALUES (?, 'a', 'A')",
            (qc_id.bytes,),
        )
    for user_id in USERS:
        db.execute(
            "INSERT INTO users (id, name, role, created_at_ns) VALUES (?, ?, 'user', 0)",
            (user_id, f"user{user_id}"),
        )
    db.close()
    return path


def fill(path: Path, rows: list[Row]) -> None:
    """Exactly these jobs; a job's seq is its index, counted from 1."""
    db = open_database(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    db.execute("DELETE FROM jobs")
    db.executemany(
        "INSERT INTO jobs (seq, id, qc_id, job_type, state, shots, circuits, is_timeslot, user_id,"
        " submitted_by, created_at_ns, updated_at_ns) VALUES (?, ?, ?, ?, ?, 1, 1, 0, ?, '', ?, 0)",
        [
            (
                *(seq, uuid4().bytes, row.qc_id.bytes, row.job_type.value, row.state.value),
                *(row.user_id, row.created_at_ns),
            )
            for seq, row in enumerate(rows, 1)
        ],
    )
    db.executemany(
        "INSERT INTO job_tags (tag, created_at_ns, job_seq) VALUES (?, ?, ?)",
        [
            (tag, row.created_at_ns, seq)
            for seq, row in enumerate(rows, 1)
            for tag in sorted(row.tags)
        ],
    )
    db.execute("COMMIT")
    db.close()


def brute(rows: list[Row], wanted: Conditions) -> list[int]:
    """Seqs of the jobs that fit, the newest first."""
    fitting = [
        (row.created_at_ns, seq)
        for seq, row in enumerate(rows, 1)
        if (wanted.qc_id is None or row.qc_id == wanted.qc_id)
        and (not wanted.states or row.state in wanted.states)
        and (wanted.user_id is None or row.user_id == wanted.user_id)
        and (wanted.job_type is None or row.job_type is wanted.job_type)
        and wanted.tags <= row.tags
        and (wanted.created_from_ns is None or row.created_at_ns >= wanted.created_from_ns)
        and (wanted.created_until_ns is None or row.created_at_ns < wanted.created_until_ns)
    ]
    return [seq for _, seq in sorted(fitting, reverse=True)]


def pages(search: Search, wanted: Conditions, limit: int) -> Iterator[Page]:
    place: Place | None = NEWEST
    while place is not None:
        page = asyncio.run(search.page(wanted, place, limit))
        place = page.next_place
        yield page


@given(
    rows=st.lists(ROWS, max_size=40),
    wanted=CONDITIONS,
    limit=st.integers(1, 12),
    effort=EFFORTS,
)
@settings(max_examples=150, deadline=None)
def test_the_pages_together_are_the_jobs_that_fit_newest_first(
    database: Path, rows: list[Row], wanted: Conditions, limit: int, effort: Effort
) -> None:
    fill(database, rows)
    search = Search(database, effort, itertools.count().__next__)

    listed = list(pages(search, wanted, limit))

    search.close()
    assert [job.seq for page in listed for job, _ in page.jobs] == brute(rows, wanted)
    assert all(len(page.jobs) <= limit for page in listed)
    assert {job.seq: frozenset(tags) for page in listed for job, tags in page.jobs} == {
        seq: rows[seq - 1].tags for seq in brute(rows, wanted)
    }


def test_a_page_whose_time_is_over_is_short_and_has_a_successor(database: Path) -> None:
    rare = Row(COMPUTERS[0], JobState.FAILED, 1, JobType.PULSE, 0, frozenset())
    common = [
        Row(COMPUTERS[0], state, user_id, JobType.PULSE, 1, frozenset())
        for state, user_id in ((JobState.FAILED, 2), (JobState.COMPLETED, 1)) * 20
    ]
    fill(database, [rare, *common])
    search = Search(database, Effort(page_s=0.0, first_stride=4), itertools.count().__next__)

    listed = list(pages(search, Conditions(states=frozenset({JobState.FAILED}), user_id=1), 2))

    search.close()
    assert [len(page.jobs) for page in listed] == [0] * (len(listed) - 1) + [1]
    assert len(listed) > 3


def test_conditions_that_never_hold_at_the_same_time_are_passed_over(database: Path) -> None:
    old = [Row(COMPUTERS[0], JobState.FAILED, 2, JobType.PULSE, 0, frozenset())] * 500
    new = [Row(COMPUTERS[0], JobState.COMPLETED, 1, JobType.PULSE, 1, frozenset())] * 500
    fill(database, old + new)
    looks: list[float] = []

    def clock_s() -> float:
        looks.append(0.0)
        return 0.0

    search = Search(database, Effort(first_stride=10, longest_stride=10), clock_s)

    wanted = Conditions(states=frozenset({JobState.FAILED}), user_id=1)
    (page,) = pages(search, wanted, 5)

    search.close()
    assert page == Page((), None)
    assert len(looks) < 5


def test_a_last_page_that_is_full_has_no_successor(database: Path) -> None:
    fill(database, [Row(COMPUTERS[0], JobState.FAILED, 1, JobType.PULSE, 0, frozenset())] * 4)
    search = Search(database)

    listed = list(pages(search, Conditions(), 2))

    search.close()
    assert [len(page.jobs) for page in listed] == [2, 2]
