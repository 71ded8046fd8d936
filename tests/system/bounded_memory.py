"""labd's memory with much queued, with many who come and go, and with readers that do not read.

Alone: ``python tests/system/bounded_memory.py [GB] [SUBSCRIBERS] [READERS]`` (10 GB of payloads,
10,000 subscribers, 50 readers by default). Prints what daemon and front take on the way; exit
status 1 if they grow by more than is stated here, if a descriptor stays open, if anything queued is
lost, or if somebody who reads has to wait for those who do not.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from uuid import UUID

import grpc
from growth import process_size
from quick_lab import HERE, QuickLab, lookup, payload

from labd.client import Client
from labd.client.values_store import Finding
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc
from labd.wire import lab_pb2

Tell = Callable[[str], None]

PAYLOAD_MIB = 60
WAVE = 250
N_FIRST, N_COPIES, NOISE_MIB = 3, 3.0, 30.0
"""Memory is compared with that when the first payloads were queued: by then all is imported. Of the
one that comes in there are copies, gRPC's, the handler's and the check's, until it is queued."""
SUBSCRIBERS_GROWTH_MIB = 100.0
READER_GROWTH_MIB = 2.5
"""Of daemon and front together: a chunk, what gRPC has framed of it, what the front holds."""
SLOWER, SLACK_S = 3.0, 1.0
"""So many times as long, and so much more, may others wait beside readers that do not read."""
N_ASKED = 20
LET_GO_WITHIN_S = 20.0


@dataclass(slots=True)
class Growth:
    """Memory of daemon and front at the beginning, at the most and at the end."""

    what: str
    before_mib: float
    bound_mib: float
    most_mib: float = 0.0
    after_mib: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = "; ".join(self.problems) or "ok"
        return (
            f"{self.what}: {self.before_mib:.0f} MiB before, {self.most_mib:.0f} at most,"
            f" {self.after_mib:.0f} after (may grow by {self.bound_mib:.0f}): {told}"
        )

    def look(self, lab: QuickLab) -> float:
        """At the memory now."""
        self.after_mib = resident_mib(lab)
        self.most_mib = max(self.most_mib, self.after_mib)
        return self.after_mib

    def judged(self) -> Growth:
        if self.most_mib - self.before_mib > self.bound_mib:
            self.problems.append(f"it grew by {self.most_mib - self.before_mib:.0f} MiB")
        return self


def serving(lab: QuickLab) -> list[int]:
    """The daemon and its front."""
    assert lab.process is not None
    return [lab.process.pid, lab.child("labd/front")]


def resident_mib(lab: QuickLab) -> float:
    return sum(process_size(pid).resident_bytes for pid in serving(lab)) / (1 << 20)


def n_descriptors(lab: QuickLab) -> int:
    return sum(process_size(pid).n_descriptors for pid in serving(lab))


# ---- much queued


def queue_much(lab: QuickLab, n_bytes: int, tell: Tell, payload_mib: int = PAYLOAD_MIB) -> Growth:
    """Queue so many bytes in large payloads, kill labd and start it again, then cancel them all."""
    lab.lab.PauseMachine(lab_pb2.MachineRequest(alias="star5", note="for a test"))
    pad = "x" * (payload_mib << 20)
    growth = Growth("much queued", resident_mib(lab), N_COPIES * payload_mib + NOISE_MIB)
    jobs, queued = list[iqm.JobV1](), 0
    while queued < n_bytes:
        if len(jobs) == N_FIRST:
            growth.before_mib = growth.most_mib
        content = payload(n=len(jobs), pad=pad)
        jobs.append(lab.submit(content))
        queued += len(content)
        resident = growth.look(lab)
        if len(jobs) % 20 == 0:
            tell(f"{queued / 1e9:.1f} GB queued, {resident:.0f} MiB")
    _check_queue(lab, growth, jobs, tell)
    lab.kill()
    lab.restart()
    tell(f"killed and started again after {lab.ready_s:.1f} s, {growth.look(lab):.0f} MiB")
    _check_queue(lab, growth, jobs, tell)
    for job in jobs:
        lab.jobs.CancelJobV1(lookup(job))
        lab.lab.DeleteJob(lookup(job))
    growth.look(lab)
    if left := list((lab.state / "payloads").iterdir()):
        growth.problems.append(f"{len(left)} payloads of deleted jobs stay")
    lab.lab.ResumeMachine(lab_pb2.MachineRequest(alias="star5"))
    return growth.judged()


def _check_queue(lab: QuickLab, growth: Growth, jobs: list[iqm.JobV1], tell: Tell) -> None:
    """All are queued, and every payload has the SHA-256 that it came with."""
    machine = lab.lab.GetMachine(lab_pb2.MachineRequest(alias="star5"))
    if machine.n_queued != len(jobs):
        growth.problems.append(f"{machine.n_queued} of {len(jobs)} are queued")
    with Client(f"http://{lab.address}/star5", timeout_s=600.0) as client:
        for line in client.store.check(repairs=False, is_quick=False):
            if isinstance(line, Finding):
                growth.problems.append(f"{line.object}: {line.what}")
            else:
                tell(f"{line.n_bytes / 1e9:.1f} GB checked, {growth.look(lab):.0f} MiB")


