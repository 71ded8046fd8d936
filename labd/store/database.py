"""Connections, and the one writer thread with its group commit.

Many callers, one thread that writes: it takes all that waits, runs each change in its own savepoint
inside one transaction, commits once (one fsync of the log), then answers everybody. An answer is
given only after the commit, so that what is answered is durable. BEGIN IMMEDIATE takes the write
lock before anything is read: no change is decided on a state that is gone when it is written.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from labd.core.errors import Unavailable

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], T]

MAX_GROUP = 256

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting(Generic[T]):
    change: Change[T]
    future: Future[T]
    value: T | None = None
    error: Exception | None = None


def open_database(path: Path) -> sqlite3.Connection:
    """A connection that may write, in autocommit mode: transactions are begun by hand."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    connection.execute("PRAGMA query_only = ON")
    return connection


def storage_sentence(error: Exception) -> str:
    """What a caller is told when the disk or the database refuses."""
    return f"labd cannot store anything now ({error}); nothing was changed, try again later"


class Writer:
    """The thread that owns the writing connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: queue.SimpleQueue[_Waiting[object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change[T]) -> Future[T]:
        """Queue a change. The future resolves after the commit that contains it.

        It fails with the change's own exception (its effects are undone, the others' are kept), or
        with Unavailable when the database could not be written (nothing of the group is kept).
        """
        future: Future[T] = Future()
        self._queue.put(_Waiting(change, future))  # type: ignore[arg-type]
        return future

    def close(self) -> None:
        """Write what is queued, then end the thread and close the connection. Idempotent."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
            self._connection.close()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group: list[_Waiting[object]] = []
            item = self._queue.get()
            while item is not None:
                group.append(item)
                if len(group) >= MAX_GROUP:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            is_open = item is not None
            # From here on a caller that goes away cannot take its change back.
            group = [each for each in group if each.future.set_running_or_notify_cancel()]
            if group:
                self._write(group)

    def _write(self, group: list[_Waiting[object]]) -> None:
        failure = self._commit(group)
        if failure is not None:
            _log.error("store: write refused: %s", failure)
            refusal = Unavailable(storage_sentence(failure))
            for waiting in group:
                waiting.future.set_exception(refusal)
            return
        for waiting in group:
            if waiting.error is not None:
                waiting.future.set_exception(waiting.error)
            else:
                waiting.future.set_result(waiting.value)

    def _commit(self, group: list[_Waiting[object]]) -> sqlite3.Error | None:
        """One transaction for the group; returns why nothing of it was kept, or None."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for waiting in group:
                self._apply(waiting)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return error
        return None

    def _apply(self, waiting: _Waiting[object]) -> None:
        """Run one change in a savepoint; errors of the medium pass through and end the group."""
        connection = self._connection
        connection.execute("SAVEPOINT change")
        try:
            waiting.value = waiting.change(connection)
        except sqlite3.IntegrityError as error:
            waiting.error = error
        except sqlite3.DatabaseError:
            raise
        except Exception as error:  # a change's own failure must not end the thread of all
            waiting.error = error
        if waiting.error is not None:
            connection.execute("ROLLBACK TO change")
        connection.execute("RELEASE change")
