"""What labd does to its disk beside the work: leftovers, partial results, hashes, retention."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable

from labd.audit_trail import own_entry
from labd.config import Storage
from labd.core.audit import AuditEntry
from labd.core.errors import Unavailable
from labd.store.keeping import Expired, Retention
from labd.store.store import Store

PAUSE_S = 5.0
DAY_NS = 86_400 * 10**9

_log = logging.getLogger(__name__)


class Keeper:
    """Keeps house in the state directory, as long as labd runs."""

    def __init__(self, store: Store, storage: Storage) -> None:
        self._store = store
        self._storage = storage

    async def keep(self) -> None:
        """First what a crash left, then for ever what is due."""
        await asyncio.to_thread(self._store.spare.take)
        await self._until_done(self._store.keeping.salvage_all)
        try:
            await self._remove_leftovers()
        except (OSError, sqlite3.Error) as error:
            _log.error("leftovers stay: %s", error)
        while True:
            await self._until_done(self._expire)
            await self._until_done(self._store.keeping.hash_all)
            await asyncio.sleep(PAUSE_S)
            if await asyncio.to_thread(self._store.spare.take):
                await self._until_done(self._store.keeping.salvage_all)

    async def _until_done(self, step: Callable[[], Awaitable[int]]) -> None:
        """Batch by batch, until one has nothing to do or the disk refuses."""
        try:
            n_done = await step()
            while n_done:
                n_done = await step()
        except (Unavailable, OSError, sqlite3.Error) as error:
            _log.error("keeping house: %s", error)

    async def _remove_leftovers(self) -> None:
        """Look through the files beside the work, at most a tenth of the time."""
        steps = self._store.leftovers_removed()
        while True:
            started = time.monotonic()
            removed = await asyncio.to_thread(next, steps, None)
            if removed is None:
                return
            for name in removed:
                _log.info("removed a leftover: %s", name)
            await asyncio.sleep(9 * (time.monotonic() - started))

    async def _expire(self) -> int:
        found = await self._store.keeping.expire(self._retention(), _entry)
        for each in found:
            _log.info("job %s has expired", each.id, extra={"JOB_ID": str(each.id)})
        return len(found)

    def _retention(self) -> Retention:
        """Raises OSError."""
        days, share = self._storage.keep_days, self._storage.keep_share
        stat = os.statvfs(self._store.directory.path)
        return Retention(
            max_age_ns=None if days is None else round(days * DAY_NS),
            max_bytes=None if share >= 1 else int(share * stat.f_blocks * stat.f_frsize),
        )


def _entry(expired: Expired, why: str) -> AuditEntry:
    return own_entry("job.expire", str(expired.id), n_bytes=expired.n_bytes, why=why)
