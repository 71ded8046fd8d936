"""Following a job through a restart of labd."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from threading import Thread

from lab_processes import PAYLOADS, ROOT, close, command, first_line, free_port, start

from labd.client import Client, JobState

BELL = (PAYLOADS / "bell.sweep.bin").read_bytes()


def test_a_queued_job_is_followed_through_a_restart_of_labd(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config", copy_function=shutil.copyfile)
    star5, address = tmp_path / "config/star5", f"127.0.0.1:{free_port()}"
    serve = [command("labd"), "serve", "--config", str(tmp_path / "config/labd.toml")]
    serve += ["--state-dir", str(tmp_path / "state"), "--listen", address]
    seen: list[JobState] = []

    first = start(serve)  # no rack is there: the job has to wait
    first_line(first)
    with Client(f"http://{address}/star5") as client:
        job = client.submit(BELL)
        watcher = Thread(target=lambda: seen.extend(j.status for j in client.watch(job.id)))
        watcher.start()
        first.send_signal(signal.SIGTERM)
        first.wait(20)
        station = ["--ports", "free", "--station-out", str(star5 / "station.yaml")]
        rack = start([command("labd-simrack"), str(star5), *station])
        first_line(rack)
        second = start(serve)
        first_line(second)
        watcher.join(60)

        counts = client.results(job.id).counts()
    for process in (second, rack):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    for process in (first, second, rack):
        close(process)

    assert seen[0] is JobState.IN_QUEUE
    assert seen[-1] is JobState.COMPLETED
    assert seen.count(JobState.COMPLETED) == 1
    assert sum(counts.values()) == 1000
