"""Connections, and the one writer thread with its group commit.

Many callers, one thread that writes: it takes all that waits, runs each change in its own savepoint
inside one transaction, commits once (one fsync of the log), then answers everybody. An answer is
given only after the commit, so that what is answered is durable. BEGIN IMMEDIATE takes the write
lock before anything is read: no change is decided on a state that is gone when it is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

from labd.core.errors import Unavailable

T = TypeVar("T")
Item = TypeVar("Item")
Change = Callable[[sqlite3.Connection], T]
MakeRoom = Callable[[], None]
"""Called on the writer thread when the disk is full, before the group is written once more."""
OnCommit = Callable[[float, int], None]
"""Told, on the writer thread, how many seconds a commit took and how many changes it had."""

MAX_GROUP = 256
GATHER_S = 0.0003
MAX_GATHERINGS = 8
CROWD_DECAY = 0.9
SYNCHRONOUS = "FULL"
"""The log is on the disk before a commit returns. With NORMAL a power cut takes commits back."""

FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
"""The second one: of the index of the log."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batched(Generic[Item, T]):
    """A change that is written in one go with its neighbours of the same kind.

    together: does all items' changes with few long statements and returns their answers in order.
    SQLite runs a statement without Python's lock: the longer the statements, the less the event
    loop is disturbed.
    """

    together: Callable[[sqlite3.Connection, Sequence[Item]], Sequence[T]]
    item: Item

    def __call__(self, db: sqlite3.Connection) -> T:
        """The change alone."""
        return self.together(db, (self.item,))[0]


@dataclass(slots=True)
class _Waiting(Generic[T]):
    """A change, and who waits for it: a blocking caller, or a coroutine on the loop's thread."""

    change: Change[T]
    future: Future[T] | asyncio.Future[T]
    then: Callable[[T], None] | None = None
    value: T | None = None
    error: Exception | None = None

    def answer(self) -> None:
        """Resolve the future, on the thread where it is waited for."""
        if self.error is None and self.then is not None:
            self.then(cast("T", self.value))
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(cast("T", self.value))


def _answer_all(group: list[_Waiting[object]]) -> None:
    for waiting in group:
        waiting.answer()


def open_database(path: Path) -> sqlite3.Connection:
    """A connection that may write, in autocommit mode: transactions are begun by hand."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    connection.execute("PRAGMA query_only = ON")
    return connection


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk had no room."""
    return getattr(error, "sqlite_errorcode", None) in FULL_CODES


def storage_sentence(error: Exception) -> str:
    """What a caller is told when the disk or the database refuses."""
    return f"labd cannot store anything now ({error}); nothing was changed, try again later"


