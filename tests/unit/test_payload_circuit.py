from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from labd.core.circuit import (
    Barrier,
    CcPrx,
    Cz,
    Delay,
    Heralding,
    Measure,
    Prx,
    Reset,
)
from labd.core.errors import InvalidPayload
from labd.payloads.circuit import CircuitPayload, read_circuits

DATA = Path(__file__).parents[1] / "data" / "circuits"
QUBITS = ("QB1", "QB2", "QB3", "QB4", "QB5")
HALF_PI = math.pi / 2

Json = Any


def payload(*instructions: Json, **job: Json) -> bytes:
    circuit = {"name": "c", "instructions": list(instructions)}
    return json.dumps({"circuits": [circuit], "shots": 10} | job).encode()


def gate(name: str, *locus: str, **args: Json) -> Json:
    return {"name": name, "locus": list(locus), "args": args}


def read(data: bytes) -> CircuitPayload:
    return read_circuits(data, QUBITS)


def mistakes(data: bytes) -> list[str]:
    with pytest.raises(InvalidPayload) as caught:
        read(data)
    return [str(problem) for problem in caught.value.problems]


MEASURE = gate("measure", "QB1", key="m")


@pytest.mark.parametrize("name", ["bell.json", "bell.legacy.json", "bell.iqm32.json"])
def test_both_generations_of_clients_mean_the_same(name: str) -> None:
    found = read((DATA / name).read_bytes())

    (circuit,) = found.job.circuits
    assert [type(each) for each in circuit.instructions] == [Prx, Prx, Cz, Prx, Measure]
    first = circuit.instructions[0]
    assert isinstance(first, Prx)
    assert first.qubit == "QB1"
    assert first.angle_rad == pytest.approx(HALF_PI)
    assert circuit.instructions[-1] == Measure(("QB1", "QB3"), "m")
    assert (found.job.n_shots, found.calibration_set_id) == (1000, None)


def test_feedback_delay_and_reset_are_read() -> None:
    (circuit,) = read((DATA / "midcircuit_feedback.json").read_bytes()).job.circuits

    assert circuit.instructions[1:5] == (
        Measure(("QB1",), "a", "f"),
        CcPrx("QB2", math.pi, 0.0, "QB1", "f"),
        Delay(("QB1", "QB2"), 1e-7),
        Reset(("QB1",)),
    )


def test_a_mapping_is_read_in_both_of_its_forms() -> None:
    listed = read((DATA / "qubit_mapping.json").read_bytes())
    as_object = read(payload(MEASURE, qubit_mapping={"alice": "QB2", "bob": "QB5"}))

    assert listed.job.options.qubit_mapping == {"alice": "QB2", "bob": "QB5"}
    assert as_object.job.options.qubit_mapping == {"alice": "QB2", "bob": "QB5"}


def test_generations_may_be_mixed_and_integers_are_numbers() -> None:
    old = {"name": "phased_rx", "qubits": ["QB1"], "args": {"angle_t": 1, "phase_t": 0}}

    found = read(payload(old, gate("prx", "QB1", angle=1, phase=0), MEASURE))

    assert found.job.circuits[0].instructions[:2] == (
        Prx("QB1", 2 * math.pi, 0.0),
        Prx("QB1", 1.0, 0.0),
    )


