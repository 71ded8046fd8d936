"""(e) From the command to serving, and the memory of daemon and front together.

The start is until the first gRPC call is answered, warm; the median of several. Against the limits
of one second and 120 MiB. Alone: `python -m benchmarks.bench_start`.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

import grpc

from benchmarks.daemon_process import DaemonProcess
from benchmarks.row import Row
from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc

ROUNDS = 5
MIB = 2**20


def start_of(state_dir: Path) -> tuple[float, int]:
    """Seconds until a call is answered, and resident bytes after it."""
    started = time.monotonic()
    with DaemonProcess(state_dir) as daemon, grpc.insecure_channel(daemon.tcp) as channel:
        computers = iqm_grpc.QuantumComputersStub(channel)
        computers.ListQuantumComputersV1(iqm.ListQuantumComputerFiltersV1())
        return time.monotonic() - started, daemon.resident_bytes()


def measure() -> list[Row]:
    folder = Path(tempfile.mkdtemp(prefix="labd-bench-"))
    try:
        starts = sorted(start_of(folder / "state") for _ in range(ROUNDS))
    finally:
        shutil.rmtree(folder)
    start_s = starts[ROUNDS // 2][0]
    resident = max(resident_bytes for _, resident_bytes in starts) / MIB
    return [
        Row("daemon start to serving", start_s, 1.0, "s", 1, "lower", "1 s"),
        Row("memory of daemon and front", resident, 120, "MiB", 1, "lower", "120 MiB"),
    ]


if __name__ == "__main__":
    for line in measure():
        print(line, f"ratio {line.ratio:.3f}", "met" if line.is_met else "MISSED")
