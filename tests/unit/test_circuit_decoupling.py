"""Idle times are filled where the strategy says, with what fits, and nothing else moves."""

from __future__ import annotations

import math

import pytest
from circuit_support import circuit, compiled_circuits, starts
from hypothesis import given
from hypothesis import strategies as st

from labd.core.circuit import (
    Alignment,
    CircuitOptions,
    DecouplingSequence,
    DecouplingStrategy,
    Delay,
    Gate,
    Measure,
    MeasuredQubits,
    Prx,
    X,
    Y,
)
from labd.core.circuit_decoupling import gaps_of

PULSE = 80


def played(*gates: Gate, strategy: DecouplingStrategy) -> list[int]:
    """Starts of QB1's pulses in a circuit that begins at 0."""
    options = CircuitOptions(
        active_reset_cycles=0, measured_qubits=MeasuredQubits.CIRCUIT, decoupling=strategy
    )
    compiled = compiled_circuits(circuit(*gates, Measure(("QB1",), "m")), options=options)
    return [start for start, _ in starts(compiled, "QB1__drive.awg")]


def one(rotations: tuple[tuple[float, float], ...], alignment: Alignment) -> DecouplingStrategy:
    return DecouplingStrategy((DecouplingSequence(len(rotations), rotations, alignment),))


def flip() -> Prx:
    return Prx("QB1", math.pi, 0.0)


def idle(n_samples: int) -> Delay:
    return Delay(("QB1",), n_samples / 2e9)


@pytest.mark.parametrize(
    ("alignment", "expected"),
    [
        (Alignment.ASAP, [80, 480]),
        (Alignment.CENTER, [240, 640]),
        (Alignment.ALAP, [400, 800]),
    ],
)
def test_an_echo_stands_where_its_alignment_says(alignment: Alignment, expected: list[int]) -> None:
    starts_played = played(flip(), idle(800), flip(), strategy=one((X, X), alignment))

    assert starts_played == [0, *expected, 880]


def test_the_longest_sequence_that_fits_is_taken() -> None:
    strategy = DecouplingStrategy()

    counts = [
        len(played(flip(), idle(n), flip(), strategy=strategy)) - 2 for n in (144, 160, 400, 720)
    ]

    assert counts == [0, 2, 4, 8]


def test_the_time_before_the_first_gate_and_after_the_last_is_left_alone() -> None:
    gates = (idle(800), flip(), idle(800))

    assert played(*gates, strategy=DecouplingStrategy()) == [800]
    both = DecouplingStrategy(skips_leading=False, skips_trailing=False)
    assert len(played(*gates, strategy=both)) == 1 + 8 + 8


def test_idle_times_that_follow_each_other_count_as_one_or_each_for_itself() -> None:
    gates = (flip(), idle(96), idle(96), flip())

    merged = played(*gates, strategy=one((X, X), Alignment.ASAP))
    separate = DecouplingStrategy(
        (DecouplingSequence(2, (X, X), Alignment.ASAP),), merges_idle_times=False
    )

    assert len(merged) == 4
    assert len(played(*gates, strategy=separate)) == 2


def test_only_target_qubits_are_decoupled() -> None:
    strategy = DecouplingStrategy(target_qubits=frozenset({"QB2"}))

    assert played(flip(), idle(800), flip(), strategy=strategy) == [0, 880]


def test_a_sequence_of_other_rotations_than_x_and_y_is_played_as_given() -> None:
    strategy = one(((math.pi, 0.3), (math.pi, 0.3 + math.pi)), Alignment.ASAP)

    assert len(played(flip(), idle(400), flip(), strategy=strategy)) == 4


def test_a_readout_in_between_is_not_idle() -> None:
    gates = (flip(), Measure(("QB1",), "a"), flip())

    assert len(played(*gates, strategy=one((Y, Y), Alignment.ASAP))) == 2


@given(
    st.integers(0, 2000),
    st.integers(1, 12),
    st.sampled_from(Alignment),
    st.sampled_from([1, 2, 3]),
)
def test_gaps_fill_the_idle_time_and_can_all_be_played(
    n_slots: int, n_rotations: int, alignment: Alignment, unit_slots: int
) -> None:
    grid = 16
    unit = unit_slots * grid

    gaps = gaps_of(n_slots * grid, n_rotations, alignment, unit, grid)

    if gaps is None:
        assert 0 < n_slots < unit_slots
        return
    tail = n_slots * grid - sum(gaps)
    assert len(gaps) == n_rotations
    assert all(gap % grid == 0 and (gap == 0 or gap >= unit) for gap in (*gaps, tail))
    inner = [*gaps[1:], gaps[0] + tail]
    assert max(inner) - min(inner) <= 2 * unit
