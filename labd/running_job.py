"""The job that a rack runs now: its attempts, its time, and the end that it will have."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from labd.changes import Watch
from labd.core.blame import Blame, blame
from labd.core.budget import BudgetClock, Care
from labd.core.flight import FlightRecord, crashed_thread, exchanges, record_of
from labd.core.jobs import Job
from labd.rack_process import RackProcess
from labd.store.jobs import Ending

N_ATTEMPTS: Final = 2
"""Where the station wants a second one."""


class RunningJob:
    """From its claim to its end. Made when it is claimed; `begin` with every attempt.

    is_excused: the end that it has is no fault of its own. is_waiting: for its second attempt.
    """

    def __init__(self, job: Job, watch: Watch, care: Care) -> None:
        self.job = job
        self.watch = watch
        self.n_attempt = 0
        self.is_cancel_sent = False
        self.is_waiting = False
        self.is_excused = False
        self.has_started = False
        self.shots_done = 0
        self.shots_total = 0
        self.ending: Ending | None = None
        self._care = care
        self._first: Ending | None = None
        self._began_ns = 0
        self.begin()

    def begin(self) -> None:
        """Another attempt begins."""
        self.n_attempt += 1
        self.is_waiting = self.is_excused = self.has_started = False
        self.shots_done = self.shots_total = 0
        self.ending = None
        self._began_ns = time.monotonic_ns()
        self.clock = BudgetClock(
            self.job.payload_bytes, self._care.patience_s, self._began_ns / 1e9
        )
        self.watch.wake()

    def end(self, ending: Ending, *, is_excused: bool = False) -> None:
        """The first end counts. is_excused: it is not the job's fault."""
        if self.ending is None:
            self.ending, self.is_excused = ending, is_excused
            self.watch.wake()

    @property
    def may_have_another(self) -> bool:
        """Whether this attempt's end may be followed by another attempt."""
        return self._care.retries_once and self.is_excused and self.n_attempt < N_ATTEMPTS

    def await_another(self) -> str:
        """This attempt's end is not the job's; returns what is to be said of it."""
        assert self.ending is not None
        self._first, self.ending, self.is_waiting = self.ending, None, True
        self.shots_done = self.shots_total = 0
        return f"attempt {self.n_attempt} of {N_ATTEMPTS}: {self._first.error}"

    def give_up(self) -> None:
        """There is no second attempt: the first one's end is the job's."""
        if self._first is not None:
            self.end(self._first)

    def final(self, ending: Ending) -> Ending:
        """The job's end, with what became of the first attempt if a later one failed too."""
        first = self._first
        if first is None or ending is first or ending.error is None:
            return ending
        which = "" if self.is_waiting else "second attempt; "
        return replace(ending, error=f"{ending.error} ({which}the first: {first.error})")

    # ---- what was said to the instruments in this attempt

    def blame(self, process: RackProcess) -> Blame:
        """Whom a crash or a hang is put down to."""
        return blame_of(process, self._began_ns)

    def flight(self, process: RackProcess) -> FlightRecord | None:
        """All that is kept of it."""
        found = exchanges(process.flight(), self._began_ns)
        return record_of(found, time.time_ns() - time.monotonic_ns()) if found else None


def blame_of(process: RackProcess, since_ns: int = 0) -> Blame:
    """Whom the process's crash or hang is put down to. since_ns: of the monotonic clock."""
    return blame(
        process.flight(),
        since_ns=since_ns,
        now_ns=time.monotonic_ns(),
        thread=crashed_thread(process.last_words()),
    )
