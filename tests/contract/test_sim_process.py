"""`labd-simrack` as a process: its files, its ports, its end."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from labd.core.errors import BadFile
from labd_drivers.sim.faults import FaultControl
from labd_drivers.sim.rackfile import read_rack_file

CONFIG = Path(__file__).parents[2] / "config" / "star5"


@contextmanager
def simrack(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its ready line."""
    command = [sys.executable, "-m", "labd_drivers.sim.main", *arguments]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert select.select([process.stdout], [], [], 60)[0]
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize("transport", ["hislip", "vxi11", "socket"])
def test_the_station_that_it_writes_leads_to_its_instruments(
    tmp_path: Path, transport: str
) -> None:
    station_out, control_out = tmp_path / "station.yaml", tmp_path / "control"
    arguments = ["--ports", "free", "--transport", transport, "--seed", "3"]
    arguments += ["--station-out", str(station_out), "--control-out", str(control_out)]

    with simrack(str(CONFIG), *arguments) as (process, ready):
        assert ready.startswith("ready: 18 instruments")
        control_port = int(control_out.read_text())
        assert str(control_port) in ready
        with FaultControl(control_port) as control:
            ports = {name: status.port for name, status in control.status().items()}
        station = YAML(typ="safe").load(station_out.read_text())["instruments"]
        assert {name: str(port) in station[name]["address"] for name, port in ports.items()} == (
            dict.fromkeys(ports, True)
        )
        assert re.search({"hislip": "hislip0,", "vxi11": "inst0", "socket": "SOCKET"}[transport],
                         station["awg1"]["address"])  # fmt: skip
        with socket.create_connection(("127.0.0.1", ports["awg2"])) as client:
            client.sendall(b"*IDN?\n")
            assert client.recv(100).startswith(b"TEKTRONIX,AWG5208,B020002")

        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_it_ends_on_an_interrupt_with_clients_connected() -> None:
    with simrack(str(CONFIG), "--ports", "free") as (process, ready):
        control = int(ready.rsplit(":", 1)[1])
        with FaultControl(control) as faults:
            port = faults.status()["scope"].port
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"ACQ:STOPA SEQ;STATE ON;*OPC?\n")
                process.send_signal(signal.SIGINT)
                assert process.wait(10) == 0


def test_it_does_not_import_qcodes_or_visa() -> None:
    code = (
        "import sys, labd_drivers.sim.main, labd_drivers.sim.physics.api;"
        "print([m for m in ('qcodes', 'pyvisa', 'scipy', 'pandas') if m in sys.modules])"
    )

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for name in ("chip.toml", "station.yaml"):
            shutil.copy(CONFIG / name, tmp_path)
        port = taken.getsockname()[1]
        text = (CONFIG / "simrack.toml").read_text()
        (tmp_path / "simrack.toml").write_text(text.replace("port = 15101", f"port = {port}"))
        command = [sys.executable, "-m", "labd_drivers.sim.main", str(tmp_path)]

        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: ")
    assert str(port) in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_all_mistakes_of_a_rack_file_are_listed(tmp_path: Path) -> None:
    text = (CONFIG / "simrack.toml").read_text()
    for right, wrong in (
        ("control_port", "controll_port"),
        ("max_frequency_hz", "max_frequency_ghz"),
        ("rearm_s = 250.0e-9", 'rearm_s = "soon"'),
        ('from = "awg1.ch1.m1"', 'from = "awg9.ch1.m1"'),
        ('input_i = "scope.ch1"', 'input_i = "scope"'),
        ("port = 15110", "# port"),
        ('model = "GS200"\nport = 15111', 'model = "GS300"\nport = 15111'),
    ):
        assert right in text
        text = text.replace(right, wrong, 1)
    path = tmp_path / "simrack.toml"
    path.write_text(text)

    with pytest.raises(BadFile) as caught:
        read_rack_file(path)

    listed = str(caught.value)
    assert "file: unknown key controll_port, did you mean control_port?" in listed
    assert "did you mean max_frequency_hz?" in listed
    assert "defaults.DPO70000.rearm_s: 'soon' is not float" in listed
    assert "triggers.awg2: 'awg9.ch1.m1' is no marker output" in listed
    assert "digitizer.input_i: 'scope' is no scope input" in listed
    assert "instruments.bias_qb1: no port" in listed
    assert "model 'GS300' is none of" in listed
    assert len(caught.value.problems) == 7
