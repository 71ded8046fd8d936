"""The audit in SQL. Lines are written in the transaction of the deed that they tell of.

Only one transaction writes at a time, so the line before is known when a line is written. The
database refuses to change or remove a line (labd.store.schema); whoever gets round that is found
out by labd.core.audit.verify.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from labd.core.audit import EMPTY, AuditEntry, AuditLine, Head, seal
from labd.store.database import Writer

PAGE_LINES = 1000
"""Lines that are looked at in one read: a few milliseconds."""

AFTER_DOT = "/"

_COLUMNS = "number, at_ns, user, credential, origin, action, object, details, previous_hash, hash"
_MARKS = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def append(db: sqlite3.Connection, entries: Sequence[AuditEntry], now_ns: int) -> None:
    """Write entries after the last line, with one statement for all of them."""
    if not entries:
        return
    values: list[int | str | bytes] = []
    for line in seal(entries, head(db), now_ns):
        values += (
            line.number,
            line.at_ns,
            line.user,
            line.credential,
            line.origin,
            line.action,
            line.object,
            line.details,
            line.previous_hash,
            line.hash,
        )
    marks = ", ".join([_MARKS] * len(entries))
    db.execute(f"INSERT INTO audit ({_COLUMNS}) VALUES {marks}", values)


def head(db: sqlite3.Connection) -> Head:
    """The last line's number and hash."""
    row = db.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    return EMPTY if row is None else Head(*row)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are asked for; an empty condition holds always.

    last_number 0: to the end. action: a whole one, or its beginning up to a dot, such as ``job.``.
    """

    first_number: int = 1
    last_number: int = 0
    user: str = ""
    action: str = ""
    object: str = ""


def lines_between(
    db: sqlite3.Connection, first: int, last: int, wanted: Wanted
) -> tuple[AuditLine, ...]:
    """The lines of these numbers, both ends included, that are asked for, in order."""
    conditions, values = ["number BETWEEN ? AND ?"], [first, last]
    texts: list[str] = []
    for column, text in (("user", wanted.user), ("object", wanted.object)):
        if text:
            conditions.append(f"{column} = ?")
            texts.append(text)
    if wanted.action.endswith("."):
        conditions.append("action > ? AND action < ?")
        texts += (wanted.action, wanted.action[:-1] + AFTER_DOT)
    elif wanted.action:
        conditions.append("action = ?")
        texts.append(wanted.action)
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM audit WHERE {' AND '.join(conditions)} ORDER BY number",
        (*values, *texts),
    )
    return tuple(AuditLine(*row) for row in rows)


class Audit:
    """The lines, as the daemon writes and reads them."""

    def __init__(
        self, writer: Writer, reader: sqlite3.Connection, clock_ns: Callable[[], int]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._clock_ns = clock_ns

    def head(self) -> Head:
        """The last line's number and hash."""
        return head(self._reader)

    async def record(self, entry: AuditEntry) -> None:
        """Write a line of its own, for what changes nothing in the store. Raises Unavailable."""
        await self._writer.write(lambda db: append(db, (entry,), self._clock_ns()))

    def record_blocking(self, entry: AuditEntry) -> None:
        """Write a line of its own. Blocks. Raises Unavailable."""
        self._writer.call(lambda db: append(db, (entry,), self._clock_ns()))

    def pages(self, wanted: Wanted) -> Iterator[tuple[AuditLine, ...]]:
        """What is asked for of the lines that exist now, in order; each page is one short read."""
        for first, last in self._ranges(wanted):
            yield lines_between(self._reader, first, last, wanted)

    def pages_from_end(self, wanted: Wanted) -> Iterator[tuple[AuditLine, ...]]:
        """The same pages, the last one first."""
        for first, last in reversed(self._ranges(wanted)):
            yield lines_between(self._reader, first, last, wanted)

    def _ranges(self, wanted: Wanted) -> list[tuple[int, int]]:
        """First and last number of each read that is needed."""
        end = self.head().number
        if wanted.last_number:
            end = min(end, wanted.last_number)
        begin = max(wanted.first_number, 1)
        firsts = range(begin, end + 1, PAGE_LINES)
        return [(first, min(first + PAGE_LINES - 1, end)) for first in firsts]
