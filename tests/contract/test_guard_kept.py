"""A guard process that ends is replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from labd.guard_process import LONGEST_BACKOFF_S, Guard, GuardCommand
from labd.left_behind import GUARD_NOTE


def _other_than(pid: int, note: Path) -> int:
    while not (note.exists() and (noted := note.read_text()) and int(noted.split()[0]) != pid):
        time.sleep(0.005)
    return int(noted.split()[0])


async def _missed_after_kills_s(n_kills: int, directory: Path) -> float:
    """How long none was there after the last one's kill. Each has served."""
    guard = Guard(GuardCommand("star5", directory, ()))
    guard.start()
    note = directory / GUARD_NOTE
    pid = await asyncio.to_thread(_other_than, 0, note)

    missed_s = 0.0
    for _ in range(n_kills):
        assert await guard.make_safe() == ()
        killed = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        pid = await asyncio.to_thread(_other_than, pid, note)
        missed_s = time.monotonic() - killed
    assert await guard.make_safe() == ()
    await guard.stop()
    return missed_s


def test_a_guard_that_served_is_replaced_at_once_however_often_it_is_killed(tmp_path: Path) -> None:
    missed_s = asyncio.run(_missed_after_kills_s(6, tmp_path))

    assert missed_s < LONGEST_BACKOFF_S
