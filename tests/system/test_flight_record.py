"""Jobs that fail on a simulated rack tell what was said to its instruments, and only they."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from labctl_runner import Labctl
from prometheus_client.parser import text_string_to_metric_families

from labd.client import Client, Job, NotFound
from labd.core.jobs import JobState
from labd.wire import sweep_pb2
from labd_drivers.sim.faults import FaultControl

BELL = (Path(__file__).parents[1] / "data" / "payloads" / "bell.sweep.bin").read_bytes()

_N_SHOTS = itertools.count(100)


def bell(n_shots: int) -> bytes:
    task = sweep_pb2.SweepTaskRequest.FromString(BELL)
    request = sweep_pb2.SweepRequest.FromString(task.payload.value)
    options = request.settings.subnodes["options"].settings
    for setting in ("playlist_repeats", "averaging_bins"):
        options[setting].value.sint64_value = n_shots
    task.payload.value = request.SerializeToString()
    return task.SerializeToString()


@dataclass
class Lab:
    client: Client
    faults: FaultControl
    labctl: Labctl
    url: str

    def run(self) -> Job:
        """A job with other shots than any before it, so that the scope must be told of them."""
        job = self.client.submit(bell(next(_N_SHOTS)))
        return self.client.wait(job.id, timeout_s=60)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    command = [str(Path(sys.executable).with_name("labd")), "playground", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as playground:
        assert playground.stdout is not None
        facts = json.loads(playground.stdout.readline())
        with Client(facts["url"]) as client, FaultControl(facts["control"]) as faults:
            yield Lab(client, faults, Labctl(facts["url"]), facts["url"])
        playground.terminate()


def test_a_failed_job_has_the_messages_that_led_to_it(lab: Lab) -> None:
    assert lab.run().status is JobState.COMPLETED
    lab.faults.inject("scope", "refuse", header="HORizontal:FASTframe:COUNt", code=-222)
    failed = lab.run()
    lab.faults.clear()

    record = lab.client.flight_record(failed.id)
    shown = lab.labctl.answer("show", str(failed.id), "--log")
    told = lab.labctl.facts("show", str(failed.id), "--log")["log"]

    assert failed.status is JobState.FAILED
    assert "scope" in failed.error
    assert failed.execution_started_at is not None
    scope = [each for each in record.exchanges if each.instrument == "scope"]
    assert any("FASTframe:COUNt" in each.sent for each in scope)
    assert any("-222" in each.received for each in record.exchanges)
    assert all(each.at >= failed.execution_started_at for each in record.exchanges)
    assert [each.at for each in record.exchanges] == sorted(each.at for each in record.exchanges)
    assert "FASTframe:COUNt" in shown
    assert isinstance(told, dict)
    assert isinstance(told["exchanges"], list)
    assert len(told["exchanges"]) == len(record.exchanges)
    assert lab.run().status is JobState.COMPLETED


def test_an_instrument_that_is_cut_off_is_seen_to_go(lab: Lab) -> None:
    lab.faults.inject("scope", "drop", seconds=0.2, at_message=3)
    failed = lab.run()

    exchanges = lab.client.flight_record(failed.id).exchanges

    assert failed.status is JobState.FAILED
    lost = [each for each in exchanges if each.error]
    assert {each.instrument for each in lost} == {"scope"}
    assert lab.run().status is JobState.COMPLETED


def test_a_completed_job_has_none(lab: Lab) -> None:
    job = lab.run()

    assert lab.client.flight_record(job.id).exchanges == ()
    assert "no messages to instruments" in lab.labctl.answer("show", str(job.id), "--log")


def test_answers_of_instruments_are_measured(lab: Lab) -> None:
    lab.run()

    with urllib.request.urlopen(f"{lab.url.rpartition('/')[0]}/metrics") as reply:
        text = reply.read().decode()

    (family,) = [
        family
        for family in text_string_to_metric_families(text)
        if family.name == "labd_instrument_answer_seconds"
    ]
    n_answers = {
        sample.labels["instrument"]: sample.value
        for sample in family.samples
        if sample.name.endswith("_count")
    }
    assert len(n_answers) == 18
    assert min(n_answers.values()) > 0
    assert all(
        sample.value == n_answers[sample.labels["instrument"]]
        for sample in family.samples
        if sample.labels.get("le") == "+Inf"
    )


def test_it_is_deleted_with_its_job(lab: Lab) -> None:
    lab.faults.inject("scope", "refuse", header="HORizontal:FASTframe:COUNt", code=-222)
    failed = lab.run()
    lab.faults.clear()
    assert lab.client.flight_record(failed.id).exchanges

    lab.client.delete(failed.id)

    with pytest.raises(NotFound):
        lab.client.flight_record(failed.id)
