"""Who waits for what: change the record, notify once, let everyone re-read.

A watch carries no news, only what kind of thing changed since the last look; how it is now stands
in the store. So nothing is lost between a look and the next wait, and a slow watcher costs nothing.
All calls come from the event loop's thread.

A queue moves with every job that starts, and everybody in it has a new position: its watchers are
woken at most once a second, all together, so that they share one reading of the queue.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal
from uuid import UUID

QUEUE_PERIOD_S = 1.0

Kind = Literal["job", "queue", "arrival", "progress", "other"]
Topic = tuple[Kind, UUID]
"""job: the record of that job. queue: positions in the queue of that quantum computer.
arrival: what may let a job start there: one was queued or let go, its mode or its slots changed.
progress: shots done of that job."""


class Watch:
    """Waits for changes of its topics, from its making to its end as a context manager."""

    def __init__(self, changes: Changes, topics: tuple[Topic, ...]) -> None:
        self._changes = changes
        self._topics = set(topics)
        self._changed: set[Kind] = set()
        self._waiter: asyncio.Future[None] | None = None

    def __enter__(self) -> Watch:
        for topic in self._topics:
            self._changes.add(topic, self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for topic in self._topics:
            self._changes.remove(topic, self)

    def drop(self, topic: Topic) -> None:
        """Wait for this one no longer. Idempotent."""
        if topic in self._topics:
            self._topics.remove(topic)
            self._changes.remove(topic, self)

    def wake(self, kind: Kind = "other") -> None:
        """Something changed."""
        self._changed.add(kind)
        self._finish()

    async def wait(self, timeout_s: float | None = None) -> frozenset[Kind]:
        """What kinds of things changed since the last call; waits for one at most so long."""
        if not self._changed:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            alarm = None if timeout_s is None else loop.call_later(timeout_s, self._finish)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if alarm is not None:
                    alarm.cancel()
        changed = frozenset(self._changed)
        self._changed.clear()
        return changed

    def _finish(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Changes:
    """The one place where changes are told and waited for."""

    def __init__(self) -> None:
        self._watches: dict[Topic, set[Watch]] = {}
        self._n_queue_changes: dict[UUID, int] = {}
        self._n_arrivals: dict[UUID, int] = {}
        self._n_queue_calls: dict[UUID, int] = {}
        self._called_s: dict[UUID, float] = {}
        self._is_call_due: set[UUID] = set()

    def watch(self, *topics: Topic) -> Watch:
        """A watch of these topics; use it in a with statement, look after entering it."""
        return Watch(self, topics)

    def notify(self, *topics: Topic) -> None:
        """Wake everyone who watches one of these; a queue's watchers within QUEUE_PERIOD_S."""
        for topic in topics:
            if topic[0] == "queue":
                self._n_queue_changes[topic[1]] = self.queue_generation(topic[1]) + 1
                self._call_queue_in_time(topic[1])
            else:
                self._wake(topic)
            if topic[0] == "arrival":
                self._n_arrivals[topic[1]] = self.arrival_generation(topic[1]) + 1

    def _wake(self, topic: Topic) -> None:
        for watch in tuple(self._watches.get(topic, ())):
            watch.wake(topic[0])

    def _call_queue_in_time(self, qc_id: UUID) -> None:
        if qc_id in self._is_call_due or ("queue", qc_id) not in self._watches:
            return
        loop = asyncio.get_running_loop()
        self._is_call_due.add(qc_id)
        due_s = self._called_s.get(qc_id, -QUEUE_PERIOD_S) + QUEUE_PERIOD_S
        loop.call_later(max(0.0, due_s - loop.time()), self._call_queue, qc_id)

    def _call_queue(self, qc_id: UUID) -> None:
        self._is_call_due.discard(qc_id)
        self._called_s[qc_id] = asyncio.get_running_loop().time()
        self._n_queue_calls[qc_id] = self.n_queue_calls(qc_id) + 1
        self._wake(("queue", qc_id))

    def notify_all(self) -> None:
        """Wake everyone: labd is stopping."""
        for watches in tuple(self._watches.values()):
            for watch in tuple(watches):
                watch.wake()

    def queue_generation(self, qc_id: UUID) -> int:
        """Grows with every change of positions in a queue."""
        return self._n_queue_changes.get(qc_id, 0)

    def arrival_generation(self, qc_id: UUID) -> int:
        """Grows with every change of what may start there."""
        return self._n_arrivals.get(qc_id, 0)

    def n_queue_calls(self, qc_id: UUID) -> int:
        """How often the watchers of a queue were woken."""
        return self._n_queue_calls.get(qc_id, 0)

    def add(self, topic: Topic, watch: Watch) -> None:
        """Called by a watch that begins."""
        self._watches.setdefault(topic, set()).add(watch)

    def remove(self, topic: Topic, watch: Watch) -> None:
        """Called by a watch that ends."""
        watches = self._watches.get(topic)
        if watches is not None:
            watches.discard(watch)
            if not watches:
                del self._watches[topic]
