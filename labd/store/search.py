"""Searching jobs: any conditions together, the newest first, page by page.

Every index that a condition can use yields its jobs in the order of the list, (created_at_ns, seq)
descending. A page is put together in strides: of all usable indices the one that comes furthest
back in time with so many entries leads (it passes over most jobs that do not fit), its entries are
read and the other conditions tried on them. So conditions that are rare, or common but never at the
same time, cost little. What a page may cost is bounded: when its time is over it ends where it is,
short or empty, and its successor goes on there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from labd.core.jobs import Job, JobState, JobType, QcId
from labd.store.database import open_reader
from labd.store.jobs import COLUMNS, job_of_row
from labd.store.records import tags_of_jobs

_EARLIEST_NS, _LATEST_NS = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list of all jobs: just behind the job of that instant and number."""

    created_at_ns: int
    seq: int


NEWEST = Place(_LATEST_NS, _LATEST_NS)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the jobs of a list have in common; None or empty: whatever it is.

    created_from_ns inclusive, created_until_ns exclusive. tags: a job has all of them.
    """

    qc_id: QcId | None = None
    states: frozenset[JobState] = frozenset()
    user_id: int | None = None
    job_type: JobType | None = None
    tags: frozenset[str] = frozenset()
    created_from_ns: int | None = None
    created_until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Jobs without queue positions, each with its tags, and where the next page begins."""

    jobs: tuple[tuple[Job, tuple[str, ...]], ...]
    next_place: Place | None


@dataclass(frozen=True, slots=True)
class Effort:
    """What a page may cost. A first stride has first_stride entries, later ones fill stride_s."""

    page_s: float = 0.03
    stride_s: float = 0.008
    first_stride: int = 64
    longest_stride: int = 8192


_Value = int | str | bytes
_RANGE = "(created_at_ns, {seq}) < (?, ?) AND created_at_ns >= ?"


@dataclass(frozen=True, slots=True)
class _Lead:
    """An index, or several to be merged, that yields jobs in the order of the list.

    arms: statements without their order, each with the values that come before the range's.
    """

    arms: tuple[tuple[str, tuple[_Value, ...]], ...]

    def entries(
        self, place: Place, from_ns: int, n_entries: int, offset: int = 0
    ) -> tuple[str, list[_Value]]:
        """The statement that yields (at_ns, number) of so many entries behind a place."""
        union = " UNION ALL ".join(statement for statement, _ in self.arms)
        values: list[_Value] = []
        for _, before in self.arms:
            values += (*before, place.created_at_ns, place.seq, from_ns)
        return (
            f"{union} ORDER BY 1 DESC, 2 DESC LIMIT ? OFFSET ?",
            [*values, n_entries, offset],
        )


