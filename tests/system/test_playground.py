"""`labd playground`: a whole laboratory, and nothing left of it afterwards."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from lab_processes import PAYLOADS, free_port, is_running, playground, wait_until_gone

from labd.client import Client, JobState

BELL = (PAYLOADS / "bell.sweep.bin").read_bytes()


@pytest.mark.parametrize("transport", ["hislip", "vxi11", "socket"])
def test_a_bell_pair_runs_over_every_transport_and_nothing_is_left(
    transport: str, tmp_path: Path
) -> None:
    with playground(tmp_path, "--transport", transport, "--seed", "3") as lab:
        with Client(lab.url) as client:
            job = client.wait(client.submit(BELL).id, timeout_s=60)
            counts = client.results(job.id).counts()
        status = lab.stop()

    assert job.status is JobState.COMPLETED
    assert counts["00"] + counts["11"] >= 900
    assert 350 <= counts["00"] <= 650
    assert status == 0
    assert not any(map(is_running, lab.pids.values()))
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_port_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    port = free_port()

    with playground(tmp_path, "--port", str(port)) as lab:
        assert lab.url == f"http://localhost:{port}/star5"


def test_children_do_not_survive_a_killed_playground_and_the_next_one_tidies_up(
    tmp_path: Path,
) -> None:
    with playground(tmp_path) as killed:
        killed.process.send_signal(signal.SIGKILL)
        killed.process.wait()

        assert all(wait_until_gone(pid, 25.0) for pid in killed.pids.values())
    an_hour_ago = time.time() - 3600
    os.utime(killed.directory, (an_hour_ago, an_hour_ago))

    with playground(tmp_path):
        assert not killed.directory.exists()


@pytest.mark.parametrize(("victim", "name"), [("simrack", "the simulated rack"), ("labd", "labd")])
def test_a_child_that_dies_ends_the_playground_with_the_reason(
    victim: str, name: str, tmp_path: Path
) -> None:
    with playground(tmp_path) as lab:
        os.kill(lab.pids[victim], signal.SIGKILL)

        status = lab.process.wait(40)
        said = lab.said.read_text(encoding="utf-8")

    assert status == 1
    assert f"labd playground: {name} ended with signal SIGKILL" in said
    assert not any(map(is_running, lab.pids.values()))
    assert list((tmp_path / "tmp").iterdir()) == []
