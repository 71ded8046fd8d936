"""How the lab stands, in the one line that `systemctl status` shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from labd import sdnotify
from labd.config import QuantumComputer
from labd.core.openings import Mode
from labd.store.queue import Queue
from labd.supervisor import RackState, RackStatus

PERIOD_S = 1.0
MAX_WHAT = 200
"""Characters of why a rack is not ready."""

StatusOf = Callable[[QuantumComputer], RackStatus]


def computer_part(computer: QuantumComputer, rack: RackStatus, queue: Queue) -> str:
    """``star5 ready, 3 queued, running 0198…``."""
    machine, running = queue.machine(computer.id), queue.running_job(computer.id)
    part = f"{computer.alias} {rack.state.value}"
    if rack.state is not RackState.READY and rack.what:
        part += f" ({rack.what[:MAX_WHAT]})"
    part += f", {machine.n_queued} queued"
    if running is not None:
        part += f", running {running}"
    if machine.mode is not Mode.RUNNING:
        part += f", {machine.mode.value} by {machine.by}"
    return part


async def keep_status(
    computers: tuple[QuantumComputer, ...], status_of: StatusOf, queue: Queue
) -> None:
    """Tell systemd how the lab stands whenever that has changed, for ever."""
    told = ""
    while True:
        line = "; ".join(computer_part(each, status_of(each), queue) for each in computers)
        if line != told:
            told = line
            sdnotify.notify(f"STATUS={line}")
        await asyncio.sleep(PERIOD_S)
