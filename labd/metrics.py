"""The page /metrics: how labd, its queues, racks and instruments are, for Prometheus.

What the event loop must give is a glance at each rack; the rest (a few look-ups in the store,
/proc, the racks' shared memory, the text) is done by a thread, one page at a time.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

import labd
from labd.config import QuantumComputer
from labd.core.flight import BOUNDS_S, Traffic, traffic
from labd.core.jobs import JobState
from labd.core.openings import Mode
from labd.meters import Meters
from labd.rack_status import RackState, RackStatus
from labd.store.vitals import StoreVitals, Vitals

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_BOUNDS = (*(str(bound) for bound in BOUNDS_S), "+Inf")


@dataclass(frozen=True, slots=True)
class RackSight:
    """A rack at a glance. pid: of its process, None while there is none.

    flight: reads what the process has noted of its talk with instruments, on any thread.
    """

    status: RackStatus
    pid: int | None
    flight: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Sight:
    """All that the event loop knows. racks: by alias. pids: of labd's other processes, by name."""

    racks: Mapping[str, RackSight]
    pids: Mapping[str, int]
    n_connections: int


class Metrics:
    """Makes the page. look: called on the event loop, gives what only it knows."""

    def __init__(
        self,
        computers: Sequence[QuantumComputer],
        meters: Meters,
        vitals: Vitals,
        state_dir: Path,
        look: Callable[[], Sight],
    ) -> None:
        self._computers = tuple(computers)
        self._meters = meters
        self._vitals = vitals
        self._state_dir = state_dir
        self._look = look
        self._turn = asyncio.Lock()

    async def page(self) -> bytes:
        """The text, in CONTENT_TYPE. Raises sqlite3.Error."""
        async with self._turn:
            return await asyncio.to_thread(self._render, self._look())

    def _render(self, sight: Sight) -> bytes:
        families = chain(
            self._meters.registry.collect(),
            _build_families(),
            self._store_families(self._vitals.read()),
            self._rack_families(sight),
            _instrument_families(self._computers, sight),
            _process_families(sight),
        )
        return generate_latest(_Collected(list(families)))

    def _store_families(self, vitals: StoreVitals) -> Iterator[Metric]:
        depth = _gauge("labd_queue_jobs", "Jobs that wait.", "quantum_computer")
        age = _gauge(
            "labd_queue_oldest_seconds", "How long the eldest of them has.", "quantum_computer"
        )
        jobs = _gauge("labd_jobs", "Jobs that the store has.", "quantum_computer", "state")
        mode = _gauge("labd_mode", "1 for the mode it is in.", "quantum_computer", "mode")
        now_ns = time.time_ns()
        for computer in self._computers:
            queue = vitals.queues.get(computer.id)
            if queue is None:
                continue
            alias = computer.alias
            oldest_ns = now_ns if queue.oldest_ns is None else queue.oldest_ns
            depth.add_metric([alias], queue.n_queued)
            age.add_metric([alias], max(0, now_ns - oldest_ns) / 1e9)
            for state in JobState:
                jobs.add_metric([alias, state.value], queue.jobs.get(state, 0))
            for each in Mode:
                mode.add_metric([alias, each.value], float(each is queue.mode))
        yield from (depth, age, jobs, mode)
        yield CounterMetricFamily(
            "labd_jobs_submitted", "Jobs accepted since the store was made.", vitals.n_submitted
        )
        files = _gauge(
            "labd_store_bytes", "Sizes of the database's files, and of room in it.", "of"
        )
        for name, size in (
            ("database", vitals.database_bytes),
            ("wal", vitals.wal_bytes),
            ("free", vitals.free_bytes),
        ):
            files.add_metric([name], size)
        yield files
        disk = os.statvfs(self._state_dir)
        yield GaugeMetricFamily(
            "labd_disk_free_bytes",
            "Room for labd on the state directory's disk.",
            disk.f_bavail * disk.f_frsize,
        )

    def _rack_families(self, sight: Sight) -> Iterator[Metric]:
        state = _gauge("labd_rack_state", "1 for the state it is in.", "quantum_computer", "state")
        for alias, rack in sight.racks.items():
            for each in RackState:
                state.add_metric([alias, each.value], float(each is rack.status.state))
        yield state
        yield GaugeMetricFamily(
            "labd_connections", "Connections that are open.", sight.n_connections
        )


class _Collected:
    """Families as prometheus_client wants a registry."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families


def _gauge(name: str, what: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, labels=labels)


def _build_families() -> Iterator[Metric]:
    build = InfoMetricFamily("labd_build", "Which labd this is.")
    build.add_metric([], {"version": labd.__version__})
    yield build


def _instrument_families(computers: Sequence[QuantumComputer], sight: Sight) -> Iterator[Metric]:
    labels = ("quantum_computer", "instrument")
    up = _gauge("labd_instrument_up", "Whether it is open and answers.", *labels)
    answers = HistogramMetricFamily(
        "labd_instrument_answer_seconds", "From a question to the end of its answer.", labels=labels
    )
    sent = CounterMetricFamily("labd_instrument_messages", "Messages sent to it.", labels=labels)
    moved = CounterMetricFamily(
        "labd_instrument_bytes", "Bytes to and from it.", labels=(*labels, "direction")
    )
    errors = CounterMetricFamily(
        "labd_instrument_errors", "Messages that ended in an error of VISA.", labels=labels
    )
    for computer in computers:
        rack = sight.racks[computer.alias]
        for name in computer.station:
            up.add_metric([computer.alias, name], float(rack.status.state is RackState.READY))
        for one in traffic(rack.flight()):
            labelled = [computer.alias, one.instrument]
            answers.add_metric(labelled, _buckets(one), one.answer_s)
            sent.add_metric(labelled, one.n_sent)
            moved.add_metric([*labelled, "sent"], one.sent_bytes)
            moved.add_metric([*labelled, "received"], one.received_bytes)
            errors.add_metric(labelled, one.n_errors)
    yield from (up, answers, sent, moved, errors)


def _buckets(one: Traffic) -> list[tuple[str, float]]:
    return [(bound, float(n)) for bound, n in zip(_BOUNDS, one.cumulative, strict=True)]


def _process_families(sight: Sight) -> Iterator[Metric]:
    memory = _gauge("labd_process_resident_bytes", "Memory of labd's processes.", "process")
    cpu = CounterMetricFamily(
        "labd_process_cpu_seconds", "Processor time of labd's processes.", labels=["process"]
    )
    racks = {f"rack {alias}": rack.pid for alias, rack in sight.racks.items()}
    for name, pid in {"daemon": os.getpid(), **sight.pids, **racks}.items():
        usage = None if pid is None else _usage(pid)
        if usage is not None:
            memory.add_metric([name], usage[0])
            cpu.add_metric([name], usage[1])
    yield from (memory, cpu)


def _usage(pid: int) -> tuple[int, float] | None:
    """Resident bytes and processor seconds; None when the process is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return int(fields[21]) * _PAGE_BYTES, (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
