"""A soak's jobs on simulated instruments, through the drivers that labd is shipped with.

Every job's values are those of the chip. There are N_PROGRAMS different ones, more than the
instruments keep ready, some are cancelled while they play, and of some an instrument refuses a
command, after which the whole rack is opened again and everything is sent again.
"""

from __future__ import annotations

import time
from uuid import UUID

from fault_lab import FaultLab
from soak_jobs import Tally

from labd.client import Job, JobState

N_PROGRAMS = 40
CANCEL_EVERY, BATCH_EVERY = 20, 10
BATCH = 5
LONG_SHOTS = 200_000
JOB_LIMIT_S = 120.0
REFUSED = "WLISt:WAVeform:DATA"


class StarLab(FaultLab):
    """The simulated star with labd before it, and no driver that misbehaves."""

    def _set_drivers(self) -> None:
        pass

    @property
    def instruments_pid(self) -> int:
        assert self._rack is not None
        return self._rack.pid


class StarClient:
    """One who submits, waits and looks at every value."""

    def __init__(self, lab: StarLab, tally: Tally) -> None:
        self._lab = lab
        self._tally = tally
        self._programs = [lab.program() for _ in range(N_PROGRAMS)]
        self._long = lab.program(LONG_SHOTS)

    def run(self, n_jobs: int) -> None:
        """So many jobs more."""
        until = self._tally.n_jobs + n_jobs
        while self._tally.n_jobs < until:
            number = self._tally.n_jobs
            if number % CANCEL_EVERY == 17:
                self._cancelled()
            elif number % BATCH_EVERY == 0:
                for job in [self._submit() for _ in range(min(BATCH, until - number))]:
                    self._expect(job, JobState.COMPLETED)
            else:
                began = time.monotonic()
                self._expect(self._submit(), JobState.COMPLETED)
                self._tally.latencies_s.append(time.monotonic() - began)

    def run_one(self) -> None:
        """One that completes."""
        self._expect(self._submit(), JobState.COMPLETED)

    def _submit(self, program: bytes = b"") -> Job:
        number = self._tally.n_jobs
        job = self._lab.client.submit(program or self._programs[number % N_PROGRAMS])
        self._tally.acknowledged.append(UUID(str(job.id)))
        return job

    def be_refused(self) -> None:
        """An instrument refuses a job; afterwards the rack is opened again."""
        self._lab.faults.inject("awg1", "refuse", header=REFUSED)
        self._expect(self._submit(), JobState.FAILED, "awg1")
        self._lab.heal()

    def _cancelled(self) -> None:
        """While it plays."""
        job = self._submit(self._long)
        for progress in self._lab.client.progress(job.id):
            if progress.shots_done:
                break
        self._lab.client.cancel(job.id)
        self._expect(job, JobState.CANCELLED)

    def _expect(self, job: Job, state: JobState, error: str = "") -> None:
        ended = self._lab.client.wait(job.id, timeout_s=JOB_LIMIT_S)
        self._tally.states[ended.status.name] += 1
        if ended.status is not state or error not in ended.error:
            self._tally.wrong.append(f"{ended.id}: {ended.status.name}, {ended.error}")
        elif state is JobState.COMPLETED and not self._lab.is_good(ended):
            self._tally.wrong.append(f"{ended.id}: {self._lab.values_of(ended)}")
