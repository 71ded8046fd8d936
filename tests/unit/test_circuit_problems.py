"""Whatever is wrong with a circuit job is refused, all of it at once, with culprit and cure."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from circuit_support import (
    FEEDBACK_STATION,
    STATION,
    bell,
    circuit,
    circuit_problems,
    with_observations,
    without,
)

from labd.core.circuit import (
    Alignment,
    Barrier,
    CcPrx,
    Circuit,
    CircuitOptions,
    Cz,
    DecouplingSequence,
    DecouplingStrategy,
    Delay,
    Gate,
    Heralding,
    Measure,
    Prx,
    Reset,
    X,
    Y,
)
from labd.core.circuit_station import CircuitStation
from labd.core.gate_data import ObservationValue

END = Measure(("QB1",), "end")
PLAIN = Prx("QB1", 1.0, 0.0)

WRONG_GATES: list[tuple[Gate, str]] = [
    (Prx("QB7", 1.0, 0.0), "(prx), locus: the chip has no qubit 'QB7'; did you mean QB"),
    (Prx("QB1", math.nan, 0.0), "(prx), angle: nan is not a finite number of radians"),
    (Prx("QB1", 1.0, -math.inf), "(prx), phase: -inf is not a finite number of radians"),
    (
        Prx("QB1", 1.0, 0.0, "hd_drag"),
        "(prx), implementation: prx.hd_drag of QB1 is not to be had; "
        "calibrated are drag_crf, drag_crf_sx",
    ),
    (Prx("QB1", 1.0, 0.0, ""), "(prx), implementation: prx. of QB1 is not to be had; "),
    (
        Cz(("QB1", "QB2")),
        "(cz), locus: no coupler joins QB1 and QB2; QB1 is joined to QB3",
    ),
    (Cz(("QB1", "QB1")), "(cz), locus: names QB1 2 times; a qubit is named once"),
    (Delay(("QB1",), -1e-9), "(delay), duration: -1e-09 s is not between 0 and 0.1 s"),
    (Delay(("QB1",), 0.2), "(delay), duration: 0.2 s is not between 0 and 0.1 s"),
    (Delay(("QB1",), math.nan), "(delay), duration: nan is not a finite number of seconds"),
    (Barrier(()), "(barrier), locus: names no qubit; it names at least one"),
    (Measure((), "k"), "(measure), locus: names no qubit; it names at least one"),
    (Measure(("QB1",), ""), "(measure), key: is empty; the bits are returned under it"),
    (Measure(("QB1",), "__HERALD"), "(measure), key: '__HERALD' is reserved; "),
    (Measure(("QB1",), "__MEASUREMENT_MODE"), "(measure), key: '__MEASUREMENT_MODE' is reserved"),
    (Measure(("QB1",), "k", ""), "(measure), feedback_key: is empty; leave it out "),
    (
        CcPrx("QB1", 1.0, 0.0, "QB1", "f"),
        "(cc_prx), feedback_key: no measure before it has feedback key 'f'; none does",
    ),
    (CcPrx("QB1", math.inf, 0.0, "QB1", "f"), "(cc_prx), angle: inf is not a finite number"),
]


@pytest.mark.parametrize(("gate", "expected"), WRONG_GATES)
def test_a_wrong_gate_is_named_with_what_would_be_right(gate: Gate, expected: str) -> None:
    problems = circuit_problems([bell(), circuit(PLAIN, gate, END)])

    assert problems[0].startswith(f"circuit 1 (test), instruction 1 {expected}")


def test_all_mistakes_of_all_circuits_are_told_at_once() -> None:
    wrong = circuit(Prx("QB9", math.nan, 0.0), Delay(("QB1",), 1.0), END, name="wrong")
    empty = circuit(name="empty")
    silent = circuit(PLAIN, name="silent")
    options = CircuitOptions(active_reset_cycles=-1, max_duration_over_t2=math.nan)

    problems = circuit_problems([wrong, empty, silent], options=options, n_shots=0)

    assert [problem.split(":")[0] for problem in problems] == [
        "shots",
        "max_circuit_duration_over_t2",
        "active_reset_cycles",
        "circuit 0 (wrong), instruction 0 (prx), locus",
        "circuit 0 (wrong), instruction 0 (prx), angle",
        "circuit 0 (wrong), instruction 1 (delay), duration",
        "circuit 1 (empty), instructions",
        "circuit 2 (silent), instructions",
    ]


def test_a_job_without_circuits_is_refused() -> None:
    assert circuit_problems([]) == ["circuits: is empty; a job has at least one circuit"]


def test_keys_are_unique_in_a_circuit() -> None:
    gates = (Measure(("QB1",), "k", "f"), Measure(("QB2",), "k"), Measure(("QB3",), "l", "f"))

    assert circuit_problems(circuit(*gates)) == [
        "circuit 0 (test), instruction 1 (measure), key: 'k' is that of instruction 0 already",
        "circuit 0 (test), instruction 2 (measure), feedback_key: "
        "'f' is that of instruction 0 already",
    ]


def conditional(qubit: str = "QB1", key: str = "f") -> CcPrx:
    return CcPrx("QB2", 1.0, 0.0, qubit, key)


@pytest.mark.parametrize(
    ("gates", "index", "expected"),
    [
        (
            (conditional(), Measure(("QB1",), "a", "f")),
            0,
            "feedback_key: no measure before it has feedback key 'f'; "
            "instruction 1 measures it later",
        ),
        (
            (Measure(("QB1",), "a", "f"), conditional("QB3")),
            1,
            "feedback_qubit: 'QB3' is not measured under 'f'; instruction 0 measures QB1",
        ),
        (
            (Measure(("QB1",), "a", "f"), Measure(("QB1",), "b", "g"), conditional()),
            2,
            "feedback_key: the bit of QB1 under 'f' was replaced by that of feedback key 'g'; "
            "a rack keeps the latest bit of a qubit",
        ),
        (
            (Measure(("QB1",), "a", "f"), Reset(("QB1",)), conditional()),
            2,
            "feedback_key: the bit of QB1 under 'f' was replaced by that of a reset; "
            "a rack keeps the latest bit of a qubit",
        ),
    ],
)
def test_a_conditional_rotation_needs_the_latest_bit_of_its_qubit(
    gates: tuple[Gate, ...], index: int, expected: str
) -> None:
    problems = circuit_problems(circuit(*gates), FEEDBACK_STATION)

    assert problems == [f"circuit 0 (test), instruction {index} (cc_prx), {expected}"]


def test_feedback_is_refused_with_the_racks_reason() -> None:
    gates = (Measure(("QB1",), "a", "f"), conditional())

    assert circuit_problems(circuit(*gates)) == [
        "circuit 0 (test), instruction 1 (cc_prx), locus: "
        "nothing can depend on a bit measured on the way"
    ]
    assert circuit_problems(bell(), options=CircuitOptions(active_reset_cycles=1)) == [
        "circuit 0 (bell), before its first instruction: "
        "nothing can depend on a bit measured on the way"
    ]


def test_a_reset_that_can_neither_wait_nor_act_is_refused_with_both_reasons() -> None:
    station = without("gates.reset_wait.reset_wait.QB2")

    problems = circuit_problems(circuit(Reset(("QB2",)), END), station)

    assert problems == [
        "circuit 0 (test), instruction 0 (reset), locus: "
        "nothing can depend on a bit measured on the way",
        "circuit 0 (test), instruction 0 (reset), locus: "
        "the calibration set has no gates.reset_wait.reset_wait.QB2.duration",
    ]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (
            {"a": "QB1"},
            "instruction 1 (measure), locus: the qubit mapping has no logical qubit 'b'",
        ),
        ({"a": "QB1", "b": "QB1"}, "qubit_mapping, b: QB1 is that of a already; each has its own"),
        ({"a": "QB1", "b": "QX"}, "qubit_mapping, b: the chip has no qubit 'QX'"),
    ],
)
def test_a_mapping_is_complete_injective_and_onto_the_chip(
    mapping: dict[str, str], expected: str
) -> None:
    gates = circuit(Prx("a", 1.0, 0.0), Measure(("a", "b"), "k"))

    problems = circuit_problems(gates, options=CircuitOptions(qubit_mapping=mapping))

    assert any(expected in problem for problem in problems)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "gates.prx.drag_crf.QB1.amplitude_i",
            None,
            "(prx), locus: the calibration set has no gates.prx.drag_crf.QB1.amplitude_i",
        ),
        (
            "gates.prx.drag_crf.QB1.duration",
            41e-9,
            "(prx), locus: gates.prx.drag_crf.QB1.duration is 4.1e-08 s, 82 samples of "
            "QB1__drive.awg; it plays multiples of 16 from 16 samples on (8e-09 s and 8e-09 s)",
        ),
        (
            "gates.prx.drag_crf.QB1.amplitude_q",
            -1.5,
            "(prx), locus: gates.prx.drag_crf.QB1.amplitude_q is -1.5; amplitudes are within ±1",
        ),
        (
            "gates.cz.crf.QB1__QB3.rz.QB3",
            None,
            "(cz), locus: the calibration set has no gates.cz.crf.QB1__QB3.rz.QB3",
        ),
        (
            "gates.cz.crf.QB1__QB3.rz.QB8",
            0.1,
            "(cz), locus: gates.cz.crf.QB1__QB3.rz.QB8: the chip has no qubit of this name",
        ),
        (
            "gates.cz.crf.QB1__QB3.coupler.amplitude",
            math.nan,
            "(cz), locus: gates.cz.crf.QB1__QB3.coupler.amplitude is nan, not a finite number",
        ),
        (
            "gates.measure_fidelity.constant.QB1.acquisition_type",
            "complex",
            "(measure), locus: gates.measure_fidelity.constant.QB1.acquisition_type is 'complex'; "
            "circuits return bits and need 'threshold'",
        ),
        (
            "gates.measure_fidelity.constant.QB1.integration_threshold",
            "high",
            "(measure), locus: "
            "gates.measure_fidelity.constant.QB1.integration_threshold is not a number",
        ),
    ],
)
def test_a_gate_that_is_calibrated_wrongly_is_refused_where_it_is_used(
    name: str, value: ObservationValue, expected: str
) -> None:
    problems = circuit_problems(bell(), with_observations({name: value}))

    assert any(expected in problem for problem in problems)


def test_a_gate_that_is_not_calibrated_is_refused() -> None:
    station = without("gates.cz.crf.QB1__QB3")

    assert circuit_problems(bell(), station) == [
        "circuit 0 (bell), instruction 2 (cz), locus: the calibration set has no cz of QB1, QB3"
    ]


def test_an_implementation_that_labd_does_not_compile_is_named() -> None:
    station = with_observations(
        {"gates.cz.smooth.QB1__QB3.duration": 40e-9}, without("gates.cz.crf.QB1__QB3")
    )

    assert circuit_problems(bell(), station) == [
        "circuit 0 (bell), instruction 2 (cz), locus: cz of QB1, QB3 is calibrated as smooth; "
        "labd compiles tgss, tgss_crf, crf_crf, crf, gaussian_smoothed_square, slepian, "
        "slepian_crf, crf_acstarkcrf, slepian_acstarkcrf"
    ]


def test_a_circuit_longer_than_the_rack_can_play_is_refused() -> None:
    gates = [Delay(("QB1",), 0.1)] * 11

    assert circuit_problems(circuit(*gates, END)) == [
        "circuit 0 (test): takes 1.1003 s, reset included; this rack plays at most 1 s at a time"
    ]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (
            DecouplingStrategy((DecouplingSequence(2, (X, Y), Alignment.CENTER),)),
            "dd_strategy, gate_sequences, 0: its 2 gates do not multiply to the identity, "
            "so it would change what circuits do; XX, XYXY and XYXYYXYX do",
        ),
        (
            DecouplingStrategy((DecouplingSequence(math.nan, (X, X), Alignment.CENTER),)),
            "dd_strategy, gate_sequences, 0: its ratio is nan; it is a number of at least 0",
        ),
        (
            DecouplingStrategy((DecouplingSequence(2, (), Alignment.CENTER),)),
            "dd_strategy, gate_sequences, 0: has no gates",
        ),
        (
            DecouplingStrategy(()),
            "dd_strategy, gate_sequences: is empty; it has at least one sequence",
        ),
        (
            DecouplingStrategy(target_qubits=frozenset({"QB6"})),
            "dd_strategy, target_qubits: the chip has no qubit 'QB6'",
        ),
    ],
)
def test_a_decoupling_that_would_change_circuits_is_refused(
    strategy: DecouplingStrategy, expected: str
) -> None:
    problems = circuit_problems(bell(), options=CircuitOptions(decoupling=strategy))

    assert len(problems) == 1
    assert problems[0].startswith(expected)


def test_too_many_shots_are_refused_by_the_name_the_client_gave_them() -> None:
    assert circuit_problems(bell(), n_shots=2_000_000) == [
        "shots: 2000000 is not between 1 and 1000000"
    ]


def test_a_heralded_qubit_needs_a_readout_that_gives_bits() -> None:
    station = with_observations({"gates.measure.constant.QB3.frequency": None})
    options = CircuitOptions(heralding=Heralding.ZEROS)

    assert circuit_problems(bell(), station, options) == [
        "circuit 0 (bell), before its first instruction: "
        "the calibration set has no gates.measure.constant.QB3.frequency"
    ]


def test_a_component_without_a_channel_is_named() -> None:
    wiring = STATION.wiring
    channels = {k: v for k, v in wiring.channels.items() if k != "TC-1-3__flux.awg"}
    station: CircuitStation = replace(STATION, wiring=replace(wiring, channels=channels))

    assert circuit_problems(bell(), station) == [
        "circuit 0 (bell), instruction 2 (cz), locus: the rack has no flux channel for TC-1-3"
    ]


def test_a_thousand_equal_mistakes_are_not_a_thousand_lines() -> None:
    circuits = [Circuit(f"c{i}", (Prx("QB1", math.nan, i), END)) for i in range(1000)]

    problems = circuit_problems(circuits)

    assert len(problems) == 101
    assert problems[-1] == "and 900 more mistakes"
