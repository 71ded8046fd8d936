"""Pulses and time on one transmon, against closed forms and against QuTiP."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import qutip
from physics_shots import AMPLITUDES, CHIP_TOML, RATE_HZ, drag_pulse

from labd_drivers.sim.physics.chip import Qubit, read_chip
from labd_drivers.sim.physics.propagate import (
    Decay,
    decay_of,
    idle_superoperator,
    pulse_propagator,
    pulse_superoperator,
)

DT_S = 1.0 / RATE_HZ
QUBITS = {qubit.name: qubit for qubit in read_chip(CHIP_TOML).qubits}
ComplexArray = npt.NDArray[np.complex128]


def anharmonicity(qubit: Qubit) -> float:
    return 2.0 * np.pi * qubit.anharmonicity_hz


def rabi(name: str, angle: float, phase: float = 0.0) -> ComplexArray:
    rate: ComplexArray = QUBITS[name].drive_rad_per_s_v * drag_pulse(name, angle, phase)
    return rate


def prx(angle: float, phase: float) -> ComplexArray:
    x, y = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]])
    axis = x * np.cos(phase) + y * np.sin(phase)
    unitary: ComplexArray = np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * axis
    return unitary


def infidelity(unitary: ComplexArray, ideal: ComplexArray) -> float:
    """1 - average gate fidelity within |0>, |1>; leakage is an error (Pedersen et al. 2007)."""
    overlap = ideal.conj().T @ unitary[:2, :2]
    kept = np.trace(overlap @ overlap.conj().T).real
    return float(1.0 - (kept + abs(np.trace(overlap)) ** 2) / 6.0)


def random_pulse(seed: int, n_samples: int = 90) -> ComplexArray:
    rng = np.random.default_rng(seed)
    real, imaginary = rng.standard_normal((2, n_samples))
    pulse: ComplexArray = 2.0e8 * (real + 1j * imaginary)
    return pulse


def hamiltonian_of(pulse: ComplexArray, detuning: float, anharmonic: float) -> qutip.QobjEvo:
    times = DT_S * np.arange(pulse.size + 1)
    held = np.append(pulse, pulse[-1:])
    lower, number = qutip.destroy(3), qutip.num(3)
    still = detuning * number + 0.5 * anharmonic * number * (number - 1)
    parts = [still, [0.5 * lower.dag(), held], [0.5 * lower, held.conj()]]
    return qutip.QobjEvo(parts, tlist=times, order=0)


def collapses_of(decay: Decay) -> list[qutip.Qobj]:
    rates = decay.transfer - np.diag(np.diag(decay.transfer))
    jumps = [
        np.sqrt(rates[to, start]) * qutip.basis(3, to) * qutip.basis(3, start).dag()
        for to in range(3)
        for start in range(3)
        if rates[to, start] > 0
    ]
    leaving = -np.diag(decay.transfer)
    dephasing = decay.coherence[0, 1] - (leaving[0] + leaving[1]) / 2
    return [*jumps, np.sqrt(2 * dephasing) * qutip.num(3)]


@pytest.mark.parametrize("seed", [1, 2])
def test_pulse_agrees_with_qutip_sesolve(seed: int) -> None:
    pulse, detuning, anharmonic = random_pulse(seed), 4.0e7, -6.0e8
    options = {"atol": 1e-10, "rtol": 1e-9, "max_step": DT_S, "nsteps": 100_000}

    ours = pulse_propagator(pulse, DT_S, detuning, anharmonic)

    for level in range(3):
        hamiltonian = hamiltonian_of(pulse, detuning, anharmonic)
        times = [0.0, DT_S * pulse.size]
        theirs = qutip.sesolve(hamiltonian, qutip.basis(3, level), times, options=options)
        np.testing.assert_allclose(ours[:, level], theirs.final_state.full()[:, 0], atol=1e-5)


@pytest.mark.parametrize("name", ["QB1", "QB5"])
def test_pulse_with_decay_agrees_with_qutip_mesolve(name: str) -> None:
    pulse, qubit = rabi(name, 2.0, 0.7), QUBITS[name]
    decay = decay_of(qubit)
    start = qutip.rand_dm(3, seed=7)
    options = {"atol": 1e-10, "rtol": 1e-9, "max_step": DT_S, "nsteps": 100_000}

    moved = pulse_superoperator(pulse, DT_S, decay, 3.0e7, anharmonicity(qubit))
    ours = (moved @ start.full().reshape(9)).reshape(3, 3)

    hamiltonian = hamiltonian_of(pulse, 3.0e7, anharmonicity(qubit))
    times = [0.0, DT_S * pulse.size]
    theirs = qutip.mesolve(hamiltonian, start, times, collapses_of(decay), options=options)
    np.testing.assert_allclose(ours, theirs.final_state.full(), atol=1e-5)


def test_waiting_agrees_with_qutip_mesolve() -> None:
    qubit = QUBITS["QB3"]
    decay, start = decay_of(qubit), qutip.rand_dm(3, seed=8)
    number = qutip.num(3)
    still = 1.0e4 * number - 0.5 * 3.0e4 * number * (number - 1)

    moved = idle_superoperator(decay, 4.0e-5, 1.0e4, -3.0e4)
    ours = (moved @ start.full().reshape(9)).reshape(3, 3)

    options = {"atol": 1e-10, "rtol": 1e-9}
    theirs = qutip.mesolve(still, start, [0.0, 4.0e-5], collapses_of(decay), options=options)
    np.testing.assert_allclose(ours, theirs.final_state.full(), atol=1e-6)


@pytest.mark.parametrize("n_samples", [1, 7, 8, 83, 66_000])
def test_propagators_keep_norm_and_superoperators_keep_trace(n_samples: int) -> None:
    pulse, decay = random_pulse(3, n_samples), decay_of(QUBITS["QB2"])

    unitary = pulse_propagator(pulse, DT_S, 1.0e7, -7.0e8)
    moved = pulse_superoperator(pulse, DT_S, decay, 1.0e7, -7.0e8)

    np.testing.assert_allclose(unitary @ unitary.conj().T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(np.eye(3).reshape(9) @ moved, np.eye(3).reshape(9), atol=1e-9)


def test_a_superoperator_is_completely_positive() -> None:
    moved = pulse_superoperator(random_pulse(4), DT_S, decay_of(QUBITS["QB4"]), 0.0, -7.0e8)

    choi = moved.reshape(3, 3, 3, 3).transpose(0, 2, 1, 3).reshape(9, 9)

    assert np.linalg.eigvalsh(choi).min() > -1e-12


@pytest.mark.parametrize("name", list(AMPLITUDES))
@pytest.mark.parametrize("angle", [np.pi, np.pi / 2])
@pytest.mark.parametrize("phase", [0.0, 1.1])
def test_calibrated_pulses_are_good_gates(name: str, angle: float, phase: float) -> None:
    pulse = rabi(name, angle, phase)

    unitary = pulse_propagator(pulse, DT_S, 0.0, anharmonicity(QUBITS[name]))

    assert infidelity(unitary, prx(angle, phase)) < 1e-4


def test_quadrature_of_the_calibrated_pulse_helps() -> None:
    pulse = rabi("QB1", np.pi)
    in_phase = pulse.real.astype(np.complex128)

    with_it = pulse_propagator(pulse, DT_S, 0.0, anharmonicity(QUBITS["QB1"]))
    without = pulse_propagator(in_phase, DT_S, 0.0, anharmonicity(QUBITS["QB1"]))
    against = pulse_propagator(pulse.conj(), DT_S, 0.0, anharmonicity(QUBITS["QB1"]))

    errors = [infidelity(u, prx(np.pi, 0.0)) for u in (with_it, without, against)]
    assert errors[0] < 0.1 * errors[1] < 0.1 * errors[2]


def test_two_half_pulses_make_a_whole_one_and_opposite_ones_nothing() -> None:
    half, back = rabi("QB2", np.pi / 2, 0.3), rabi("QB2", np.pi / 2, 0.3 + np.pi)
    anharmonic = anharmonicity(QUBITS["QB2"])

    whole = pulse_propagator(np.concatenate([half, half]), DT_S, 0.0, anharmonic)
    nothing = pulse_propagator(np.concatenate([half, back]), DT_S, 0.0, anharmonic)

    assert infidelity(whole, prx(np.pi, 0.3)) < 2e-4
    assert infidelity(nothing, np.eye(2, dtype=complex)) < 2e-4


@pytest.mark.parametrize("turns", [0.1, 0.35, 0.5, 0.8, 1.0])
def test_angle_is_proportional_to_amplitude(turns: float) -> None:
    pulse = rabi("QB5", np.pi) * turns

    unitary = pulse_propagator(pulse, DT_S, 0.0, anharmonicity(QUBITS["QB5"]))

    assert abs(unitary[1, 0]) ** 2 == pytest.approx(np.sin(turns * np.pi / 2) ** 2, abs=2e-3)


def test_ramsey_fringes_follow_the_detuning() -> None:
    detuning_hz, decay, qubit = 1.0e6, decay_of(QUBITS["QB1"]), QUBITS["QB1"]
    detuning = 2 * np.pi * detuning_hz
    half = pulse_superoperator(rabi("QB1", np.pi / 2), DT_S, decay, detuning, anharmonicity(qubit))
    waits = np.linspace(0.0, 3.0e-6, 61)

    excited = []
    for wait_s in waits:
        moved = half @ idle_superoperator(decay, wait_s, detuning, anharmonicity(qubit)) @ half
        excited.append((moved @ np.eye(9)[0])[4].real)

    spectrum = np.abs(np.fft.rfft(np.array(excited[:-1]) - np.mean(excited[:-1])))
    fringe_hz = np.fft.rfftfreq(60, waits[1])[spectrum.argmax()]
    assert fringe_hz == pytest.approx(detuning_hz, rel=1e-9)


@pytest.mark.parametrize("name", list(AMPLITUDES))
def test_relaxation_and_dephasing_have_the_times_of_the_chip(name: str) -> None:
    qubit, wait_s = QUBITS[name], 3.0e-5
    decay = decay_of(qubit)
    plus = np.zeros((3, 3), dtype=complex)
    plus[:2, :2] = 0.5

    excited = decay.transition(wait_s)[:, 1]
    waited = idle_superoperator(decay, wait_s, 0.0, 0.0) @ plus.reshape(9)

    assert decay.thermal[1] == pytest.approx(qubit.thermal_population, rel=0.02)
    relaxed = (excited[1] - decay.thermal[1]) / (1 - decay.thermal[1])
    assert relaxed == pytest.approx(np.exp(-wait_s / qubit.t1_s), rel=0.01)
    assert 2 * abs(waited[1]) == pytest.approx(np.exp(-wait_s / qubit.t2_s), rel=1e-9)
