"""Many short jobs through a whole labd, and whether anything of it grows that must not.

Alone: ``python tests/system/soak.py [JOBS] [LEG ...]`` (20,000 jobs, all legs by default). Legs:

    many         13 in 20 of the jobs, on a quick rack; nothing is removed
    age, share   3 in 20 each, on a quick rack; retention by age, by share of the disk
    instruments  1 in 20, on the simulated rack with the drivers that labd is shipped with
    openings     of that rack, 1 for 100 jobs, each after a fault

Prints a table and a verdict for each leg; exit status 1 if memory, descriptors, threads, files or
latency are not flat, if a job was lost or run twice, or if a result is another than it should be.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

from growth import (
    Bounds,
    Sample,
    ends_of,
    growth_of_latency,
    growth_of_processes,
    memory_bound,
    memory_slope,
    settled_sample,
    slope,
    table_of,
    take_sample,
)
from quick_lab import QuickLab
from soak_instruments import N_PROGRAMS, StarClient, StarLab
from soak_jobs import SoakClients, Tally

from labd.core.estimate import MAX_KINDS

N_JOBS = 20_000
ROUND = 200
REFUSED_EVERY = 5
ARENAS_OF_DRIVERS = 4.0
"""All drivers of a rack are 15 MiB, which are given back and taken anew with every opening."""
KEEP_S = 4.0
SHARE_BYTES = 1_000_000
KEEPER_PAUSE_S = 5.0
EMPTIED_WITHIN_S = 30.0
OURS = ("daemon", "front", "rack", "guard")
LOG_BYTES = 8 << 20
"""SQLite starts its log anew at 4 MiB, as soon as no reader holds it up."""
KEPT_RATIO = 1.5
RECORD_BYTES = 6000
"""Of the database per job, without its payload: record, events, audit and their indices."""


@dataclass(slots=True)
class Leg:
    """What was seen of a leg, and what is wrong with it."""

    name: str
    samples: list[Sample] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    problems: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    arenas: float = 1.0


def soak_quickly(
    name: str, folder: Path, n_jobs: int, storage: Mapping[str, float], n_round: int = ROUND
) -> Leg:
    """So many jobs on a quick rack, with these keys of [storage].

    In a long leg no two programs are the same: of how long each takes labd remembers the last 4096,
    which takes 8 MiB, and has them before the second half begins. In a short one they come again.
    """
    leg, lab = Leg(name), QuickLab(folder)
    for key, value in storage.items():
        default = {"keep_days": "0.0", "keep_share": "1.0"}[key]
        lab.edit(f"{key} = {default}", f"{key} = {value:.12f}")
    with lab:
        pids = pids_of(lab, "quick_rack")
        n_programs = n_jobs if n_jobs > 2 * MAX_KINDS else N_PROGRAMS
        with SoakClients(lab.address, lab.qc_id, leg.tally, n_programs) as clients:
            for start in range(0, n_jobs, n_round):
                clients.run(range(start, min(start + n_round, n_jobs)))
                _sample(leg, pids, lab.state)
        if storage:
            _wait_until_removed(lab, leg)
            _check_bounded(leg)
        else:
            _check_files(leg)
    _check_runs(lab, leg)
    _check_store(lab, leg)
    return leg


def soak_instruments(folder: Path, n_jobs: int, n_round: int) -> Leg:
    """So many jobs on simulated instruments; now and then in the first half one of them refuses."""
    with _on_instruments("instruments", folder) as (leg, client, sample):
        for start in range(0, n_jobs, n_round):
            if start % (REFUSED_EVERY * n_round) == 0 and start < n_jobs // 2:
                client.be_refused()
            client.run(min(n_round, n_jobs - start))
            sample()
    return leg


def soak_openings(folder: Path, n_openings: int) -> Leg:
    """The rack is closed and opened so many times, because an instrument refuses a job."""
    with _on_instruments("openings", folder) as (leg, client, sample):
        leg.arenas = ARENAS_OF_DRIVERS
        client.run(ROUND // 10)
        for _ in range(n_openings):
            client.be_refused()
            client.run_one()
            sample()
    return leg


@contextmanager
def _on_instruments(
    name: str, folder: Path
) -> Iterator[tuple[Leg, StarClient, Callable[[], None]]]:
    """What happens meanwhile happens on simulated instruments; call the last one for a sample."""
    leg = Leg(name)
    with StarLab(folder) as lab:
        lab.wait_until_ready(60.0)
        pids = pids_of(lab, "labd.rack") | {"instruments": lab.instruments_pid}
        yield leg, StarClient(lab, leg.tally), lambda: _sample(leg, pids, lab.state)
        _wait_until_hashed(lab)
    _check_store(lab, leg)


def pids_of(lab: QuickLab, rack: str) -> dict[str, int]:
    """labd's processes."""
    assert lab.process is not None
    children = {"front": "labd/front", "rack": rack, "guard": "labd.guard"}
    return {"daemon": lab.process.pid} | {name: lab.child(of) for name, of in children.items()}


