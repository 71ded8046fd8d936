"""What a daemon is refused that would come into the way of another one, or has no configuration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from quick_lab import QuickLab

from labd.wire import iqm_server_pb2 as iqm
from labd.wire import iqm_server_pb2_grpc as iqm_grpc


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with QuickLab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def run_labd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labd.cli.daemon", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_second_daemon_in_the_same_place_is_refused(lab: QuickLab) -> None:
    arguments = ("serve", "--config", str(lab.config), "--listen", "127.0.0.1:0")
    result = run_labd(*arguments, "--state-dir", str(lab.state))

    assert result.returncode == 1
    assert "another labd" in result.stderr
    assert "is using this state directory" in result.stderr
    assert lab.submit().IsInitialized()


def test_a_taken_unix_socket_is_refused_and_its_owner_keeps_it(
    lab: QuickLab, tmp_path: Path
) -> None:
    config = tmp_path / "labd.toml"
    socket_path = lab.state / "labd.sock"
    text = lab.config.read_text().replace('unix_socket = ""', f'unix_socket = "{socket_path}"')
    config.write_text(text.replace('"star5/', f'"{lab.config.parent}/star5/'))
    arguments = ("serve", "--config", str(config), "--listen", "127.0.0.1:0")
    result = run_labd(*arguments, "--state-dir", str(tmp_path / "state"))

    assert result.returncode == 1, result.stderr
    assert f"cannot listen on {socket_path}: another labd listens on it" in result.stderr
    with grpc.insecure_channel(f"unix:{socket_path}") as channel:
        listed = iqm_grpc.QuantumComputersStub(channel).ListQuantumComputersV1(
            iqm.ListQuantumComputerFiltersV1(), timeout=10
        )
    assert len(listed.items) == 1


def test_a_taken_port_is_refused(lab: QuickLab, tmp_path: Path) -> None:
    arguments = ("serve", "--config", str(lab.config), "--listen", lab.address)
    result = run_labd(*arguments, "--state-dir", str(tmp_path))

    assert result.returncode == 1
    assert f"cannot listen on {lab.address}: Address already in use" in result.stderr


def test_a_configuration_with_mistakes_is_refused(lab: QuickLab, tmp_path: Path) -> None:
    result = run_labd("serve", "--config", str(tmp_path / "labd.toml"))

    assert result.returncode == 1
    assert "No such file" in result.stderr
