"""From a wrong calibration set back to Bell pairs, unattended, through labctl and a whole labd.

The chip is not the shipped one either. One of its pairs here; three chips with all of theirs are in
test_calibrate_chips.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chip_lab import Bell, Toml, activate, bell_pairs, chip_lab, other_chip, wrong_set
from labctl_runner import Labctl

from labd.calibrate.benchmark import coherence_limit
from labd.client import Client

SEED = 21
PRX_S, CZ_S = 40e-9, 40e-9
PULSES_PER_CLIFFORD = 20 / 24
pytestmark = pytest.mark.timeout(300)


@dataclass
class Calibrated:
    """A lab after `labctl calibrate all QB1 QB3 --apply`. facts: what that printed."""

    client: Client
    labctl: Labctl
    chip: Toml
    facts: dict[str, object]
    bell_before: Bell
    folder: Path


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calibrated]:
    folder, chip = tmp_path_factory.mktemp("lab"), other_chip(SEED)
    with chip_lab(folder, chip, SEED) as (client, url):
        activate(client, wrong_set(chip, SEED))
        before = bell_pairs(client, ["QB1"])["QB1"]
        labctl, plots = Labctl(url), folder / "plots"
        words = ("calibrate", "all", "QB1", "QB3", "--apply", "--plots", str(plots))
        facts: dict[str, object] = dict(labctl.facts(*words))
        yield Calibrated(client, labctl, chip, facts, before, plots)


def test_a_wrong_set_is_brought_back_to_bell_pairs(lab: Calibrated) -> None:
    after = bell_pairs(lab.client, ["QB1"])["QB1"]

    assert not lab.bell_before.holds
    assert after.holds, after
    assert lab.facts["stopped"] == []
    assert lab.facts["is_active"] is True


def test_frequencies_and_lifetimes_are_the_chips_own(lab: Calibrated) -> None:
    found = lab.client.calibration()

    for qubit in ("QB1", "QB3"):
        truth = lab.chip["qubits"][qubit]
        frequency = found.number(f"controllers.{qubit}.drive.frequency")
        t1, t2, echo = (
            found.number(f"characterization.model.{qubit}.{name}")
            for name in ("t1_time", "t2_time", "t2_echo_time")
        )
        assert frequency == pytest.approx(truth["frequency_hz"], abs=8e3)
        assert t1 == pytest.approx(truth["t1_s"], rel=0.4)
        assert t2 == pytest.approx(truth["t2_s"], rel=0.5)
        assert echo == pytest.approx(truth["t2_s"], rel=0.6)


def test_the_proposal_names_its_parent_and_changes_no_other_qubit(lab: Calibrated) -> None:
    newest = lab.client.calibration_sets.page(1).sets[0]
    assert newest.parent_id is not None

    changes = lab.client.calibration_sets.diff(newest.parent_id, newest.id)

    assert newest.is_active
    assert newest.note.startswith("calibrate all: ")
    assert sorted(change.path for change in changes) == lab.facts["changed"]
    assert all("QB1" in change.path or "QB3" in change.path for change in changes)
    assert not any(name in change.path for change in changes for name in ("QB2", "QB4", "QB5"))


def test_every_step_leaves_a_plot_and_the_numbers(lab: Calibrated) -> None:
    steps = lab.facts["steps"]
    assert isinstance(steps, list)

    pictures = sorted(lab.folder.glob("*.png"))

    assert len(pictures) == len(steps) >= 12
    assert all(picture.stat().st_size > 5000 for picture in pictures)
    assert (lab.folder / "findings.json").exists()


def test_gates_err_as_much_as_t1_and_t2_make_them(lab: Calibrated) -> None:
    times = {name: (each["t1_s"], each["t2_s"]) for name, each in lab.chip["qubits"].items()}
    words = ("--shots", "150", "--plots", str(lab.folder))

    single = benchmarked(lab, "rb1", "QB1", "QB3", *words)
    pair = benchmarked(lab, "rb2", "QB1__QB3", *words)

    for qubit in ("QB1", "QB3"):
        limit = coherence_limit([times[qubit]], PULSES_PER_CLIFFORD * PRX_S)
        assert 0.5 * limit < single[qubit] < 2.0 * limit
    shortest_s = 1.5 * (CZ_S + PRX_S)
    limit = coherence_limit([times["QB1"], times["QB3"]], shortest_s)
    assert 0.8 * limit < pair["QB1__QB3"] < 3.0 * limit


def test_bits_are_wrong_about_as_often_as_relaxation_makes_them(lab: Calibrated) -> None:
    plots = ("--plots", str(lab.folder))

    right = benchmarked(lab, "readout", "QB1", "QB3", "--shots", "1000", *plots, number="fidelity")

    assert all(fidelity > 0.96 for fidelity in right.values())


def benchmarked(
    lab: Calibrated, kind: str, *words: str, number: str = "error_per_clifford"
) -> dict[str, float]:
    """One number of a benchmark by locus."""
    findings = lab.labctl.facts("benchmark", kind, *words)["findings"]
    assert isinstance(findings, list)
    found: dict[str, float] = {}
    for each in findings:
        assert isinstance(each, dict)
        assert each["verdict"] != "bad", each
        numbers = each["numbers"]
        assert isinstance(numbers, dict)
        quantity = numbers[number]
        assert isinstance(quantity, dict)
        found[str(each["locus"])] = float(str(quantity["value"]))
    return found
