"""What a killed daemon leaves in a rack's directory: pids of its children, and what is safe there.

Whoever comes next, a daemon or `labd make-safe`, ends those children before it touches instruments.
A child that is dead is over, also where nobody collects its exit status: the first process of many
containers never does.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

RACK_NOTE = "rack.pid"
GUARD_NOTE = "guard.pid"
PLAN_FILE = "safe-plan.json"
"""The plan of the last guard, for `labd make-safe`: quicker to read than the configuration, and
what was in force even where that was edited since."""
RACK_PATIENCE_S = 0.5
"""A rack process ends by itself when its daemon does; as the guard waits for it."""
GUARD_PATIENCE_S = 12.0
"""A guard without a daemon makes everything safe, then it ends."""
KILL_PATIENCE_S = 1.0


def start_ticks(pid: int) -> str:
    """The process's start time in clock ticks, which tells it from a later one of the same pid."""
    return _stat(pid, 19)


def state_of(pid: int) -> str:
    """The letter of its state, as proc(5) has it; "" where there is no such process."""
    return _stat(pid, 0)


def _stat(pid: int, field: int) -> str:
    """One of the fields after the name in its stat file; "" where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[field]


def note_pid(note: Path, pid: int) -> None:
    """Write down which process it is, for `end_leftover`."""
    note.write_text(f"{pid} {start_ticks(pid)}\n", encoding="ascii")


def end_leftovers(directories: Iterable[Path]) -> None:
    """End what is left in the directories of several racks, side by side. Blocks."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(_end_both, directories))


def _end_both(directory: Path) -> None:
    end_leftover(directory / GUARD_NOTE, GUARD_PATIENCE_S)
    end_leftover(directory / RACK_NOTE, RACK_PATIENCE_S)


def end_leftover(note: Path, patience_s: float) -> bool:
    """End a child that a killed daemon left: it gets a little time, then SIGKILL. Blocks.

    note: the file with its pid, which goes once the child is over. Returns whether there was one
    that had to be killed.
    """
    try:
        pid_text, _, ticks = note.read_text(encoding="ascii").strip().partition(" ")
    except OSError:
        return False
    was_killed = False
    if pid_text.isdecimal() and ticks:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            was_killed = _end(int(pid_text), ticks, patience_s)
    with contextlib.suppress(OSError):  # it names nobody any more
        note.unlink(missing_ok=True)
    return was_killed


def _end(pid: int, ticks: str, patience_s: float) -> bool:
    """Raises ProcessLookupError where there is none, PermissionError where it is not ours."""
    process = os.pidfd_open(pid)
    try:
        if start_ticks(pid) != ticks or select.select([process], [], [], patience_s)[0]:
            return False
        signal.pidfd_send_signal(process, signal.SIGKILL)
        select.select([process], [], [], KILL_PATIENCE_S)
    finally:
        os.close(process)
    return True
