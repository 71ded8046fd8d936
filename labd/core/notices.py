"""What people are told of without asking: the ends of jobs, and racks that fail and come back.

Notices for one target are delivered together: as many as have gathered when its rate lets the next
delivery go. So nothing is told more often than wanted, and nothing is left out but what finds no
room in a long outage, which is counted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from labd.core.jobs import Job

Topic = Literal["COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED", "rack"]
"""A final state of a job, or a rack's trouble and its end."""

N_SENTENCES: Final = 10
"""Sentences that a delivery's text has; the rest is in its events."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened. text: a sentence. job_id, user, error: empty where there is none."""

    topic: Topic
    at_ns: int
    alias: str
    text: str
    job_id: str = ""
    user: str = ""
    error: str = ""


_TOPICS: Final[dict[str, Topic]] = {
    "COMPLETED": "COMPLETED",
    "CANCELLED": "CANCELLED",
    "FAILED": "FAILED",
    "INTERRUPTED": "INTERRUPTED",
}


def job_notice(alias: str, job: Job) -> Notice | None:
    """That a job has ended; None for one that has not."""
    topic = _TOPICS.get(job.state.value)
    if topic is None:
        return None
    reason = f": {job.error}" if job.error else ""
    text = f"{alias}: job {job.id} of {job.submitted_by} is {topic}{reason}"
    at_ns, error = job.updated_at_ns, job.error or ""
    return Notice(topic, at_ns, alias, text, str(job.id), job.submitted_by, error)


def rack_notice(alias: str, what: str, at_ns: int) -> Notice:
    """That a rack cannot be used, with the reason; or, where there is none, that it can again."""
    text = f"{alias}: {what}" if what else f"{alias}: the rack is ready again"
    return Notice("rack", at_ns, alias, text, error=what)


def pack_notices(notices: Sequence[Notice], n_dropped: int) -> bytes:
    """A delivery: a JSON object with `text`, `events` and `n_dropped`, those that had no room."""
    sentences = [each.text for each in notices[:N_SENTENCES]]
    n_more = len(notices) - len(sentences) + n_dropped
    if n_more:
        sentences.append(f"and {n_more} more")
    events = [
        {
            "event": each.topic,
            "at": datetime.fromtimestamp(each.at_ns / 1e9, UTC).isoformat(),
            "quantum_computer": each.alias,
            "job_id": each.job_id,
            "user": each.user,
            "error": each.error,
            "text": each.text,
        }
        for each in notices
    ]
    document = {"text": "\n".join(sentences), "events": events, "n_dropped": n_dropped}
    return json.dumps(document, ensure_ascii=False).encode()


class Rate:
    """So many a minute, up to as many at once. Instants are seconds of one clock."""

    def __init__(self, per_minute: float, now_s: float) -> None:
        self._per_s = per_minute / 60.0
        self._most = max(1.0, per_minute)
        self._left = self._most
        self._at_s = now_s

    def wait_s(self, now_s: float) -> float:
        """How long the next one has to wait; 0 when it may go."""
        self._fill(now_s)
        return 0.0 if self._left >= 1.0 else (1.0 - self._left) / self._per_s

    def take(self, now_s: float) -> None:
        """One goes."""
        self._fill(now_s)
        self._left -= 1.0

    def _fill(self, now_s: float) -> None:
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
