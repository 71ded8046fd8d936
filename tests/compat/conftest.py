"""One playground (simulated rack and daemon) for the whole session, driven by IQM's own packages.

labd runs in its own environment, as it does in a lab: `LABD_BIN` names the folder of its commands,
by default `.venv/bin` of this checkout.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from iqm.pulla.pulla import Pulla

ROOT = Path(__file__).parents[2]
LABD_BIN = Path(os.environ.get("LABD_BIN", ROOT / ".venv" / "bin"))


@pytest.fixture(scope="session")
def labd_bin() -> Path:
    return LABD_BIN


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    command = [str(LABD_BIN / "labd"), "playground", "--port", "0", "--seed", "7", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the playground ended before it was ready"
        yield json.loads(line)["url"]
        process.terminate()
        assert process.wait(timeout=30) == 0


@pytest.fixture(scope="session")
def pulla(url: str) -> Pulla:
    return Pulla(url)


@pytest.fixture(scope="session")
def chip_t1_s() -> dict[str, float]:
    chip = tomllib.loads((ROOT / "config" / "star5" / "chip.toml").read_text())
    return {name: qubit["t1_s"] for name, qubit in chip["qubits"].items()}
