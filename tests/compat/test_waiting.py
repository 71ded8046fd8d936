"""IQM's client waits as long as it takes: through quiet, and through a restart of the daemon."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from iqm.pulla.pulla import Pulla
from iqm_lab import circuit, compile_batch, measure, prx
from own_lab import OwnLab, own_lab

QUIET_S = 60.0  # longer than a default gRPC server lets this client's pings go on (15 s)


@pytest.fixture
def starved_lab(labd_bin: Path, tmp_path: Path):
    """A daemon whose rack answers nothing, so that jobs wait in the queue."""
    config = Path(__file__).parents[2] / "config"
    with own_lab(labd_bin, config, tmp_path) as lab:
        lab.unplug("awg1")
        lab.start_daemon()
        yield lab


class Waiting:
    """A client that submits one job and waits for its result in a thread."""

    def __init__(self, lab: OwnLab) -> None:
        self.pulla = Pulla(lab.url)
        excite = circuit("excite", prx("QB1", 3.141592653589793), measure("QB1"))
        self._work = compile_batch(self.pulla, [excite], shots=200)
        self.outcome: object | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        playlist, context, settings = self._work
        try:
            self.outcome = self.pulla.execute(playlist, context, settings, verbose=False)
        except BaseException as error:
            self.error = error

    @property
    def is_waiting(self) -> bool:
        return self._thread.is_alive()

    def result(self, timeout_s: float):
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "the client still waits"
        assert self.error is None, self.error
        return self.outcome.result


def test_a_wait_survives_a_quiet_minute(starved_lab: OwnLab) -> None:
    waiting = Waiting(starved_lab)

    time.sleep(QUIET_S)  # the quiet itself is what is tested
    assert waiting.is_waiting, waiting.error
    starved_lab.plug_in("awg1")

    (rows,) = waiting.result(timeout_s=60)
    assert sum(row[0] for row in rows["m"]) > 180


def test_a_wait_survives_a_restart_of_the_daemon(starved_lab: OwnLab) -> None:
    waiting = Waiting(starved_lab)
    _wait_until_queued(starved_lab)

    starved_lab.stop_daemon()
    starved_lab.start_daemon()
    assert waiting.is_waiting, waiting.error
    starved_lab.plug_in("awg1")

    (rows,) = waiting.result(timeout_s=60)
    assert sum(row[0] for row in rows["m"]) > 180


def _wait_until_queued(lab: OwnLab) -> None:
    deadline = time.monotonic() + 20
    while not lab.queued_jobs():
        assert time.monotonic() < deadline, "the job was not submitted"
        time.sleep(0.05)
