"""A URL that ends in ``:timeslot``: IQM's client hands its jobs in for the user's timeslots."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from iqm.pulla.pulla import Pulla
from iqm.station_control.client.iqm_server.error import IqmServerError
from iqm_lab import bell, compile_batch


class Slots:
    """The playground's timeslots, by labctl."""

    def __init__(self, labd_bin: Path, url: str) -> None:
        self._labctl = [str(labd_bin / "labctl"), "--url", url]

    def ask(self, *arguments: str) -> Any:
        command = [*self._labctl, *arguments, "--json"]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    def cancel_all(self) -> None:
        for slot in self.ask("slots", "list")["timeslots"]:
            self.ask("slots", "cancel", slot["id"])


@pytest.fixture
def slots(labd_bin: Path, url: str) -> Iterator[Slots]:
    booked = Slots(labd_bin, url)
    yield booked
    booked.cancel_all()


def test_jobs_of_a_timeslot_url_need_a_slot_and_run_in_it(url: str, slots: Slots) -> None:
    pulla = Pulla(f"{url}:timeslot")
    playlist, context, settings = compile_batch(pulla, [bell()], shots=100)

    with pytest.raises(IqmServerError) as refused:
        pulla.execute(playlist, context, settings, verbose=False)
    slots.ask("slots", "book", "now", "+1h")
    job = pulla.execute(playlist, context, settings, verbose=False)

    assert refused.value.status_code == "FAILED_PRECONDITION"
    assert refused.value.error_code == "no_booked_timeslots"
    assert job.result is not None
