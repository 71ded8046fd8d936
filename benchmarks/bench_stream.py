"""(b) A large result through labd, against a bare grpcio stream of as many bytes from memory.

The bare server is grpc.aio with the generated service code, answering from bytes in memory. The
client is the same for both: grpcio's synchronous client, counting bytes. `LABD_BENCH_GIB` sets the
size of the result (2). Alone: `python -m benchmarks.bench_stream`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc

from benchmarks.daemon_process import DaemonProcess, completed_job
from benchmarks.row import Row
from labd.core.jobs import JobId
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc

RESULT_BYTES = int(float(os.environ.get("LABD_BENCH_GIB", "2")) * 2**30)
CHUNK_BYTES = 1 << 20
ROUNDS = 3
SLOW_READERS = 20
SLOW_S = 6.0
MIB = 2**20


class _FromMemory(iqm_grpc.JobsServicer):
    """The service as anyone would write it, with nothing to do."""

    def __init__(self) -> None:
        self._bytes = os.urandom(16 * CHUNK_BYTES)

    async def GetJobResultsV1(
        self, request: iqm.JobLookupV1, context: object
    ) -> AsyncIterator[iqm.DataChunk]:
        del request, context
        for index in range(RESULT_BYTES // CHUNK_BYTES):
            start = index % 16 * CHUNK_BYTES
            yield iqm.DataChunk(data=self._bytes[start : start + CHUNK_BYTES])


async def _serve_from_memory(unix_path: str) -> None:
    server = grpc.aio.server()
    iqm_grpc.add_JobsServicer_to_server(_FromMemory(), server)
    server.add_insecure_port(f"unix:{unix_path}")
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


def _stream(address: str, job_id: JobId, token: str) -> float:
    """Bytes per second of one whole result."""
    shown = (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(timeout=10)
        lookup = iqm.JobLookupV1(id=iqm.Uuid(raw=job_id.bytes))
        started = time.perf_counter()
        n_bytes = 0
        for chunk in iqm_grpc.JobsStub(channel).GetJobResultsV1(lookup, metadata=shown):
            n_bytes += len(chunk.data)
        assert n_bytes == RESULT_BYTES, n_bytes
        return n_bytes / (time.perf_counter() - started)


def _slow_readers_growth(daemon: DaemonProcess, job_id: JobId) -> int:
    """Resident bytes that the daemon gains while many read one chunk a second."""
    before = daemon.resident_bytes()
    is_over = threading.Event()

    def read_slowly() -> None:
        with grpc.insecure_channel(daemon.tcp) as channel:
            lookup = iqm.JobLookupV1(id=iqm.Uuid(raw=job_id.bytes))
            call = iqm_grpc.JobsStub(channel).GetJobResultsV1(lookup)
            for _ in call:
                if is_over.wait(1.0):
                    break
            call.cancel()

    readers = [threading.Thread(target=read_slowly) for _ in range(SLOW_READERS)]
    for reader in readers:
        reader.start()
    most = before
    until = time.monotonic() + SLOW_S
    while time.monotonic() < until:
        most = max(most, daemon.resident_bytes())
        time.sleep(0.05)
    is_over.set()
    for reader in readers:
        reader.join()
    return most - before


def measure() -> list[Row]:
    folder = Path(tempfile.mkdtemp(prefix="labd-bench-"))
    try:
        return _measure(folder)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path) -> list[Row]:
    job_id = completed_job(folder / "state", RESULT_BYTES)
    bare_unix = str(folder / "bare")
    bare = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bench_stream", bare_unix],
        stdout=subprocess.PIPE,
        text=True,
    )
    best: dict[str, float] = {}
    try:
        assert bare.stdout is not None
        bare_port = int(bare.stdout.readline())
        with DaemonProcess(folder / "state") as daemon:
            token = daemon.make_token()
            before = daemon.resident_bytes()
            ways = {
                "bare tcp": f"127.0.0.1:{bare_port}",
                "bare unix": f"unix:{bare_unix}",
                "tcp": daemon.tcp,
                "unix": daemon.unix,
                "private": daemon.private,
            }
            for _ in range(ROUNDS):
                for name, address in ways.items():
                    best[name] = max(best.get(name, 0.0), _stream(address, job_id, token))
            growth = daemon.resident_bytes() - before
            slow_growth = _slow_readers_growth(daemon, job_id)
    finally:
        bare.terminate()
        bare.wait()
    size = f"{RESULT_BYTES / 2**30:g} GiB"

    def row(name: str, ours: str, other: str, target: float) -> Row:
        values = best[ours] / MIB, best[other] / MIB
        return Row(name, *values, "MiB/s", target, "higher", f"a bare grpcio stream, {other[5:]}")

    return [
        row(f"{size} result through the shared port", "tcp", "bare tcp", 0.65),
        row(f"{size} result through the unix socket", "unix", "bare unix", 0.65),
        row(f"{size} result on the private socket", "private", "bare unix", 0.85),
        Row(f"memory gained by {size} results", growth / MIB, 64, "MiB", 1, "lower", "64 MiB"),
        Row(
            f"memory gained by {SLOW_READERS} slow readers",
            *(slow_growth / MIB, 64, "MiB", 1, "lower", "64 MiB"),
        ),
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_serve_from_memory(sys.argv[1]))
    else:
        for line in measure():
            print(line, f"ratio {line.ratio:.3f}", "met" if line.is_met else "MISSED")