class Writer:
    """The thread that owns the writing connection."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        on_commit: OnCommit | None = None,
        make_room: MakeRoom | None = None,
    ) -> None:
        self._connection = connection
        self._on_commit = on_commit
        self._make_room = make_room
        self._queue: queue.SimpleQueue[_Waiting[object] | None] = queue.SimpleQueue()
        self._crowd = 0.0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def call(self, change: Change[T]) -> T:
        """Write a change and block until it is durable; raises as `write` does."""
        future: Future[T] = Future()
        self._queue.put(_Waiting(change, future))  # type: ignore[arg-type]
        return future.result()

    async def write(self, change: Change[T], then: Callable[[T], None] | None = None) -> T:
        """Write a change; returns after the commit that contains it.

        then: called with the answer on the loop's thread, also if the caller is gone by then.

        Raises the change's own exception (its effects are undone, the others' are kept), or
        Unavailable when the database could not be written (nothing of the group is kept). A change
        is carried out even if its caller goes away meanwhile; it may be carried out twice in a row,
        the first time undone.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Waiting(change, future, then))  # type: ignore[arg-type]
        return await future

    def close(self) -> None:
        """Write what is queued, then end the thread and close the connection. Idempotent."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
            self._connection.close()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._gather()
            if group:
                self._write(group)
                self._crowd = max(len(group), self._crowd * CROWD_DECAY)

    def _gather(self) -> tuple[list[_Waiting[object]], bool]:
        """What waits, up to MAX_GROUP, and whether more can come.

        Those who were answered together are likely on their way again together: wait until as many
        have come as lately stood in a group, as long as they keep coming. One commit for all of
        them costs less than the wait. A lone caller never waits.
        """
        group: list[_Waiting[object]] = []
        item = self._queue.get()
        for _ in range(MAX_GATHERINGS):
            n_waiting = self._queue.qsize()
            if n_waiting + 1 >= self._crowd:
                break
            time.sleep(GATHER_S)
            if self._queue.qsize() == n_waiting:
                break
        while item is not None:
            group.append(item)
            if len(group) == MAX_GROUP or self._queue.empty():
                break
            item = self._queue.get()
        return group, item is not None

    def _write(self, group: list[_Waiting[object]]) -> None:
        """Commit a group, then answer: coroutines all at once, one wake-up of their loop."""
        failure = self._commit(group)
        if failure is not None and is_full(failure) and self._make_room is not None:
            self._make_room()
            self._write_log_over()
            for waiting in group:
                waiting.error = None
            failure = self._commit(group)
        if failure is not None:
            _log.error("store: write refused: %s", failure)
            refusal = Unavailable(storage_sentence(failure))
            for waiting in group:
                waiting.error = refusal
        on_loop: list[_Waiting[object]] = []
        loop: asyncio.AbstractEventLoop | None = None
        for waiting in group:
            if isinstance(waiting.future, asyncio.Future):
                loop = waiting.future.get_loop()
                on_loop.append(waiting)
            else:
                waiting.answer()
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_answer_all, on_loop)

    def _commit(self, group: list[_Waiting[object]]) -> sqlite3.Error | None:
        """One transaction for the group; returns why nothing of it was kept, or None.

        Nearly always no change fails. Where one does, all is rolled back and done once more, each
        change in a savepoint of its own.
        """
        try:
            self._transact(group, self._run_in_batches)
        except sqlite3.IntegrityError:
            pass
        except sqlite3.Error as error:
            return error
        except Exception:  # a change's own failure, which must not end the thread of all
            _log.debug("store: a change failed, its group is done again", exc_info=True)
        else:
            return None
        try:
            self._transact(group, self._run_in_savepoints)
        except sqlite3.Error as error:
            return error
        return None

    def _write_log_over(self) -> None:
        """Have the next commits use the room that the log has already, as far as readers allow."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _transact(
        self, group: list[_Waiting[object]], run: Callable[[list[_Waiting[object]]], None]
    ) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            run(group)
            started = time.monotonic()
            self._connection.execute("COMMIT")
            if self._on_commit is not None:
                self._on_commit(time.monotonic() - started, len(group))
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _run_in_batches(self, group: list[_Waiting[object]]) -> None:
        for together, members in itertools.groupby(group, _batch_of):
            if together is None:
                for waiting in members:
                    waiting.value = waiting.change(self._connection)
                continue
            batch = list(members)
            items = [waiting.change.item for waiting in batch]  # type: ignore[attr-defined]
            for waiting, value in zip(batch, together(self._connection, items), strict=True):
                waiting.value = value

    def _run_in_savepoints(self, group: list[_Waiting[object]]) -> None:
        """Note and undo a change's own failure; what the medium refuses passes through."""
        for waiting in group:
            self._connection.execute("SAVEPOINT change")
            try:
                waiting.value = waiting.change(self._connection)
            except sqlite3.IntegrityError as error:
                waiting.error = error
            except sqlite3.DatabaseError:
                raise
            except Exception as error:
                waiting.error = error
            if waiting.error is not None:
                self._connection.execute("ROLLBACK TO change")
            self._connection.execute("RELEASE change")


def _batch_of(
    waiting: _Waiting[object],
) -> Callable[[sqlite3.Connection, Sequence[object]], Sequence[object]] | None:
    return waiting.change.together if isinstance(waiting.change, Batched) else None
