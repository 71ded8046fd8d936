"""How large labd's processes and its state directory are, and whether what was sampled is flat.

A sample is taken while nothing is under way: no job, no call. Then descriptors and threads are
exact, and each job has left what it leaves for good.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

KEPT = ("payloads", "results")
SETTLED_WITHIN_S = 10.0
POOL_THREADS = (os.cpu_count() or 1) + 4
"""Asyncio's pool grows to so many when calls coincide, be it the first time after hours."""
ARENA_BYTES = 1 << 20
"""Python's allocator takes and returns so much at once."""


@dataclass(frozen=True, slots=True)
class ProcessSize:
    """Of one process. resident_bytes: RSS; shared_out_bytes: PSS, its share of what is shared."""

    pid: int
    resident_bytes: int
    shared_out_bytes: int
    n_descriptors: int
    n_threads: int


@dataclass(frozen=True, slots=True)
class DiskSize:
    """Of a state directory. kept_bytes, n_kept: files of payloads and results; all: everything."""

    database_bytes: int
    log_bytes: int
    kept_bytes: int
    n_kept: int
    all_bytes: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What there was after so many jobs."""

    n_jobs: int
    at_s: float
    processes: Mapping[str, ProcessSize]
    disk: DiskSize


@dataclass(frozen=True, slots=True)
class Bounds:
    """What passes for flat. names: of the processes that count.

    arenas: of the allocator, that a process may have more or less in the middle of the second half.
    """

    names: Sequence[str]
    arenas: float = 1.0
    latency_ratio: float = 2.0


def take_sample(n_jobs: int, pids: Mapping[str, int], state: Path) -> Sample:
    """Now."""
    sizes = {name: process_size(pid) for name, pid in pids.items()}
    return Sample(n_jobs, time.monotonic(), sizes, disk_size(state))


def settled_sample(n_jobs: int, pids: Mapping[str, int], state: Path, like: Sample) -> Sample:
    """When no process has more descriptors than in an earlier sample, or does not let them go."""
    until = time.monotonic() + SETTLED_WITHIN_S
    while True:
        now = take_sample(n_jobs, pids, state)
        is_settled = all(
            size.n_descriptors <= like.processes[name].n_descriptors
            for name, size in now.processes.items()
        )
        if is_settled or time.monotonic() > until:
            return now
        time.sleep(0.05)


def process_size(pid: int) -> ProcessSize:
    """Of a process that runs."""
    folder = Path(f"/proc/{pid}")
    lines = [line.split() for line in (folder / "smaps_rollup").read_text().splitlines()]
    kib = {line[0]: int(line[1]) for line in lines if line[-1] == "kB"}
    return ProcessSize(
        pid,
        kib["Rss:"] << 10,
        kib["Pss:"] << 10,
        len(list((folder / "fd").iterdir())),
        len(list((folder / "task").iterdir())),
    )


def disk_size(state: Path) -> DiskSize:
    """Of a state directory that is worked in."""
    kept = [size for name in KEPT for size in _sizes(state / name)]
    return DiskSize(
        _size(state / "labd.db"),
        _size(state / "labd.db-wal"),
        sum(kept),
        len(kept),
        sum(_sizes(state)),
    )


def _sizes(folder: Path) -> list[int]:
    return [_size(path) for path in folder.rglob("*") if not path.is_dir()]


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def slope(samples: Sequence[Sample], values: Sequence[float]) -> float:
    """Of values over jobs, by least squares."""
    jobs = [float(each.n_jobs) for each in samples]
    middle, level = mean(jobs), mean(values)
    spread = sum((job - middle) ** 2 for job in jobs)
    return sum((j - middle) * (v - level) for j, v in zip(jobs, values, strict=True)) / spread


def memory_slope(samples: Sequence[Sample], name: str) -> float:
    """Bytes of RSS per job, over the second half of the samples."""
    half = samples[len(samples) // 2 :]
    return slope(half, [each.processes[name].resident_bytes for each in half])


def memory_bound(samples: Sequence[Sample], bounds: Bounds) -> float:
    """Bytes per job that least squares make of so many arenas that come in the middle."""
    n_jobs = samples[-1].n_jobs - samples[len(samples) // 2].n_jobs
    return 1.5 * bounds.arenas * ARENA_BYTES / n_jobs


def growth_of_processes(samples: Sequence[Sample], bounds: Bounds) -> list[str]:
    """What is not flat. A process that was replaced on the way cannot be judged, and is told."""
    found: list[str] = []
    middle = len(samples) // 2
    for name in bounds.names:
        sizes = [each.processes[name] for each in samples]
        if len({size.pid for size in sizes}) > 1:
            found.append(f"{name}: it was replaced on the way")
        per_job = memory_slope(samples, name)
        if per_job > memory_bound(samples, bounds):
            found.append(f"{name}: {per_job:.0f} bytes of memory per job")
        for what, slack in (("n_descriptors", 0), ("n_threads", POOL_THREADS)):
            counts = [getattr(size, what) for size in sizes]
            before, after = max(counts[:middle]), max(counts[middle:])
            if after > before + slack:
                found.append(f"{name}: {what} went from {before} to {after}")
    return found


def growth_of_latency(latencies_s: Sequence[float], bounds: Bounds) -> list[str]:
    """Whether the last 1,000 jobs took longer than the first; of fewer, the halves."""
    first, last = ends_of(latencies_s)
    if median(last) > bounds.latency_ratio * median(first):
        return [f"a job took {median(first):.4f} s at first and {median(last):.4f} s at last"]
    return []


def ends_of(latencies_s: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Of the first 1,000 jobs and of the last; of fewer, the halves."""
    n_jobs = min(1000, len(latencies_s) // 2)
    return latencies_s[:n_jobs], latencies_s[-n_jobs:]


def table_of(samples: Sequence[Sample]) -> str:
    """At most 25 of the samples, one a line."""
    names = list(samples[0].processes)
    title = ["jobs", "s", *(f"{name} MiB (PSS) fd/thr" for name in names)]
    title += ["db MiB", "wal MiB", "files", "files MiB"]
    step = -(-len(samples) // 25)
    shown = [*samples[:-1:step], samples[-1]]
    lines = [title, *(_line(each, samples[0].at_s) for each in shown)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(title))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def _line(sample: Sample, began_s: float) -> list[str]:
    disk = sample.disk
    processes = [
        f"{_mib(size.resident_bytes)} ({_mib(size.shared_out_bytes)})"
        f" {size.n_descriptors}/{size.n_threads}"
        for size in sample.processes.values()
    ]
    sizes = [_mib(disk.database_bytes), _mib(disk.log_bytes), str(disk.n_kept)]
    kept = _mib(disk.kept_bytes)
    return [str(sample.n_jobs), f"{sample.at_s - began_s:.0f}", *processes, *sizes, kept]


def _mib(n_bytes: int) -> str:
    return f"{n_bytes / (1 << 20):.2f}"
