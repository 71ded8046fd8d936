"""Who waits for what: change the record, notify once, let everyone re-read.

A watch carries no news, only the fact that something changed since the last look; what it is stands
in the store. So nothing is lost between a look and the next wait, and a slow watcher costs nothing.
All calls come from the event loop's thread.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Literal
from uuid import UUID

Topic = tuple[Literal["job", "queue", "arrival", "progress"], UUID]
"""job: the record of that job. queue: positions in the queue of that quantum computer.
arrival: what may let a job start there: one was queued or let go, its mode or its slots changed.
progress: shots done of that job."""


class Watch:
    """Waits for changes of its topics, from its making to its end as a context manager."""

    def __init__(self, changes: Changes, topics: tuple[Topic, ...]) -> None:
        self._changes = changes
        self._topics = set(topics)
        self._has_changed = False
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

    def wake(self) -> None:
        """Something changed."""
        self._has_changed = True
        self._finish()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Whether something changed since the last call; waits for it at most so long."""
        if not self._has_changed:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            alarm = None if timeout_s is None else loop.call_later(timeout_s, self._finish)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if alarm is not None:
                    alarm.cancel()
        has_changed, self._has_changed = self._has_changed, False
        return has_changed

    def _finish(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Changes:
    """The one place where changes are told and waited for."""

    def __init__(self) -> None:
        self._watches: dict[Topic, set[Watch]] = {}
        self._n_queue_changes: dict[UUID, int] = {}

    def watch(self, *topics: Topic) -> Watch:
        """A watch of these topics; use it in a with statement, look after entering it."""
        return Watch(self, topics)

    def notify(self, *topics: Topic) -> None:
        """Wake everyone who watches one of these."""
        for topic in topics:
            if topic[0] == "queue":
                self._n_queue_changes[topic[1]] = self.queue_generation(topic[1]) + 1
            for watch in tuple(self._watches.get(topic, ())):
                watch.wake()

    def notify_all(self) -> None:
        """Wake everyone: labd is stopping."""
        for watches in tuple(self._watches.values()):
            for watch in tuple(watches):
                watch.wake()

    def queue_generation(self, qc_id: UUID) -> int:
        """Grows with every change of positions in a queue."""
        return self._n_queue_changes.get(qc_id, 0)

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
