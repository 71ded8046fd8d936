"""The rack's end of the socket: what the daemon wants, and what is said to it.

A thread reads and answers pings; the rest asks. A cancel counts while its job waits here and while
it runs; when the daemon is gone or wants an end, whoever runs something is told at once. If the
process does not end then, because a driver hangs, it is ended: nobody else would.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from typing import Final

from labd.rack.messages import (
    BadMessage,
    Cancel,
    Cancelled,
    FromRack,
    Granted,
    Instrument,
    Message,
    MessageReader,
    Ping,
    Pong,
    Released,
    Run,
    Shutdown,
    pack_message,
)

_log = logging.getLogger(__name__)

END_PATIENCE_S: Final = 20.0
"""How long closing may take once the daemon is gone."""
_READ_BYTES: Final = 65536
EXIT_HUNG: Final = 70
"""The exit status of a process that gave up waiting for a driver."""


class Inbox:
    """Messages from and to the daemon. Made in the main thread; `start` begins reading."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._waiting: Run | None = None
        self._running = ""
        self._give_up: Callable[[], None] | None = None
        self._is_cancelled = False
        self._is_closing = False
        self._is_granted = False
        self._known: tuple[Instrument, ...] = ()
        self._is_hung = threading.Timer(END_PATIENCE_S, os._exit, (EXIT_HUNG,))
        self._is_hung.daemon = True

    def start(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._read, name="daemon-reader", daemon=True).start()

    @property
    def is_closing(self) -> bool:
        """Whether the process is to end."""
        return self._is_closing

    @property
    def known(self) -> tuple[Instrument, ...]:
        """The instruments as they were before, from the last grant."""
        return self._known

    def close(self) -> None:
        """The process is to end: what runs is given up, nobody waits any longer. Idempotent."""
        with self._changed:
            if not self._is_closing:
                self._is_hung.start()
            self._is_closing = True
            if self._give_up is not None:
                self._give_up()
            self._changed.notify_all()

    def send(self, message: FromRack) -> None:
        """Tell the daemon; if it is gone, nobody hears it."""
        with self._sending:
            try:
                self._connection.sendall(pack_message(message))
            except OSError as error:
                _log.debug("the daemon does not hear: %s", error)

    def wait_for_run(self, timeout_s: float | None = None) -> bool:
        """Wait until there is a job to run, an end, or the time is over; whether there is a job."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing, timeout_s)
            return self._waiting is not None and not self._is_closing

    def wait_for_grant(self) -> bool:
        """Wait until the instruments are this process's, or an end; whether they are."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_granted or self._is_closing)
            return not self._is_closing

    def release(self) -> None:
        """The instruments are nobody's; they come back by another grant."""
        self._is_granted = False
        self.send(Released())

    def wait_for_end(self, timeout_s: float) -> None:
        """Wait that long, or until the process is to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing, timeout_s)

    def take_run(self, give_up: Callable[[], None]) -> Run | None:
        """The job that waits, which runs from now on. give_up: called when it is to be given up.

        It is called from another thread, at most while the job runs. None if the job is gone.
        """
        with self._changed:
            run, self._waiting = self._waiting, None
            if run is not None:
                self._running, self._give_up, self._is_cancelled = run.job_id, give_up, False
            return run

    def is_given_up(self) -> bool:
        """Whether the job that runs is to be given up."""
        return self._is_cancelled or self._is_closing

    def end_run(self) -> None:
        """No job runs any more."""
        with self._changed:
            self._running, self._give_up = "", None

    def _read(self) -> None:
        reader = MessageReader()
        try:
            while chunk := self._connection.recv(_READ_BYTES):
                for message in reader.feed(chunk):
                    self._take(message)
        except (OSError, BadMessage) as error:
            _log.error("the daemon's messages end: %s", error)
        self.close()

    def _take(self, message: Message) -> None:
        match message:
            case Run():
                with self._changed:
                    self._waiting = message
                    self._changed.notify_all()
            case Cancel(job_id):
                self._cancel(job_id)
            case Granted(known):
                with self._changed:
                    self._is_granted, self._known = True, known
                    self._changed.notify_all()
            case Shutdown():
                self.close()
            case Ping():
                self.send(Pong())
            case _:
                _log.error("the daemon sent what only a rack sends: %s", type(message).__name__)

    def _cancel(self, job_id: str) -> None:
        with self._changed:
            is_waiting = self._waiting is not None and self._waiting.job_id == job_id
            if is_waiting:
                self._waiting = None
            elif self._running == job_id:
                self._is_cancelled = True
                if self._give_up is not None:
                    self._give_up()
        if is_waiting:
            self.send(Cancelled(job_id))
