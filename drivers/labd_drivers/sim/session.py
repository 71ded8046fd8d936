"""One client's conversation with an instrument: what it sent, what waits, what it has not read."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

from labd_drivers.sim.fault_board import FaultBoard, Spoiling, Treatment
from labd_drivers.sim.instrument import Instrument, NotYet
from labd_drivers.sim.scpi import ScpiError, Unit, parse
from labd_drivers.sim.stream import Stream
from labd_drivers.sim.tree import Reply

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.5


class Session:
    """Executes messages one at a time; a transport calls it from one thread, but for `clear`."""

    def __init__(self, instrument: Instrument, faults: FaultBoard) -> None:
        self.instrument = instrument
        self._faults = faults
        self._units: Iterator[Unit] | None = None
        self._unit: Unit | None = None
        self._replies: list[Reply] = []
        self._spoiling: Spoiling | None = None
        self._output: bytes | None = None
        self._gone = threading.Event()

    @property
    def has_output(self) -> bool:
        """Whether an answer waits to be read."""
        return self._output is not None

    @property
    def is_output_whole(self) -> bool:
        """Whether the answer that was taken last has an end; if not, no more of it ever comes."""
        return self._spoiling is not Spoiling.HALF

    def submit(self, message: bytes | bytearray | memoryview) -> bool:
        """Execute what arrived. False if it waits for an operation; then `wait`.

        message: program messages, complete; it must not change until the message is finished.
        Raises ConnectionAbortedError if a fault cuts the line now.
        """
        treatment = self._faults.next_message()
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s <- %r", self.instrument.name, bytes(message[:80]))
        if treatment.delay_s:
            self._gone.wait(treatment.delay_s)
        if treatment.is_mute:
            return True
        if self._output is not None:
            self._output = None
            self.instrument.push_error(ScpiError(-410))
        self._spoiling = treatment.spoiling
        self._units, self._unit = parse(memoryview(message)), None
        return self._advance()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Go on with a message that waits. False if it still waits when the time is over."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self.instrument.room:
            while not self._advance():
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                self.instrument.room.wait(left)
        return True

    def take_output(self) -> bytes | None:
        """The answer to the last message, terminated; None if there is none."""
        output, self._output = self._output, None
        return output

    def idle(self, timeout_s: float) -> None:
        """Let time pass, as an instrument does that has nothing to say."""
        self._gone.wait(max(timeout_s, 0.0))

    def clear(self) -> None:
        """Device clear: forget all input and output.

        From another thread it ends a wait; the owner then clears once more.
        """
        with self.instrument.room:
            self._units, self._unit, self._output = None, None, None
            self._replies.clear()
            self.instrument.room.notify_all()

    def close(self) -> None:
        """The client has gone: nobody waits any more."""
        self._gone.set()
        self.clear()

    def _advance(self) -> bool:
        """Execute until the message ends (True) or has to wait (False)."""
        while True:
            units = self._units
            if units is None:
                self._finish()
                return True
            try:
                if self._unit is None:
                    self._unit = next(units, None)
                    if self._unit is not None and self._faults.next_command(self._unit):
                        self._suffer(self._faults.standing)
                        continue
                if self._unit is None:
                    self._units = None
                    continue
                reply = self.instrument.execute(self._unit)
            except NotYet:
                return False
            except ScpiError as error:
                _log.debug("%s: %s", self.instrument.name, error)
                self.instrument.push_error(error)
                if error.is_command_error:
                    self._units = None
            else:
                if reply is not None:
                    self._replies.append(reply)
            self._unit = None

    def _suffer(self, treatment: Treatment) -> None:
        """A fault has struck in the middle of a message: the rest of it is treated so."""
        self._gone.wait(treatment.delay_s)
        self._spoiling = treatment.spoiling
        if treatment.is_mute:
            self._units, self._unit = None, None
            self._replies.clear()

    def _finish(self) -> None:
        if not self._replies:
            return
        parts = [part if isinstance(part, bytes) else part.encode() for part in self._replies]
        self._replies.clear()
        self._output = b";".join(parts) + b"\n"
        if self._spoiling is not None:
            self._output = self._faults.spoiled(self._output, self._spoiling)


def wait_while_connected(session: Session, stream: Stream) -> None:
    """Wait until the session's message is finished. Raises EOFError when the client has gone."""
    while not session.wait(_LOOK_EVERY_S):
        if not stream.is_connected():
            raise EOFError
