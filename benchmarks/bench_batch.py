"""A batch of 100 circuits from the door to its counts, against what the instruments play.

The rack plays at its own pace and computes no physics (benchmarks.paced_rack): a circuit's shot
takes what its pulses, its readout and the reset by waiting take, over real sockets. Everything
above that is compiling, uploading, starting, reading out, demodulating, writing and fetching.
Each job is another one, so that nothing of it is known from before.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench_compile import circuits, json_of, station
from benchmarks.row import Row
from labd.client import Client
from labd.core.circuit import CircuitJob
from labd.core.circuit_compile import compile_circuits
from labd.core.compile import compile_sweep
from labd.core.jobs import JobState, JobType

ROOT = Path(__file__).resolve().parents[1]
SHOTS = (100, 1000)
N_JOBS = 3
TARGET = 1.3


def measure() -> list[Row]:
    """Batches of few and of many shots; the first job of all, which waits for the rack, is not."""
    here = station()
    qubits, pairs = here.chip.qubits, list(here.chip.couplers.values())
    rows = []
    with tempfile.TemporaryDirectory(prefix="labd-bench-") as folder, _lab(Path(folder)) as client:
        _run(client, _payload([json_of(each) for each in circuits(qubits, pairs, seed=0)], 1))
        for n_shots in SHOTS:
            times_s, playing_s = [], []
            for seed in range(1, (N_JOBS if n_shots < 500 else 1) + 1):
                some = circuits(qubits, pairs, seed=seed)
                sweep = compile_circuits(CircuitJob(some, n_shots), here, "").sweep
                job = compile_sweep(sweep, here.wiring, here.limits, max_result_bytes=1 << 33)
                playing_s.append(job.program.shot_s * n_shots)
                payload = _payload([json_of(each) for each in some], n_shots)
                started = time.monotonic()
                _run(client, payload)
                times_s.append(time.monotonic() - started)
            rows.append(
                Row(
                    name=f"100 circuits of 50 gates, {n_shots} shots each",
                    ours=statistics.median(times_s),
                    other=statistics.median(playing_s),
                    unit="s",
                    target=TARGET,
                    better="lower",
                    other_is="the instruments' own playing time",
                )
            )
    return rows


def _payload(some: list[dict[str, object]], n_shots: int) -> bytes:
    return json.dumps({"circuits": some, "shots": n_shots}).encode()


def _run(client: Client, payload: bytes) -> None:
    job = client.submit(payload, JobType.CIRCUIT)
    finished = client.wait(job.id, timeout_s=300)
    assert finished.status is JobState.COMPLETED, finished.error
    client.results_bytes(job.id)
    timings = {name: round(each, 2) for name, each in client.details(job.id).timings_s.items()}
    print(f"seconds in the rack: {timings}", file=sys.stderr)


@contextmanager
def _lab(folder: Path) -> Iterator[Client]:
    """labd on a paced rack."""
    shutil.copytree(ROOT / "config", folder, dirs_exist_ok=True)
    star5 = folder / "star5"
    python = [sys.executable, "-m"]
    rack = [*python, "benchmarks.paced_rack", str(star5), str(star5 / "station.yaml")]
    daemon = [*python, "labd.cli.daemon", "serve", "--config", str(folder / "labd.toml")]
    daemon += ["--state-dir", str(folder / "state"), "--listen", "127.0.0.1:0"]
    with (
        _started(rack, "ready"),
        _started(daemon, "labd ready") as line,
        Client(line.split()[3]) as client,
    ):
        yield client


@contextmanager
def _started(command: list[str], ready: str) -> Iterator[str]:
    """A process that says on its first line that it is ready."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith(ready), (command, line)
            yield line
        finally:
            process.terminate()