def _sample(leg: Leg, pids: Mapping[str, int], state: Path) -> None:
    n_done = leg.tally.n_jobs
    if leg.samples:
        leg.samples.append(settled_sample(n_done, pids, state, leg.samples[0]))
    else:
        leg.samples.append(take_sample(n_done, pids, state))


def _check_runs(lab: QuickLab, leg: Leg) -> None:
    """The rack was given every job once."""
    runs = Counter(lab.started())
    if len(runs) != leg.tally.n_jobs or set(runs.values()) != {1}:
        leg.problems.append(f"{len(runs)} jobs were run, one {max(runs.values())} times")


def _wait_until_hashed(lab: QuickLab) -> None:
    """Partial results get their SHA-256 within seconds; `labd fsck` would miss it."""
    unhashed = "SELECT count(*) FROM jobs WHERE result_sha256 IS NULL AND result_bytes > 0"
    until = time.monotonic() + EMPTIED_WITHIN_S
    with closing(sqlite3.connect(lab.state / "labd.db")) as db:
        while db.execute(unhashed).fetchone()[0] and time.monotonic() < until:
            time.sleep(0.1)


def _check_store(lab: QuickLab, leg: Leg) -> None:
    """Every job is there in the state that clients saw, and `labd fsck` finds nothing."""
    with closing(sqlite3.connect(lab.state / "labd.db")) as db:
        states = dict(db.execute("SELECT id, state FROM jobs").fetchall())
    lost = [each for each in leg.tally.acknowledged if each.bytes not in states]
    if lost or Counter(states.values()) != leg.tally.states:
        leg.problems.append(f"{len(lost)} lost; stored {Counter(states.values())}")
    command = [sys.executable, "-m", "labd.cli.daemon", "fsck", "--state-dir", str(lab.state)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        leg.problems.append(f"fsck: {done.stdout}{done.stderr}")


def _check_files(leg: Leg) -> None:
    """A file for each result, one for each large payload."""
    disk, states = leg.samples[-1].disk, leg.tally.states
    n_expected = states["COMPLETED"] + leg.tally.kinds["large"]
    if disk.n_kept != n_expected:
        leg.problems.append(f"{disk.n_kept} files of {n_expected}")


def _wait_until_removed(lab: QuickLab, leg: Leg) -> None:
    """By age everything goes, by share what is beyond it."""
    most = 0 if leg.name == "age" else SHARE_BYTES
    until = time.monotonic() + EMPTIED_WITHIN_S
    pids = {"daemon": leg.samples[-1].processes["daemon"].pid}
    while time.monotonic() < until:
        if _bytes_of(sample := take_sample(leg.tally.n_jobs, pids, lab.state)) <= most:
            return
        time.sleep(0.2)
    leg.problems.append(f"{_bytes_of(sample)} bytes in {sample.disk.n_kept} files stay")


def _check_bounded(leg: Leg) -> None:
    """Where retention is on, what is kept stays where it was, and so does the room for payloads."""
    middle = len(leg.samples) // 2
    before, after = (
        max(map(_bytes_of, half)) for half in (leg.samples[:middle], leg.samples[middle:])
    )
    if after > KEPT_RATIO * before:
        leg.problems.append(f"at first {before} bytes were kept at most, later {after}")
    half = leg.samples[middle:]
    per_job = slope(half, [each.disk.database_bytes for each in half])
    if per_job > RECORD_BYTES:
        leg.problems.append(f"{per_job:.0f} bytes of the database per job")


def _bytes_of(sample: Sample) -> int:
    return sample.disk.kept_bytes


def judge(leg: Leg, bounds: Bounds) -> None:
    """Find what is not flat, and put what was measured into sentences."""
    samples, tally = leg.samples, leg.tally
    half = samples[len(samples) // 2 :]
    leg.problems += growth_of_processes(samples, bounds)
    leg.problems += growth_of_latency(tally.latencies_s, bounds)
    leg.problems += tally.wrong
    most = memory_bound(samples, bounds)
    for name in bounds.names:
        per_job = memory_slope(samples, name)
        leg.told.append(f"{name}: {per_job:+.1f} bytes of memory per job, flat is below {most:.0f}")
    for what in ("database_bytes", "kept_bytes", "n_kept"):
        per_job = slope(half, [getattr(each.disk, what) for each in half])
        leg.told.append(f"{what}: {per_job:+.2f} per job")
    most_log = max(each.disk.log_bytes for each in samples)
    if most_log > LOG_BYTES:
        leg.problems.append(f"the log of the database took {most_log} bytes")
    for which, latencies in zip(("first", "last"), ends_of(tally.latencies_s), strict=True):
        p99 = quantiles(latencies, n=100)[98]
        leg.told.append(
            f"{which} {len(latencies)} jobs alone: {1000 * median(latencies):.1f} ms in the median,"
            f" {1000 * p99:.1f} ms p99"
        )


def _share_of(n_bytes: int, folder: Path) -> float:
    disk = os.statvfs(folder)
    return n_bytes / (disk.f_blocks * disk.f_frsize)


def _many(folder: Path, n_jobs: int) -> Leg:
    return soak_quickly("many", folder, n_jobs * 13 // 20, {})


def _age(folder: Path, n_jobs: int) -> Leg:
    return soak_quickly("age", folder, n_jobs * 3 // 20, {"keep_days": KEEP_S / 86_400})


def _share(folder: Path, n_jobs: int) -> Leg:
    share = _share_of(SHARE_BYTES, folder)
    return soak_quickly("share", folder, n_jobs * 3 // 20, {"keep_share": share})


def _instruments(folder: Path, n_jobs: int) -> Leg:
    return soak_instruments(folder, n_jobs // 20, ROUND // 10)


def _openings(folder: Path, n_jobs: int) -> Leg:
    return soak_openings(folder, n_jobs // 100)


LEGS: Mapping[str, Callable[[Path, int], Leg]] = {
    "many": _many,
    "age": _age,
    "share": _share,
    "instruments": _instruments,
    "openings": _openings,
}


def main(arguments: Sequence[str]) -> int:
    n_jobs = int(arguments[0]) if arguments else N_JOBS
    status = 0
    for name in arguments[1:] or LEGS:
        with tempfile.TemporaryDirectory(prefix="labd-soak-") as folder:
            leg = LEGS[name](Path(folder), n_jobs)
        judge(leg, Bounds(OURS, leg.arenas))
        print(f"\n== {name}: {leg.tally.n_jobs} jobs, {dict(leg.tally.states)}")
        print(table_of(leg.samples))
        print("\n".join(leg.told))
        print("\n".join(f"NOT FLAT: {each}" for each in leg.problems) or "flat", flush=True)
        status |= bool(leg.problems)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
