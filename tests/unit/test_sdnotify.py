"""What systemd is told, and that nobody is hurt where it cannot be told."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd import sdnotify


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield server


@pytest.fixture(params=["systemd-python", "the datagram alone"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "systemd-python":
        pytest.importorskip("systemd.daemon")
    else:
        monkeypatch.setitem(sys.modules, "systemd.daemon", None)


@pytest.mark.usefixtures("_way")
def test_what_is_said_arrives(systemd: socket.socket) -> None:
    taken = sdnotify.notify("READY=1")

    assert taken
    assert systemd.recv(100) == b"READY=1"


@pytest.mark.usefixtures("_way")
def test_a_dead_socket_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    sdnotify._warn.cache_clear()

    with caplog.at_level(logging.WARNING):
        taken = sdnotify.notify("READY=1") or sdnotify.notify("READY=1")

    assert not taken
    assert caplog.text.count("systemd was not told 'READY=1'") == 1


def test_without_systemd_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    assert not sdnotify.notify("READY=1")
    assert not caplog.records


def test_a_reload_and_a_long_stop_are_announced(systemd: socket.socket) -> None:
    sdnotify.notify_reloading()
    sdnotify.notify_stopping(65.0)

    assert systemd.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    assert systemd.recv(100) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=65000000"


def test_the_watchdog_is_fed_only_while_all_live(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "4000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))

    async def feed() -> None:
        enough, asked = asyncio.Event(), 0

        def is_alive() -> bool:
            nonlocal asked
            asked += 1
            if asked == 10:
                enough.set()
            return asked <= 3

        feeding = asyncio.create_task(sdnotify.keep_alive(is_alive))
        await enough.wait()
        feeding.cancel()

    asyncio.run(feed())

    systemd.setblocking(False)
    assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    with pytest.raises(BlockingIOError):
        systemd.recv(100)


def test_another_process_is_not_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")

    assert sdnotify.watchdog_s() is None
