"""One job from its payload to its result: decode, compile, apply, load, run, demodulate, write.

Shots are measured in blocks of about a quarter of a second, so that a cancel is heeded soon and
progress is seen. This is the one place where any exception at all is caught: whatever happens to a
job, its owner gets a sentence and the rack goes on.
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from labd.core.budget import (
    Budget,
    Work,
    completing,
    loading,
    playing,
    upload_bytes_of,
)
from labd.core.compile import PulseJob
from labd.core.demod import Demodulator
from labd.core.errors import InstrumentFault, JobFailure, OutOfMemory, Refusal, sentence_of
from labd.core.log_fields import about
from labd.core.rig import Rig, RunInterrupted, SettingValue
from labd.rack.last_settings import LastSettings
from labd.rack.messages import (
    Budgeted,
    Cancelled,
    Completed,
    Failed,
    Faulted,
    FromRack,
    Progress,
    Run,
    Started,
    Unavailable,
)
from labd.rack.preparation import ResultSink, Workshop, prepare
from labd.rack.stopwatch import Stopwatch

_log = logging.getLogger(__name__)

BLOCK_S: Final = 0.25
"""How long a block of shots is meant to take."""
MAX_CHANGE: Final = 4.0
"""How much of one block's surprise is believed."""
MAX_BLOCK_BYTES: Final = 64 << 20
"""Records of one block, as complex64."""
PROGRESS_EVERY_S: Final = 0.1
GROWTH: Final = 1.25
"""So much more a budget has to be before the daemon is told again."""


class Aftermath(Enum):
    """What is to be thought of the rig after a job.

    STOPPED: the job did not come to its end, and the rig is sound; its outputs stand anywhere.
    """

    SOUND = "sound"
    STOPPED = "stopped"
    DOUBTFUL = "doubtful"


class _GivenUp(Exception):
    """The job was cancelled, or the process ends."""


@dataclass(frozen=True, slots=True)
class Bench:
    """All that a job is run with, and the next one after it.

    workshop: what payloads are compiled with. send: to the daemon. is_given_up: asked between
    blocks. last: what the station was set to by the jobs before.
    """

    rig: Rig
    workshop: Workshop
    send: Callable[[FromRack], None]
    is_given_up: Callable[[], bool]
    tempo: Tempo
    last: LastSettings


def execute(run: Run, bench: Bench) -> Aftermath:
    """Run the job to whatever end, and tell the daemon which. Never raises."""
    bench.send(Started(run.job_id))
    try:
        timings_s = _Job(run, bench).run()
    except _GivenUp:
        bench.send(Cancelled(run.job_id))
        return Aftermath.STOPPED
    except (Refusal, JobFailure) as error:
        instrument = error.instrument if isinstance(error, InstrumentFault) else ""
        fields = about(job=run.job_id, instrument=instrument)
        _log.warning("job %s failed: %s", run.job_id, error, extra=fields)
        return _fail(run, bench, str(error), instrument, is_sound=not instrument)
    except MemoryError as error:
        _log.exception("job %s failed", run.job_id, extra=about(job=run.job_id))
        where = f"{error}: " if isinstance(error, OutOfMemory) else ""
        return _fail(run, bench, f"{where}{_out_of_memory()}", "", is_sound=False)
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        _log.exception("job %s failed", run.job_id, extra=about(job=run.job_id))
        what = f"internal error: {type(error).__name__}: {sentence_of(error)}"
        return _fail(run, bench, what, "", is_sound=False)
    else:
        bench.send(Completed(run.job_id, timings_s))
    return Aftermath.SOUND


def _fail(run: Run, bench: Bench, what: str, instrument: str, *, is_sound: bool) -> Aftermath:
    """Say so; first that no job can be run now, if that is so, lest the next one be sent."""
    if instrument:
        bench.send(Faulted(instrument, what))
    if not is_sound:
        bench.send(Unavailable(what))
    bench.send(Failed(run.job_id, what, instrument))
    return Aftermath.STOPPED if is_sound else Aftermath.DOUBTFUL


def _out_of_memory() -> str:
    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_DATA)
    limit = "" if limit_bytes == resource.RLIM_INFINITY else f" of {limit_bytes} bytes"
    return (
        f"the rack process ran out of its memory{limit}: make the job smaller, or raise"
        " rack_memory_bytes of the quantum computer in labd.toml"
    )


