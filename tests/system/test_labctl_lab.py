"""labctl's verbs for timeslots and calibration sets, through a real daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from labctl_runner import Labctl, listed
from quick_lab import ROOT, QuickLab

DAY = date(date.today().year + 1, 7, 1)
LONG = "a campaign over several nights with all the couplers, the new mixers and the old filters"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickLab]:
    with QuickLab(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def labctl(lab: QuickLab) -> Iterator[Labctl]:
    """Of an admin; no slot is left afterwards."""
    labctl = Labctl(f"http://{lab.address}/star5")
    yield labctl
    for slot in listed(labctl.facts("slots", "list"), "timeslots"):
        labctl.answer("slots", "cancel", str(slot["id"]))


# ---- timeslots


def test_a_slot_is_booked_listed_changed_and_cancelled(labctl: Labctl) -> None:
    helsinki = ("--zone", "Europe/Helsinki")
    shown = labctl.answer(*helsinki, "slots", "book", f"{DAY} 14:00", "+2h", "--note", "Rabi")
    (slot,) = listed(labctl.facts("slots", "list"), "timeslots")
    end = str(slot["id"])[-8:]
    changed = labctl.facts("slots", "change", end, "--note", "Ramsey", "--end", f"{DAY} 14:30")
    there = labctl.answer("slots", "list")
    labctl.answer("slots", "cancel", end)

    assert f"{DAY:%a} 1 Jul {DAY.year} 14:00 - 16:00 EEST" in shown
    assert (slot["start"], slot["end"]) == (
        f"{DAY}T11:00:00+00:00",
        f"{DAY}T13:00:00+00:00",
    )
    assert set(slot) == {*("id", "quantum_computer", "user", "start", "end", "note", "is_own")}
    assert (changed["note"], changed["end"]) == ("Ramsey", f"{DAY}T14:30:00+00:00")
    assert "11:00 - 14:30 UTC" in there
    assert listed(labctl.facts("slots", "list"), "timeslots") == []


def test_slots_that_overlap_are_refused(labctl: Labctl) -> None:
    labctl.answer("slots", "book", f"{DAY} 14:00", "16:00", "--note", "first")

    sentence = labctl.refused("slots", "book", f"{DAY} 15:00", "+2h")

    assert "is in the way" in sentence


def test_a_job_for_a_slot_needs_one(labctl: Labctl, tmp_path: Path) -> None:
    sentence = labctl.refused("submit", "--slot", str(ROOT / "tests/data/payloads/bell.sweep.bin"))

    assert "no active or upcoming timeslot" in sentence
    assert sentence.endswith("(`labctl slots list` shows what is booked)")


@pytest.mark.parametrize(
    "arguments",
    [
        ("slots", "book", "yesterday-ish", "+2h"),
        ("slots", "book", "now"),
        ("slots", "change", "12345678"),
        ("slots", "cancel", "zz"),
        ("--zone", "Nowhere/Land", "slots", "list"),
        ("list", "--since", "whenever"),
    ],
)
def test_times_and_slots_that_are_none_are_wrong_usage(
    labctl: Labctl, arguments: tuple[str, ...]
) -> None:
    done = labctl.run(*arguments)

    assert (done.exit_code, done.stdout) == (2, "")


# ---- calibration sets


def test_sets_are_exported_imported_compared_activated_and_rolled_back(
    labctl: Labctl, tmp_path: Path
) -> None:
    document = tmp_path / "set.json"
    labctl.answer("calibrations", "export", "-o", str(document))
    content = json.loads(document.read_text())
    path = next(name for name, each in content["observations"].items() if is_number(each))
    old = dict(content["observations"][path])
    content["observations"][path]["value"] *= 1.01
    del content["calibration_set_id"]
    before = str(listed(labctl.facts("calibrations", "list"), "calibration_sets")[0]["id"])

    made = labctl.facts(
        *("calibrations", "import", "-", "--parent", "active", "--note", "after the warm-up"),
        stdin=json.dumps(content),
    )
    new_end = str(made["id"])[-8:]
    told = labctl.facts("calibrations", "diff", "active", new_end)
    shown = labctl.answer("calibrations", "diff", "active", new_end)
    activated = labctl.answer("calibrations", "activate", new_end, "--note", "tonight's")
    is_active = labctl.facts("status")
    back = labctl.facts("calibrations", "rollback", "--note", "it drifted")

    assert (made["is_active"], made["parent_id"], made["note"]) == (
        *(False, before, "after the warm-up"),
    )
    new = content["observations"][path]
    assert listed(told, "changes") == [{"path": path, "old": old, "new": new}]
    assert path in "".join(shown.split())
    assert "active" in activated
    assert listed(is_active, "quantum_computers")[0]["calibration_set_id"] == made["id"]
    assert (back["id"], back["is_active"]) == (before, True)


def is_number(observation: dict[str, object]) -> bool:
    return isinstance(observation["value"], float)


def test_a_document_that_is_none_is_refused(labctl: Labctl, tmp_path: Path) -> None:
    document = tmp_path / "set.json"
    document.write_text('{"observations": {"QB1.drive.frequency": 5}}')

    done = labctl.run("calibrations", "import", str(document))

    assert (done.exit_code, done.stdout) == (1, "")
    assert "QB1.drive.frequency" in done.stderr


def test_rolling_back_asks_at_a_terminal(labctl: Labctl) -> None:
    status, seen = labctl.on_a_terminal("calibrations", "rollback", typed="n\n")

    assert status == 1
    assert "for the one that was active before it? [y/N]" in seen


def test_an_unknown_set_is_refused(labctl: Labctl) -> None:
    assert "no calibration set" in labctl.refused("calibrations", "activate", "deadbeef")


# ---- 80 columns


def test_tables_of_the_lab_fit_eighty_columns(labctl: Labctl) -> None:
    labctl.answer("slots", "book", "now", "+30m", "--note", LONG)
    labctl.answer("slots", "book", f"{DAY.year}-12-31 22:00", "06:00", "--note", LONG)
    old, new = (
        str(each["id"])
        for each in listed(labctl.facts("calibrations", "list", "-n", "2"), "calibration_sets")
    )

    for verb in (
        ("slots", "list"),
        ("status",),
        ("calibrations", "list"),
        ("calibrations", "diff", old, new),
    ):
        seen = labctl.answer(*verb)
        assert max(map(len, seen.splitlines())) <= 80, seen
