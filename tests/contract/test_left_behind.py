"""Children of a killed daemon are ended, and one that is dead is not waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.left_behind import GUARD_NOTE, RACK_NOTE, end_leftover, end_leftovers, note_pid

LONG_S = 20.0
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEPER) as process:
        yield process
        process.kill()


def test_a_child_that_stays_is_killed(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    note = tmp_path / RACK_NOTE
    note_pid(note, child.pid)

    was_killed = end_leftover(note, 0.05)

    assert was_killed
    assert child.wait(LONG_S) == -signal.SIGKILL
    assert not note.exists()


def test_a_dead_child_whose_status_nobody_collects_is_over(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    note = tmp_path / GUARD_NOTE
    note_pid(note, child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    began = time.monotonic()

    was_killed = end_leftover(note, 2 * LONG_S)

    assert not was_killed
    assert time.monotonic() - began < LONG_S


def test_another_process_of_the_same_pid_is_left_alone(
    tmp_path: Path, child: subprocess.Popen[bytes]
) -> None:
    note = tmp_path / RACK_NOTE
    note.write_text(f"{child.pid} 1\n")

    was_killed = end_leftover(note, 0.0)

    assert not was_killed
    assert child.poll() is None


@pytest.mark.parametrize("text", ["", "12", "x y", "999999999 5"])
def test_a_note_that_names_nobody_is_removed(tmp_path: Path, text: str) -> None:
    note = tmp_path / RACK_NOTE
    note.write_text(text)

    assert not end_leftover(note, LONG_S)
    assert not note.exists()


def test_the_racks_of_a_lab_are_ended_side_by_side(tmp_path: Path) -> None:
    children = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        children.append(subprocess.Popen(SLEEPER))
        note_pid(tmp_path / name / RACK_NOTE, children[-1].pid)

    end_leftovers(tmp_path.iterdir())

    assert [child.wait(LONG_S) for child in children] == [-signal.SIGKILL] * 2
