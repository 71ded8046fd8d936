"""Every job captured from IQM's client, through a whole labd, over every transport.

`index.json` says what shape each result has; the physics is what the job's name says.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import curve_fit

from labd.client import Client, InvalidRequest, Results
from labd.core.jobs import JobState

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"
INDEX = json.loads((PAYLOADS / "index.json").read_text())
RABI_STEP = 0.025  # amplitude of the n-th segment of the captured Rabi jobs
PI_AMPLITUDE = 0.31  # QB1's, of the calibration set


@pytest.fixture(scope="module", params=["hislip", "vxi11", "socket"])
def labd(request: pytest.FixtureRequest) -> Iterator[Client]:
    command = [str(Path(sys.executable).with_name("labd")), "playground", "--port", "0"]
    command += ["--seed", "3", "--transport", request.param, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as playground:
        assert playground.stdout is not None
        with Client(json.loads(playground.stdout.readline())["url"]) as client:
            yield client
        playground.terminate()


def _run(labd: Client, name: str) -> Results:
    job = labd.submit((PAYLOADS / f"{name}.sweep.bin").read_bytes())
    finished = labd.wait(job.id, timeout_s=60)
    assert finished.status is JobState.COMPLETED, finished.error
    return labd.results(job.id)


def _bell(results: Results) -> None:
    qb1, qb3 = results["QB1__m1"][0], results["QB3__m1"][0]
    assert (qb1 == qb3).mean() >= 0.90
    assert 0.35 <= qb1.mean() <= 0.65


def _rabi(results: Results) -> None:
    excited = results["QB1__m1"][0].reshape(-1, 41).mean(axis=0)
    amplitudes = RABI_STEP * np.arange(41)[:26]  # up to two pi; beyond, the third level matters

    def model(amplitude: np.ndarray, pi_amplitude: float, height: float) -> np.ndarray:
        return height * np.sin(np.pi * amplitude / (2 * pi_amplitude)) ** 2

    (pi_amplitude, _), _ = curve_fit(model, amplitudes, excited[:26], p0=(0.28, 1.0))
    assert pi_amplitude == pytest.approx(PI_AMPLITUDE, rel=0.03)


def _t1(results: Results) -> None:
    excited = results["QB1__m1"][0].reshape(-1, 25).mean(axis=0)
    assert excited[0] >= 0.94
    assert excited[-5:].mean() <= excited[:5].mean() - 0.01


def _readout(results: Results) -> None:
    for label in results:
        ground, excited = results[label][0].reshape(-1, 2).mean(axis=0)
        assert (ground + 1 - excited) / 2 <= 0.03, label


def _ghz(results: Results) -> None:
    ghz = [results["QB1__m1"][0][0::2], results["QB2__m1"][0], results["QB3__m1"][0][0::2]]
    same = (ghz[0] == ghz[1]) & (ghz[1] == ghz[2])
    bell = results["QB1__m1"][0][1::2] == results["QB3__m1"][0][1::2]
    assert same.mean() >= 0.88
    assert bell.mean() >= 0.90
    assert 0.35 <= ghz[0].mean() <= 0.65


def _trace(results: Results) -> None:
    trace = results["PL-1__m1"][0]
    assert trace.dtype == np.complex128
    assert 0 < np.abs(trace).max() < 0.25  # volts, within the digitizer's range
    assert results["QB1__m1"][0][0] <= 0.03  # the qubit rests


def _soft_sweep(results: Results) -> None:
    on_resonance = [spot.reshape(-1, 2)[:, 1].mean() for spot in results["QB1__m1"]]
    assert on_resonance[1] > 0.9  # spots run row by row: 4.40, 4.41 (calibrated), 4.42 GHz
    assert on_resonance[1] > max(on_resonance[0], on_resonance[2])


PHYSICS: dict[str, Callable[[Results], None]] = {
    "bell": _bell,
    "rabi_amp": _rabi,
    "rabi_amp_avg": _rabi,
    "t1_delay": _t1,
    "readout_all": _readout,
    "ghz3_x2": _ghz,
    "time_trace": _trace,
    "readout_spectroscopy_soft": _soft_sweep,
}


@pytest.mark.parametrize("name", PHYSICS)
def test_captured_job_gives_the_documented_shape_and_its_physics(labd: Client, name: str) -> None:
    results = _run(labd, name)

    shapes = {
        label: [f"{array.dtype}[{len(array)}]" for array in results[label]] for label in results
    }
    assert shapes == INDEX[name]["results"]
    PHYSICS[name](results)


def test_captured_feedback_job_is_refused_with_the_reason(labd: Client) -> None:
    payload = (PAYLOADS / "reset_feedback.sweep.bin").read_bytes()

    with pytest.raises(InvalidRequest) as refused:
        labd.submit(payload)

    sentences = [str(problem) for problem in refused.value.problems]
    assert any("QB1__drive.awg" in s and "feedback" in s for s in sentences)
    assert any("PL-1__readout" in s and "QB1__feedback" in s for s in sentences)


def test_every_captured_job_is_covered() -> None:
    assert set(INDEX) == {*PHYSICS, "reset_feedback"}
