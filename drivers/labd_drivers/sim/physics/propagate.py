"""What pulses and time do to one transmon: superoperators on its density matrix.

A density matrix rho of one transmon is held as the vector of its nine elements in row order,
index 3 i + j for rho[i, j]. A superoperator is a complex128 matrix of shape (9, 9) on that
vector.

Everything is in the frame that rotates at the drive's carrier: H = detuning n + anharmonicity /
2 n (n - 1) + 1/2 (s a^dag + s^* a), s = I + iQ the Rabi rate in rad/s, so that a resonant pulse
with integral theta and phase phi is exp(-i theta / 2 (X cos phi + Y sin phi)). The samples are
held constant for their length (zero-order hold); each step's propagator is exact.

Relaxation is a ladder of jumps |n> -> |n-1> and back with a bath, dephasing is by the number
operator. The jumps are taken as independent of each other, which holds because the anharmonicity
is large against every rate; then populations and coherences decay separately, in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labd_drivers.sim.physics.chip import N_LEVELS, Qubit

ComplexArray = npt.NDArray[np.complex128]
FloatArray = npt.NDArray[np.float64]

N_ELEMENTS = N_LEVELS * N_LEVELS
POPULATIONS = np.array([0, 4, 8])
"""Where the populations of |0>, |1>, |2> stand among the nine elements."""

_SLICE_SAMPLES = 8
_CHUNK_SAMPLES = 65_536
_LOWERING = np.diag(np.sqrt(np.arange(1.0, N_LEVELS)), 1)
_RAISING = _LOWERING.T.copy()
_NUMBER = np.arange(N_LEVELS, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Decay:
    """Rates of one transmon, 1/s.

    transfer: float64 (3, 3), d populations / dt = transfer @ populations.
    coherence: float64 (3, 3), rho[i, j] decays with coherence[i, j]; zero on the diagonal.
    """

    transfer: FloatArray
    coherence: FloatArray
    eigenvalues: FloatArray
    eigenvectors: FloatArray
    inverse: FloatArray

    def transition(self, duration_s: float) -> FloatArray:
        """float64 (3, 3): element [to, from] is the probability to be in `to` after the time."""
        grown = np.exp(self.eigenvalues * duration_s)
        matrix: FloatArray = np.clip((self.eigenvectors * grown) @ self.inverse, 0.0, 1.0)
        matrix /= matrix.sum(axis=0)
        return matrix

    @property
    def thermal(self) -> FloatArray:
        """float64 (3,): populations after a very long time."""
        column: FloatArray = self.transition(1.0e3)[:, 0]
        return column


def decay_of(qubit: Qubit) -> Decay:
    """Rates that give the qubit's T1, T2 and thermal population of |1> (detailed balance)."""
    ratio = qubit.thermal_population / (1.0 - qubit.thermal_population)
    down = 1.0 / (qubit.t1_s * (1.0 + ratio))
    up = down * ratio
    jumps = np.zeros((N_LEVELS, N_LEVELS))
    for level in range(1, N_LEVELS):
        jumps[level - 1, level] = level * down
        jumps[level, level - 1] = level * up
    leaving = jumps.sum(axis=0)
    transfer = jumps - np.diag(leaving)
    dephasing = max(0.0, 1.0 / qubit.t2_s - (leaving[0] + leaving[1]) / 2.0)
    apart = _NUMBER[:, None] - _NUMBER[None, :]
    coherence = (leaving[:, None] + leaving[None, :]) / 2.0 + dephasing * apart**2
    np.fill_diagonal(coherence, 0.0)
    values, vectors = np.linalg.eig(transfer)
    return Decay(transfer, coherence, values.real, vectors.real, np.linalg.inv(vectors).real)


def idle_superoperator(
    decay: Decay, duration_s: float, detuning: float, anharmonicity: float
) -> ComplexArray:
    """(9, 9): free precession and decay. detuning, anharmonicity: rad/s."""
    energies = _levels(detuning, anharmonicity)
    apart = energies[:, None] - energies[None, :]
    coherent = np.exp(-(1j * apart + decay.coherence) * duration_s)
    matrix = np.diag(coherent.reshape(N_ELEMENTS))
    matrix[np.ix_(POPULATIONS, POPULATIONS)] = decay.transition(duration_s)
    return matrix