class Search:
    """Pages of jobs, read by a thread with a connection of its own: nobody else waits for it."""

    def __init__(
        self,
        database: Path,
        effort: Effort | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = open_reader(database)
        self._effort = Effort() if effort is None else effort
        self._clock_s = clock_s
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="search")

    def close(self) -> None:
        """End the thread and close the connection. Idempotent."""
        self._executor.shutdown(cancel_futures=True)
        self._reader.close()

    async def page(self, conditions: Conditions, place: Place, limit: int) -> Page:
        """At most `limit` jobs behind a place, as of one instant; takes some milliseconds."""
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, self._page, conditions, place, limit
        )

    def _page(self, conditions: Conditions, place: Place, limit: int) -> Page:
        self._reader.execute("BEGIN")
        try:
            jobs, next_place = self._jobs(conditions, place, limit)
            tags = tags_of_jobs(self._reader, [job.seq for job in jobs])
        finally:
            self._reader.execute("COMMIT")
        return Page(tuple((job, tags.get(job.seq, ())) for job in jobs), next_place)

    def _jobs(
        self, conditions: Conditions, place: Place, limit: int
    ) -> tuple[list[Job], Place | None]:
        started = now = self._clock_s()
        from_ns = conditions.created_from_ns
        from_ns = _EARLIEST_NS if from_ns is None else from_ns
        if conditions.created_until_ns is not None:
            place = min(place, Place(conditions.created_until_ns, _EARLIEST_NS), key=_order)
        leads = _leads(conditions)
        filters, values = _filters(conditions)
        stride = max(self._effort.first_stride, limit + 1)
        found: list[Job] = []
        while True:
            lead, end = self._furthest(leads, place, from_ns, stride)
            entries, keys = lead.entries(place, from_ns, stride)
            rows = self._reader.execute(
                f"SELECT {COLUMNS} FROM ({entries}) AS entry CROSS JOIN jobs ON jobs.seq = number"
                f" WHERE {filters} ORDER BY at_ns DESC, number DESC LIMIT ?",
                [*keys, *values, limit + 1 - len(found)],
            ).fetchall()
            found += map(job_of_row, rows)
            if len(found) > limit:
                last = found[limit - 1]
                return found[:limit], Place(last.created_at_ns, last.seq)
            if end is None:
                return found, None
            place, before, now = end, now, self._clock_s()
            if now - started >= self._effort.page_s:
                return found, place
            stride = self._next_stride(stride, now - before)

    def _furthest(
        self, leads: Sequence[_Lead], place: Place, from_ns: int, stride: int
    ) -> tuple[_Lead, Place | None]:
        """The index whose entries come furthest back in a stride, and the last of these.

        None: that index has no more than these.
        """
        ends: list[tuple[_Lead, Place]] = []
        for lead in leads:
            statement, values = lead.entries(place, from_ns, 1, stride - 1)
            row = self._reader.execute(statement, values).fetchone()
            if row is None:
                return lead, None
            ends.append((lead, Place(*row)))
        return min(ends, key=lambda each: _order(each[1]))

    def _next_stride(self, stride: int, took_s: float) -> int:
        """As long as fills stride_s by what the last one took, at most four times as long."""
        factor = min(4.0, self._effort.stride_s / max(took_s, 1e-6))
        return max(1, min(self._effort.longest_stride, int(stride * factor)))


def _order(place: Place) -> tuple[int, int]:
    return place.created_at_ns, place.seq


def _arm(index: str, condition: str, *values: _Value) -> tuple[str, tuple[_Value, ...]]:
    where = f"{condition} AND {_RANGE}" if condition else _RANGE
    return (
        "SELECT created_at_ns AS at_ns, seq AS number FROM jobs"
        f" INDEXED BY {index} WHERE {where.format(seq='seq')}",
        values,
    )


def _leads(conditions: Conditions) -> list[_Lead]:
    """The indices that the conditions can use; that of all jobs where there is no other."""
    leads = []
    for tag in sorted(conditions.tags):
        statement = (
            "SELECT created_at_ns AS at_ns, job_seq AS number FROM job_tags"
            f" WHERE tag = ? AND {_RANGE.format(seq='job_seq')}"
        )
        leads.append(_Lead(((statement, (tag,)),)))
    if conditions.user_id is not None:
        leads.append(_Lead((_arm("jobs_of_user", "user_id = ?", conditions.user_id),)))
    if conditions.qc_id is not None:
        leads.append(_Lead((_arm("jobs_of_qc", "qc_id = ?", conditions.qc_id.bytes),)))
    states = conditions.states or frozenset(JobState)
    types = frozenset(JobType) if conditions.job_type is None else {conditions.job_type}
    if states != frozenset(JobState) or conditions.job_type is not None:
        arms = [
            _arm("jobs_of_state", "state = ? AND job_type = ?", state.value, job_type.value)
            for state in sorted(states)
            for job_type in sorted(types)
        ]
        leads.append(_Lead(tuple(arms)))
    return leads or [_Lead((_arm("jobs_created", ""),))]


def _filters(conditions: Conditions) -> tuple[str, list[_Value]]:
    """All conditions but the time, which every index keeps itself."""
    filters, values = ["TRUE"], list[_Value]()
    if conditions.qc_id is not None:
        filters.append("qc_id = ?")
        values.append(conditions.qc_id.bytes)
    if conditions.user_id is not None:
        filters.append("user_id = ?")
        values.append(conditions.user_id)
    if conditions.job_type is not None:
        filters.append("job_type = ?")
        values.append(conditions.job_type.value)
    if conditions.states:
        filters.append(f"state IN ({', '.join('?' * len(conditions.states))})")
        values += sorted(state.value for state in conditions.states)
    for tag in sorted(conditions.tags):
        filters.append(
            "EXISTS (SELECT 1 FROM job_tags WHERE tag = ? AND job_seq = number"
            " AND job_tags.created_at_ns = at_ns)"
        )
        values.append(tag)
    return " AND ".join(filters), values
