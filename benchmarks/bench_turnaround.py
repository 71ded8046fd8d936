"""A job's turnaround through labd against a plain script on the same simulated rack.

From submit to fetched results, gRPC, queue, disk and all, against the script's own time for the
same job. Several variants of the job, each with waveforms of its own: labd's first run of a variant
uploads, its second does not. The rack has simulated every variant once before anybody is timed.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.plain_script import PlainScript, recipe_of
from benchmarks.row import Row
from labd.client import Client
from labd.core.jobs import JobState
from labd.wire import sweep_pb2
from labd.wiring_file import read_wiring

ROOT = Path(__file__).resolve().parents[1]
PAYLOADS = ROOT / "tests" / "data" / "payloads"
N_VARIANTS = 7
JOBS = {"Bell pair, 1000 shots": ("bell", 1000), "Rabi, 41 segments, 20 shots": ("rabi_amp", 20)}


def measure() -> list[Row]:
    """Rows: first and repeated turnaround of each kind of job."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="labd-bench-") as folder:
        os.chdir(folder)  # QCoDeS reads its configuration from here: there is none
        for name, (payload, n_shots) in JOBS.items():
            rows += _measure(Path(folder), name, _variants(payload, n_shots))
    return rows


def _variants(name: str, n_shots: int) -> list[bytes]:
    """The captured job with drive amplitudes scaled a little differently each time."""
    variants = []
    for number in range(N_VARIANTS):
        task = sweep_pb2.SweepTaskRequest.FromString((PAYLOADS / f"{name}.sweep.bin").read_bytes())
        request = sweep_pb2.SweepRequest.FromString(task.payload.value)
        for option in ("playlist_repeats", "averaging_bins"):
            request.settings.subnodes["options"].settings[option].value.sint64_value = n_shots
        for channel in request.playlist.channels.values():
            for instruction in channel.instruction_table:
                if instruction.HasField("iq_pulse"):
                    instruction.iq_pulse.scale_i *= 1 - 1e-4 * (number + 1)
        task.payload.value = request.SerializeToString()
        variants.append(task.SerializeToString())
    return variants


def _measure(folder: Path, name: str, payloads: list[bytes]) -> list[Row]:
    config = folder / "config"
    shutil.copytree(ROOT / "config", config, dirs_exist_ok=True)
    command = [_command("labd-simrack"), str(config / "star5"), "--ports", "free"]
    command += ["--station-out", str(config / "star5" / "station.yaml")]
    with _started(command, "ready") as rack:
        plain_s = _time_plain(config, payloads)
        first_s, repeated_s = _time_labd(config, folder / name.split(",")[0], payloads)
        rack.terminate()
    other = "plain QCoDeS script: set up, upload, run, read"
    return [
        Row(f"{name}: first job", first_s, plain_s, "s", 1.10, "lower", other),
        Row(f"{name}: repeated job", repeated_s, plain_s, "s", 0.7, "lower", other),
    ]


def _time_plain(config: Path, payloads: list[bytes]) -> float:
    wiring = read_wiring(config / "star5" / "wiring.toml")
    script = PlainScript(config / "star5" / "station.yaml", wiring)
    times = []
    for recipe in [recipe_of(payload, wiring) for payload in payloads]:
        script.run(recipe)
        started = time.monotonic()
        script.run(recipe)
        times.append(time.monotonic() - started)
    script.close()
    return statistics.median(times)


def _time_labd(config: Path, state: Path, payloads: list[bytes]) -> tuple[float, float]:
    command = [_command("labd"), "serve", "--config", str(config / "labd.toml")]
    command += ["--state-dir", str(state), "--listen", "127.0.0.1:0"]
    first, repeated = [], []
    with _started(command, "labd ready") as daemon:
        url = daemon.first_line.split()[3]
        with Client(url) as client:
            _turnaround_s(client, payloads[0])  # the rack has opened its instruments
            for payload in payloads[1:]:
                first.append(_turnaround_s(client, payload))
                repeated.append(_turnaround_s(client, payload))
        daemon.terminate()
    return statistics.median(first), statistics.median(repeated)


def _turnaround_s(client: Client, payload: bytes) -> float:
    started = time.monotonic()
    job = client.submit(payload)
    finished = client.wait(job.id, timeout_s=120)
    assert finished.status is JobState.COMPLETED, finished.error
    client.results_bytes(job.id)
    return time.monotonic() - started


class _started(subprocess.Popen[str]):  # noqa: N801 - used as a statement
    """A process that says on its first line that it is ready."""

    def __init__(self, command: list[str], ready: str) -> None:
        super().__init__(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.stdout is not None
        self.first_line = self.stdout.readline()
        assert self.first_line.startswith(ready), (command, self.first_line)


def _command(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


if __name__ == "__main__":
    print(json.dumps([row.as_json() for row in measure()], indent=1))
