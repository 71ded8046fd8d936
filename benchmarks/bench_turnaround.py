"""A job's turnaround through labd against a plain script on an equal simulated rack.

From submit to fetched results, gRPC, queue, disk and all, against the script's own time for the
same job. Several variants of the job, each with waveforms of its own, each run twice: labd's first
run uploads, its second does not; the script's do both times. Script and labd take turns, each on
a simulated rack of its own, so that the machine's load and the simulation's caches are alike.
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
from collections.abc import Callable
from functools import partial
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
    """Every variant twice by the script and twice by labd, in turns, each on a rack of its own."""
    times_s: dict[str, list[float]] = {"plain": [], "plain again": [], "labd": [], "labd again": []}
    with _rack(folder / "plain") as plain_rack, _rack(folder / "labd") as labd_rack:
        wiring = read_wiring(folder / "plain" / "star5" / "wiring.toml")
        script = PlainScript(folder / "plain" / "star5" / "station.yaml", wiring)
        with _daemon(folder / "labd", folder / f"state of {name}") as daemon:
            with Client(daemon.first_line.split()[3]) as client:
                for payload in payloads:
                    recipe = recipe_of(payload, wiring)
                    for again in ("", " again"):
                        times_s["plain" + again].append(_time_s(partial(script.run, recipe)))
                        times_s["labd" + again].append(_time_s(partial(_run, client, payload)))
            daemon.terminate()
        script.close()
        plain_rack.terminate()
        labd_rack.terminate()
    median_s = {who: statistics.median(times[1:]) for who, times in times_s.items()}
    other = "plain QCoDeS script: set up, upload, run, read"
    return [
        Row(f"{name}: {which}", median_s[ours], median_s[theirs], "s", target, "lower", other)
        for which, ours, theirs, target in (
            ("first job", "labd", "plain", 1.10),
            ("repeated job", "labd again", "plain again", 0.7),
        )
    ]


def _rack(config: Path) -> _started:
    shutil.copytree(ROOT / "config", config, dirs_exist_ok=True)
    command = [_command("labd-simrack"), str(config / "star5"), "--ports", "free"]
    command += ["--station-out", str(config / "star5" / "station.yaml")]
    return _started(command, "ready")


def _daemon(config: Path, state: Path) -> _started:
    command = [_command("labd"), "serve", "--config", str(config / "labd.toml")]
    command += ["--state-dir", str(state), "--listen", "127.0.0.1:0"]
    return _started(command, "labd ready")


def _run(client: Client, payload: bytes) -> None:
    job = client.submit(payload)
    finished = client.wait(job.id, timeout_s=120)
    assert finished.status is JobState.COMPLETED, finished.error
    client.results_bytes(job.id)


def _time_s(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
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