def pulse_superoperator(
    rabi: ComplexArray, dt_s: float, decay: Decay, detuning: float, anharmonicity: float
) -> ComplexArray:
    """(9, 9): a drive pulse with decay, Strang split in slices of a few samples.

    rabi: complex128 (n_samples,), rad/s. detuning, anharmonicity: rad/s.
    """
    total = np.eye(N_ELEMENTS, dtype=np.complex128)
    for start in range(0, rabi.size, _CHUNK_SAMPLES):
        chunk = rabi[start : start + _CHUNK_SAMPLES]
        whole = chunk.size // _SLICE_SAMPLES * _SLICE_SAMPLES
        steps = step_propagators(chunk, dt_s, detuning, anharmonicity)
        if whole:
            sliced = steps[:whole].reshape(-1, _SLICE_SAMPLES, N_LEVELS, N_LEVELS)
            total = _damped(sliced, decay, _SLICE_SAMPLES * dt_s) @ total
        if whole < chunk.size:
            total = _damped(steps[None, whole:], decay, (chunk.size - whole) * dt_s) @ total
    return total


def pulse_propagator(
    rabi: ComplexArray, dt_s: float, detuning: float, anharmonicity: float
) -> ComplexArray:
    """(3, 3): the same pulse without decay, as a unitary."""
    return _ordered_product(step_propagators(rabi, dt_s, detuning, anharmonicity))


def step_propagators(
    rabi: ComplexArray, dt_s: float, detuning: float, anharmonicity: float
) -> ComplexArray:
    """(n_samples, 3, 3): exact propagator of each sample."""
    drive = 0.5 * rabi[:, None, None]
    hamiltonian = drive * _RAISING + np.conj(drive) * _LOWERING
    hamiltonian += np.diag(_levels(detuning, anharmonicity))
    energies, states = np.linalg.eigh(hamiltonian)
    phases = np.exp(-1j * dt_s * energies)
    steps: ComplexArray = (states * phases[:, None, :]) @ np.conj(states).swapaxes(1, 2)
    return steps


def phase_factors(
    phase_a: float, phase_b: float, phase_both: float
) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """Elementwise factors of exp(-i (phase_a n_a + phase_b n_b + phase_both n_a n_b)).

    Returns (9,) for the first qubit, (9,) for the second and (9, 9) for both, on their elements.
    """
    row = np.repeat(_NUMBER, N_LEVELS)
    column = np.tile(_NUMBER, N_LEVELS)
    apart = row - column
    both = row[:, None] * row[None, :] - column[:, None] * column[None, :]
    return (
        np.exp(-1j * phase_a * apart),
        np.exp(-1j * phase_b * apart),
        np.exp(-1j * phase_both * both),
    )


def dephasing_factors(exponent: float) -> FloatArray:
    """(9,): rho[i, j] shrinks by exp(-exponent (i - j)^2)."""
    apart = np.repeat(_NUMBER, N_LEVELS) - np.tile(_NUMBER, N_LEVELS)
    factors: FloatArray = np.exp(-exponent * apart**2)
    return factors


def _levels(detuning: float, anharmonicity: float) -> FloatArray:
    return detuning * _NUMBER + 0.5 * anharmonicity * _NUMBER * (_NUMBER - 1.0)


def _ordered_product(steps: ComplexArray) -> ComplexArray:
    """Product of (n, d, d) along n, later steps to the left, as a tree."""
    while steps.shape[0] > 1:
        odd = steps[-1:] if steps.shape[0] % 2 else steps[:0]
        even = steps.shape[0] // 2 * 2
        steps = np.concatenate([steps[1:even:2] @ steps[0:even:2], odd])
    product: ComplexArray = steps[0]
    return product


def _damped(slices: ComplexArray, decay: Decay, slice_s: float) -> ComplexArray:
    """Half decay, slice, half decay, for (n_slices, n_samples, 3, 3) in order."""
    moved = np.moveaxis(slices, 1, 0)
    unitary = moved[0]
    for later in moved[1:]:
        unitary = later @ unitary
    n_slices = unitary.shape[0]
    kraus = np.einsum("nik,njl->nijkl", unitary, np.conj(unitary))
    half = idle_superoperator(decay, slice_s / 2.0, 0.0, 0.0)
    damped = half @ kraus.reshape(n_slices, N_ELEMENTS, N_ELEMENTS) @ half
    return _ordered_product(damped)


def amplitude_of(power_dbm: float, nominal_dbm: float) -> float:
    """Field of a source relative to its nominal level."""
    return math.pow(10.0, (power_dbm - nominal_dbm) / 20.0)
