"""A process that crashes or leaves at once has written in which thread, for others to read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from labd.core.flight import BOARD_BYTES, MEMORY_BYTES, crashed_thread

SCRIPT = """
import ctypes, os, sys, threading
from labd.rack.flight import tell_of_crashes

tell_of_crashes(int(sys.argv[1]))
if os.fork() == 0:
    os._exit(0)  # a child's end is not the process's
os.wait()

def deed():
    print(threading.get_ident(), flush=True)
    if sys.argv[2] == "leave":
        os._exit(7)
    ctypes.string_at(0)

threading.Thread(target=threading.Event().wait, daemon=True).start()
thread = threading.Thread(target=deed)
thread.start()
thread.join()
"""


@pytest.mark.parametrize(("deed", "status"), [("leave", 7), ("crash", -signal.SIGSEGV)])
def test_the_thread_that_ends_a_process_is_known_afterwards(deed: str, status: int) -> None:
    memory = os.memfd_create("board")
    os.ftruncate(memory, MEMORY_BYTES)

    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(memory), deed],
        pass_fds=[memory],
        stdout=subprocess.PIPE,
        check=False,
    )
    board, written = os.pread(memory, BOARD_BYTES, 0), os.pread(memory, 1 << 16, BOARD_BYTES)
    os.close(memory)

    text = written.rstrip(b"\0").decode()
    assert ended.returncode == status
    assert text.count("Current thread") == 1
    assert crashed_thread(text) == int(ended.stdout)
    assert not any(board)
