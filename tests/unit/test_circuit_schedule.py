"""When things play: on the grid, in order, as soon as they can, and read out together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from circuit_support import (
    CHIP,
    FEEDBACK_STATION,
    HALF,
    OBSERVATIONS,
    STATION,
    bell,
    circuit,
    circuit_problems,
    compiled_circuits,
    pulse_job,
    starts,
    with_observations,
    without,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sweep_support import WIRING

from labd.core.circuit import (
    Barrier,
    CcPrx,
    Circuit,
    CircuitOptions,
    Cz,
    DecouplingStrategy,
    Delay,
    Gate,
    Heralding,
    Measure,
    MeasuredQubits,
    Prx,
    Reset,
)
from labd.core.circuit_compile import CompiledCircuits
from labd.core.circuit_station import CircuitStation
from labd.core.playlist import ConditionalInstruction, ReadoutTrigger, VirtualRZ

BARE = CircuitOptions(active_reset_cycles=0, measured_qubits=MeasuredQubits.CIRCUIT)
READOUT = "PL-1__readout"
TRIGGER = 2576


def flip(qubit: str) -> Prx:
    return Prx(qubit, math.pi, 0.0)


def bare(*gates: Gate, station: CircuitStation = STATION) -> CompiledCircuits:
    """Without resets and extra readout, so that times are easy to say."""
    return compiled_circuits(circuit(*gates), station, BARE)


def drive(compiled: CompiledCircuits, qubit: str) -> list[tuple[int, int]]:
    return starts(compiled, f"{qubit}__drive.awg")


def labels_read(compiled: CompiledCircuits, segment: int = 0) -> list[set[str]]:
    """Labels of every trigger, in order of time."""
    channel = compiled.sweep.playlist.channels[READOUT]
    operations = [
        channel.instructions[int(index)].operation
        for index in compiled.sweep.playlist.segments[segment][READOUT]
    ]
    return [
        {channel.acquisitions[index].label for index in operation.acquisitions}
        for operation in operations
        if isinstance(operation, ReadoutTrigger)
    ]


def test_gates_on_different_qubits_play_at_once_and_on_one_qubit_in_order() -> None:
    compiled = bare(flip("QB1"), flip("QB2"), flip("QB1"), Measure(("QB1", "QB2"), "m"))

    assert drive(compiled, "QB1") == [(0, 80), (80, 160)]
    assert drive(compiled, "QB2") == [(0, 80)]
    assert starts(compiled, READOUT) == [(160, 160 + TRIGGER)]


def test_a_cz_waits_for_both_qubits() -> None:
    compiled = bare(
        flip("QB1"), flip("QB1"), Cz(("QB3", "QB1")), flip("QB3"), Measure(("QB3",), "m")
    )

    assert starts(compiled, "TC-1-3__flux.awg") == [(160, 240)]
    assert drive(compiled, "QB3") == [(240, 320)]


def test_a_barrier_holds_back_what_follows_it() -> None:
    compiled = bare(
        flip("QB1"), flip("QB1"), Barrier(("QB1", "QB2")), flip("QB2"), Measure(("QB2",), "m")
    )

    assert drive(compiled, "QB2") == [(160, 240)]


def test_a_barrier_leaves_other_qubits_alone() -> None:
    compiled = bare(flip("QB1"), Barrier(("QB1", "QB2")), flip("QB3"), Measure(("QB3",), "m"))

    assert drive(compiled, "QB3") == [(0, 80)]


@pytest.mark.parametrize(("duration_s", "n_samples"), [(0.0, 0), (40e-9, 80), (41e-9, 96)])
def test_a_delay_lasts_at_least_as_long_as_asked(duration_s: float, n_samples: int) -> None:
    compiled = bare(
        flip("QB1"), Delay(("QB1", "QB2"), duration_s), flip("QB2"), Measure(("QB2",), "m")
    )

    assert drive(compiled, "QB2") == [(80 + n_samples, 160 + n_samples)]


def test_readouts_wait_to_be_merged_until_a_qubit_of_theirs_is_needed() -> None:
    compiled = bare(
        Measure(("QB1",), "a"),
        flip("QB2"),
        Measure(("QB2",), "b"),
        flip("QB1"),
        Measure(("QB1",), "c"),
    )

    assert labels_read(compiled) == [{"QB1__m1", "QB2__m2"}, {"QB1__m3"}]
    assert starts(compiled, READOUT) == [(80, 80 + TRIGGER), (160 + TRIGGER, 160 + 2 * TRIGGER)]
    assert drive(compiled, "QB1") == [(80 + TRIGGER, 160 + TRIGGER)]


def test_readouts_are_as_far_apart_as_the_digitizer_needs() -> None:
    slow = replace(WIRING.readouts[READOUT], rearm_samples=3000)
    station = replace(STATION, wiring=replace(WIRING, readouts={READOUT: slow}))

    compiled = bare(
        Measure(("QB1",), "a"),
        Measure(("QB1",), "b"),
        flip("QB1"),
        Measure(("QB1",), "c"),
        station=station,
    )

    spacing = 5008
    assert [start for start, _ in starts(compiled, READOUT)] == [0, spacing, 2 * spacing]
    assert drive(compiled, "QB1") == [(spacing + TRIGGER, spacing + TRIGGER + 80)]
    pulse_job(compiled, station.wiring)


def test_qubits_that_nobody_asked_for_are_read_too_and_not_returned() -> None:
    compiled = compiled_circuits(circuit(flip("QB2"), Measure(("QB2",), "m")))

    others = {f"{qubit}____MEASUREMENT_MODE" for qubit in CHIP.qubits if qubit != "QB2"}
    assert labels_read(compiled) == [{"QB2__m1"} | others]
    assert compiled.sweep.return_labels == ("QB2__m1",)


def test_resets_and_heralding_come_before_everything_else() -> None:
    options = CircuitOptions(heralding=Heralding.ZEROS, measured_qubits=MeasuredQubits.CIRCUIT)

    compiled = compiled_circuits(bell(), options=options)

    pause = 640
    begin = 600_000 + TRIGGER + pause
    assert labels_read(compiled) == [
        {"QB1____HERALD", "QB3____HERALD"},
        {"QB1__m1", "QB3__m1"},
    ]
    assert starts(compiled, READOUT)[0] == (600_000, 600_000 + TRIGGER)
    assert drive(compiled, "QB1")[0][0] == drive(compiled, "QB3")[0][0] == begin


def test_active_reset_reads_and_flips_so_many_times() -> None:
    options = CircuitOptions(active_reset_cycles=2, measured_qubits=MeasuredQubits.CIRCUIT)

    compiled = compiled_circuits(
        circuit(flip("QB1"), Measure(("QB1",), "m")), FEEDBACK_STATION, options
    )

    delay = 960
    cycle = TRIGGER + delay + 80
    assert starts(compiled, READOUT) == [
        (0, TRIGGER),
        (cycle, cycle + TRIGGER),
        (2 * cycle + 80, 2 * cycle + 80 + TRIGGER),
    ]
    assert drive(compiled, "QB1") == [
        (cycle - 80, cycle),
        (2 * cycle - 80, 2 * cycle),
        (2 * cycle, 2 * cycle + 80),
    ]


def test_a_reset_waits_where_the_rack_cannot_act_on_bits() -> None:
    gates = (flip("QB1"), Reset(("QB1",)), flip("QB1"), Measure(("QB1",), "m"))

    waiting = bare(*gates)
    acting = bare(*gates, station=FEEDBACK_STATION)

    assert drive(waiting, "QB1") == [(0, 80), (600_080, 600_160)]
    assert drive(acting, "QB1") == [(0, 80), (3616, 3696), (3696, 3776)]


def test_a_conditional_rotation_waits_for_its_bit_and_the_next_bit_for_it() -> None:
    compiled = bare(
        Measure(("QB1",), "a", feedback_key="f"),
        CcPrx("QB2", HALF, 0.3, "QB1", "f"),
        Measure(("QB1",), "b", feedback_key="g"),
        CcPrx("QB2", HALF, 0.3, "QB1", "g"),
        Measure(("QB2",), "c"),
        station=FEEDBACK_STATION,
    )

    acted = TRIGGER + 960
    assert drive(compiled, "QB2")[0] == (acted, acted + 80)
    assert starts(compiled, READOUT)[1] == (acted + 80, acted + 80 + TRIGGER)
    table = compiled.sweep.playlist.channels["QB2__drive.awg"].instructions
    conditions = [
        each.operation for each in table if isinstance(each.operation, ConditionalInstruction)
    ]
    assert [each.condition for each in conditions] == ["QB1__feedback"]
    labels = {
        acquisition.label: getattr(acquisition.method, "feedback_label", None)
        for acquisition in compiled.sweep.playlist.channels[READOUT].acquisitions
    }
    assert labels == {"QB1__m1": "QB1__feedback", "QB1__m2": "QB1__feedback", "QB2__m3": ""}


def test_a_spectators_correction_is_applied_once_and_only_after_the_gate() -> None:
    station = with_observations({"gates.cz.crf.QB1__QB3.rz.QB2": 0.25})
    spectator = flip("QB2")

    compiled = bare(
        spectator, spectator, Cz(("QB1", "QB3")), Measure(("QB2",), "m"), station=station
    )
    later = bare(
        flip("QB1"),
        Cz(("QB1", "QB3")),
        spectator,
        spectator,
        Measure(("QB2",), "m"),
        station=station,
    )

    assert turns(compiled, "QB2") == [(0, -0.25)]
    assert turns(later, "QB2") == [(80, -0.25)]


def test_corrections_count_from_their_gates_time_and_not_from_their_place_in_the_circuit() -> None:
    pairs = {"TC-1-3": ("QB1", "QB3"), "TC-2-3": ("QB2", "QB4")}
    path = "gates.cz.crf.QB2__QB4"
    changes = {
        f"{path}.{name}": OBSERVATIONS[f"gates.cz.crf.QB1__QB3.{name}"]
        for name in ("duration", "coupler.full_width", "coupler.rise_time", "coupler.amplitude")
    }
    changes |= {f"{path}.rz.QB2": 0.0, f"{path}.rz.QB4": 0.0, f"{path}.rz.QB5": 0.5}
    station = with_observations({**changes, "gates.cz.crf.QB1__QB3.rz.QB5": 0.25})
    station = replace(station, chip=replace(CHIP, couplers=pairs))

    compiled = bare(
        *[flip("QB5")] * 5,
        *[flip("QB2")] * 3,
        Cz(("QB2", "QB4")),
        Cz(("QB1", "QB3")),
        Measure(("QB5",), "m"),
        station=station,
    )

    assert turns(compiled, "QB5") == [(0, -0.25), (240, -0.5)]


def turns(compiled: CompiledCircuits, qubit: str) -> list[tuple[int, float]]:
    """Frame turns of a drive channel and the end of what was played before them."""
    channel = f"{qubit}__drive.awg"
    table = compiled.sweep.playlist.channels[channel].instructions
    found, now = [], 0
    for index in compiled.sweep.playlist.segments[0][channel]:
        instruction = table[int(index)]
        if isinstance(instruction.operation, VirtualRZ):
            found.append((now, instruction.operation.phase_increment))
        now += instruction.duration_samples
    return found


def test_equal_circuits_are_compiled_once_and_returned_each() -> None:
    other = circuit(flip("QB1"), Measure(("QB1",), "m"))

    compiled = compiled_circuits([bell(), other, replace(bell(), name="again"), bell()])

    segments = compiled.sweep.playlist.segments
    assert compiled.n_distinct == 2
    assert segments[0] is segments[2] is segments[3]
    assert [each.name for each in compiled.readout.circuits] == ["bell", "test", "again", "bell"]
    assert pulse_job(compiled).program.order == (0, 1, 0, 0)


def test_equal_gates_are_one_instruction() -> None:
    gates = [flip("QB1")] * 20 + [Prx("QB1", -math.pi, 2 * math.pi)] * 3

    compiled = bare(*gates, Measure(("QB1",), "m"))

    table = compiled.sweep.playlist.channels["QB1__drive.awg"]
    assert len(table.instructions) == 2
    assert len(table.waveforms) == 2


GRIDS = {"QB1__drive.awg": (20, 40), "QB2__drive.awg": (8, 8), "TC-1-3__flux.awg": (16, 48)}


def on_grids(grids: Mapping[str, tuple[int, int]]) -> CircuitStation:
    channels = {
        name: replace(channel, granularity_samples=grids[name][0], min_samples=grids[name][1])
        if name in grids
        else channel
        for name, channel in WIRING.channels.items()
    }
    return replace(STATION, wiring=replace(WIRING, channels=channels))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_channel_plays_on_its_own_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    station = with_observations(
        {
            "gates.prx.drag_crf.QB1.duration": 30e-9,
            "gates.prx.drag_crf.QB2.duration": 36e-9,
            "gates.cz.crf.QB1__QB3.duration": 56e-9,
        },
        on_grids(GRIDS),
    )
    gates: list[Gate] = []
    for _ in range(25):
        qubit = str(rng.choice(CHIP.qubits))
        pairs = list(CHIP.couplers.values())
        one, other = pairs[int(rng.integers(4))]
        chosen: list[Gate] = [flip(qubit), Cz((one, other)), Barrier((one, other))]
        chosen.append(Delay((qubit,), float(rng.uniform(0, 1e-7))))
        chosen.append(Measure((qubit,), f"m{len(gates)}"))
        gates.append(chosen[int(rng.integers(len(chosen)))])

    options = replace(BARE, decoupling=DecouplingStrategy() if seed % 2 else None)

    compiled = compiled_circuits(circuit(*gates, Measure(("QB1",), "end")), station, options)

    pulse_job(compiled, station.wiring)  # refuses what is off a channel's grid or below its minimum
    for name in compiled.sweep.playlist.channels:
        played = starts(compiled, name)
        assert played == sorted(played)
        assert all(start % 80 == 0 for start, _ in played)


def test_a_gap_that_is_too_short_for_a_channel_is_made_longer() -> None:
    station = on_grids({"TC-1-3__flux.awg": (16, 48)})
    station = with_observations(
        {"gates.cz.crf.QB1__QB3.duration": 48e-9, "gates.prx.drag_crf.QB1.duration": 8e-9}, station
    )
    gates = (Cz(("QB1", "QB3")), flip("QB1"), Cz(("QB1", "QB3")), Measure(("QB1",), "m"))

    compiled = bare(*gates, station=station)

    assert starts(compiled, "TC-1-3__flux.awg") == [(0, 96), (144, 240)]
    pulse_job(compiled, station.wiring)


def test_a_circuit_that_outlives_its_qubits_is_refused() -> None:
    station = with_observations({"characterization.model.QB1.t2_time": 10e-6})
    gates = (flip("QB1"), Delay(("QB1",), 12e-6), flip("QB1"), Measure(("QB1",), "m"))

    def options(ratio: float) -> CircuitOptions:
        return CircuitOptions(max_duration_over_t2=ratio)

    assert compiled_circuits(circuit(*gates), station, options(1.3)).n_distinct == 1
    assert compiled_circuits(circuit(*gates), station, options(0.0)).n_distinct == 1
    assert circuit_problems(circuit(*gates), station, options(1.0)) == [
        "circuit 0 (test), max_circuit_duration_over_t2: QB1 is in use for 1.208e-05 s, "
        "1.208 times its T2 of 1e-05 s; the limit is 1"
    ]
    assert circuit_problems(bell(), station, options(1.0)) == [
        "circuit 0 (bell), max_circuit_duration_over_t2: the calibration set knows no T2 of QB3; "
        "0 leaves the duration unchecked"
    ]


def test_without_reset_times_circuits_begin_at_once() -> None:
    station = without("gates.reset_wait.")

    compiled = compiled_circuits(Circuit("bell", bell().instructions), station)

    assert drive(compiled, "QB1")[0] == (0, 80)
