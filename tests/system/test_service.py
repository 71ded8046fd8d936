"""labd as systemd sees it: told when it is ready, reloaded, watched with its racks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from notify_socket import Systemd
from quick_lab import QuickLab

from labd.wire import iqm_server_pb2 as iqm

CHANGES = "reload: "


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    path = tmp_path / "notify"
    server = Systemd(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    yield server
    server.close()


@pytest.fixture
def lab(tmp_path: Path) -> QuickLab:
    return QuickLab(tmp_path)


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def reloads(lab: QuickLab) -> list[str]:
    return [line.rpartition(CHANGES)[2] for line in lab.log().splitlines() if CHANGES in line]


def reload(lab: QuickLab) -> str:
    """What labd says of it."""
    n_before = len(reloads(lab))
    lab.signal(signal.SIGHUP)
    until(lambda: len(reloads(lab)) > n_before)
    return reloads(lab)[n_before]


def test_ready_is_told_when_the_racks_have_reported(lab: QuickLab, systemd: Systemd) -> None:
    with lab:
        systemd.wait_for("READY=1")

        lab.submit(s=30.0)
        running = systemd.wait_for("STATUS=star5 ready, 0 queued, running ")

        lab.signal(signal.SIGTERM)
        systemd.wait_for("STOPPING=1")

    assert "READY=1\nSTATUS=star5 ready, 0 queued" in systemd.heard
    assert len(running.split()[-1]) == 36
    assert "STATUS=star5 starting, 0 queued" in systemd.heard[0]


def test_a_dead_notify_socket_hurts_nobody(
    lab: QuickLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("WATCHDOG_USEC", "100000")

    with lab:
        done = lab.wait_for(lab.submit())

    assert done.status == iqm.COMPLETED
    assert "systemd was not told 'READY=1'" in lab.log()


def test_a_reload_applies_what_can_change_and_names_the_rest(
    lab: QuickLab, systemd: Systemd
) -> None:
    with lab:
        systemd.wait_for("READY=1")
        rack, front = lab.child("quick_rack"), lab.child("front")
        lab.edit("stop_grace_s = 5.0", "stop_grace_s = 6.0")
        lab.edit("#queued_jobs = 1000 ", "queued_jobs = 0 ")
        lab.edit("127.0.0.1:50051", "127.0.0.1:50052")
        lab.edit("payload_bytes = 67108864 ", "payload_bytes = 10 ")

        said = reload(lab)
        systemd.wait_for("RELOADING=1")
        systemd.wait_for("READY=1")
        with pytest.raises(Exception, match="more than the limit of 10"):
            lab.submit()

        assert said == "now hold: server.stop_grace_s, limits"
        assert (lab.child("quick_rack"), lab.child("front")) == (rack, front)


def test_a_bad_file_changes_nothing(lab: QuickLab) -> None:
    with lab:
        lab.edit("payload_bytes = 67108864 ", "payload_bytes = -1 ")

        said = reload(lab)
        done = lab.wait_for(lab.submit())

    assert "nothing has changed" in said
    assert done.status == iqm.COMPLETED


def test_new_wiring_waits_for_the_job_that_runs(lab: QuickLab) -> None:
    with lab:
        rack = lab.child("quick_rack")
        running = lab.submit(s=1.0)
        lab.wait_for(running, iqm.EXECUTING)
        wiring = lab.config.parent / "star5" / "wiring.toml"
        wiring.write_text(wiring.read_text() + "# another cable\n")

        said = reload(lab)
        is_left_alone = lab.child("quick_rack") == rack
        first, second = lab.wait_for(running), lab.wait_for(lab.submit())

        assert said == "now hold: the rack files of star5"
        assert is_left_alone
        assert (first.status, second.status) == (iqm.COMPLETED, iqm.COMPLETED)
        assert lab.child("quick_rack") != rack


def test_a_rack_that_falls_silent_is_replaced(
    lab: QuickLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICK_PING_S", "0.1")
    with lab:
        running, queued = lab.submit(s=60.0), lab.submit()
        lab.wait_for(running, iqm.EXECUTING)
        until(lambda: len(lab.children()) >= 2)
        rack = lab.child("quick_rack")
        time.sleep(0.3)  # it has answered by then

        os.kill(rack, signal.SIGSTOP)
        first, second = lab.wait_for(running), lab.wait_for(queued)

    assert first.status == iqm.INTERRUPTED
    assert "gave no sign of life" in lab.log()
    assert second.status == iqm.COMPLETED
