"""The rack process and circuits: from JSON to counts, through the samples of the simulated chip."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from rack_support import RackProcess, rack_process, sim_rack

from labd.core.circuit_layout import counts_of_result
from labd.rack.messages import Completed, Failed, Ready

CIRCUITS = Path(__file__).parents[1] / "data" / "circuits"
HALF_PI = math.pi / 2

Json = Any


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RackProcess]:
    directory = tmp_path_factory.mktemp("circuits")
    with (
        sim_rack(directory) as simulated,
        rack_process(simulated.station_file, directory / "rack") as process,
    ):
        process.receive(Ready)
        yield process


def gate(name: str, *locus: str, **args: Json) -> Json:
    return {"name": name, "locus": list(locus), "args": args}


def prx(qubit: str, angle: float, phase: float = 0.0) -> Json:
    return gate("prx", qubit, angle=angle, phase=phase)


def hadamard_cz(center: str, other: str) -> list[Json]:
    """A CNOT from center to other, as prx and cz."""
    return [prx(other, HALF_PI, HALF_PI), gate("cz", center, other), prx(other, -HALF_PI, HALF_PI)]


def job(*circuits: list[Json], shots: int = 1000, **more: Json) -> bytes:
    named = [{"name": f"c{i}", "instructions": each} for i, each in enumerate(circuits)]
    return json.dumps({"circuits": named, "shots": shots} | more).encode()


def run(rack: RackProcess, name: str, payload: bytes) -> list[dict[str, list[list[int]]]]:
    path = rack.run(name, payload, "CIRCUIT")
    while not isinstance(message := rack.next(), Completed):
        assert not isinstance(message, Failed), message
    measured: list[dict[str, list[list[int]]]] = json.loads(path.read_bytes())
    return measured


def bits(measured: dict[str, list[list[int]]], key: str) -> npt.NDArray[np.int64]:
    return np.array(measured[key], dtype=np.int64)


@pytest.mark.parametrize("name", ["bell.json", "bell.legacy.json"])
def test_bell_of_either_generation_is_correlated(rack: RackProcess, name: str) -> None:
    (measured,) = run(rack, name, (CIRCUITS / name).read_bytes())

    counts = counts_of_result(measured)
    assert sum(counts.values()) == 1000
    assert counts["00"] + counts["11"] >= 880
    assert 300 < counts["00"] < 700


def test_ghz_on_five_qubits(rack: RackProcess) -> None:
    others = ("QB1", "QB2", "QB4", "QB5")
    ghz = [prx("QB3", HALF_PI, HALF_PI)]
    for qubit in others:
        ghz += hadamard_cz("QB3", qubit)
    ghz.append(gate("measure", "QB1", "QB2", "QB3", "QB4", "QB5", key="m"))

    (measured,) = run(rack, "ghz", job(ghz, shots=2000))

    counts = counts_of_result(measured)
    assert (counts.get("00000", 0) + counts.get("11111", 0)) / 2000 >= 0.75


def test_circuits_of_a_batch_keep_their_own_keys_and_order(rack: RackProcess) -> None:
    first = [prx("QB1", math.pi), gate("measure", "QB1", "QB2", key="a")]
    second = [
        prx("QB5", math.pi),
        gate("measure", "QB4", key="b"),
        gate("measure", "QB5", "QB1", key="c"),
    ]

    measured = run(rack, "batch", job(first, second, first, shots=500))

    assert [list(each) for each in measured] == [["a"], ["b", "c"], ["a"]]
    assert bits(measured[0], "a").shape == (500, 2)
    assert bits(measured[0], "a").mean(0) == pytest.approx([0.95, 0.03], abs=0.06)
    assert bits(measured[1], "c").mean(0) == pytest.approx([0.95, 0.03], abs=0.06)
    assert bits(measured[2], "a").mean(0) == pytest.approx([0.95, 0.03], abs=0.06)


def test_a_measurement_in_the_middle_projects(rack: RackProcess) -> None:
    circuit = [
        prx("QB1", HALF_PI),
        gate("measure", "QB1", key="first"),
        gate("measure", "QB1", key="second"),
    ]

    (measured,) = run(rack, "middle", job(circuit))

    first, second = bits(measured, "first")[:, 0], bits(measured, "second")[:, 0]
    assert 0.35 < first.mean() < 0.65
    assert np.mean(first == second) > 0.85


def test_logical_names_are_mapped(rack: RackProcess) -> None:
    (measured,) = run(rack, "mapping", (CIRCUITS / "qubit_mapping.json").read_bytes())

    assert bits(measured, "k").mean(0) == pytest.approx([0.95, 0.03], abs=0.1)


def test_heralded_shots_are_fewer_and_better(rack: RackProcess) -> None:
    excited = [gate("measure", "QB1", key="m")]

    (measured,) = run(rack, "herald", job(excited, heralding_mode="zeros"))

    rows = bits(measured, "m")
    assert 500 < len(rows) < 1000
    assert rows.mean() < 0.06


def test_what_needs_feedback_is_refused_with_the_reason(rack: RackProcess) -> None:
    rack.run("feedback", (CIRCUITS / "midcircuit_feedback.json").read_bytes(), "CIRCUIT")

    failed = rack.receive(Failed)

    assert "feedback" in failed.error
