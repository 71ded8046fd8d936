"""Gates between qubits, from samples on the lines to the joint state."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
import qutip
from physics_shots import (
    COUPLERS,
    DRIVES_HZ,
    NOMINAL_BIASES,
    OUTPUTS,
    RATE_HZ,
    PassBuilder,
    bits,
    drag_pulse,
    flux_pulse,
    fridge,
    player,
    quiet_chip,
    with_source,
)
from test_physics_propagate import collapses_of

from labd_drivers.sim.physics.api import Fridge, Shot
from labd_drivers.sim.physics.chip import Chip
from labd_drivers.sim.physics.evolve import Ensemble
from labd_drivers.sim.physics.propagate import decay_of

DT_S = 1.0 / RATE_HZ
QUBITS = tuple(DRIVES_HZ)
GROUND = (0,) * 5


def ensemble_after(shot: Shot, chip: Chip | None = None) -> Ensemble:
    """One shot from |00000>, at the end of its last event."""
    one = player(shot, 1, chip)
    ensemble = one.prepare(GROUND)
    one.play(ensemble)
    return ensemble


def density_of(ensemble: Ensemble, qubits: tuple[int, ...]) -> npt.NDArray[np.complex128]:
    """Joint density matrix of a cluster, qubits in this order, as QuTiP would write it."""
    cluster = ensemble.cluster_of(qubits[0])
    assert sorted(cluster.qubits) == sorted(qubits)
    state = cluster.state[int(cluster.branch[0])]
    state = np.transpose(state, [cluster.qubits.index(qubit) for qubit in qubits])
    n = len(qubits)
    rows_first = [2 * k for k in range(n)] + [2 * k + 1 for k in range(n)]
    return state.reshape((3, 3) * n).transpose(rows_first).reshape(3**n, 3**n)


def lossless_chip() -> Chip:
    """The chip without relaxation to speak of."""
    chip = quiet_chip()
    qubits = tuple(
        dataclasses.replace(qubit, t1_s=1.0, t2_s=1.0, thermal_population=0.0)
        for qubit in chip.qubits
    )
    return dataclasses.replace(chip, qubits=qubits)


@pytest.mark.parametrize("pair", list(COUPLERS))
def test_calibrated_flux_pulse_and_virtual_z_make_a_cz(pair: tuple[str, str]) -> None:
    first, second = pair
    probe_state = np.kron([np.cos(0.5), -1j * np.sin(0.5)], [np.cos(0.8), -1j * np.sin(0.8)])
    builder = PassBuilder(16).prx(first, 1.0).prx(second, 1.6).cz(first, second)
    indices = (QUBITS.index(first), QUBITS.index(second))

    ensemble = ensemble_after(builder.shot(), lossless_chip())

    frames = np.kron(
        *([1.0, np.exp(-1j * builder.frame[name])] for name in pair),
    )
    ideal = np.diag([1, 1, 1, -1]) @ probe_state
    levels = [0, 1, 3, 4]
    density = density_of(ensemble, indices)[np.ix_(levels, levels)]
    corrected = frames[:, None] * density * frames.conj()[None, :]
    fidelity = (ideal.conj() @ corrected @ ideal).real
    assert fidelity > 0.9999


def test_sign_of_the_flux_does_not_matter_and_half_the_flux_gives_a_quarter_turn() -> None:
    chip = lossless_chip()

    def conditional_phase(scale: float) -> float:
        builder = PassBuilder(16).prx("QB1", np.pi / 2).prx("QB3", np.pi / 2)
        builder.add("awg2.ch5", builder.time["QB1"], scale * flux_pulse(("QB1", "QB3")))
        density = density_of(ensemble_after(builder.shot(), chip), (0, 2))
        ground = density[3, 0] / abs(density[3, 0])
        excited = density[4, 1] / abs(density[4, 1])
        return float(np.angle(excited / ground))

    assert abs(conditional_phase(1.0)) == pytest.approx(np.pi, abs=1e-3)
    assert abs(conditional_phase(-1.0)) == pytest.approx(np.pi, abs=1e-3)
    assert conditional_phase(0.5) == pytest.approx(-np.pi / 4, abs=1e-3)


def test_drive_during_a_flux_pulse_agrees_with_qutip_mesolve() -> None:
    pair, chip = ("QB1", "QB3"), quiet_chip()
    builder = PassBuilder(0).prx("QB1", 1.2).prx("QB3", 0.9, 0.4)
    flux = flux_pulse(pair)
    builder.add("awg2.ch5", 40, flux)
    builder.prx("QB1", 0.8, 1.0).prx("QB3", 0.5, -0.2)

    ours = density_of(ensemble_after(builder.shot(0), chip), (0, 2))

    theirs = overlapping_in_qutip(chip, flux)
    np.testing.assert_allclose(ours, theirs.full(), atol=1e-4)


def overlapping_in_qutip(chip: Chip, flux: npt.NDArray[np.float64]) -> qutip.Qobj:
    """The same pulses on QB1 and QB3 as one Hamiltonian, from |00> to sample 160."""
    coupler = chip.couplers[0]
    step, one = qutip.destroy(3), qutip.qeye(3)
    lower = [qutip.tensor(step, one), qutip.tensor(one, step)]
    numbers = [a.dag() * a for a in lower]
    drives = np.zeros((2, 161), dtype=complex)
    drives[0, :80], drives[0, 80:160] = drag_pulse("QB1", 1.2, 0.0), drag_pulse("QB1", 0.8, 1.0)
    drives[1, :80], drives[1, 80:160] = drag_pulse("QB3", 0.9, 0.4), drag_pulse("QB3", 0.5, -0.2)
    squared = np.zeros(161)
    squared[40:120] = flux**2
    still, parts, collapses = 0, [], []
    for place, name in enumerate((0, 2)):
        qubit = chip.qubits[name]
        rabi = qubit.drive_rad_per_s_v * drives[place]
        number = numbers[place]
        still = still + np.pi * qubit.anharmonicity_hz * number * (number - 1)
        parts += [[0.5 * lower[place].dag(), rabi], [0.5 * lower[place], rabi.conj()]]
        collapses += [
            qutip.tensor(*((single, one) if place == 0 else (one, single)))
            for single in collapses_of(decay_of(qubit))
        ]
    shift_a, shift_b = coupler.shift_rad_per_s_v2
    turned = shift_a * numbers[0] + shift_b * numbers[1]
    turned = turned + coupler.conditional_rad_per_s_v2 * numbers[0] * numbers[1]
    times = DT_S * np.arange(161)
    hamiltonian = qutip.QobjEvo([still, *parts, [turned, squared]], tlist=times, order=0)
    start = qutip.tensor(qutip.fock_dm(3, 0), qutip.fock_dm(3, 0))
    options = {"atol": 1e-9, "rtol": 1e-7, "max_step": DT_S, "nsteps": 100_000}
    solved = qutip.mesolve(hamiltonian, start, [0.0, 80e-9], collapses, options=options)
    return solved.final_state


def test_bell_pair_comes_out_of_the_digitizer() -> None:
    builder = PassBuilder().hadamard("QB1").hadamard("QB3").align()
    shot = builder.cz("QB1", "QB3").hadamard("QB3").measure(*QUBITS).shot()

    read = bits(fridge(), shot, 2000)[[0, 2], :, 0]

    both = [np.mean((read[0] == bit) & (read[1] == bit)) for bit in (0, 1)]
    assert sum(both) > 0.95
    assert min(both) > 0.42


def test_five_qubits_in_a_ghz_state() -> None:
    builder = PassBuilder().hadamard("QB3")
    for first, second in COUPLERS:
        other = first if second == "QB3" else second
        builder.align().hadamard(other).align().cz(first, second).hadamard(other)

    read = bits(fridge(), builder.measure(*QUBITS).shot(), 2000)[:, :, 0]

    total = read.sum(axis=0)
    assert np.mean((total == 0) | (total == 5)) > 0.90
    assert 0.40 < np.mean(total == 5) < 0.55


def excited(shot: Shot, system: Fridge | None = None, qubit: str = "QB1") -> float:
    read = bits(system or fridge(), shot, 1000)
    return float(read[QUBITS.index(qubit)].mean())


@pytest.mark.parametrize("switch", ["is_on", "is_iq_on"])
def test_without_its_source_a_qubit_is_not_driven(switch: str) -> None:
    off = with_source("lo_qb1", is_on=switch != "is_on", is_iq_on=switch != "is_iq_on")
    builder = PassBuilder().prx("QB1", np.pi).prx("QB2", np.pi).measure(*QUBITS)
    shot = builder.shot(sources=off)

    assert excited(shot) < 0.03
    assert excited(shot, qubit="QB2") > 0.95


def test_six_decibels_less_power_is_half_the_angle() -> None:
    power_dbm = 10.0 - 20.0 * np.log10(2.0)
    sources = with_source("lo_qb1", power_dbm=power_dbm)
    builder = PassBuilder().prx("QB1", np.pi).prx("QB1", np.pi).measure(*QUBITS)

    assert excited(builder.shot(sources=sources)) > 0.95


def test_a_qubit_without_its_bias_is_off_resonance() -> None:
    builder = PassBuilder().prx("QB1", np.pi).prx("QB1", np.pi, np.pi / 2).prx("QB1", np.pi / 2)
    shot = builder.measure(*QUBITS).shot(biases={**NOMINAL_BIASES, "bias_qb1": -0.2})

    assert excited(shot) < 0.1


def test_samples_that_rotate_drive_beside_the_carrier() -> None:
    offset_hz = 80.0e6
    rotation = np.exp(2j * np.pi * offset_hz / RATE_HZ * np.arange(80))
    builder = PassBuilder()
    builder.add_iq(OUTPUTS["QB1"], builder.time["QB1"], drag_pulse("QB1", np.pi, 0.0) * rotation)
    builder.wait(80).measure(*QUBITS)

    beside = with_source("lo_qb1", frequency_hz=DRIVES_HZ["QB1"] + offset_hz)
    assert excited(builder.shot(sources=beside)) > 0.95
    assert excited(builder.shot()) < 0.1


def test_a_coupler_off_its_bias_turns_phases_slowly() -> None:
    builder = PassBuilder(16).prx("QB1", np.pi / 2).prx("QB3", np.pi / 2)
    builder.wait(8000).prx("QB1", np.pi / 2).prx("QB3", np.pi / 2)
    chip = lossless_chip()

    alone = ensemble_after(builder.shot(), chip)
    coupled = ensemble_after(builder.shot(biases={**NOMINAL_BIASES, "bias_tc_1_3": -0.1}), chip)

    assert alone.cluster_of(0) is not alone.cluster_of(2)
    assert coupled.cluster_of(0) is coupled.cluster_of(2)
    assert coupled.populations(0)[0, 1] < alone.populations(0)[0, 1] - 0.01


def test_silence_around_a_flux_pulse_overlaps_no_drive() -> None:
    padding = np.zeros(400)
    plain = PassBuilder(1000).prx("QB1", 1.0).prx("QB3", 1.6).cz("QB1", "QB3")
    padded = PassBuilder(1000).prx("QB1", 1.0).prx("QB3", 1.6)
    flux = np.concatenate([padding, flux_pulse(("QB1", "QB3")), padding])
    padded.add("awg2.ch5", padded.time["QB1"] - 400, flux)

    events = [player(builder.shot(), 1).events for builder in (plain, padded)]

    assert len(events[0]) == len(events[1]) == 3


def test_qubits_never_coupled_stay_apart() -> None:
    builder = PassBuilder(16)
    for qubit in QUBITS:
        builder.prx(qubit, 1.0)

    ensemble = ensemble_after(builder.align().cz("QB3", "QB4").shot())

    sizes = [len(ensemble.cluster_of(index).qubits) for index in range(5)]
    assert sizes == [1, 1, 2, 2, 1]