def test_options_are_read_and_nulls_are_defaults() -> None:
    options = read(
        payload(
            MEASURE,
            heralding_mode="zeros",
            active_reset_cycles=2,
            max_circuit_duration_over_t2=0.5,
            dd_mode="enabled",
            dd_strategy={"target_qubits": ["QB1"], "gate_sequences": [[4, "YXYX", "alap"]]},
            calibration_set_id=None,
            qubit_mapping=None,
            custom_settings=None,
            something_new=5,
        )
    ).job.options

    assert (options.heralding, options.active_reset_cycles) == (Heralding.ZEROS, 2)
    assert options.max_duration_over_t2 == 0.5
    assert options.decoupling is not None
    assert options.decoupling.target_qubits == frozenset({"QB1"})
    assert len(options.decoupling.sequences[0].rotations) == 4


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x0a\x24nonsense", "payload: is not JSON"),
        (b"{}", "circuits: is missing"),
        (payload(shots=0), "shots: input should be greater than or equal to 1, not 0"),
        (payload(shots=1.5), "shots: input should be a valid integer"),
        (payload(circuits=[]), "circuits: is empty; a job has at least one circuit"),
        (payload(circuits=[{"instructions": []}]), "circuits 0, name: is missing"),
        (payload(calibration_set_id="first"), "calibration_set_id: input should be a valid UUID"),
        (payload(heralding_mode="ones"), "heralding_mode: input should be 'none' or 'zeros'"),
        (payload(active_reset_cycles=-1), "active_reset_cycles: input should be greater"),
        (payload(custom_settings={"a": 1}), "custom_settings: sets a; labd sets nothing beside"),
        (
            payload(move_validation_mode="none"),
            "move_gate_frame_tracking: 'full' needs the validation of move gates",
        ),
        (
            payload(qubit_mapping=[{"logical_name": "a", "physical_name": "QB1"}] * 2),
            "qubit_mapping, entry 1: maps 'a', which an entry before it maps already",
        ),
        (
            payload(circuits=["; ModuleID = 'bell'\n%Qubit = type opaque"]),
            "circuit 0: is QIR; labd executes IQM's JSON circuits and OpenQASM 3",
        ),
        (
            payload(dd_mode="enabled", dd_strategy={"gate_sequences": [[2, "XZ", "asap"]]}),
            "dd_strategy, gate_sequences, entry 0: has the letters Z; X and Y are known",
        ),
    ],
)
def test_a_job_that_is_none_is_refused_by_name(data: bytes, expected: str) -> None:
    assert any(each.startswith(expected) for each in mistakes(data)), mistakes(data)


IN = "circuit 0 (c), instruction 0"


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        (gate("prxx", "QB1"), f"{IN} (prxx), name: there is no such operation; did you mean prx?"),
        (gate("move", "QB1", "CR1"), f"{IN} (move), name: this chip has no computational"),
        (gate("prx", "QB1", angle=1.0), f"{IN} (prx), args.phase: is missing"),
        (
            gate("prx", "QB1", angle="1", phase=0),
            f"{IN} (prx), args.angle: '1' is not a number",
        ),
        (
            gate("prx", "QB1", angle=True, phase=0),
            f"{IN} (prx), args.angle: True is not a number",
        ),
        (
            gate("prx", "QB1", angle=1, phase=0, angel=3),
            f"{IN} (prx), args.angel: is no argument; did you mean angle?",
        ),
        (
            gate("prx", "QB1", angle=1, phase=0, angle_t=3),
            f"{IN} (prx), args.angle_t: says angle a second time",
        ),
        (
            gate("prx", "QB1", "QB2", angle=1, phase=0),
            f"{IN} (prx), locus: names 2 qubits; prx acts on 1",
        ),
        (gate("cz", "QB1"), f"{IN} (cz), locus: names 1 qubits; cz acts on 2"),
        (gate("measure", "QB1", key=5), f"{IN} (measure), args.key: 5 is not a text"),
        ({"name": "barrier", "args": {}}, f"{IN} (barrier), locus: is missing"),
        (
            {"name": "barrier", "args": {}, "locus": ["QB1"], "qubits": ["QB1"]},
            f"{IN} (barrier), locus: stands beside qubits",
        ),
        (
            gate("cz", "QB1", "QB3") | {"implementation": ""},
            f"{IN} (cz), implementation: is empty",
        ),
    ],
)
def test_a_bad_instruction_is_named_with_its_place(instruction: Json, expected: str) -> None:
    found = mistakes(payload(instruction, MEASURE))

    assert any(each.startswith(expected) for each in found), found


def test_every_mistake_is_listed_at_once() -> None:
    found = mistakes(
        payload(
            gate("prxx", "QB1"), gate("cz", "QB1"), gate("prx", "QB1"), custom_settings={"a": 1}
        )
    )

    assert len(found) == 5


