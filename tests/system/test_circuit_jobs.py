"""Circuit jobs through a whole labd over gRPC: JSON and OpenQASM in, rows of bits out."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from labctl_runner import Labctl
from scipy.stats import chi2_contingency

from labd.client import Client, InvalidRequest
from labd.core.circuit_layout import counts_of_result
from labd.core.jobs import JobState, JobType

CIRCUITS = Path(__file__).parents[1] / "data" / "circuits"
PULSES = Path(__file__).parents[1] / "data" / "payloads"
HALF_PI = math.pi / 2

BELL_QASM = """OPENQASM 3.0;
bit[2] c;
prx(pi/2, pi/2) $1;
prx(pi/2, pi/2) $3;
cz $1, $3;
prx(-pi/2, pi/2) $3;
c[0] = measure $1;
c[1] = measure $3;
"""

Json = Any


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [str(Path(sys.executable).with_name("labd")), "playground", "--port", "0"]
    with subprocess.Popen([*command, "--seed", "5", "--json"], stdout=-1, text=True) as playground:
        assert playground.stdout is not None
        yield json.loads(playground.stdout.readline())["url"]
        playground.terminate()


@pytest.fixture(scope="module")
def labd(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


def run(labd: Client, payload: bytes) -> tuple[UUID, list[dict[str, list[list[int]]]]]:
    job = labd.submit(payload, JobType.CIRCUIT)
    finished = labd.wait(job.id, timeout_s=60)
    assert finished.status is JobState.COMPLETED, finished.error
    return job.id, json.loads(labd.results_bytes(job.id))


def edited(name: str, **changes: Json) -> bytes:
    return json.dumps(json.loads((CIRCUITS / name).read_bytes()) | changes).encode()


def mistakes(labd: Client, payload: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        labd.submit(payload, JobType.CIRCUIT)
    assert caught.value.error_code == "invalid_payload"
    return "; ".join(caught.value.problems)


def pulse_counts(labd: Client) -> dict[str, int]:
    """The captured Bell, compiled by IQM's own compiler."""
    job = labd.submit((PULSES / "bell.sweep.bin").read_bytes())
    assert labd.wait(job.id, timeout_s=60).status is JobState.COMPLETED
    results = labd.results(job.id)
    rows = np.stack([results["QB1__m1"][0].ravel(), results["QB3__m1"][0].ravel()], axis=1)
    strings = ["".join(str(int(bit)) for bit in row) for row in rows]
    return {string: strings.count(string) for string in set(strings)}


def test_the_same_circuit_means_the_same_however_it_is_written(labd: Client) -> None:
    qasm = json.dumps({"circuits": [BELL_QASM], "shots": 1000}).encode()
    written = [edited("bell.json"), edited("bell.legacy.json"), qasm]

    counts = [counts_of_result(run(labd, each)[1][0]) for each in written]
    counts.append(pulse_counts(labd))

    table = np.array([[each.get(k, 0) for k in ("00", "01", "10", "11")] for each in counts])
    assert (table[:, 0] + table[:, 3] >= 880).all()
    assert chi2_contingency(table + 1).pvalue > 0.001


def test_a_circuit_job_names_the_set_that_it_used(labd: Client) -> None:
    active = labd.calibration().id
    job_id, _ = run(labd, edited("bell.json", shots=10))
    named_id, _ = run(labd, edited("bell.json", shots=10, calibration_set_id=str(active)))

    assert labd.details(job_id).calibration_set_id == active
    assert labd.details(named_id).calibration_set_id == active
    unknown = str(uuid4())
    assert unknown in mistakes(labd, edited("bell.json", calibration_set_id=unknown))


def test_all_mistakes_of_a_job_are_told_at_once(labd: Client) -> None:
    instructions = [
        {"name": "prx", "locus": ["QB1"], "args": {"angle": 1.0, "phase": 0.0}},
        {"name": "cz", "locus": ["QB1", "QB2"], "args": {}},
        {"name": "delay", "locus": ["QB1"], "args": {"duration": -1.0}},
        {"name": "measure", "locus": ["QB9"], "args": {"key": "m"}},
    ]

    told = mistakes(
        labd, edited("bell.json", circuits=[{"name": "c", "instructions": instructions}])
    )

    assert "instruction 1 (cz), locus: no coupler joins QB1 and QB2" in told
    assert "instruction 2 (delay), duration" in told
    assert "instruction 3 (measure), locus: the chip has no qubit 'QB9'" in told


def test_feedback_is_refused_with_the_reason(labd: Client) -> None:
    assert "no fast feedback" in mistakes(labd, edited("midcircuit_feedback.json"))


def test_a_large_batch_comes_back_whole(labd: Client) -> None:
    circuits = [
        {
            "name": f"c{index}",
            "instructions": [
                {
                    "name": "prx",
                    "locus": [f"QB{1 + index % 5}"],
                    "args": {"angle": math.pi * (index % 2), "phase": 0.0},
                },
                {"name": "measure", "locus": [f"QB{1 + index % 5}"], "args": {"key": f"k{index}"}},
            ],
        }
        for index in range(100)
    ]

    _, results = run(labd, json.dumps({"circuits": circuits, "shots": 50}).encode())

    assert [list(each) for each in results] == [[f"k{index}"] for index in range(100)]
    excited = [np.mean(each[f"k{index}"]) for index, each in enumerate(results)]
    assert np.mean(excited[1::2]) > 0.85
    assert np.mean(excited[0::2]) < 0.1


def test_labctl_shows_circuits_as_counts(url: str, tmp_path: Path) -> None:
    labctl = Labctl(url)
    payload, raw = tmp_path / "bell.json", tmp_path / "rows.json"
    payload.write_bytes(edited("bell.json", shots=200))
    job_id = labctl.answer("submit", "--type", "circuit", str(payload), "--wait").split()[0]

    table = labctl.answer("results", job_id).splitlines()
    facts = labctl.facts("results", job_id)
    text = labctl.answer("payload", job_id, "--text")
    labctl.answer("results", job_id, "--raw", str(raw))
    refused = labctl.refused("results", job_id, "--npz", str(tmp_path / "x.npz"))

    counts = counts_of_result(json.loads(raw.read_bytes())[0])
    assert facts["circuits"] == [{"measurement_keys": ["m"], "counts": counts}]
    assert {line.split()[0]: int(line.split()[1]) for line in table[1:]} == counts
    assert json.loads(text) == json.loads(payload.read_bytes())
    assert "--raw FILE" in refused
