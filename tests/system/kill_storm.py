"""SIGKILL daemon, rack and guard again and again under load, then count.

Acknowledged, lost, doubled; and after each kill how long it took until every output was safe, as
the simulated instruments say. Alone: ``python tests/system/kill_storm.py [KILLS] [SEED]`` (200
kills by default); exit status 1 if a job that was acknowledged is gone, any job was given to the
rack twice, or an output was not safe in time. Then it tells who was alive and what was on at which
time. The folder with the logs stays where it was not good.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import grpc
from loud_lab import LoudLab
from quick_lab import FINAL, payload
from safety_watch import Debt, SafetyWatch, told

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc
from labd.wire import lab_pb2, lab_pb2_grpc

N_CLIENTS = 4
LARGE_EVERY = 12
BACK_WITHIN_S = 5.0
"""Of most restarts: each one is work for the processor, of which others may have the most."""
SAFE_WITHIN_S = 3.0
STUCK_AFTER_S = 60.0
"""When nothing has ended for so long, nothing will."""
LONGEST_QUEUE = 40
"""Where jobs come faster than they run, clients wait: the queue is no part of the question."""
PLAYING = 0.8
"""How many kills wait until the rack has something to lose; the others come at any moment."""
VICTIMS = (
    *(("daemon",), ("daemon",), ("daemon",), ("rack",), ("rack",), ("guard",)),
    *(("daemon", "rack"), ("daemon", "guard"), ("rack", "guard"), ("guard", "rack")),
    ("guard", "daemon", "rack"),
)
CHILDREN = (("rack",), ("guard",), ("rack", "guard"))
AGAIN = 0.5
"""How often another kill follows at once, also of a daemon that is only starting."""
LONGEST_CALM_S = 0.4
LONGEST_START_S = 1.0
GUARDED, ORPHANED = "guarded", "orphaned"
"""Whether a guard was left."""


@dataclass(slots=True)
class Report:
    """What a storm did. Jobs are ids in hexadecimal; slowest_restart_s until a job was asked."""

    n_kills: int = 0
    acknowledged: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    out_of_order: int = 0
    states: Counter[str] = field(default_factory=Counter)
    restart_s: list[float] = field(default_factory=list)
    n_runs: int = 0
    n_loud: int = 0
    safe_s: list[float] = field(default_factory=list)
    orphaned_s: list[float] = field(default_factory=list)
    unsafe: list[str] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        bad = (self.lost, self.doubled, self.unfinished, self.out_of_order, self.unsafe)
        return not any(bad)

    def __str__(self) -> str:
        return (
            f"kills {self.n_kills} ({self.n_loud} with outputs on), "
            f"acknowledged {len(self.acknowledged)}, lost {len(self.lost)}, "
            f"doubled {len(self.doubled)}, unfinished {len(self.unfinished)}, "
            f"out of order {self.out_of_order}, runs {self.n_runs}; {dict(self.states)}; "
            f"restarted after {_spread(self.restart_s)}; outputs safe after "
            f"{_spread(self.safe_s)}; where no guard was left after "
            f"{_spread(self.orphaned_s)}; unsafe {len(self.unsafe)} {self.unsafe[:5]}"
        )


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "no kill"
    median_s = statistics.median(seconds)
    return f"{median_s:.2f} s (median of {len(seconds)}), {max(seconds):.2f} s at most"


class Load:
    """Clients that submit until the daemon is gone, and note what was acknowledged."""

    def __init__(self, lab: LoudLab, acknowledged: list[str], rng: random.Random) -> None:
        self._lab = lab
        self._acknowledged = acknowledged
        self._qc_id = lab.qc_id
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._submit, args=(random.Random(rng.random()),))
            for _ in range(N_CLIENTS)
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in self._threads:
                thread.join(20)

    def _submit(self, rng: random.Random) -> None:
        with grpc.insecure_channel(self._lab.address) as channel:
            jobs, lab = iqm_grpc.JobsStub(channel), lab_pb2_grpc.LabStub(channel)
            is_over = False
            while not is_over:
                try:
                    machine = lab.GetMachine(lab_pb2.MachineRequest(), timeout=10)
                    if machine.n_queued < LONGEST_QUEUE:
                        job = jobs.SubmitJobV1(self._request(rng), timeout=10)
                        self._acknowledged.append(job.id.raw.hex())
                except grpc.RpcError:
                    return
                is_over = self._is_over.wait(rng.uniform(0.08, 0.35))

    def _request(self, rng: random.Random) -> iqm.SubmitJobRequestV1:
        pad = "x" * (300_000 if rng.randrange(LARGE_EVERY) == 0 else rng.randrange(5000))
        return iqm.SubmitJobRequestV1(
            qc_id=self._qc_id,
            type=iqm.PULSE,
            payload=payload(s=rng.choice((0.0, 0.0, 0.01, 0.03)), bytes=1000, pad=pad),
        )


def storm(folder: Path, n_kills: int, seed: int, tell: Callable[[Report], None]) -> Report:
    """Kill so many times at random moments, let labd finish, look at outputs and every job."""
    report = Report()
    lab = LoudLab(folder).start()
    try:
        with SafetyWatch(lab) as watch:
            killer = Killer(lab, watch, report, random.Random(seed))
            while report.n_kills < n_kills:
                killer.go_round()
                tell(report)
        _check_end(lab, report)
    finally:
        lab.close()
    return report


class Killer:
    """Kills once, or several times at short intervals; then all must become safe, and go on."""

    def __init__(
        self, lab: LoudLab, watch: SafetyWatch, report: Report, rng: random.Random
    ) -> None:
        self._lab = lab
        self._watch = watch
        self._report = report
        self._rng = rng

    def go_round(self) -> None:
        """Jobs come in meanwhile."""
        lab, rng = self._lab, self._rng
        with Load(lab, self._report.acknowledged, rng).running():
            if rng.random() < PLAYING:
                lab.wait_until_loud()
            time.sleep(rng.uniform(0.0, LONGEST_CALM_S))
            self._report.n_loud += bool(lab.unsafe())
            hit = self._strike(rng.choice(VICTIMS))
            while "daemon" not in hit and rng.random() < AGAIN:
                time.sleep(rng.uniform(0.0, LONGEST_CALM_S))
                hit |= self._strike(rng.choice(CHILDREN))
        if "daemon" in hit:
            while rng.random() < AGAIN:
                self._strike_a_start()
            restarted = time.monotonic()
            lab.restart()
            _check_restart(lab, self._report, restarted)
        self._check_outputs("+".join(sorted(hit)))

    def _strike(self, victims: tuple[str, ...]) -> set[str]:
        """Who was hit. A daemon that leaves no guard behind leaves that to the service manager."""
        lab, watch = self._lab, self._watch
        has_guard = "guard" in lab.alive()
        hit = lab.strike(victims)
        is_orphaned = "daemon" in hit and ("guard" in hit or not has_guard)
        debt = Debt.NEW if hit - {"guard"} else Debt.NONE
        watch.mark(debt, label=ORPHANED if is_orphaned else GUARDED)
        watch.note(f"killed: {', '.join(sorted(hit)) or f'no {victims}'}")
        self._report.n_kills += bool(hit)
        if "daemon" in hit:
            lab.wait()
        if is_orphaned:
            status, _ = lab.make_safe()
            watch.note(f"labd make-safe: {status}")
        return hit

    def _strike_a_start(self) -> None:
        """Of a daemon that perhaps has no guard yet: then nothing can be on that was not before."""
        lab, watch = self._lab, self._watch
        lab.launch()
        time.sleep(self._rng.uniform(0.0, LONGEST_START_S))
        lab.strike(("daemon",))
        watch.mark(Debt.KEPT, label=GUARDED)
        watch.note("killed: daemon, which was starting")
        self._report.n_kills += 1
        lab.wait()

    def _check_outputs(self, what: str) -> None:
        watch, report = self._watch, self._report
        safe_s = watch.safe_after_s(2 * SAFE_WITHIN_S)
        deserted_s = watch.take_deserted_s()
        report.safe_s, report.orphaned_s = watch.taken_s[GUARDED], watch.taken_s[ORPHANED]
        if max(safe_s, deserted_s) > SAFE_WITHIN_S:
            report.unsafe.append(
                f"{what}: safe after {safe_s:.1f} s, on without a rack for {deserted_s:.1f} s,"
                f" last {told(watch.last_unsafe)}"
            )
            report.stories.append(watch.story())


def _check_restart(lab: LoudLab, report: Report, restarted: float) -> None:
    """The last job that the rack was given has its final state, or is the one that runs now."""
    runs = lab.started()
    if runs:
        lookup = iqm.JobLookupV1(id=iqm.Uuid(str=runs[-1]))
        lab.jobs.GetJobV1(lookup, timeout=10)
    report.restart_s.append(time.monotonic() - restarted)


def _check_end(lab: LoudLab, report: Report) -> None:
    _wait_until_final(lab, report.acknowledged)
    records = {job_id: _job(lab, job_id) for job_id in report.acknowledged}
    runs = [UUID(each).hex for each in lab.started()]
    times = Counter(runs)
    for job_id, found in records.items():
        if found is None:
            report.lost.append(job_id)
            continue
        report.states[iqm.JobStatus.Name(found.status)] += 1
        if found.status not in FINAL:
            report.unfinished.append(job_id)
        if found.status == iqm.COMPLETED and times[job_id] != 1:
            report.lost.append(job_id)
    report.n_runs = len(runs)
    report.doubled = [job_id for job_id, n in times.items() if n > 1]
    order = _submission_order(lab)
    places = [order[each] for each in runs if each in order]
    report.out_of_order = sum(a > b for a, b in itertools.pairwise(places))


def _wait_until_final(lab: LoudLab, jobs: list[str]) -> None:
    """Until every job is over, or none has ended for a long time."""
    waiting, changed = list(jobs), time.monotonic()
    while waiting and time.monotonic() < changed + STUCK_AFTER_S:
        found = _job(lab, waiting[0])
        if found is None or found.status in FINAL:
            waiting.pop(0)
            changed = time.monotonic()
        else:
            time.sleep(0.05)


def _submission_order(lab: LoudLab) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(lab.state / "labd.db")) as db:
        rows = db.execute("SELECT id, seq FROM jobs")
        return {job_id.hex(): seq for job_id, seq in rows}


def _job(lab: LoudLab, job_id: str) -> iqm.JobV1 | None:
    try:
        found: iqm.JobV1 = lab.jobs.GetJobV1(
            iqm.JobLookupV1(id=iqm.Uuid(raw=bytes.fromhex(job_id))), timeout=20
        )
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.NOT_FOUND, error
        return None
    return found


def _told(report: Report) -> None:
    if report.n_kills % 50 == 0:
        print(report, flush=True)


if __name__ == "__main__":
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    folder = Path(tempfile.mkdtemp(prefix="labd-storm-"))
    print(f"logs, database and results: {folder}", flush=True)
    result = storm(folder, kills, seed, _told)
    print(result, *result.stories, sep="\n")
    if result.is_good:
        shutil.rmtree(folder)
    sys.exit(0 if result.is_good else 1)
