"""What a station's gates need of a calibration set, and how two sets differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.calibration_set import REQUIRED, claims_of, diff, missing
from labd.core.station_description import Chip, Json
from labd.wiring_file import read_wiring

Set: TypeAlias = "dict[str, dict[str, Json]]"

STAR5 = Path(__file__).parents[2] / "config" / "star5"
CHIP = Chip.from_design_record(json.loads((STAR5 / "chip-design-record.json").read_text()))
CLAIMS = claims_of(CHIP, read_wiring(STAR5 / "wiring.toml"))
SHIPPED: Set = json.loads((STAR5 / "calibration-set.json").read_text())["observations"]
OPTIONAL = ("cc_prx", "acquisition_type")
NEEDED = [path for path in SHIPPED if not any(word in path for word in OPTIONAL)]


def lacks(observations: Set) -> list[str]:
    return [str(problem) for problem in missing(observations, CLAIMS)]


def without(*words: str) -> Set:
    return {path: each for path, each in SHIPPED.items() if not any(word in path for word in words)}


def test_a_station_claims_what_its_wiring_reaches() -> None:
    assert {gate: len(loci) for gate, loci in CLAIMS.gates.items()} == {
        "prx": 5,
        "measure": 5,
        "cz": 4,
    }


def test_the_shipped_set_lacks_nothing() -> None:
    assert lacks(SHIPPED) == []


@pytest.mark.parametrize("path", NEEDED)
def test_each_needed_observation_is_missed_by_name(path: str) -> None:
    found = lacks({other: each for other, each in SHIPPED.items() if other != path})

    last = path.split(".")[-1]
    if "reset_wait" in path:
        assert found == [f"reset_wait on {path.split('.')[3]}: {_NO_RESET}"]
    else:
        assert len(found) == 1
        assert last in found[0]
        assert found[0].endswith(": missing")


_NO_RESET = "nothing is calibrated; it needs reset_wait (duration)"


def test_a_gate_without_any_calibration_says_what_it_needs() -> None:
    found = lacks(without("gates.cz.crf.QB1__QB3"))

    assert found == [
        "cz on QB1__QB3: nothing is calibrated; it needs crf (duration, coupler.full_width,"
        " coupler.rise_time, coupler.amplitude, rz.<own>)"
    ]


def test_a_locus_may_be_written_in_either_order() -> None:
    turned = {path.replace("QB1__QB3", "QB3__QB1"): each for path, each in SHIPPED.items()}

    assert lacks(turned) == []


def test_one_implementation_is_enough_and_none_may_be_half() -> None:
    assert lacks(without("drag_crf_sx")) == []
    assert lacks(without("drag_crf_sx.QB1.rz_after")) == [
        "prx on QB1, drag_crf_sx, rz_after: missing"
    ]


def test_an_implementation_that_labd_does_not_know_is_taken_as_it_is() -> None:
    observations = without("gates.prx.drag_crf.QB1", "gates.prx.drag_crf_sx.QB1")
    observations["gates.prx.new.QB1.amplitude"] = {"value": 1.0}

    assert lacks(observations) == []


@pytest.mark.parametrize("gate", ["measure_fidelity", "reset_wait"])
def test_what_one_qubit_may_lack_all_must_lack(gate: str) -> None:
    assert lacks(without(f"gates.{gate}.")) == []
    assert [each.split(":")[0] for each in lacks(without(f"gates.{gate}.{_only(gate)}.QB4"))] == [
        f"{gate} on QB4"
    ]


def _only(gate: str) -> str:
    (name,) = REQUIRED[gate]
    return name


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda each: each | {"invalid": True}, "it is marked invalid"),
        (lambda each: each | {"value": "0.3"}, "its value is no number"),
        (lambda each: each | {"value": True}, "its value is no number"),
    ],
)
def test_an_observation_that_cannot_be_used_is_missing_too(
    change: Callable[[dict[str, Json]], dict[str, Json]], what: str
) -> None:
    path = "gates.measure.constant.QB3.phase"

    assert lacks(SHIPPED | {path: change(SHIPPED[path])}) == [
        f"measure on QB3, constant, phase: {what}"
    ]


def test_an_empty_set_lacks_every_setting_and_every_gate() -> None:
    assert len(lacks({})) == len(CLAIMS.settings) + 14


# ---- differences

observations = st.fixed_dictionaries(
    {"value": st.integers(0, 2) | st.booleans() | st.floats(0, 1)},
    optional={"unit": st.sampled_from(("V", "s"))},
)
sets = st.dictionaries(st.sampled_from("abcdef"), observations)


@given(sets)
def test_a_set_does_not_differ_from_itself(each: Set) -> None:
    assert diff(each, dict(each)) == ()


@given(sets, sets)
def test_the_changes_lead_from_one_set_to_the_other(old: Set, new: Set) -> None:
    changed = dict(old)

    for change in diff(old, new):
        assert change.old_json == _text(old, change.path)
        if change.new_json is None:
            del changed[change.path]
        else:
            changed[change.path] = json.loads(change.new_json)

    assert _all_text(changed) == _all_text(new)


@given(sets, sets)
def test_a_difference_turned_round_is_the_difference_of_the_sets_turned_round(
    old: Set, new: Set
) -> None:
    turned = [(each.path, each.new_json, each.old_json) for each in diff(new, old)]

    assert turned == [(each.path, each.old_json, each.new_json) for each in diff(old, new)]


def test_numbers_that_are_equal_and_of_another_kind_differ() -> None:
    assert len(diff({"a": {"value": True}}, {"a": {"value": 1}})) == 1


def _text(observations: Set, path: str) -> str | None:
    return json.dumps(observations[path], sort_keys=True) if path in observations else None


def _all_text(observations: Set) -> str:
    return json.dumps(observations, sort_keys=True)
