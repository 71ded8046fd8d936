"""Where calibration cannot go on, it says so and changes nothing; nor does it without the right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chip_lab import chip_lab, shipped_chip
from labctl_runner import Labctl

from labd.client import Client

DEAD = "QB2"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, str]]:
    """The shipped chip with a drive line that leads nowhere."""
    chip = shipped_chip()
    chip["qubits"][DEAD]["drive_rad_per_s_v"] = 1.0e5
    with chip_lab(tmp_path_factory.mktemp("lab"), chip, 3) as running:
        yield running


def test_a_dead_qubit_stops_with_a_reason_and_the_other_one_goes_on(
    lab: tuple[Client, str], tmp_path: Path
) -> None:
    client, url = lab
    active = client.active_calibration_id()

    done = Labctl(url).run(
        *("calibrate", "frequency", "QB1", DEAD, "--apply", "--json", "--plots", str(tmp_path))
    )

    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [each["locus"] for each in told["stopped"]] == [DEAD]
    assert told["changed"] == ["controllers.QB1.drive.frequency"]
    assert told["is_active"] is False
    assert f"not activated, because {DEAD} stopped at frequency" in done.stderr
    assert client.active_calibration_id() == active
    assert client.calibration_sets.page(1).sets[0].id != active


def test_readout_of_a_dead_qubit_changes_nothing(lab: tuple[Client, str], tmp_path: Path) -> None:
    _, url = lab

    done = Labctl(url).run("calibrate", "readout", DEAD, "--json", "--plots", str(tmp_path))

    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert (told["changed"], told["set_id"]) == ([], None)
    assert told["stopped"][0]["reason"]


def test_an_operator_calibrates_and_an_admin_stores(
    lab: tuple[Client, str], tmp_path: Path
) -> None:
    _, url = lab
    admin = Labctl(url)
    admin.answer("users", "add", "olga", "--role", "operator")
    olga = Labctl(url, token=admin.answer("token", "new", "--user", "olga").strip())

    done = olga.run("calibrate", "t1", "QB1", "--plots", str(tmp_path))

    proposal = tmp_path / "proposed-set.json"
    assert done.exit_code == 0
    assert f"labctl calibrations import {proposal} --parent" in done.stderr
    admin.answer("calibrations", "import", str(proposal), "--parent", "active")


def test_a_name_that_is_nothing_here_is_wrong_usage(lab: tuple[Client, str]) -> None:
    _, url = lab

    done = Labctl(url).run("calibrate", "cz", "QB1__QB2")

    assert done.exit_code == 2
    assert "QB1__QB2 is nothing to calibrate here" in done.stderr
