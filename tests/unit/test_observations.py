"""Documents of calibration sets: what is taken, and every way in which one can be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.core.observations import MAX_DEPTH, MAX_OBSERVATIONS, Components
from labd.core.station_description import Chip, Json
from labd.payloads.calibration_json import (
    MAX_BYTES,
    read_calibration,
    stored_observations,
    write_observations,
)
from labd.wiring_file import read_wiring

STAR5 = Path(__file__).parents[2] / "config" / "star5"
CHIP = Chip.from_design_record(json.loads((STAR5 / "chip-design-record.json").read_text()))
STATION = Components.of(CHIP, read_wiring(STAR5 / "wiring.toml"))
PATH = "gates.prx.drag_crf.QB1.amplitude_i"
ARRAY = {
    "__ndarray__": "true",
    "dtype": "float64",
    "shape": [2],
    "data": "AAAAAAAA8D8AAAAAAAAAQA==",
}


def mistakes(observations: Json, **more: Json) -> list[str]:
    data = json.dumps({"observations": observations, **more}).encode()
    return [str(problem) for problem in read_calibration(data, STATION)[1]]


def test_the_shipped_set_has_no_mistake() -> None:
    data = (STAR5 / "calibration-set.json").read_bytes()

    document, problems = read_calibration(data, STATION)

    assert problems == ()
    assert str(document.id) == "5c1e5000-0000-4000-8000-000000000001"
    assert document.observations == json.loads(data)["observations"]


@pytest.mark.parametrize(
    "value",
    [
        0.31,
        -1,
        True,
        "threshold",
        [1, 2.5, [3]],
        {"__complex__": "true", "real": 1.0, "imag": -2},
        ARRAY,
        {**ARRAY, "dtype": "complex128", "shape": []},
    ],
)
def test_values_of_every_kind_are_taken(value: Json) -> None:
    assert mistakes({PATH: {"value": value, "unit": "", "uncertainty": None}}) == []


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (None, "null is no value"),
        (float("nan"), "nan is not finite"),
        (float("-inf"), "-inf is not finite"),
        ([1, [float("inf")]], "inf is not finite"),
        (2**64, "an integer beyond 64 bits"),
        ({"real": 1}, "an object that is neither a complex number"),
        ({"__complex__": "true", "real": 1}, "imag of a complex number: None is no number"),
        (
            {"__complex__": "true", "real": float("nan"), "imag": True},
            "imag of a complex number: True is no number",
        ),
        ({**ARRAY, "dtype": "object"}, "dtype of an array: 'object' is none of"),
        ({**ARRAY, "shape": 2}, "shape of an array: 2 is no list of lengths"),
        ({**ARRAY, "shape": [-1]}, "shape of an array: [-1] is no list of lengths"),
        ({**ARRAY, "shape": [3]}, "has 16 bytes, its dtype and shape need 24"),
        ({**ARRAY, "data": "no base64!"}, "data of an array is no base64"),
        ({**ARRAY, "data": None}, "data of an array is no base64"),
        (
            {**ARRAY, "data": "AAAAAAAA+H8AAAAAAAAAQA=="},
            "an array with numbers that are not finite",
        ),
        (json.loads("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)), "nested deeper than 8"),
    ],
)
def test_a_value_that_is_none_is_named(value: Json, what: str) -> None:
    found = mistakes({PATH: {"value": value}})

    assert found
    assert all(each.startswith(f"observations.{PATH}: value: ") for each in found)
    assert any(what in each for each in found)


@pytest.mark.parametrize(
    ("observation", "what"),
    [
        (1.0, "an observation is an object with a value"),
        ({}, "an observation is an object with a value"),
        ({"value": 1, "unit": 2}, "unit: 2 is no text"),
        ({"value": 1, "invalid": "no"}, "invalid: 'no' is neither true nor false"),
        ({"value": 1, "uncertainty": -0.1}, "uncertainty: -0.1 is negative"),
        ({"value": 1, "uncertainty": "small"}, "uncertainty: 'small' is no number"),
        ({"value": 1, "uncertainty": float("nan")}, "uncertainty: nan is not finite"),
        ({"value": 1, "source": {"by": [float("inf")]}}, "source: inf is not finite"),
    ],
)
def test_an_observation_that_is_none_is_named(observation: Json, what: str) -> None:
    assert mistakes({PATH: observation}) == [f"observations.{PATH}: {what}"]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("", "an unknown kind of observation"),
        ("prx.QB1", "an unknown kind of observation"),
        ("gates..drag_crf.QB1.duration", "an unknown kind of observation"),
        ("gates.prx.drag_crf.QB1", "the path is too short for gates.<gate>"),
        ("controllers.QB1", "the path is too short for controllers."),
        (
            "gates.prx.drag_crf.QB7.duration",
            "the station has no component 'QB7'; did you mean QB5?",
        ),
        ("gates.cz.crf.QB1__QB2.duration", "no coupler joins QB1 and QB2"),
        ("gates.cz.crf.QB1__QB1.duration", "QB1__QB1 names a component twice"),
        ("gates.cz.crf.QB1__QB3.rz.QX", "the station has no component 'QX'"),
        ("controllers.XY.flux.voltage", "the station has no component 'XY'"),
        ("metrics.rb.prx.drag_crf.QB9.fidelity", "no part of it names a component"),
        ("characterization.model.QB9.t1_time", "no part of it names a component"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(path: str, what: str) -> None:
    found = mistakes({path: {"value": 1}})

    assert found
    assert found[0].startswith(f"observations.{path}: {what}")


@pytest.mark.parametrize(
    "path",
    [
        "controllers.options.end_delay",
        "controllers.PL-1.readout.center_frequency",
        "gates.cz.crf.QB3__QB1.rz.QB5",
        "characterization.model.QB5.t2_time",
        "metrics.ghz_state.QB1__QB2.coherence_lower_bound",
        "metrics.rb.prx.drag_crf.QB4.fidelity",
    ],
)
def test_paths_of_every_kind_are_taken(path: str) -> None:
    assert mistakes({path: {"value": 1}}) == []


def test_names_are_not_checked_against_a_station_that_is_not_known() -> None:
    data = b'{"observations": {"controllers.QB99.flux.voltage": {"value": 1}}}'

    assert read_calibration(data, None)[1] == ()


def test_all_mistakes_are_found_together() -> None:
    found = mistakes({"x": {"value": None}, PATH: {}}, calibration_set_id=7, more=1)

    assert len(found) == 5


def test_a_set_that_is_too_large_is_refused() -> None:
    many = {f"controllers.QB1.a{n}": {"value": 1} for n in range(MAX_OBSERVATIONS + 1)}

    assert any("are more than 100000" in each for each in mistakes(many))
    assert "are more than" in str(read_calibration(bytes(MAX_BYTES + 1), STATION)[1][0])


def test_a_name_that_stands_there_twice_is_refused() -> None:
    data = (
        b'{"observations": {"controllers.QB1.a": {"value": 1}, "controllers.QB1.a": {"value": 2}}}'
    )

    assert [str(each) for each in read_calibration(data, STATION)[1]] == [
        "controllers.QB1.a: stands there twice"
    ]


def test_half_a_character_can_be_told() -> None:
    (problem,) = read_calibration(b'{"observations": {"\\ud800": {"value": 1}}}', STATION)[1]

    assert str(problem).encode().startswith(b"observations.?: an unknown kind")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=20,
)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    document, problems = read_calibration(data, STATION)

    assert problems or document.observations


@given(st.dictionaries(st.sampled_from((PATH, "x", "gates.cz.crf.QB1__QB3.a")), json_values))
def test_what_has_no_mistake_is_stored_as_it_came(observations: dict[str, Json]) -> None:
    data = json.dumps({"observations": observations}).encode()
    document, problems = read_calibration(data, STATION)

    if not problems:
        text = write_observations(document.observations)
        assert stored_observations(text) == observations
        json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} was stored"))
