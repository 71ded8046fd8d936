"""(c) Durable submits per second with 16 clients, against empty unary calls on the same server.

Every submit carries a captured Bell payload (5.6 kB) with a sweep id of its own, as IQM's client
makes them, and is answered after the commit that makes it durable. The empty call is the health
check. Both are made by the same 16 clients (one asyncio process) through the shared port, in turns.
Alone: `python -m benchmarks.bench_submit`.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.daemon_process import PAYLOAD, QC_ID, DaemonProcess
from benchmarks.row import Row
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc
from labd.wire import sweep_pb2

N_CLIENTS = 16
CALLS = 200
ROUNDS = 5


def payloads(n: int) -> list[bytes]:
    """Bell payloads that differ in their sweep id."""
    task = sweep_pb2.SweepTaskRequest.FromString(PAYLOAD.read_bytes())
    old = task.sweep_id.encode()
    data = task.SerializeToString()
    return [data.replace(old, str(uuid.uuid4()).encode()) for _ in range(n)]


async def _calls_per_s(call: Callable[[int, int], Awaitable[object]]) -> float:
    async def client(number: int) -> None:
        for turn in range(CALLS):
            await call(number, turn)

    started = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(N_CLIENTS)))
    return N_CLIENTS * CALLS / (time.perf_counter() - started)


async def _drive(address: str) -> None:
    """The clients' process: prints submits/s and empty calls/s, the median round of each."""
    bodies = payloads(CALLS)
    channels = [
        grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
        for _ in range(N_CLIENTS)
    ]
    jobs = [iqm_grpc.JobsStub(channel) for channel in channels]
    healths = [health_pb2_grpc.HealthStub(channel) for channel in channels]
    qc_id = iqm.Uuid(raw=QC_ID.bytes)

    async def submit(number: int, turn: int) -> object:
        request = iqm.SubmitJobRequestV1(qc_id=qc_id, type=iqm.PULSE, payload=bodies[turn])
        return await jobs[number].SubmitJobV1(request)

    async def check(number: int, turn: int) -> object:
        del turn
        return await healths[number].Check(health_pb2.HealthCheckRequest())

    await submit(0, 0)
    submits, checks = [], []
    for _ in range(ROUNDS):
        submits.append(await _calls_per_s(submit))
        checks.append(await _calls_per_s(check))
    for channel in channels:
        await channel.close()
    print(sorted(submits)[ROUNDS // 2], sorted(checks)[ROUNDS // 2])


def measure() -> list[Row]:
    folder = Path(tempfile.mkdtemp(prefix="labd-bench-"))
    try:
        with DaemonProcess(folder / "state") as daemon:
            shown = subprocess.run(
                [sys.executable, "-m", "benchmarks.bench_submit", daemon.tcp],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout
    finally:
        shutil.rmtree(folder)
    ours, other = (float(each) for each in shown.split())
    name = f"durable submits, {N_CLIENTS} clients"
    return [Row(name, ours, other, "calls/s", 0.6, "higher", "empty unary calls, same server")]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_drive(sys.argv[1]))
    else:
        for line in measure():
            print(line, f"ratio {line.ratio:.3f}", "met" if line.is_met else "MISSED")
