"""However a report card ends, no output stays on, as read from the simulated instruments."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loud_lab import SAFE, STAR5, outputs_of
from quick_lab import ROOT

sys.path.append(str(ROOT / "tests" / "contract"))

from sim_support import loopback_rack

from labd_drivers.sim.faults import FaultControl
from labd_drivers.sim.main import SimulatedRack, write_station

PATIENCE_S = 60.0


@pytest.fixture
def rack() -> Iterator[SimulatedRack]:
    with loopback_rack() as rack:
        yield rack


@pytest.fixture
def station(tmp_path: Path, rack: SimulatedRack) -> Path:
    """A directory that says where the rack's instruments are."""
    folder = Path(shutil.copytree(STAR5, tmp_path / "star5"))
    write_station(STAR5 / "station.yaml", folder / "station.yaml", rack.addresses("hislip"))
    return folder


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until, process.poll()
        time.sleep(0.002)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_ended_report_card_leaves_nothing_on(
    rack: SimulatedRack, station: Path, number: signal.Signals
) -> None:
    # Whoever starts the tests in the background may have SIGINT ignored, and children inherit that.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "labd.cli.daemon"]
    command += ["hil", "--rack", "hardware"]
    with (
        FaultControl(rack.control.port) as faults,
        subprocess.Popen(
            [*command, "--station", str(station)],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        faults.inject("bias_qb2", "slow", seconds=0.1)  # it is walked next, and not over soon
        # A bias that is walked: the guard is there, and the rack is set up.
        wait_until(lambda: abs(outputs_of(rack)["bias_qb1.voltage"]) > 0.5, process)
        process.send_signal(number)
        faults.clear()
        said, _ = process.communicate(timeout=PATIENCE_S)
        wait_until(lambda: not unsafe(rack), process)

    assert process.returncode != 0
    assert "31 outputs are safe" in said
    assert "GOOD" not in said


def unsafe(rack: SimulatedRack) -> list[str]:
    now = outputs_of(rack)
    return [name for name, value in SAFE.items() if now[name] != pytest.approx(value, abs=1e-6)]
