"""What the digitizer sees of the qubits' levels."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt
import pytest
from physics_shots import (
    CHIP_TOML,
    DRIVES_HZ,
    PROBE_SAMPLES,
    RATE_HZ,
    PassBuilder,
    bits,
    fridge,
    integrals,
    player,
    probe_pulse,
    quiet_chip,
    with_source,
)

from labd_drivers.sim.physics.api import Fridge, Shot
from labd_drivers.sim.physics.chip import read_chip
from labd_drivers.sim.physics.propagate import decay_of
from labd_drivers.sim.physics.readout import (
    Jump,
    LineOutput,
    Reading,
    Window,
    fields_after,
    jumps_of,
    response_of,
    ringdown_samples,
    window_of,
)

QUBITS = tuple(DRIVES_HZ)
CARRIER_HZ = 6.0e9
CHIP = quiet_chip()
PROBE = probe_pulse(QUBITS)


def prepared(*excited: str) -> Shot:
    builder = PassBuilder()
    for qubit in excited:
        builder.prx(qubit, np.pi)
    return builder.measure(*QUBITS).shot()


def reading_of(levels: list[int], jumps: dict[tuple[int, int], tuple[Jump, ...]]) -> Reading:
    return Reading(np.array(levels, dtype=np.int8)[:, None], jumps, None)


def row_of(window: Window, reading: Reading) -> npt.NDArray[np.complex64]:
    return LineOutput(window, reading).rows(np.array([0])).reshape(-1)


def test_fields_follow_the_equation_of_a_one_pole_filter() -> None:
    response = response_of(CHIP, PROBE[:300], CARRIER_HZ, RATE_HZ)
    resonator = CHIP.qubits[3].resonator
    rate = -np.pi * resonator.linewidth_hz + 2j * np.pi * (resonator.levels_hz[1] - CARRIER_HZ)

    field, fine = 0.0 + 0.0j, 200
    fields = []
    for volts in PROBE[:300]:
        for _ in range(fine):
            middle = field + 0.5 / fine / RATE_HZ * (
                rate * field + np.pi * resonator.linewidth_hz * volts
            )
            field += (rate * middle + np.pi * resonator.linewidth_hz * volts) / fine / RATE_HZ
        fields.append(field)

    np.testing.assert_allclose(response.forced[3, 1, :300], fields, atol=1e-6)


def test_excited_reads_one_and_ground_reads_zero() -> None:
    system = fridge()

    ground, excited = (integrals(system, prepared(*q), 4000)[..., 0] for q in ((), QUBITS))

    np.testing.assert_allclose(np.median(ground.real, axis=1), 0.03, atol=0.03)
    np.testing.assert_allclose(np.median(excited.real, axis=1), 1.01, atol=0.03)
    np.testing.assert_allclose(np.median(excited.imag, axis=1), 0.0, atol=0.06)


def test_noise_alone_errs_once_in_several_hundred() -> None:
    noise_v = read_chip(CHIP_TOML).probe_line.noise_v
    deviation = 200.0 * noise_v / math.sqrt(PROBE_SAMPLES)

    error = 0.5 * math.erfc(0.5 / deviation / math.sqrt(2.0))

    assert 1e-3 <= error <= 3e-3


def test_multiplexed_assignment_error_is_within_three_percent() -> None:
    system = fridge(3)

    ground, excited = (bits(system, prepared(*q), 4000)[..., 0] for q in ((), QUBITS))

    errors = (ground.mean(axis=1) + 1.0 - excited.mean(axis=1)) / 2.0
    assert errors.max() < 0.02
    assert errors.mean() < 0.015


@pytest.mark.parametrize("excited", QUBITS)
def test_neighbours_hardly_see_each_other(excited: str) -> None:
    system = Fridge(CHIP, 1)

    values = np.median(integrals(system, prepared(excited), 60)[..., 0].real, axis=1)

    others = [place for place, qubit in enumerate(QUBITS) if qubit != excited]
    assert np.abs(values[others] - 0.03).max() < 0.05
    assert values[QUBITS.index(excited)] > 0.95


def test_five_tones_and_noise_fit_into_the_digitizer() -> None:
    in_phase, quadrature = fridge(4).records(prepared(*QUBITS), 300, 480, PROBE_SAMPLES)

    for record in (in_phase, quadrature):
        assert record.dtype == np.float32
        assert np.mean(np.abs(record) >= 0.25) < 1e-5


def test_the_signal_arrives_after_the_round_trip() -> None:
    shot = prepared("QB1")

    in_phase, quadrature = Fridge(CHIP, 1).records(shot, 1, 0, 3000)

    power = np.abs(in_phase[0, 0] + 1j * quadrature[0, 0])
    assert power[:480].max() == 0.0
    assert power[480:560].max() > 0.0
    assert power[2400:2480].min() > 5 * power[-1] > 0


def test_a_jump_in_mid_window_rings_down_to_the_other_level() -> None:
    stays, falls = reading_of([1, 0, 0, 0, 0], {}), reading_of([0, 0, 0, 0, 0], {})
    jumps = reading_of([1, 0, 0, 0, 0], {(0, 0): (Jump(1000, 0),)})

    response = response_of(CHIP, PROBE, CARRIER_HZ, RATE_HZ)
    window = window_of(CHIP, response, (0, PROBE_SAMPLES + ringdown_samples(CHIP, RATE_HZ)))
    excited, ground, mixed = (row_of(window, reading) for reading in (stays, falls, jumps))

    np.testing.assert_array_equal(mixed[:1001], excited[:1001])
    np.testing.assert_allclose(mixed[2600:], ground[2600:], atol=1e-3 * np.abs(excited).max())
    early = np.abs(mixed[1001:1004] - excited[1001:1004]).max()
    assert early < 0.2 * np.abs(excited - ground).max()


def test_jumps_come_at_the_rate_of_relaxation() -> None:
    qubit, n_shots = CHIP.qubits[0], 20_000
    rng = np.random.default_rng(2)
    levels = np.ones(n_shots, dtype=np.int8)

    final, jumps = jumps_of(levels, decay_of(qubit).transfer, 100_000, 1 / RATE_HZ, rng)

    expected = decay_of(qubit).transition(100_000 / RATE_HZ)[:, 1]
    seen = np.bincount(final, minlength=3) / n_shots
    np.testing.assert_allclose(seen, expected, atol=0.01)
    assert set(jumps) >= set(np.flatnonzero(final != 1).tolist())


def test_a_burst_rings_on_into_the_next_one() -> None:
    whole = probe_pulse(("QB1",))
    gap = np.zeros(300, dtype=complex)
    both = response_of(CHIP, np.concatenate([whole, gap, whole]), CARRIER_HZ, RATE_HZ)
    single = response_of(CHIP, whole, CARRIER_HZ, RATE_HZ)
    reading = reading_of([1, 0, 0, 0, 0], {})

    poles = single.poles[np.arange(5), reading.levels[:, 0]]
    left = fields_after(single, reading) * poles[:, None] ** 300
    second = dataclasses.replace(reading, fields=left)
    row = row_of(window_of(CHIP, single, (0, 2000)), second)

    expected = row_of(window_of(CHIP, both, (2300, 4300)), reading)
    np.testing.assert_allclose(row, expected, atol=1e-7)


@pytest.mark.parametrize("switch", ["is_on", "is_iq_on"])
def test_without_the_probe_source_there_is_only_noise(switch: str) -> None:
    off = with_source("lo_pl1", is_on=switch != "is_on", is_iq_on=switch != "is_iq_on")
    shot = dataclasses.replace(prepared(*QUBITS), sources=off)

    in_phase, quadrature = Fridge(CHIP, 1).records(shot, 2, 480, 100)

    assert not in_phase.any()
    assert not quadrature.any()


def test_the_ground_state_is_dark_because_its_resonance_is_elsewhere() -> None:
    builder = PassBuilder().measure("QB1")
    beside = with_source("lo_pl1", frequency_hz=CARRIER_HZ + 10.5e6)

    on_excited = integrals(Fridge(CHIP, 1), builder.shot(), 100)[0, :, 0]
    on_ground = integrals(Fridge(CHIP, 1), builder.shot(sources=beside), 100)[0, :, 0]

    assert np.median(np.abs(on_ground)) > 5 * np.median(np.abs(on_excited))


def test_a_probed_qubit_collapses_and_its_neighbour_keeps_its_coherence() -> None:
    builder = PassBuilder(16).prx("QB1", np.pi / 2).prx("QB2", np.pi / 2).measure("QB1")
    one = player(builder.shot(), 1)
    ensemble = one.prepare((0,) * 5)

    one.play(ensemble)

    assert ensemble.cluster_of(0).is_level
    kept = ensemble.cluster_of(1)
    assert abs(kept.state[int(kept.branch[0]), 1]) > 0.49


def test_a_faint_probe_only_dephases() -> None:
    builder = PassBuilder(16).prx("QB1", np.pi / 2).measure("QB1", amplitude=0.002)
    one = player(builder.shot(), 1)
    ensemble = one.prepare((0,) * 5)

    one.play(ensemble)

    kept = ensemble.cluster_of(0)
    assert not kept.is_level
    assert 0.46 < abs(kept.state[int(kept.branch[0]), 1]) < 0.499
