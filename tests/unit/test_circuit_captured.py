"""Circuits compiled here and the same circuits as IQM's own compiler made them play the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from circuit_support import HALF, bell, circuit, compiled_circuits, pulse_job
from sweep_support import PAYLOADS, compiled

from labd.core.circuit import Barrier, Circuit, CircuitOptions, Cz, Measure, Prx
from labd.core.circuit_compile import CompiledCircuits
from labd.core.compile import PulseJob
from labd.core.program import Segment
from labd.payloads.sweep import unpack_sweep

QUBITS = ("QB1", "QB2", "QB3", "QB4", "QB5")
GHZ3 = circuit(
    Prx("QB1", HALF, HALF),
    Prx("QB3", HALF, HALF),
    Cz(("QB1", "QB3")),
    Prx("QB3", -HALF, HALF),
    Prx("QB2", HALF, HALF),
    Cz(("QB2", "QB3")),
    Prx("QB2", -HALF, HALF),
    Measure(("QB1", "QB2", "QB3"), "m"),
)
ALL_ZERO = circuit(Measure(QUBITS, "m"))
ALL_ONE = circuit(*(Prx(each, math.pi, 0.0) for each in QUBITS), Measure(QUBITS, "m"))
CAPTURED: dict[str, tuple[tuple[Circuit, ...], CircuitOptions]] = {
    "bell": ((bell(),), CircuitOptions()),
    "ghz3_x2": ((GHZ3, bell()), CircuitOptions()),
    "readout_all": ((ALL_ZERO, ALL_ONE), CircuitOptions(active_reset_cycles=0)),
}


def captured(name: str) -> PulseJob:
    return compiled((PAYLOADS / f"{name}.sweep.bin").read_bytes())


def recompiled(name: str, n_shots: int) -> CompiledCircuits:
    circuits, options = CAPTURED[name]
    return compiled_circuits(circuits, options=options, n_shots=n_shots)


@pytest.mark.parametrize("name", CAPTURED)
def test_every_pulse_is_the_captured_one(name: str) -> None:
    theirs = captured(name)

    ours = pulse_job(recompiled(name, theirs.n_shots))

    assert ours.n_segments == theirs.n_segments
    for one, other in zip(ours.program.order, theirs.program.order, strict=True):
        segment, expected = ours.program.segments[one], theirs.program.segments[other]
        assert segment.blocks.keys() == expected.blocks.keys()
        for channel in expected.blocks:
            assert starts_of(segment, channel) == starts_of(expected, channel)
            pairs = zip(segment.blocks[channel], expected.blocks[channel], strict=True)
            for mine, captured_block in pairs:
                np.testing.assert_allclose(
                    ours.program.waveforms[mine.waveform].samples,
                    theirs.program.waveforms[captured_block.waveform].samples,
                    atol=1e-6,
                )


@pytest.mark.parametrize("name", CAPTURED)
def test_every_readout_is_the_captured_one(name: str) -> None:
    theirs = captured(name)

    ours = pulse_job(recompiled(name, theirs.n_shots))

    assert ours.layout == theirs.layout
    assert ours.program.record_samples == theirs.program.record_samples
    for one, other in zip(ours.program.order, theirs.program.order, strict=True):
        assert readouts(ours, one) == readouts(theirs, other)


@pytest.mark.parametrize("name", CAPTURED)
def test_every_setting_is_the_captured_one(name: str) -> None:
    theirs = unpack_sweep((PAYLOADS / f"{name}.sweep.bin").read_bytes())

    n_shots = theirs.settings["options.playlist_repeats"]
    assert isinstance(n_shots, int)
    ours = recompiled(name, n_shots).sweep

    assert dict(ours.settings) == dict(theirs.settings)
    assert ours.dut_label == theirs.dut_label


def test_a_barrier_before_the_readout_changes_nothing_that_is_read_together() -> None:
    gates = bell().instructions
    separate = (Measure(("QB1",), "a"), Measure(("QB3",), "b"))

    split = compiled_circuits(circuit(*gates[:-1], Barrier(("QB1", "QB3")), *separate))
    whole = compiled_circuits(bell())

    assert len(pulse_job(split).program.segments[0].triggers) == 1
    assert starts_of(pulse_job(split).program.segments[0], "PL-1__readout") == starts_of(
        pulse_job(whole).program.segments[0], "PL-1__readout"
    )


def starts_of(segment: Segment, channel: str) -> list[int]:
    return [block.start_samples for block in segment.blocks[channel]]


def readouts(
    job: PulseJob, segment: int
) -> list[tuple[int, dict[str, tuple[int, int, complex, float]]]]:
    """Triggers of a segment: when, and by label the window, the weights' middle, the threshold."""
    found = []
    for trigger in job.program.segments[segment].triggers:
        plans = [job.acquisitions[trigger.channel][index] for index in trigger.acquisitions]
        described = {
            plan.label: (
                plan.first_sample,
                plan.n_samples,
                complex(np.round(plan.weights[plan.n_samples // 2], 8)),
                plan.threshold,
            )
            for plan in plans
        }
        found.append((trigger.start_samples, described))
    return found
