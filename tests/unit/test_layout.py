"""Sizes and places of a result, against protobuf's own serialisation and beyond its limits."""

import pytest

from labd.core.layout import (
    FilePlan,
    LabelLayout,
    LabelPlace,
    ResultLayout,
    ValueKind,
    file_plan,
    in_byte_order,
    result_bytes,
)
from labd.wire import sweep_pb2


def label(
    name: str, kind: ValueKind = ValueKind.BIT, n_triggers: int = 1, n_samples: int = 1
) -> LabelLayout:
    return LabelLayout(name, kind, n_samples > 1, n_triggers, n_samples)


def message_of(layout: ResultLayout, sweep_id: str) -> sweep_pb2.SweepResultsResponse:
    response = sweep_pb2.SweepResultsResponse(sweep_id=sweep_id)
    for each in layout.labels:
        n = layout.n_values(each)
        for _ in range(layout.n_spots):
            array = response.results[each.label].arrays.add(shape=[n])
            match each.kind:
                case ValueKind.BIT:
                    array.int64_array.items.extend([0] * n)
                case ValueKind.MEAN_OF_BITS:
                    array.float64_array.items.extend([0.0] * n)
                case ValueKind.COMPLEX:
                    array.complex128_array.real.extend([0.0] * n)
                    array.complex128_array.imag.extend([0.0] * n)
    return response


def rendered(plan: FilePlan) -> bytes:
    data = bytearray(plan.n_bytes)
    data[: len(plan.head)] = plan.head
    for place in plan.places:
        data[place.head_offset : place.first_array_offset] = place.head
        n_spots = (_end(plan, place) - place.first_array_offset) // place.stride_bytes
        for spot in range(n_spots):
            at = place.values_offset(spot)
            data[at - len(place.array_head) : at] = place.array_head
            if place.second_head:
                at = place.imaginary_offset(spot)
                data[at - len(place.second_head) : at] = place.second_head
    return bytes(data)


def _end(plan: FilePlan, place: LabelPlace) -> int:
    later = [each.head_offset for each in plan.places if each.head_offset > place.head_offset]
    return min(later, default=plan.n_bytes)


@pytest.mark.parametrize("n_spots", [1, 3])
@pytest.mark.parametrize("n_bins", [1, 127, 128, 1000])
@pytest.mark.parametrize("sweep_id", ["", "5c1e5000-0000-4000-8000-0000000000b1"])
def test_the_frame_is_protobufs_own(n_spots: int, n_bins: int, sweep_id: str) -> None:
    labels = (
        label("QB1__m1"),
        label("QB2__m1", ValueKind.MEAN_OF_BITS, n_triggers=3),
        label("PL-1__m1", ValueKind.COMPLEX, n_triggers=2, n_samples=5),
        label("α", ValueKind.COMPLEX),
    )
    layout = ResultLayout(n_spots, n_bins, n_bins, in_byte_order(labels))

    plan = file_plan(layout, sweep_id)

    message = message_of(layout, sweep_id)
    assert rendered(plan) == message.SerializeToString(deterministic=True)


def test_a_result_beyond_four_gigabytes_has_places_that_add_up() -> None:
    traces = label("PL-1__m1", ValueKind.COMPLEX, n_triggers=100, n_samples=20_000)
    layout = ResultLayout(2, 1000, 1000, (traces, label("QB1__m1")))

    plan = file_plan(layout, "x")

    trace, bits = plan.places
    assert trace.list_bytes == 8 * 1000 * 100 * 20_000
    assert trace.imaginary_offset(1) + trace.list_bytes == bits.head_offset
    assert bits.values_offset(1) + 1000 == plan.n_bytes == result_bytes(layout, "x")
    assert plan.n_bytes > 64 * 10**9


def test_labels_stand_in_byte_order_and_once() -> None:
    ordered = in_byte_order((label("b"), label("ä"), label("B")))

    assert [each.label for each in ordered] == ["B", "b", "ä"]
    with pytest.raises(ValueError, match="stands twice"):
        in_byte_order((label("b"), label("b")))
