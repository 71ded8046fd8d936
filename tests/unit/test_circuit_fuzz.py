"""Whatever circuits and calibration sets say: a job that plays, or a refusal, nothing else."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from circuit_support import CHIP, FEEDBACK_STATION, SWEEP_ID, with_observations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sweep_support import LIMITS

from labd.core.circuit import (
    Alignment,
    Barrier,
    CcPrx,
    Circuit,
    CircuitJob,
    CircuitOptions,
    Cz,
    DecouplingSequence,
    DecouplingStrategy,
    Delay,
    Gate,
    Heralding,
    Measure,
    MeasuredQubits,
    Prx,
    Reset,
    X,
    Y,
)
from labd.core.circuit_compile import compile_circuits
from labd.core.circuit_results import rows_of
from labd.core.compile import compile_sweep
from labd.core.compile_findings import MAX_LISTED
from labd.core.errors import InvalidPayload
from labd.core.gate_data import ObservationValue

NAMES = st.sampled_from([*CHIP.qubits, *CHIP.qubits, "a", "", "TC-1-3"])
LOCI = st.lists(NAMES, max_size=4).map(tuple)
NUMBERS = st.floats(-10, 10) | st.floats()
KEYS = st.sampled_from(["k", "l", "m", "", "__HERALD", "é"])
IMPLEMENTATIONS = st.sampled_from([None, None, None, "drag_crf", "drag_crf_sx", "crf", ""])
GATES: st.SearchStrategy[Gate] = st.one_of(
    st.builds(Prx, NAMES, NUMBERS, NUMBERS, IMPLEMENTATIONS),
    st.builds(Cz, st.tuples(NAMES, NAMES), IMPLEMENTATIONS),
    st.builds(Measure, LOCI, KEYS, st.none() | KEYS, st.none()),
    st.builds(Barrier, LOCI),
    st.builds(Delay, LOCI, st.floats(0, 1e-6) | st.floats()),
    st.builds(Reset, LOCI),
    st.builds(CcPrx, NAMES, NUMBERS, NUMBERS, NAMES, KEYS, st.none()),
)
QUBITS = st.sampled_from(CHIP.qubits)
SOUND_GATES: st.SearchStrategy[Gate] = st.one_of(
    st.builds(Prx, QUBITS, st.floats(-10, 10), st.floats(-10, 10)),
    st.builds(Cz, st.sampled_from([(pair[0], pair[1]) for pair in CHIP.couplers.values()])),
    st.builds(Barrier, st.sets(QUBITS, min_size=1).map(sorted).map(tuple)),
    st.builds(Delay, st.sets(QUBITS, min_size=1).map(sorted).map(tuple), st.floats(0, 1e-5)),
    st.builds(Reset, st.sets(QUBITS, min_size=1).map(sorted).map(tuple)),
)
SEQUENCES = st.builds(
    DecouplingSequence,
    st.floats(0, 10) | st.floats(),
    st.lists(st.sampled_from([X, Y, X, Y, (1.0, 0.0)]), max_size=6).map(tuple),
    st.sampled_from(Alignment),
)
STRATEGIES = st.builds(
    DecouplingStrategy,
    st.lists(SEQUENCES, max_size=2).map(tuple),
    st.none() | st.frozensets(NAMES, max_size=2),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
OPTIONS = st.builds(
    CircuitOptions,
    st.none() | st.dictionaries(NAMES, NAMES, max_size=6),
    st.sampled_from(Heralding),
    st.sampled_from(MeasuredQubits),
    st.none() | st.integers(-1, 3),
    st.none() | STRATEGIES,
    st.just(0.0) | st.floats(),
)
VALUES: st.SearchStrategy[ObservationValue] = st.one_of(
    st.floats(),
    st.floats(0, 1e-6),
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.complex_numbers(),
    st.just([1.0]),
    st.just(np.zeros(3)),
    st.just(np.full(2000, 0.5)),
    st.just(np.array(["x"])),
)
CHANGES = st.dictionaries(
    st.sampled_from(sorted(FEEDBACK_STATION.observations)), VALUES, max_size=3
)


def plays_or_is_refused(job: CircuitJob, changes: dict[str, ObservationValue]) -> bool:
    station = with_observations(changes, FEEDBACK_STATION)
    station = replace(station, limits=replace(LIMITS, has_fast_feedback=True))
    try:
        compiled = compile_circuits(job, station, SWEEP_ID)
    except InvalidPayload as refusal:
        listed = refusal.problems[:MAX_LISTED]
        assert all(problem.where and problem.what for problem in listed)
        return False
    bits = {
        label: np.zeros((2, n_triggers), dtype=np.int64)
        for label, n_triggers in compiled.readout.n_triggers.items()
    }
    for circuit, columns in zip(job.circuits, compiled.readout.circuits, strict=True):
        rows = rows_of(columns, bits)
        loci = {each.key: each.qubits for each in circuit.instructions if isinstance(each, Measure)}
        assert {key: each.shape for key, each in rows.items()} == {
            key: (2, len(qubits)) for key, qubits in loci.items()
        }
    return True


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.builds(Circuit, st.text(max_size=3), st.lists(GATES).map(tuple)), max_size=3),
    st.integers(-1, 100),
    OPTIONS,
    CHANGES,
)
def test_any_job_plays_or_is_refused(
    circuits: list[Circuit],
    n_shots: int,
    options: CircuitOptions,
    changes: dict[str, ObservationValue],
) -> None:
    plays_or_is_refused(CircuitJob(tuple(circuits), n_shots, options), changes)


@settings(max_examples=60, deadline=None)
@given(st.lists(SOUND_GATES), CHANGES)
def test_any_calibration_set_is_used_or_refused(
    gates: list[Gate], changes: dict[str, ObservationValue]
) -> None:
    circuit = Circuit("c", (*gates, Measure(CHIP.qubits, "m")))

    plays_or_is_refused(CircuitJob((circuit,), 1), changes)


@settings(max_examples=60, deadline=None)
@given(st.lists(SOUND_GATES.filter(lambda gate: not isinstance(gate, Reset))))
def test_what_is_compiled_is_accepted_as_a_pulse_job(gates: list[Gate]) -> None:
    circuit = Circuit("c", (*gates, Measure(CHIP.qubits, "m")))

    compiled = compile_circuits(CircuitJob((circuit,), 1), FEEDBACK_STATION, SWEEP_ID)

    job = compile_sweep(compiled.sweep, FEEDBACK_STATION.wiring, LIMITS, max_result_bytes=1 << 30)
    assert job.layout.labels
    assert math.isfinite(compiled.longest_s)
