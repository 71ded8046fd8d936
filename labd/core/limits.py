"""What a user may use at most: the limits' names, which value holds, and whether a job fits.

A limit holds over all quantum computers. A user's own value goes before his role's, that before the
configuration's; none of them: no limit. What is counted:
- queued_jobs, queued_payload_bytes, queued_shots: jobs from their acceptance to their end;
- run_s_per_day: seconds that jobs ran within the last 24 hours, and those that the accepted ones
  are expected to run, so that nobody queues up more than he may run;
- result_bytes: results on disk; once they are used up no job is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

DAY_NS = 86_400_000_000_000
_S_NS = 1_000_000_000


class LimitName(StrEnum):
    """The limits; jobs, bytes, shots x circuits, seconds, bytes."""

    QUEUED_JOBS = "queued_jobs"
    QUEUED_PAYLOAD_BYTES = "queued_payload_bytes"
    QUEUED_SHOTS = "queued_shots"
    RUN_S_PER_DAY = "run_s_per_day"
    RESULT_BYTES = "result_bytes"


class Source(StrEnum):
    """Where a value was set."""

    USER = "user"
    ROLE = "role"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class Bound:
    """The value that holds, in the limit's unit; None: unlimited."""

    value: float | None
    source: Source


Amounts = Mapping[LimitName, float]
Bounds = Mapping[LimitName, Bound]


@dataclass(frozen=True, slots=True)
class Run:
    """When a job ran, nanoseconds since 1970."""

    started_ns: int
    ended_ns: int


def effective(
    of_user: Mapping[LimitName, float | None],
    of_role: Mapping[LimitName, float | None],
    of_config: Mapping[str, float],
) -> Bounds:
    """The value of each limit that holds; a None set for a user or a role lifts the limit."""
    bounds: dict[LimitName, Bound] = {}
    for name in LimitName:
        if name in of_user:
            bounds[name] = Bound(of_user[name], Source.USER)
        elif name in of_role:
            bounds[name] = Bound(of_role[name], Source.ROLE)
        else:
            bounds[name] = Bound(of_config.get(name.value), Source.CONFIG)
    return bounds


def is_limited(bounds: Bounds) -> bool:
    """Whether there is any limit."""
    return any(bound.value is not None for bound in bounds.values())


def asked_by_job(*, payload_bytes: int, shots: int, circuits: int, run_s: float) -> Amounts:
    """What a job uses of each limit as soon as it is accepted."""
    return {
        LimitName.QUEUED_JOBS: 1,
        LimitName.QUEUED_PAYLOAD_BYTES: payload_bytes,
        LimitName.QUEUED_SHOTS: shots * max(circuits, 1),
        LimitName.RUN_S_PER_DAY: run_s,
        LimitName.RESULT_BYTES: 0,
    }


def added(used: Amounts, asked: Amounts) -> Amounts:
    """What is used when so much comes to it."""
    return {name: used[name] + asked.get(name, 0) for name in LimitName}


def exceeded(bounds: Bounds, used: Amounts, asked: Amounts) -> LimitName | None:
    """The first limit that the job does not fit in; None: it fits."""
    for name in LimitName:
        limit = bounds[name].value
        if limit is None:
            continue
        room = limit - used[name]
        if asked[name] > room or (name is LimitName.RESULT_BYTES and room <= 0):
            return name
    return None


def frees_at_ns(runs: Iterable[Run], excess_s: float, now_ns: int) -> int | None:
    """When so many seconds of the runs will lie more than 24 hours back; None: never.

    Runs on several quantum computers may lie beside each other in time.
    """
    since_ns = now_ns - DAY_NS
    edges: list[tuple[int, int]] = []
    for run in runs:
        if run.ended_ns > since_ns:
            edges += [(max(run.started_ns, since_ns), 1), (run.ended_ns, -1)]
    left_ns = round(excess_s * _S_NS)
    n_beside, last_ns = 0, since_ns
    for at_ns, step in sorted(edges):
        passed_ns = n_beside * (at_ns - last_ns)
        if n_beside and passed_ns >= left_ns:
            return last_ns + -(-left_ns // n_beside) + DAY_NS
        left_ns -= passed_ns
        n_beside, last_ns = n_beside + step, at_ns
    return None


def frees(name: LimitName, *, limit: float, asked: float, run_frees_ns: int | None) -> str:
    """When there is room again, as the end of a sentence.

    run_frees_ns: what `frees_at_ns` says; of no importance for the other limits.
    """
    if name is LimitName.RESULT_BYTES:
        return "delete results with `labctl delete`"
    if asked > limit:
        return "a single job may not be larger than that; split it, or ask an admin for more"
    if name is not LimitName.RUN_S_PER_DAY:
        return "a place frees when one of them ends or is cancelled"
    if run_frees_ns is None:
        return "it frees when jobs that wait are cancelled, or a day after they ran"
    at = datetime.fromtimestamp(-(-run_frees_ns // _S_NS), UTC)
    return f"it frees at {at:%Y-%m-%d %H:%M:%S} UTC as runs fall out of the last 24 hours"