def qasm(body: str) -> bytes:
    return payload(circuits=[f"OPENQASM 3.0;\n{body}"])


def test_qasm_is_the_same_circuit() -> None:
    (circuit,) = read(
        qasm(
            """
            include "stdgates.inc";
            // the chip's third qubit is its centre
            const float t = pi / 2;
            bit[2] c;
            prx(t, t) $1;
            prx(t, t) $3;
            cz $1, $3;
            prx(-t, t) $3;
            barrier $1, $3;
            c[0] = measure $1;
            c[1] = measure $3;
            """
        )
    ).job.circuits

    assert circuit.instructions == (
        Prx("QB1", HALF_PI, HALF_PI),
        Prx("QB3", HALF_PI, HALF_PI),
        Cz(("QB1", "QB3")),
        Prx("QB3", -HALF_PI, HALF_PI),
        Barrier(("QB1", "QB3")),
        Measure(("QB1",), "c[0]"),
        Measure(("QB3",), "c[1]"),
    )


def test_qasm_registers_are_placed_and_broadcast() -> None:
    (circuit,) = read(
        qasm(
            "qubit a; qubit[2] q; prx(1, 0) q; cz a, q; delay[1.5us] q; reset a; bit c = measure a;"
        )
    ).job.circuits

    assert circuit.instructions == (
        Prx("QB2", 1.0, 0.0),
        Prx("QB3", 1.0, 0.0),
        Cz(("QB1", "QB2")),
        Cz(("QB1", "QB3")),
        Delay(("QB2", "QB3"), 1.5e-6),
        Reset(("QB1",)),
        Measure(("QB1",), "c"),
    )


def test_qasm_branches_are_conditional_rotations() -> None:
    (circuit,) = read(
        qasm("qubit[2] q; bit[2] c; c = measure q; if (c[1] == 1) { prx(pi, 0) q[0]; }")
    ).job.circuits

    assert circuit.instructions == (
        Measure(("QB1", "QB2"), "c", "c"),
        CcPrx("QB1", math.pi, 0.0, "QB2", "c"),
    )


def test_qasm_with_a_mapping_names_its_own_qubits() -> None:
    data = json.loads(qasm("qubit[2] q; bit[2] c; c = measure q;"))
    data["qubit_mapping"] = {"q[0]": "QB4", "q[1]": "QB5"}

    (circuit,) = read(json.dumps(data).encode()).job.circuits

    assert circuit.instructions == (Measure(("q[0]", "q[1]"), "c"),)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("qubit[2 q;", "circuit 0: is not OpenQASM 3"),
        ("qubit q;\nh q;", "circuit 0, line 3: h is not native to the chip"),
        ("qubit q;\nprx(1) q;", "circuit 0, line 3: prx is written as prx(angle, phase) q"),
        ("qubit q;\nprx(x, 0) q;", "circuit 0, line 3: x is no constant that was declared"),
        ("prx(1, 0) r;", "circuit 0, line 2: r is no qubit that was declared"),
        ("prx(1, 0) $9;", "circuit 0, line 2: the chip has no qubit $9"),
        ("qubit[6] q;", "circuit 0, line 2: declares qubit 6 of a chip with 5"),
        ("qubit[2] q; reset q[2];", "circuit 0, line 2: q has no element 2; it has 2"),
        ("qubit q; measure q;", "circuit 0, line 2: measures into no bit"),
        ("qubit q; delay[5dt] q;", "circuit 0, line 2: a delay in dt depends on the rack"),
        ("qubit q; ctrl @ prx(1, 0) q;", "circuit 0, line 2: modifiers of prx are not executed"),
        ("for int i in [0:2] { }", "circuit 0, line 2: labd does not execute a for in loop"),
        ("const float a = 1 / 0;", "circuit 0, line 2: integer division"),
        ("qubit q; bit c; if (c) { prx(1, 0) q; }", "circuit 0, line 2: c is asked for before"),
    ],
)
def test_what_qasm_cannot_say_here_is_refused_with_its_line(body: str, expected: str) -> None:
    found = mistakes(qasm(body))

    assert any(each.startswith(expected) for each in found), found
