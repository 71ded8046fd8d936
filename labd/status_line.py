"""How the lab stands, in the one line that `systemctl status` shows."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence

from labd import sdnotify
from labd.config import QuantumComputer
from labd.core.health import Health
from labd.core.openings import Mode
from labd.rack_status import RackState, RackStatus
from labd.store.queue import Queue

PERIOD_S = 1.0
MAX_WHAT = 200
"""Characters of why a rack is not ready."""

MOST_UNWELL = 3
"""Instruments that are not OK and are named."""

Computers = Callable[[], Sequence[QuantumComputer]]
StatusOf = Callable[[QuantumComputer], RackStatus]


def computer_part(computer: QuantumComputer, rack: RackStatus, queue: Queue) -> str:
    """``star5 ready, awg1 SLOW, 3 queued, running 0198…``."""
    machine, running = queue.machine(computer.id), queue.running_job(computer.id)
    part = f"{computer.alias} {rack.state.value}"
    if rack.state is not RackState.READY and rack.what:
        part += f" ({rack.what[:MAX_WHAT]})"
    unwell = [f"{one.instrument} {one.health}" for one in rack.health if one.health != Health.OK]
    if unwell:
        more = f" and {len(unwell) - MOST_UNWELL} more" if len(unwell) > MOST_UNWELL else ""
        part += f", {', '.join(unwell[:MOST_UNWELL])}{more}"
    part += f", {machine.n_queued} queued"
    if running is not None:
        part += f", running {running}"
    if machine.mode is not Mode.RUNNING:
        part += f", {machine.mode.value} by {machine.by}"
    return part


class StatusLine:
    """Tells systemd how the lab stands. computers: as they are configured when it is asked."""

    def __init__(self, computers: Computers, status_of: StatusOf, queue: Queue) -> None:
        self._computers = computers
        self._status_of = status_of
        self._queue = queue
        self._told = ""

    def tell(self, *others: str) -> None:
        """Tell it if it has changed, together with other lines such as ``READY=1``."""
        line = "; ".join(
            computer_part(each, self._status_of(each), self._queue) for each in self._computers()
        )
        if line != self._told or others:
            self._told = line
            sdnotify.notify("\n".join([*others, f"STATUS={line}"]))

    async def keep(self) -> None:
        """Tell it whenever it has changed, for ever."""
        while True:
            try:
                self.tell()
            except sqlite3.Error as error:
                sdnotify.notify(f"STATUS=the disk refuses: {error}")
                self._told = ""
            await asyncio.sleep(PERIOD_S)
