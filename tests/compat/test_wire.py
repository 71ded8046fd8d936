"""What the client sees of labd's manners: errors by name, resources, other people's packages."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from iqm.iqm_client import IQMClient
from iqm.pulla.pulla import Pulla
from iqm.station_control.client.iqm_server.error import IqmServerError
from iqm_lab import bell, circuit, compile_batch, measure, prx


def test_iqm_client_reads_both_architectures(url: str) -> None:
    client = IQMClient(url)

    static = client.get_static_quantum_architecture()
    dynamic = client.get_dynamic_quantum_architecture()

    assert sorted(static.qubits) == ["QB1", "QB2", "QB3", "QB4", "QB5"]
    assert dynamic.gates["prx"].default_implementation == "drag_crf"
    assert ("QB1", "QB3") in dynamic.gates["cz"].loci


def test_unknown_alias_is_refused_at_construction(url: str) -> None:
    with pytest.raises(ValueError, match="Station Control"):
        Pulla(url.replace("star5", "star6"))


def test_unknown_job_is_not_found(pulla: Pulla) -> None:
    with pytest.raises(IqmServerError) as caught:
        pulla._station_control.get_job(uuid.uuid4())

    assert caught.value.status_code == "NOT_FOUND"
    assert caught.value.error_code == "not_found"


def test_an_unplayable_sweep_is_refused_with_every_mistake(pulla: Pulla) -> None:
    playlist, context, settings = compile_batch(pulla, [bell()], shots=10)
    for channel in ("QB1__drive.awg", "QB3__drive.awg"):
        table = playlist.channel_descriptions[channel].instruction_table
        table[0] = _with_duration(table[0], 17)

    with pytest.raises(IqmServerError) as caught:
        pulla.execute(playlist, context, settings, verbose=False)

    errors = json.loads(caught.value.details)["errors"]
    assert caught.value.error_code == "invalid_payload"
    assert any("QB1__drive.awg" in e and "17" in e and "16" in e for e in errors)
    assert any("QB3__drive.awg" in e and "17" in e for e in errors)


def _with_duration(instruction: Any, duration_samples: int) -> Any:
    from dataclasses import replace

    return replace(instruction, duration_samples=duration_samples)


def test_the_submitted_sweep_can_be_read_back_by_a_fresh_client(url: str, pulla: Pulla) -> None:
    playlist, context, settings = compile_batch(
        pulla, [circuit("x", prx("QB1", 3.14), measure("QB1"))], shots=7
    )
    job = pulla.execute(playlist, context, settings, verbose=False, wait_completion=False)

    sweep = Pulla(url)._station_control.get_sweep(job.task_id)

    assert sweep.dut_label == pulla.get_chip_label()
