"""(f) A million finished jobs in the database: what they cost a submit, a list, a start.

Two daemons run side by side, one on a database with a million finished jobs, one on an empty one,
and are asked in turns: a durable submit by a lone client; the queue position of a job that stands
somewhere in the queue. Neither has a rack, so that both queues grow alike. Then pages of lists are
read with the nastiest conditions: those that hold for half of the jobs each and for none together,
such that no index helps; each page is timed at the client.
Alone: `python -m benchmarks.bench_million`.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from benchmarks.bench_start import MIB, start_of
from benchmarks.bench_submit import payloads
from benchmarks.daemon_process import QC_ID, DaemonProcess
from benchmarks.million import DAY_NS, fill
from benchmarks.row import Row
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc
from labd.wire import lab_pb2, lab_pb2_grpc

ROUNDS = 400
MOST = 200
"""Jobs on a page."""
MOST_PAGES = 30
PAGE_LIMIT_MS = 100.0
STARTS = 3


class _Client:
    """One client of a daemon, and the jobs that it submitted."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self._jobs = iqm_grpc.JobsStub(grpc.insecure_channel(daemon.tcp))
        self._submitted: list[iqm.JobV1] = []
        self._payloads = payloads(ROUNDS)

    def submit(self, turn: int) -> None:
        request = iqm.SubmitJobRequestV1(
            qc_id=iqm.Uuid(raw=QC_ID.bytes), type=iqm.PULSE, payload=self._payloads[turn]
        )
        self._submitted.append(self._jobs.SubmitJobV1(request))

    def position(self, turn: int) -> None:
        """Of a job that is now here, now there in the queue."""
        wanted = turn * 7919 % len(self._submitted)
        job = self._jobs.GetJobV1(iqm.JobLookupV1(id=self._submitted[wanted].id))
        assert job.queue_position == wanted


def _median_ms(deeds: Mapping[str, Callable[[int], None]]) -> dict[str, float]:
    """Each deed's median time, done in turns."""
    times_s: dict[str, list[float]] = {name: [] for name in deeds}
    for turn in range(ROUNDS):
        for name, deed in deeds.items():
            started = time.perf_counter()
            deed(turn)
            times_s[name].append(time.perf_counter() - started)
    return {name: 1000 * statistics.median(each) for name, each in times_s.items()}


def _against_empty(full: DaemonProcess, empty: DaemonProcess) -> list[Row]:
    clients = {"full": _Client(full), "empty": _Client(empty)}
    submits = _median_ms({name: client.submit for name, client in clients.items()})
    positions = _median_ms({name: client.position for name, client in clients.items()})
    other = "an empty database"
    return [
        Row("durable submit", submits["full"], submits["empty"], "ms", 1.2, "lower", other),
        Row("queue position", positions["full"], positions["empty"], "ms", 1.2, "lower", other),
    ]


def _requests() -> dict[str, lab_pb2.ListJobsRequest]:
    old = Timestamp()
    old.FromNanoseconds(time.time_ns() - 700 * DAY_NS)
    list_of = lab_pb2.ListJobsRequest
    return {
        "all": list_of(),
        "a full page": list_of(limit=MOST),
        "user1, nightly: half each, none together": list_of(user="user1", tags=["nightly"]),
        "the same, of two years ago": list_of(user="user1", tags=["nightly"], created_until=old),
        "user1, FAILED: none together": list_of(user="user1", states=["FAILED"], limit=MOST),
        "user1, two tags, COMPLETED": list_of(
            user="user1", tags=["rabi", "nightly"], states=["COMPLETED"], alias="star5"
        ),
        "one of a hundred thousand": list_of(tags=["thesis"]),
        "a user of few": list_of(user="user77", states=["FAILED", "CANCELLED"], limit=MOST),
        "a type that there is none of": list_of(type="CIRCUIT"),
        "two states in bursts": list_of(states=["CANCELLED", "INTERRUPTED"], user="user1"),
    }


def _worst_page_ms(daemon: DaemonProcess) -> float:
    lab = lab_pb2_grpc.LabStub(grpc.insecure_channel(daemon.tcp))
    worst_ms = 0.0
    for name, request in _requests().items():
        times_ms: list[float] = []
        n_jobs = 0
        while len(times_ms) < MOST_PAGES:
            started = time.perf_counter()
            page = lab.ListJobs(request)
            times_ms.append(1000 * (time.perf_counter() - started))
            n_jobs += len(page.jobs)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                break
        print(f"  {name}: {n_jobs} jobs, {len(times_ms)} pages, worst {max(times_ms):.1f} ms")
        worst_ms = max(worst_ms, *times_ms)
    return worst_ms


def measure() -> list[Row]:
    folder = Path(tempfile.mkdtemp(prefix="labd-bench-"))
    try:
        full = folder / "full"
        fill(full)
        starts = sorted(start_of(full) for _ in range(STARTS))
        with DaemonProcess(full) as million, DaemonProcess(folder / "empty") as empty:
            rows = _against_empty(million, empty)
            worst_ms = _worst_page_ms(million)
            resident = million.resident_bytes() / MIB
    finally:
        shutil.rmtree(folder)
    limit, start_s = PAGE_LIMIT_MS, starts[STARTS // 2][0]
    rows += [
        Row("worst page of a list", worst_ms, limit, "ms", 1, "lower", f"{limit:g} ms"),
        Row("daemon start to serving", start_s, 1.0, "s", 1, "lower", "1 s"),
        Row("memory of daemon and front", resident, 120, "MiB", 1, "lower", "120 MiB"),
    ]
    return [replace(row, name=f"{row.name}, 1 M finished jobs") for row in rows]


if __name__ == "__main__":
    for line in measure():
        print(line, f"ratio {line.ratio:.3f}", "met" if line.is_met else "MISSED")
