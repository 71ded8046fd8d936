"""A guard beside the report card: however it ends, the rack is left safe.

It is the guard of labd.guard, in a process of its own, which ends this one if that hangs, and acts
by itself where it dies. At the end it is asked for what it is there for, and what it says is a line
of the card.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from queue import Empty, SimpleQueue
from typing import Final

from labd.guard.hand import Outcome
from labd.guard.plan import PATIENCE_S, Plan, Unsafe, longest_ramp_s, pack_plan

BEAT_S: Final = 0.5
EXTRA_PATIENCE_S: Final = 5.0
"""How much longer than the guard's own patience its answer is waited for."""
END_PATIENCE_S: Final = 2.0

MakeSafe = Callable[[], Outcome]
"""To be called once nobody else has the instruments."""
Guarding = Callable[[str, Plan], AbstractContextManager[MakeSafe]]
"""Made with the rack's name and what is to be done; all is safe when it is left."""


@contextmanager
def guarded(name: str, plan: Plan) -> Iterator[MakeSafe]:
    """A `Guarding`. From now on the guard watches this process."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(
                _command(name, theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=sys.__stderr__,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        line = _Line(ours)
        line.tell(f"plan {pack_plan(plan)}")
        line.tell(f"watch {os.getpid()}")
        line.start()
        patience_s = PATIENCE_S + longest_ramp_s(plan) + EXTRA_PATIENCE_S
        outcomes: list[Outcome] = []

        def make_safe() -> Outcome:
            outcomes.append(line.asked(patience_s))
            return outcomes[-1]

        try:
            yield make_safe
        finally:
            if not outcomes:
                make_safe()
            line.tell("end")
            _await_end(process)
            line.join()


def _command(name: str, descriptor: int) -> list[str]:
    return [sys.executable, "-m", "labd.guard", "--fd", str(descriptor), "--name", name]


def _await_end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Line(threading.Thread):
    """The socket to the guard: signs of life, and its answers."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(name="guard", daemon=True)
        self._connection = connection
        self._answers: SimpleQueue[Outcome] = SimpleQueue()

    def tell(self, line: str) -> None:
        with contextlib.suppress(OSError):  # seen as its end when it is read from
            self._connection.sendall(line.encode() + b"\n")

    def asked(self, patience_s: float) -> Outcome:
        """What comes of asking it to make all safe."""
        self.tell("safe 1")
        try:
            return self._answers.get(timeout=patience_s)
        except Empty:
            return Outcome((Unsafe("", "the guard does not answer", False),), 0, patience_s)

    def run(self) -> None:
        due, buffer = time.monotonic(), b""
        while True:
            left_s = due - time.monotonic()
            if left_s <= 0:
                self.tell("beat")
                due, left_s = time.monotonic() + BEAT_S, BEAT_S
            if not select.select([self._connection], [], [], left_s)[0]:
                continue
            with contextlib.suppress(ConnectionError):
                if chunk := self._connection.recv(65536):
                    *lines, buffer = (buffer + chunk).split(b"\n")
                    for line in lines:
                        if line.startswith(b"{"):
                            self._answers.put(_outcome(line))
                    continue
            self._answers.put(Outcome((Unsafe("", "the guard is gone", False),), 0, 0.0))
            return


def _outcome(line: bytes) -> Outcome:
    told = json.loads(line)
    problems = tuple(Unsafe(**each) for each in told["unsafe"])
    return Outcome(problems, told["n_outputs"], told["took_s"])
