"""IQM's Pulla, unmodified, on labd and the simulated rack: the chip's physics comes back."""

from __future__ import annotations

import numpy as np
import pytest
from iqm.pulla.pulla import Pulla
from iqm_lab import (
    PI,
    bell,
    circuit,
    compile_batch,
    cz,
    delay,
    execute,
    ideal_probabilities,
    measure,
    probabilities,
    prx,
    run,
    scale_drive,
)
from scipy.optimize import curve_fit

QUBITS = ("QB1", "QB2", "QB3", "QB4", "QB5")


def test_bell_pair_is_correlated_and_balanced(pulla: Pulla) -> None:
    (bits,) = run(pulla, [bell()], shots=2000)

    p = probabilities(bits)
    assert p[0b00] + p[0b11] >= 0.90
    assert 0.35 <= p[0b00] <= 0.65
    assert 0.35 <= p[0b11] <= 0.65


def test_rabi_fit_gives_the_calibrated_pi_amplitude(pulla: Pulla) -> None:
    amplitudes = np.linspace(0.02, 0.62, 31)
    angles = np.linspace(0.1, 3.0, amplitudes.size)  # placeholders, one table entry each
    circuits = [circuit(f"rabi{k}", prx("QB1", a), measure("QB1")) for k, a in enumerate(angles)]
    observations = pulla.fetch_latest_calibration_set()[0]
    pi_i = observations["gates.prx.drag_crf.QB1.amplitude_i"]
    pi_q = observations["gates.prx.drag_crf.QB1.amplitude_q"]
    playlist, context, settings = compile_batch(pulla, circuits, shots=400)
    playlist = scale_drive(playlist, "QB1__drive.awg", amplitudes, pi_q / pi_i)

    excited = [rows.mean() for rows in execute(pulla, playlist, context, settings)]

    def rabi(amplitude: np.ndarray, pi_amplitude: float, low: float, high: float) -> np.ndarray:
        return low + (high - low) * np.sin(PI * amplitude / (2 * pi_amplitude)) ** 2

    (fitted, _, _), _ = curve_fit(rabi, amplitudes, excited, p0=(0.28, 0.0, 1.0))
    assert fitted == pytest.approx(pi_i, rel=0.03)


def test_t1_fit_gives_the_chips_t1(pulla: Pulla, chip_t1_s: dict[str, float]) -> None:
    delays_s = np.linspace(0.0, 2.5, 16) * chip_t1_s["QB2"]
    delays_s = np.round(delays_s / 8e-9) * 8e-9
    circuits = [
        circuit(f"t1-{k}", prx("QB2", PI), *([delay("QB2", d)] if d else []), measure("QB2"))
        for k, d in enumerate(delays_s)
    ]

    excited = [rows.mean() for rows in run(pulla, circuits, shots=800)]

    def decay(t: np.ndarray, t1: float, height: float, floor: float) -> np.ndarray:
        return floor + height * np.exp(-t / t1)

    (fitted, _, _), _ = curve_fit(decay, delays_s, excited, p0=(30e-6, 1.0, 0.0))
    assert fitted == pytest.approx(chip_t1_s["QB2"], rel=0.15)


def test_five_qubit_multiplexed_readout_assigns_right(pulla: Pulla) -> None:
    ground = circuit("ground", measure(*QUBITS))
    excited = circuit("excited", *(prx(qubit, PI) for qubit in QUBITS), measure(*QUBITS))

    zeros, ones = run(pulla, [ground, excited], shots=2000)

    error = (zeros.mean(axis=0) + 1 - ones.mean(axis=0)) / 2
    assert error.max() <= 0.03, dict(zip(QUBITS, error.round(4), strict=True))


@pytest.mark.parametrize("n_qubits", [2, 3, 4, 5])
def test_random_circuits_follow_their_ideal_distribution(pulla: Pulla, n_qubits: int) -> None:
    rng = np.random.default_rng(n_qubits)
    qubits = ("QB3", "QB1", "QB2", "QB4", "QB5")[:n_qubits]  # QB3 is in the middle of the star
    circuits = [_random_circuit(rng, qubits, depth) for depth in (4, 8, 12)]

    batches = run(pulla, circuits, shots=2000)

    for one, bits in zip(circuits, batches, strict=True):
        distance = 0.5 * np.abs(probabilities(bits) - ideal_probabilities(one, qubits)).sum()
        assert distance <= 0.15, (one.name, distance)


def _random_circuit(rng: np.random.Generator, qubits: tuple[str, ...], depth: int):
    """Alternating layers: a random prx on each qubit, then a cz between the centre and a leaf."""
    operations = []
    for layer in range(depth):
        if layer % 2:
            operations.append(cz(qubits[0], qubits[rng.integers(1, len(qubits))]))
        else:
            operations += [prx(q, rng.uniform(-PI, PI), rng.uniform(-PI, PI)) for q in qubits]
    return circuit(f"random-{len(qubits)}-{depth}", *operations, measure(*qubits))


def test_mid_circuit_measurement_agrees_with_the_final_one(pulla: Pulla) -> None:
    twice = circuit(
        "twice", prx("QB4", PI / 2), measure("QB4", key="first"), measure("QB4", key="second")
    )
    playlist, context, settings = compile_batch(pulla, [twice], shots=1000)

    outcome = pulla.execute(playlist, context, settings, verbose=False)

    assert outcome.result is not None
    first = np.asarray(outcome.result[0]["first"]).ravel()
    second = np.asarray(outcome.result[0]["second"]).ravel()
    assert 0.4 <= first.mean() <= 0.6
    assert (first == second).mean() >= 0.93
