"""Jobs are claimed for a rack that is ready, handed to its process, watched, and ended.

Which one starts is decided anew whenever queue, slots or mode change, and when the clock reaches
the instant from which on the last decision is void (labd.core.openings). A job whose time budget is
over is FAILED and its process killed, whatever that hangs in. One that failed through no fault of
its own is executed once more if the station says so, by whichever process is ready first; nothing
of the first attempt's result is left by then.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from labd.changes import Watch
from labd.core.blame import Blame
from labd.core.budget import Budget
from labd.core.errors import Unavailable
from labd.core.jobs import Job, JobId, JobState, JobType, QcId
from labd.core.log_fields import about
from labd.core.openings import S_NS, TimeslotRules
from labd.desk import Desk
from labd.rack import messages as rack
from labd.rack_process import RackCommand, RackProcess
from labd.running_job import RunningJob, blame_of
from labd.store.jobs import Ending
from labd.store.timeslots import Decision

CANCEL_PATIENCE_S: Final = 5.0
STORAGE_RETRY_S: Final = 1.0
CLOCK_STEP_S: Final = 1.0
"""The clock is looked at so often while it decides: a slot is an appointment by the clock on the
wall, which may be set."""
SECOND_LOOK_S: Final = 1.0
"""Before a job is given up, what the rack may have said meanwhile is read: the daemon may have been
stopped itself."""
DEATH_PATIENCE_S: Final = 5.0
ANOTHER_WITHIN_S: Final = 300.0
"""A second attempt that cannot begin so soon is not made."""

_log = logging.getLogger(__name__)

Told = Callable[[str, str], None]


class JobRunner:
    """Runs the jobs of one quantum computer, one at a time, on one rack process after the other."""

    def __init__(
        self, desk: Desk, qc_id: QcId, command: RackCommand, rules: TimeslotRules, blame: Told
    ) -> None:
        """blame: told of an instrument in whose use the process crashed or hung, and how."""
        self.running: RunningJob | None = None
        self._desk = desk
        self._qc_id = qc_id
        self._command = command
        self._rules = rules
        self._blame = blame
        self._work = desk.changes.watch(("arrival", qc_id))
        self._is_stopping = False
        self._waiting: asyncio.Task[None] | None = None

    def use(self, command: RackCommand, rules: TimeslotRules) -> None:
        """From the next job on."""
        self._command, self._rules = command, rules
        self._work.wake()

    def wake(self) -> None:
        """Something has changed that decides whether a job may start."""
        self._work.wake()

    def stop(self) -> None:
        """Start no job any more."""
        self._is_stopping = True
        self._work.wake()

    async def stopped(self) -> None:
        """Wait until nobody waits for a second attempt any more."""
        if self._waiting is not None:
            await self._waiting

    def progress(self, job_id: JobId) -> tuple[int, int]:
        """Shots done and shots in total of a job; (0, 0) when it does not run now."""
        running = self.running
        if running is None or running.job.id != job_id:
            return 0, 0
        return running.shots_done, running.shots_total

    async def idle(self) -> None:
        """Wait until no job runs."""
        while self.running is not None:
            with self._desk.changes.watch(("job", self.running.job.id)) as watch:
                await watch.wait()

    # ---- what the process says and does

    def take(self, message: rack.Message) -> None:
        """A message of the process that runs the job."""
        running = self.running
        match message:
            case rack.Started(job_id) if running is not None and str(running.job.id) == job_id:
                running.has_started = True
                running.clock.progress(time.monotonic())
            case rack.Budgeted(job_id, total_s, step_s) if running is not None:
                if str(running.job.id) == job_id:
                    running.clock.grant(Budget(total_s, step_s), time.monotonic())
                    running.watch.wake()
            case rack.Progress(job_id, done, total):
                if running is not None and str(running.job.id) == job_id:
                    running.shots_done, running.shots_total = done, total
                    running.clock.progress(time.monotonic())
                    self._desk.changes.notify(("progress", running.job.id))
            case rack.Completed(job_id, timings_s):
                self._end(job_id, Ending(JobState.COMPLETED, timings_s=timings_s))
            case rack.Failed(job_id, error, instrument):
                self._end(job_id, Ending(JobState.FAILED, error), is_excused=bool(instrument))
            case rack.Cancelled(job_id):
                self._end(job_id, self._given_up())
            case _:
                pass

    def process_ended(self, process: RackProcess, why: str, *, is_own_fault: bool) -> None:
        """It is gone. why: how. is_own_fault: it crashed or hung, nobody else ended it."""
        process.is_gone = True
        running = self.running
        if running is None and is_own_fault:
            told = blame_of(process)
            if told.is_known:
                self._accuse(told, why)
        if running is not None and not running.is_waiting and running.ending is None:
            what = f"{why} while the job was executing"
            if is_own_fault:
                what = f"{what}: {self._put_down(running, process, why)}"
                running.end(Ending(JobState.FAILED, what), is_excused=True)
            else:
                running.end(Ending(JobState.INTERRUPTED, what), is_excused=True)
        self._work.wake()

    def _put_down(self, running: RunningJob, process: RackProcess, why: str) -> str:
        """Put a crash or a hang down to an instrument; the sentence that says so."""
        told = running.blame(process)
        self._accuse(told, why)
        return told.sentence

    def _accuse(self, told: Blame, why: str) -> None:
        for instrument in told.instruments:
            self._blame(instrument, f"{why}: {told.sentence}")

    def _given_up(self) -> Ending:
        if self.running is not None and self.running.is_cancel_sent:
            return Ending(JobState.CANCELLED, "cancelled while it was executing")
        return Ending(JobState.INTERRUPTED, "labd was stopped while the job was executing")

    def _end(self, job_id: str, ending: Ending, *, is_excused: bool = False) -> None:
        running = self.running
        if running is None or str(running.job.id) != job_id or running.is_waiting:
            fields = about(job=job_id, qc=self._command.name)
            what = "rack %s: spoke of job %s, not running"
            _log.warning(what, self._command.name, job_id, extra=fields)
            return
        result = self._desk.store.result_path(running.job.id)
        if ending.state is JobState.COMPLETED and not result.exists():
            ending = Ending(JobState.FAILED, "the rack finished the job but left no result")
        running.end(ending, is_excused=is_excused)

    # ---- jobs

    async def run_jobs(
        self, process: RackProcess, is_ready: Callable[[], bool], is_over: Callable[[], bool]
    ) -> None:
        """Until the process is gone, or is to be no longer used once it idles (is_over)."""
        with self._work as work:
            while not (process.is_gone or self._is_stopping or is_over()):
                decision = None
                if is_ready() and not process.has_hung_up():
                    running = self.running
                    if running is not None and running.is_waiting and running.ending is None:
                        running.begin()
                        await self.stopped()  # a watch has one waiter
                        await self._attempt(process, running)
                        continue
                    if running is None:
                        decision = await self._claim()
                if decision is None:
                    await work.wait()
                elif decision.job is None:
                    await until_due(work, decision, time.time_ns)
                else:
                    await self._run_job(process, decision.job)

    async def _claim(self) -> Decision | None:
        try:
            return await self._desk.claim_next(self._qc_id, self._rules)
        except Unavailable:
            asyncio.get_running_loop().call_later(STORAGE_RETRY_S, self._work.wake)
            return None

    async def _run_job(self, process: RackProcess, job: Job) -> None:
        watch = self._desk.changes.watch(("job", job.id)).__enter__()
        running = self.running = RunningJob(job, watch, self._command.care)
        if process.is_gone:
            what = "the rack process ended before the job"
            running.end(Ending(JobState.INTERRUPTED, what), is_excused=True)
        await self._attempt(process, running)

    async def _attempt(self, process: RackProcess, running: RunningJob) -> None:
        """Have the process execute it, and record its end, unless it gets another attempt."""
        job = running.job
        try:
            process.send(self._order(job))
        except (OSError, sqlite3.Error) as error:
            running.end(Ending(JobState.FAILED, f"the payload cannot be read: {error}"))
        ending = await self._ending_of(process, running)
        if running.may_have_another and not self._is_stopping and not self._is_wanted_off(running):
            try:
                await self._desk.begin_again(job.id, running.await_another())
            except Unavailable as error:
                _log.error("job %s: no second attempt: %s", job.id, error, extra=about(job=job.id))
                running.is_waiting = False
            else:
                self._waiting = asyncio.create_task(self._wait_for_another(running))
                return
        flight = None
        if ending.state is not JobState.COMPLETED:
            flight = await asyncio.to_thread(running.flight, process)
        await self._finish(running, replace(ending, flight=flight))

    async def _wait_for_another(self, running: RunningJob) -> None:
        """See to it that a job that waits for its second attempt can be cancelled meanwhile."""
        until_s = time.monotonic() + ANOTHER_WITHIN_S
        self._work.wake()
        while running.is_waiting and running.ending is None:
            if self._is_wanted_off(running):
                what = "cancelled between its first and its second attempt"
                running.end(Ending(JobState.CANCELLED, what))
            elif time.monotonic() >= until_s:
                running.give_up()
            else:
                await running.watch.wait(max(0.0, until_s - time.monotonic()))
        if running.is_waiting and running.ending is not None:
            await self._finish(running, running.ending)

    async def _finish(self, running: RunningJob, ending: Ending) -> None:
        await self._record(running.job, running.final(ending))
        running.watch.__exit__(None, None, None)
        self.running = None
        self._desk.changes.notify(("progress", running.job.id), ("job", running.job.id))
        self._work.wake()

    def _order(self, job: Job) -> rack.Run:
        payload = self._desk.store.payload(job)
        if isinstance(payload, bytes):
            path = self._command.directory / "payload.bin"
            path.write_bytes(payload)
        else:
            path = payload
        return rack.Run(
            str(job.id),
            str(path),
            str(self._desk.store.result_path(job.id)),
            job.job_type.value,
            self._calibration_path(job),
        )

    def _calibration_path(self, job: Job) -> str:
        """The document of a circuit job's set, written where the rack can read it."""
        if job.job_type is not JobType.CIRCUIT or job.calibration_set_id is None:
            return ""
        path = self._command.directory / "calibration.json"
        observations = self._desk.store.calibration_sets.observations(job.calibration_set_id)
        path.write_text(f'{{"observations": {observations}}}', encoding="utf-8")
        return str(path)

    async def _ending_of(self, process: RackProcess, running: RunningJob) -> Ending:
        """How it ended, with a cancel passed on to the rack, and both limits of time enforced."""
        cancel_due_s = None
        is_looked_at_twice = False
        while running.ending is None:
            if cancel_due_s is None and self._is_wanted_off(running):
                running.is_cancel_sent = True
                process.send(rack.Cancel(str(running.job.id)))
                cancel_due_s = time.monotonic() + CANCEL_PATIENCE_S
            due_s = running.clock.due_s if cancel_due_s is None else cancel_due_s
            left_s = due_s - time.monotonic()
            if left_s > 0:
                is_looked_at_twice = False
                await running.watch.wait(left_s)
            elif not is_looked_at_twice:
                is_looked_at_twice = True
                await running.watch.wait(SECOND_LOOK_S if cancel_due_s is None else 0.0)
            elif cancel_due_s is not None:
                process.kill()
                what = f"cancelled; the rack did not answer for {CANCEL_PATIENCE_S:g} s"
                running.end(Ending(JobState.CANCELLED, f"{what} and its process was killed"))
            else:
                await self._give_up(process, running)
        return running.ending

    async def _give_up(self, process: RackProcess, running: RunningJob) -> None:
        """Its time is over. A process that hangs is killed; who has it not begun need not be."""
        why = running.clock.sentence(time.monotonic())
        if not running.has_started:
            process.send(rack.Cancel(str(running.job.id)))
        what = f"{why}; {self._put_down(running, process, f'a job was given up, {why}')}"
        process.kill()
        running.end(
            Ending(JobState.FAILED, f"{what}; the rack process was killed"), is_excused=True
        )
        await process.is_dead(DEATH_PATIENCE_S)

    def _is_wanted_off(self, running: RunningJob) -> bool:
        """Whether somebody has asked for its end."""
        try:
            record = self._desk.store.job_record(running.job.id)
        except sqlite3.Error as error:
            _log.error("job %s: its record cannot be read: %s", running.job.id, error)
            asyncio.get_running_loop().call_later(STORAGE_RETRY_S, running.watch.wake)
            return False
        return record is None or record.cancel_requested_at_ns is not None

    async def _record(self, job: Job, ending: Ending) -> None:
        """Write the end down; where the storage refuses, again until it does not."""
        while True:
            try:
                await self._desk.end(job.id, ending)
            except Unavailable as error:
                fields = about(job=job.id, qc=self._command.name, user=job.submitted_by)
                _log.error("job %s: its end is not recorded yet: %s", job.id, error, extra=fields)
                if self._is_stopping:
                    return
                await asyncio.sleep(STORAGE_RETRY_S)
            else:
                return


async def until_due(work: Watch, decision: Decision, clock_ns: Callable[[], int]) -> None:
    """Wait for news, or until the clock alone has changed what may start."""
    due_ns = decision.next_change_ns
    while due_ns is None or decision.at_ns <= clock_ns() < due_ns:
        left_s = None if due_ns is None else max(0.0, (due_ns - clock_ns()) / S_NS)
        if await work.wait(None if left_s is None else min(left_s, CLOCK_STEP_S)):
            return
