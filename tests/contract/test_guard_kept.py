"""A guard process that ends is replaced."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from pathlib import Path

import pytest

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


async def _heard_before_birth(directory: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What waits for a guard in its socket when its process is about to be started."""
    heard: list[bytes] = []
    is_born = asyncio.Event()
    start = asyncio.create_subprocess_exec

    async def listen(*arguments: str, pass_fds: list[int]) -> asyncio.subprocess.Process:
        with socket.socket(fileno=os.dup(pass_fds[0])) as connection:
            heard.append(connection.recv(1 << 16, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        is_born.set()
        return await start(*arguments, cwd=directory, pass_fds=pass_fds)

    monkeypatch.setattr(
        asyncio, "create_subprocess_exec", lambda *a, pass_fds, **_: listen(*a, pass_fds=pass_fds)
    )
    guard = Guard(GuardCommand("star5", directory, ()))
    guard.watch(os.getpid())
    guard.start()
    await is_born.wait()
    assert await guard.make_safe() == ()
    await guard.stop()
    return heard[0]


def test_a_guard_knows_from_its_birth_what_is_to_be_done_should_the_daemon_die_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = asyncio.run(_heard_before_birth(tmp_path, monkeypatch))

    assert heard == b"plan []\nwatch %d\n" % os.getpid()
