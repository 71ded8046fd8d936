"""SIGHUP: labd.toml and the files it names are read again, and what may change live does.

A file with a mistake changes nothing. Users, roles' limits set by `labctl` and calibration sets
are in the store and always live; the front reads renewed certificates by itself.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from labd import sdnotify
from labd.audit_trail import own_entry
from labd.config import BadConfig, Config, QuantumComputer
from labd.core.errors import Unavailable
from labd.journal import Level, set_level
from labd.reload_plan import Digests, Plan, plan
from labd.store.audit import Audit

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A configuration and the digests of its racks' files."""

    config: Config
    digests: Digests

    @classmethod
    def of(cls, config: Config) -> Fresh:
        """Reads the racks' files. Blocks."""
        return cls(config, {each.id: _digest(each) for each in config.quantum_computers})


class Reloader:
    """Reads again, plans, and hands the plan on. One reload at a time.

    reread: labd.toml as it is now; raises BadConfig. use: makes a plan hold.
    """

    def __init__(
        self,
        fresh: Fresh,
        reread: Callable[[], Config],
        use: Callable[[Plan], None],
        audit: Audit,
    ) -> None:
        self._now = fresh
        self._reread = reread
        self._use = use
        self._audit = audit
        self._lock = asyncio.Lock()

    async def reload(self) -> None:
        """Do it; systemd is told of its begin and its end. Never raises what a file can cause."""
        async with self._lock:
            sdnotify.notify_reloading()
            try:
                await self._reload()
            finally:
                sdnotify.notify("READY=1")

    async def _reload(self) -> None:
        try:
            fresh = await asyncio.to_thread(self._read)
        except BadConfig as error:
            for line in str(error).splitlines():
                _log.error("reload: nothing has changed: %s", line)
            return
        except OSError as error:
            _log.error("reload: nothing has changed: %s", error)
            return
        made = plan(self._now.config, fresh.config, self._now.digests, fresh.digests)
        self._now = Fresh(made.config, fresh.digests)
        self._use(made)
        level = logging.WARNING if made.refused else logging.INFO
        _log.log(level, "reload: %s", made.sentence())
        try:
            await self._audit.record(own_entry("daemon.reload", "labd", what=made.sentence()))
        except Unavailable as error:
            _log.error("audit: a reload was not noted: %s", error)

    def _read(self) -> Fresh:
        return Fresh.of(self._reread())


def use_level(level: Level, *, is_verbose: bool) -> None:
    """The configured level; who asked for every step on the command line goes on getting them."""
    set_level("info" if is_verbose and level != "debug" else level)


def _digest(computer: QuantumComputer) -> str:
    return _digest_of((computer.station_path, computer.wiring_path, computer.chip_path))


def _digest_of(paths: Iterable[Path]) -> str:
    hashed = hashlib.sha256()
    for path in paths:
        hashed.update(hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()