class _Job:
    """The job on its way."""

    def __init__(self, run: Run, bench: Bench) -> None:
        self._run = run
        self._bench = bench
        self._watch = Stopwatch()
        self._progressed = 0.0
        self._budgeted = Budget(0.0, 0.0)
        self._is_playing = False

    def run(self) -> Mapping[str, float]:
        """Seconds by phase. Raises whatever ends the job before its time."""
        rig, watch = self._bench.rig, self._watch
        prepared = prepare(self._run, self._bench.workshop, watch)
        job = prepared.job
        work = work_of(job, self._bench.workshop)
        self._budget(loading(work))
        with watch.phase("apply"):
            self._apply(self._bench.last.under({**job.settings, **job.spots[0]}))
        self._bench.last.keep()
        with watch.phase("load"):
            report = rig.load(job.program)
        _log.info(
            "job %s: %d waveforms, %d uploaded (%d bytes)",
            self._run.job_id,
            report.n_waveforms,
            report.n_uploaded,
            report.uploaded_bytes,
            extra=about(job=self._run.job_id),
        )
        demodulator = Demodulator(job)
        with prepared.open_result(Path(self._run.result_path)) as result:
            for spot, settings in enumerate(job.spots):
                if spot:
                    with watch.phase("apply"):
                        self._apply(settings)
                self._measure(spot, job, work, demodulator, result)
            self._budget(completing(work, self._bench.tempo.stretch))
            with watch.phase("confirm"):
                self._confirm()
            with watch.phase("write"):
                result.finish()
        self._bench.last.keep()
        return watch.seconds()

    def _confirm(self) -> None:
        """Raise InstrumentFault if one has an error, went off and on, or fell silent meanwhile.

        Most are told nothing between the first shot and the last, and would be missed by nobody.
        """
        for sign in self._bench.rig.probe():
            if sign.trouble:
                doing = "making sure of it at the end"
                raise InstrumentFault(sign.instrument, doing, sign.trouble)

    def _apply(self, settings: Mapping[str, SettingValue]) -> None:
        self._bench.rig.apply(settings)
        self._bench.last.note(settings)

    def _budget(self, needed: Budget) -> None:
        """Tell the daemon when to give the job up."""
        self._budgeted = needed
        self._bench.send(Budgeted(self._run.job_id, needed.total_s, needed.step_s))

    def _measure(
        self, spot: int, job: PulseJob, work: Work, demodulator: Demodulator, result: ResultSink
    ) -> None:
        """All shots of one spot, block by block."""
        tempo, loop_s, limit = self._bench.tempo, _loop_s(job), self._most_shots(job)
        n_done = 0
        while n_done < job.n_shots:
            if self._bench.is_given_up():
                raise _GivenUp
            started = time.monotonic()
            n_shots = next_block(job.n_shots - n_done, tempo.shots_of_block(loop_s), limit)
            self._budget_block(playing(work, tempo.stretch, n_shots * loop_s))
            try:
                with self._watch.phase("run"):
                    records = self._bench.rig.run(n_shots)
            except RunInterrupted:
                raise _GivenUp from None
            with self._watch.phase("demodulate"):
                values = demodulator.values(records)
            with self._watch.phase("write"):
                result.write(spot, n_done, values)
            n_done += n_shots
            tempo.learn(n_shots * loop_s, time.monotonic() - started)
            self._report(job, spot * job.n_shots + n_done)

    def _budget_block(self, needed: Budget) -> None:
        """Tell the daemon of a block that needs more than it knows of; or of the first one."""
        known = self._budgeted
        grows = needed.step_s > known.step_s or needed.total_s > GROWTH * known.total_s
        if grows or not self._is_playing:
            self._is_playing = True
            self._budget(Budget(needed.total_s, GROWTH * needed.step_s))

    def _most_shots(self, job: PulseJob) -> int:
        shot_bytes = max(job.program.n_triggers * job.program.record_samples * 8, 1)
        return min(self._bench.rig.max_shots_per_run(), max(MAX_BLOCK_BYTES // shot_bytes, 1))

    def _report(self, job: PulseJob, n_done: int) -> None:
        n_total = job.n_shots * len(job.spots)
        now = time.monotonic()
        if now >= self._progressed + PROGRESS_EVERY_S or n_done == n_total:
            self._progressed = now
            self._bench.send(Progress(self._run.job_id, n_done, n_total))


def next_block(n_left: int, n_wanted: int, limit: int) -> int:
    """Shots of the next block: n_left in equal blocks of about n_wanted, never more than limit.

    A rest that is up to half as long again is not cut, because every block has a price of its own.
    """
    n_blocks = max(round(n_left / n_wanted), -(-n_left // limit), 1)
    return -(-n_left // n_blocks)


class Tempo:
    """How long blocks take, against the time that their shots play. Learnt from block to block."""

    def __init__(self) -> None:
        self._stretch = 1.0

    @property
    def stretch(self) -> float:
        """How much longer than their shots play blocks take."""
        return self._stretch

    def shots_of_block(self, loop_s: float) -> int:
        """How many shots of that length a block should have, at least 1."""
        return max(int(BLOCK_S / (loop_s * self._stretch)), 1)

    def learn(self, played_s: float, taken_s: float) -> None:
        """A block whose shots play that long took so long."""
        slowest, fastest = self._stretch * MAX_CHANGE, self._stretch / MAX_CHANGE
        self._stretch = min(max(taken_s / played_s, fastest), slowest)


def work_of(job: PulseJob, workshop: Workshop) -> Work:
    """What a job asks of the rack, for its budget."""
    rules = workshop.wiring.outputs.values()
    return Work(
        playing_s=_loop_s(job) * job.n_shots * len(job.spots),
        n_spots=len(job.spots),
        upload_bytes=upload_bytes_of(job.program),
        result_bytes=job.result_bytes,
        ramp_s=max((rule.longest_ramp_s for rule in rules), default=0.0),
        wait_s=workshop.rig_module.LIMITS.longest_wait_s,
    )


def _loop_s(job: PulseJob) -> float:
    """How long one shot plays, at least a microsecond."""
    return max(job.program.shot_s, 1e-6)
