"""labd's memory with much queued, and with many who come and go.

Alone: ``python tests/system/bounded_memory.py [GB] [SUBSCRIBERS]`` (10 GB of payloads and 10 000
subscribers by default). Prints what the daemon's process takes on the way; exit status 1 if it
grows by more than MOST_GROWTH_MIB, if a descriptor stays open, or if anything queued is lost.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from quick_lab import QuickLab, lookup, payload

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc
from labd.wire import lab_pb2

PAYLOAD_MIB = 60
WAVE = 250
MOST_GROWTH_MIB = 200.0
MOST_DESCRIPTORS = 20


@dataclass(slots=True)
class Growth:
    """Resident memory of the daemon's process at the beginning, at the most and at the end."""

    what: str
    before_mib: float
    most_mib: float
    after_mib: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = "; ".join(self.problems) or "ok"
        return (
            f"{self.what}: {self.before_mib:.0f} MiB before, {self.most_mib:.0f} at most,"
            f" {self.after_mib:.0f} after: {told}"
        )


def resident_mib(lab: QuickLab) -> float:
    assert lab.process is not None
    status = Path(f"/proc/{lab.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def n_descriptors(lab: QuickLab) -> int:
    assert lab.process is not None
    return len(list(Path(f"/proc/{lab.process.pid}/fd").iterdir()))


def queue_much(lab: QuickLab, n_bytes: int, tell: Callable[[str], None]) -> Growth:
    """Queue so many bytes in large payloads while the machine is paused, then cancel them."""
    lab.lab.PauseMachine(lab_pb2.MachineRequest(alias="star5", note="for a test"))
    pad = "x" * (PAYLOAD_MIB << 20)
    before = resident_mib(lab)
    growth, jobs, queued = Growth("much queued", before, before), list[iqm.JobV1](), 0
    while queued < n_bytes:
        content = payload(n=len(jobs), pad=pad)
        jobs.append(lab.submit(content))
        queued += len(content)
        growth.most_mib = max(growth.most_mib, resident_mib(lab))
        if len(jobs) % 20 == 0:
            tell(f"{queued / 1e9:.1f} GB queued, {resident_mib(lab):.0f} MiB")
    machine = lab.lab.GetMachine(lab_pb2.MachineRequest(alias="star5"))
    if machine.n_queued != len(jobs):
        growth.problems.append(f"{machine.n_queued} of {len(jobs)} are queued")
    received = sum(len(chunk.data) for chunk in lab.jobs.GetJobPayloadV1(lookup(jobs[-1])))
    if received != len(content):
        growth.problems.append(f"{received} bytes of {len(content)} came back")
    for job in jobs:
        lab.jobs.CancelJobV1(lookup(job))
        lab.lab.DeleteJob(lookup(job))
    growth.after_mib = resident_mib(lab)
    lab.lab.ResumeMachine(lab_pb2.MachineRequest(alias="star5"))
    return _judged(growth)


def subscribe_much(lab: QuickLab, n_subscribers: int, tell: Callable[[str], None]) -> Growth:
    """So many subscriptions to a running job, a wave at a time; half are left without a word."""
    job = lab.submit(s=3600)
    lab.wait_for(job, iqm.EXECUTING)
    _wave(lab, job, WAVE)
    before, descriptors = resident_mib(lab), n_descriptors(lab)
    growth, n_done = Growth("subscribers", before, before), 0
    while n_done < n_subscribers:
        growth.most_mib = max(growth.most_mib, _wave(lab, job, WAVE))
        n_done += WAVE
        if n_done % 1000 == 0:
            tell(f"{n_done} subscribers, {resident_mib(lab):.0f} MiB, {n_descriptors(lab)} fds")
    until = time.monotonic() + 20
    while n_descriptors(lab) > descriptors + MOST_DESCRIPTORS and time.monotonic() < until:
        time.sleep(0.2)
    growth.after_mib = resident_mib(lab)
    more = n_descriptors(lab) - descriptors
    if more > MOST_DESCRIPTORS:
        growth.problems.append(f"{more} descriptors more are open")
    lab.jobs.CancelJobV1(lookup(job))
    if lab.wait_for(job).status != iqm.CANCELLED:
        growth.problems.append("the job was not cancelled")
    return _judged(growth)


def _wave(lab: QuickLab, job: iqm.JobV1, n_subscribers: int) -> float:
    """Subscribers on ten connections, each of whom hears once; MiB while all are there."""
    channels = [
        grpc.insecure_channel(lab.address, (("grpc.use_local_subchannel_pool", 1),))
        for _ in range(10)
    ]
    calls = [
        iqm_grpc.JobsStub(channels[number % 10]).SubscribeToJobV1(lookup(job), timeout=60)
        for number in range(n_subscribers)
    ]
    for call in calls:
        next(iter(call))
    resident = resident_mib(lab)
    for number, call in enumerate(calls):
        if number % 2:
            call.cancel()
    for channel in channels:
        channel.close()
    return resident


def _judged(growth: Growth) -> Growth:
    grown = max(growth.most_mib, growth.after_mib) - growth.before_mib
    if grown > MOST_GROWTH_MIB:
        growth.problems.append(f"it grew by {grown:.0f} MiB")
    return growth


def main() -> int:
    n_gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    n_subscribers = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    with tempfile.TemporaryDirectory(prefix="labd-memory-") as name, QuickLab(Path(name)) as lab:
        grown = [
            queue_much(lab, int(n_gigabytes * 1e9), print),
            subscribe_much(lab, n_subscribers, print),
        ]
    for each in grown:
        print(each)
    return int(any(each.problems for each in grown))


if __name__ == "__main__":
    sys.exit(main())
