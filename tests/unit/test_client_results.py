"""Results as arrays: the shape comes from the payload, the values from the stream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labd.client import Method, Results, unpack_results
from labd.client.shape import ResultShape, shape_of
from labd.wire import data_pb2, sweep_pb2

PAYLOADS = Path(__file__).parents[1] / "data" / "payloads"


def payload_of(name: str) -> bytes:
    return (PAYLOADS / f"{name}.sweep.bin").read_bytes()


def results_like(shape: ResultShape) -> bytes:
    """Results whose every flat value is its own index, in the number format of its method."""
    response = sweep_pb2.SweepResultsResponse()
    for label, acquired in shape.labels.items():
        size = shape.n_bins * len(acquired.segments) * acquired.n_samples
        for _ in range(shape.n_spots):
            array = response.results[label].arrays.add()
            if acquired.method is Method.THRESHOLD and shape.is_single_shot:
                array.int64_array.items.extend(index % 2 for index in range(size))
            elif acquired.method is Method.THRESHOLD:
                array.float64_array.items.extend(float(index) for index in range(size))
            else:
                array.complex128_array.real.extend(float(index) for index in range(size))
                array.complex128_array.imag.extend([-1.0] * size)
    return response.SerializeToString()


@pytest.fixture
def bell() -> Results:
    return unpack_results((PAYLOADS / "bell.results.bin").read_bytes(), payload_of("bell"))


def test_bell_bits_have_a_row_per_shot_and_a_column_per_label(bell: Results) -> None:
    bits = bell.bits(["QB1__m1", "QB3__m1"])

    assert bits.shape == (1000, 2)
    assert bits.dtype == np.int8
    assert set(np.unique(bits)) <= {0, 1}


def test_counts_add_up_to_the_shots_and_agree_with_the_bits(bell: Results) -> None:
    counts = bell.counts()

    rows = bell.bits(["QB1__m1", "QB3__m1"])
    assert sum(counts.values()) == 1000
    assert counts.get("10", 0) == int(np.sum((rows[:, 0] == 1) & (rows[:, 1] == 0)))


def test_the_first_character_of_a_bit_string_is_the_first_label(bell: Results) -> None:
    forward = bell.counts(["QB1__m1", "QB3__m1"])
    backward = bell.counts(["QB3__m1", "QB1__m1"])

    assert {key[::-1]: n for key, n in forward.items()} == backward


def test_segments_of_different_circuits_have_their_own_labels() -> None:
    payload = payload_of("ghz3_x2")
    shape = shape_of(payload)

    results = unpack_results(results_like(shape), payload)

    for segment in range(shape.n_segments):
        labels = results.labels_in(segment)
        assert labels
        assert results.bits(segment=segment).shape == (shape.n_shots, len(labels))


def test_a_segment_sweep_has_a_trigger_per_segment() -> None:
    payload = payload_of("rabi_amp")

    results = unpack_results(results_like(shape_of(payload)), payload)

    assert results.array("QB1__m1").shape == (500, 41)
    assert results.mean("QB1__m1").shape == (1, 41)


def test_averages_are_not_bits() -> None:
    payload = payload_of("rabi_amp_avg")
    results = unpack_results(results_like(shape_of(payload)), payload)

    with pytest.raises(ValueError, match="averaged into 1 bins"):
        results.bits()

    assert results.array("QB1__m1").shape == (1, 41)
    assert results["QB1__m1"][0].dtype == np.float64


def test_a_time_trace_keeps_its_samples_apart() -> None:
    payload = payload_of("time_trace")

    results = unpack_results(results_like(shape_of(payload)), payload)

    trace = results.array("PL-1__m1")
    assert trace.shape == (1, 1, 2000)
    assert trace.dtype == np.complex128
    assert trace[0, 0, 7] == 7 - 1j


def test_soft_sweeps_have_an_array_per_spot_slowest_axis_first() -> None:
    payload = payload_of("readout_spectroscopy_soft")

    results = unpack_results(results_like(shape_of(payload)), payload)

    assert [list(axis.values) for axis in results.shape.axes] == [
        ["QB2__drive.frequency"],
        ["QB1__drive.frequency"],
    ]
    assert results.shape.n_spots == 6
    assert len(results["QB4__m1"]) == 6
    assert results.mean("QB4__m1").shape == (6, 2)


def test_a_label_that_a_segment_does_not_measure_is_named() -> None:
    payload = payload_of("rabi_amp")
    results = unpack_results(results_like(shape_of(payload)), payload)

    with pytest.raises(ValueError, match="QB1__m1 is not measured in segment 41"):
        results.bits(["QB1__m1"], segment=41)


def test_bytes_that_are_no_results_are_refused() -> None:
    with pytest.raises(ValueError, match="not the results of a pulse job"):
        unpack_results(b"\xff" * 40, payload_of("bell"))


def test_text_where_numbers_belong_is_refused() -> None:
    strings = data_pb2.Array(string_array=data_pb2.StringSequence(items=["1"]))
    response = sweep_pb2.SweepResultsResponse()
    response.results["QB1__m1"].arrays.append(strings)

    with pytest.raises(ValueError, match="text where numbers belong"):
        unpack_results(response.SerializeToString(), payload_of("bell"))
