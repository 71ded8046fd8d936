"""The guard's loop: listen to the daemon, and act when nobody else can be trusted to.

Lines from the daemon: ``plan JSON``, what safe is; ``watch PID``, the rack process that has the
instruments from now on; ``safe N``, nobody has them: make them safe and answer; ``beat``, a sign of
life; ``end``. Lines to the daemon: ``alive`` for each beat, and for ``safe N`` a JSON object.

When the socket ends without ``end``, or the daemon gives no sign of life, the guard ends the rack
process and makes everything safe by itself.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import logging
import os
import select
import signal
import socket
from dataclasses import asdict
from typing import Final

from labd.core.log_fields import about
from labd.guard.hand import Outcome, make_safe
from labd.guard.plan import Plan, longest_ramp_s, unpack_plan

TICK_S: Final = 0.25
HANG_TICKS: Final = 20
"""So many ticks without a sign of life: the daemon hangs. Counted, not timed: where this process
does not run either, nothing is wrong with the daemon."""
RACK_PATIENCE_S: Final = 0.5
"""For a rack process to end by itself once the daemon is dead."""
N_ATTEMPTS: Final = 3
END_LIMIT_S: Final = 30.0
"""However it goes, a guard without a daemon is gone after that."""
_READ_BYTES: Final = 65536

_log = logging.getLogger(__name__)


class Guard:
    """Made with the socket to the daemon; `serve` once."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""
        self._plan: Plan = ()
        self._rack: int | None = None
        self._is_safe = True
        self._n_silent = 0

    def serve(self) -> int:
        """Until the daemon says so or is gone; the exit status, 0 if all is safe then."""
        while True:
            ready, _, _ = select.select([self._connection], [], [], TICK_S)
            if not ready:
                self._n_silent += 1
                if self._n_silent == HANG_TICKS and not self._is_safe:
                    _log.error("the daemon gives no sign of life for %g s", HANG_TICKS * TICK_S)
                    self._take_over(0.0)
                continue
            self._n_silent = 0
            try:
                chunk = self._connection.recv(_READ_BYTES)
            except OSError:
                chunk = b""
            if not chunk:
                return self._be_last()
            *lines, self._buffer = (self._buffer + chunk).split(b"\n")
            for line in lines:
                if line == b"end":
                    return 0
                self._take(line.decode())

    def _take(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        match word:
            case "plan":
                self._plan = unpack_plan(rest)
            case "watch":
                self._forget_rack()
                self._is_safe = False
                with contextlib.suppress(OSError):  # it has ended already
                    self._rack = os.pidfd_open(int(rest))
            case "safe":
                self._forget_rack()
                outcome = self._make_safe()
                told = {"asked": int(rest), "unsafe": [asdict(each) for each in outcome.unsafe]}
                told |= {"n_outputs": outcome.n_outputs, "took_s": outcome.took_s}
                self._tell(json.dumps(told))
                gc.collect()  # connections refer to themselves: hundreds would stay
            case "beat":
                self._tell("alive")
            case _:
                _log.error("the daemon says what a guard does not know: %s", word)

    def _be_last(self) -> int:
        """The daemon is dead: what is not safe is made so, then nobody needs a guard."""
        faulthandler.dump_traceback_later(END_LIMIT_S + longest_ramp_s(self._plan), exit=True)
        if not self._is_safe:
            _log.error("the daemon is gone")
            self._take_over(RACK_PATIENCE_S)
        return 0 if self._is_safe else 1

    def _take_over(self, rack_patience_s: float) -> None:
        """End the rack process and make everything safe."""
        if self._rack is not None:
            if not select.select([self._rack], [], [], rack_patience_s)[0]:
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(self._rack, signal.SIGKILL)
                select.select([self._rack], [], [])
            self._forget_rack()
        for _ in range(N_ATTEMPTS):
            unsafe = self._make_safe().unsafe
            for each in unsafe:  # otherwise the daemon says it
                fields = about(instrument=each.instrument)
                _log.error("not known to be safe: %s", each, extra=fields)
            if not unsafe:
                return

    def _make_safe(self) -> Outcome:
        outcome = make_safe(self._plan)
        self._is_safe = not outcome.problems
        if self._plan:
            _log.info("%d outputs are safe after %.2f s", outcome.n_outputs, outcome.took_s)
        return outcome

    def _forget_rack(self) -> None:
        if self._rack is not None:
            os.close(self._rack)
            self._rack = None

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError):  # seen as its end when it is read from
            self._connection.sendall(line.encode() + b"\n")
