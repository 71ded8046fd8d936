"""(g) Two hundred subscribers on one queue while a hundred jobs pass: the daemon's processor time.

The daemon and its front serve a quick rack that needs JOB_S for a job. Every subscriber has a
connection of its own and follows a job of its own that stands behind those that pass, so that its
position changes with every one of them. The time of the same passing without subscribers is told
beside it. Alone: `python -m benchmarks.bench_subscribers`.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import grpc
import grpc.aio

from benchmarks.daemon_process import PAYLOAD, QC_ID, ROOT, processor_s
from benchmarks.row import Row
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc
from labd.wire import sweep_pb2

N_SUBSCRIBERS = 200
N_PASSING = 100
JOB_S = 0.3
LIMIT = 0.1
"""Of one core."""


def _payload() -> bytes:
    """A payload that tells the quick rack how long to take."""
    task = sweep_pb2.SweepTaskRequest.FromString(PAYLOAD.read_bytes())
    task.queue_name = "quick:" + json.dumps({"s": JOB_S})
    return task.SerializeToString()


class _QuickDaemon:
    """labd with a quick rack, as the system tests have it."""

    def __init__(self, state_dir: Path) -> None:
        quick = ROOT / "tests" / "system" / "serve_quick.py"
        self.process = subprocess.Popen(
            [
                *(sys.executable, str(quick), str(ROOT / "config" / "labd.toml")),
                *(str(state_dir), "127.0.0.1:0"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("labd ready on http://"), line
        self.address = line.split()[3].removeprefix("http://").split("/")[0]

    def stop(self) -> None:
        for _ in range(2):
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)


async def _pass(daemon: _QuickDaemon, n_subscribers: int) -> tuple[float, float, int]:
    """Let the jobs pass; processor seconds of daemon and front, seconds, positions told."""
    channels = [
        grpc.aio.insecure_channel(daemon.address, [("grpc.use_local_subchannel_pool", 1)])
        for _ in range(n_subscribers + 1)
    ]
    jobs = [iqm_grpc.JobsStub(channel) for channel in channels]
    request = iqm.SubmitJobRequestV1(
        qc_id=iqm.Uuid(raw=QC_ID.bytes), type=iqm.PULSE, payload=_payload()
    )
    submitted = [await jobs[0].SubmitJobV1(request) for _ in range(N_PASSING + N_SUBSCRIBERS)]
    n_told, arrived = 0, asyncio.Semaphore(0)

    async def follow(number: int) -> None:
        nonlocal n_told
        job = submitted[N_PASSING + number - 1]
        async for event in jobs[number].SubscribeToJobV1(iqm.JobLookupV1(id=job.id)):
            n_told += event.HasField("update")
            arrived.release()

    followers = [asyncio.create_task(follow(number)) for number in range(1, n_subscribers + 1)]
    for _ in followers:
        await arrived.acquire()
    started, used_s = time.monotonic(), processor_s(daemon.process.pid)
    last = iqm.JobLookupV1(id=submitted[N_PASSING - 1].id)
    async for event in jobs[0].SubscribeToJobV1(last):
        if event.update.status == iqm.COMPLETED:
            break
    used_s = processor_s(daemon.process.pid) - used_s
    took_s = time.monotonic() - started
    for follower in followers:
        follower.cancel()
    await asyncio.gather(*followers, return_exceptions=True)
    for job in submitted[N_PASSING:]:
        await jobs[0].CancelJobV1(iqm.JobLookupV1(id=job.id))
    for channel in channels:
        await channel.close()
    return used_s, took_s, n_told


def measure() -> list[Row]:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    folder = Path(tempfile.mkdtemp(prefix="labd-bench-"))
    daemon = _QuickDaemon(folder / "state")
    try:
        alone_s, alone_took_s, _ = asyncio.run(_pass(daemon, 0))
        used_s, took_s, n_told = asyncio.run(_pass(daemon, N_SUBSCRIBERS))
    finally:
        daemon.stop()
        shutil.rmtree(folder)
    rate = N_PASSING / took_s
    print(
        f"  {rate:.1f} jobs/s, {n_told} updates told; without subscribers"
        f" {100 * alone_s / alone_took_s:.1f} % of a core",
        file=sys.stderr,
    )
    name = f"{N_SUBSCRIBERS} subscribers, {rate:.1f} jobs/s: processor"
    return [Row(name, used_s / took_s, LIMIT, "cores", 1, "lower", f"{LIMIT:g} of one core")]


if __name__ == "__main__":
    for line in measure():
        print(line, f"ratio {line.ratio:.3f}", "met" if line.is_met else "MISSED")