# ---- many subscribers


def subscribe_much(lab: QuickLab, n_subscribers: int, tell: Tell) -> Growth:
    """So many subscriptions to a running job, a wave at a time; half are left without a word."""
    job = lab.submit(s=3600)
    lab.wait_for(job, iqm.EXECUTING)
    wave = min(WAVE, n_subscribers)
    _wave(lab, job, wave)
    descriptors = _settled_descriptors(lab, 0)
    growth = Growth("subscribers", resident_mib(lab), SUBSCRIBERS_GROWTH_MIB)
    n_done = 0
    while n_done < n_subscribers:
        growth.most_mib = max(growth.most_mib, _wave(lab, job, wave))
        n_done += wave
        if n_done % 1000 == 0:
            tell(f"{n_done} subscribers, {growth.look(lab):.0f} MiB, {n_descriptors(lab)} fds")
    if (now := _settled_descriptors(lab, descriptors)) > descriptors:
        growth.problems.append(f"{now - descriptors} descriptors more are open")
    growth.look(lab)
    lab.jobs.CancelJobV1(lookup(job))
    if lab.wait_for(job).status != iqm.CANCELLED:
        growth.problems.append("the job was not cancelled")
    return growth.judged()


def _settled_descriptors(lab: QuickLab, wanted: int) -> int:
    """When so many are open, or for a while no other number is."""
    until = time.monotonic() + LET_GO_WITHIN_S
    now, since = n_descriptors(lab), time.monotonic()
    while now > wanted and time.monotonic() < until:
        time.sleep(0.05)
        before, now = now, n_descriptors(lab)
        if now != before:
            since = time.monotonic()
        elif not wanted and time.monotonic() > since + 1.0:
            break
    return now


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


# ---- readers that do not read


def read_slowly(lab: QuickLab, n_readers: int, n_bytes: int, hold_s: float, tell: Tell) -> Growth:
    """So many clients take one chunk of a large result, and nothing more for so long.

    First they are idle, then their process is stopped, so that not even their sockets are read.
    """
    job = lab.submit(bytes=n_bytes)
    lab.wait_for(job)
    alone_s = _others_wait_s(lab, job)
    descriptors = _settled_descriptors(lab, 0)
    bound_mib = READER_GROWTH_MIB * n_readers + NOISE_MIB
    growth = Growth("readers that do not read", resident_mib(lab), bound_mib)
    with _readers(lab, job, n_readers) as readers:
        for state in ("idle", "stopped"):
            if state == "stopped":
                readers.send_signal(signal.SIGSTOP)
            until = time.monotonic() + hold_s
            while time.monotonic() < until:
                growth.look(lab)
                time.sleep(0.1)
            beside_s = _others_wait_s(lab, job)
            growth.look(lab)
            tell(f"{n_readers} readers {state}, {growth.after_mib:.0f} MiB; {beside_s}")
            growth.problems += beside_s.slower_than(alone_s)
    if (now := _settled_descriptors(lab, descriptors)) > descriptors:
        growth.problems.append(f"{now - descriptors} descriptors more are open")
    growth.look(lab)
    return growth.judged()


@dataclass(frozen=True, slots=True)
class Waits:
    """How long others wait: for a whole result, for a short job in the median."""

    result_s: float
    job_s: float

    def __str__(self) -> str:
        return f"a whole result in {self.result_s:.2f} s, a short job in {1000 * self.job_s:.0f} ms"

    def slower_than(self, alone: Waits) -> list[str]:
        pairs = ((self.result_s, alone.result_s), (self.job_s, alone.job_s))
        if any(now > SLOWER * before + SLACK_S for now, before in pairs):
            return [f"others wait: {self}; without slow readers {alone}"]
        return []


def _others_wait_s(lab: QuickLab, job: iqm.JobV1) -> Waits:
    began = time.monotonic()
    for _ in lab.jobs.GetJobResultsV1(lookup(job)):
        pass
    result_s, jobs_s = time.monotonic() - began, []
    for _ in range(N_ASKED):
        began = time.monotonic()
        lab.wait_for(lab.submit())
        jobs_s.append(time.monotonic() - began)
    return Waits(result_s, median(jobs_s))


@contextmanager
def _readers(lab: QuickLab, job: iqm.JobV1, n_readers: int) -> Iterator[subprocess.Popen[str]]:
    script = [sys.executable, str(HERE / "slow_readers.py")]
    process = subprocess.Popen(
        [*script, lab.address, str(UUID(bytes=job.id.raw)), str(n_readers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def main() -> int:
    n_gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    n_subscribers = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    n_readers = int(sys.argv[3]) if len(sys.argv) > 3 else 50
    with tempfile.TemporaryDirectory(prefix="labd-memory-") as name, QuickLab(Path(name)) as lab:
        grown = [
            queue_much(lab, int(n_gigabytes * 1e9), print),
            subscribe_much(lab, n_subscribers, print),
            read_slowly(lab, n_readers, 512 << 20, 30.0, print),
        ]
    for each in grown:
        print(each)
    return int(any(each.problems for each in grown))


if __name__ == "__main__":
    sys.exit(main())
