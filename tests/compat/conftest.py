"""One playground (simulated rack and daemon) for the whole session, driven by IQM's own packages.

labd runs in its own environment, as it does in a lab: `LABD_BIN` names the folder of its commands,
by default `.venv/bin` of this checkout. The packages are those of one of two environments: the
later one has a client of circuits alone, so tests of pulses are the former's.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from circuit_clients import CircuitClient
    from iqm.pulla.pulla import Pulla

# Read when the client is imported.
os.environ.setdefault("IQM_CLIENT_SECONDS_BETWEEN_CALLS", "0.1")

ROOT = Path(__file__).parents[2]
LABD_BIN = Path(os.environ.get("LABD_BIN", ROOT / ".venv" / "bin"))


collect_ignore = (
    ["test_pulla.py", "test_timeslot.py", "test_tokens.py", "test_waiting.py", "test_wire.py"]
    if int(version("iqm-client").split(".")[0]) >= 36
    else []
)


@dataclass(frozen=True)
class Playground:
    """What `labd playground` says of itself."""

    url: str
    control_port: int

    def ask(self, request: dict[str, object]) -> None:
        """Tell the simulated rack to have a fault, or none."""
        with (
            socket.create_connection(("127.0.0.1", self.control_port)) as control,
            control.makefile() as lines,
        ):
            control.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(lines.readline())
        assert answer["ok"], answer


@pytest.fixture(scope="session")
def labd_bin() -> Path:
    return LABD_BIN


@pytest.fixture(scope="session")
def playground() -> Iterator[Playground]:
    command = [str(LABD_BIN / "labd"), "playground", "--port", "0", "--seed", "7", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the playground ended before it was ready"
        said = json.loads(line)
        yield Playground(said["url"], int(said["control"]))
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.fixture(scope="session")
def url(playground: Playground) -> str:
    return playground.url


@pytest.fixture(scope="session")
def pulla(url: str) -> Pulla:
    from iqm.pulla.pulla import Pulla

    return Pulla(url)


@pytest.fixture(scope="session")
def client(url: str) -> CircuitClient:
    from circuit_clients import CircuitClient

    return CircuitClient(url)


@pytest.fixture(scope="session")
def chip_t1_s() -> dict[str, float]:
    chip = tomllib.loads((ROOT / "config" / "star5" / "chip.toml").read_text())
    return {name: qubit["t1_s"] for name, qubit in chip["qubits"].items()}
