"""The chip simulation against QuTiP's master equation on the same pulses.

Two loads, each from samples to final populations, nothing cached: the 41 pulses of a Rabi sweep
on one qubit, and a Bell pair of two coupled three-level qubits with its three drive pulses and its
flux pulse. Both sides have the same Hamiltonian, relaxation and dephasing, and must agree.
"""

from __future__ import annotations

import time
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import qutip

from benchmarks.row import Row
from labd_drivers.sim.physics.api import Piece, Shot, Source
from labd_drivers.sim.physics.chip import Chip, read_chip
from labd_drivers.sim.physics.library import PulseLibrary
from labd_drivers.sim.physics.passes import PassPlayer
from labd_drivers.sim.physics.propagate import Decay, decay_of

CHIP_TOML = Path(__file__).parents[1] / "config" / "star5" / "chip.toml"
TARGET = 10.0
RATE_HZ = 2.0e9
DT_S = 1.0 / RATE_HZ
N_PULSE = 80
AGREEMENT = 1.0e-3
QUBITS = (0, 2)

ComplexArray = npt.NDArray[np.complex128]


def pulse(volts: float) -> ComplexArray:
    """complex128 (80,): a raised cosine with its derivative in quadrature."""
    u = (np.arange(N_PULSE) + 0.5) / N_PULSE - 0.5
    rise: ComplexArray = volts * (
        0.5 + 0.5 * np.cos(2 * np.pi * u) - 0.065j * np.sin(2 * np.pi * u)
    )
    return rise


def flux_pulse() -> npt.NDArray[np.float64]:
    """float64 (80,): flat for half its length, cosine flanks."""
    u = np.abs((np.arange(N_PULSE) + 0.5) / N_PULSE - 0.5)
    flat: npt.NDArray[np.float64] = 0.105 * np.where(
        u <= 0.25, 1.0, 0.5 + 0.5 * np.cos(4 * np.pi * (u - 0.25))
    )
    return flat


def shot_of(chip: Chip, lines: dict[str, npt.NDArray[np.float64]], n_samples: int) -> Shot:
    """One pass without readout; each line's samples from the start of the pass."""
    outputs = {}
    for output, volts in lines.items():
        samples = volts.astype(np.float32)
        outputs[output] = (Piece(0, samples, blake2b(samples.data, digest_size=16).digest()),)
    return Shot(
        sample_rate_hz=RATE_HZ,
        duration_samples=n_samples,
        outputs=outputs,
        triggers_samples=(),
        sources={q.source: Source(q.frequency_hz, 10.0, True, True) for q in chip.qubits},
        biases_v={
            **{qubit.bias: qubit.parked_bias_v for qubit in chip.qubits},
            **{coupler.bias: coupler.parked_bias_v for coupler in chip.couplers},
        },
    )


def rabi_drives() -> list[ComplexArray]:
    """The sweep: 41 amplitudes up to three half turns."""
    return [pulse(volts) for volts in np.linspace(0.0, 0.24, 41)]


def bell_drives() -> tuple[ComplexArray, npt.NDArray[np.float64]]:
    """Drives complex128 (2, 240) and flux float64 (240,): halves, flux pulse, one more half."""
    drives = np.zeros((2, 3 * N_PULSE), dtype=np.complex128)
    for place, volts in enumerate((0.0388, 0.0350)):
        drives[place, :N_PULSE] = 1j * pulse(volts)
    drives[1, 2 * N_PULSE :] = -1j * pulse(0.0350)
    flux = np.zeros(3 * N_PULSE)
    flux[N_PULSE : 2 * N_PULSE] = flux_pulse()
    return drives, flux


def play(chip: Chip, library: PulseLibrary, shot: Shot, qubit: int) -> ComplexArray:
    """Final state of a qubit's cluster, as the simulation holds it."""
    player = PassPlayer(library, shot, 1, np.random.default_rng(1))
    ensemble = player.prepare((0,) * len(chip.qubits))
    player.play(ensemble)
    cluster = ensemble.cluster_of(qubit)
    state: ComplexArray = cluster.state[int(cluster.branch[0])]
    return state


def ours_rabi(chip: Chip) -> ComplexArray:
    """complex128 (41, 3): populations after each pulse."""
    qubit, library = chip.qubits[0], PulseLibrary(chip)
    finals = []
    for drive in rabi_drives():
        lines = {qubit.drive_i: drive.real, qubit.drive_q: drive.imag}
        state = play(chip, library, shot_of(chip, lines, N_PULSE), 0)
        finals.append(np.diag(state.reshape(3, 3)) if drive.any() else np.array([1, 0, 0]))
    return np.array(finals, dtype=np.complex128)


def ours_bell(chip: Chip) -> ComplexArray:
    """complex128 (9,): populations of both qubits after the last pulse."""
    drives, flux = bell_drives()
    lines = {chip.couplers[0].flux: flux}
    for place, index in enumerate(QUBITS):
        lines[chip.qubits[index].drive_i] = drives[place].real
        lines[chip.qubits[index].drive_q] = drives[place].imag
    state = play(chip, PulseLibrary(chip), shot_of(chip, lines, drives.shape[1]), QUBITS[0])
    populations: ComplexArray = state[np.ix_([0, 4, 8], [0, 4, 8])].reshape(9)
    return populations


def collapses_of(decay: Decay) -> list[qutip.Qobj]:
    """QuTiP's collapse operators for the same rates."""
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


def theirs_rabi(chip: Chip) -> ComplexArray:
    """The same from QuTiP, one master equation for each pulse."""
    qubit, lower, number = chip.qubits[0], qutip.destroy(3), qutip.num(3)
    still = np.pi * qubit.anharmonicity_hz * number * (number - 1)
    times, collapses = DT_S * np.arange(N_PULSE + 1), collapses_of(decay_of(qubit))
    finals = []
    for drive in rabi_drives():
        rabi = np.append(qubit.drive_rad_per_s_v * drive, 0.0)
        parts = [still, [0.5 * lower.dag(), rabi], [0.5 * lower, rabi.conj()]]
        hamiltonian = qutip.QobjEvo(parts, tlist=times, order=0)
        finals.append(solved(hamiltonian, qutip.fock_dm(3, 0), float(times[-1]), collapses).diag())
    return np.array(finals, dtype=np.complex128)


def theirs_bell(chip: Chip) -> ComplexArray:
    """The same from QuTiP, both qubits in one master equation."""
    drives, flux = bell_drives()
    one, coupler = qutip.qeye(3), chip.couplers[0]
    times = DT_S * np.arange(flux.size + 1)
    parts, collapses, numbers = [], [], []
    for place, index in enumerate(QUBITS):
        qubit = chip.qubits[index]

        def embed(single: qutip.Qobj, place: int = place) -> qutip.Qobj:
            return qutip.tensor(*((single, one) if place == 0 else (one, single)))

        lower = embed(qutip.destroy(3))
        number = lower.dag() * lower
        numbers.append(number)
        rabi = np.append(qubit.drive_rad_per_s_v * drives[place], 0.0)
        parts += [np.pi * qubit.anharmonicity_hz * number * (number - 1)]
        parts += [[0.5 * lower.dag(), rabi], [0.5 * lower, rabi.conj()]]
        collapses += [embed(single) for single in collapses_of(decay_of(qubit))]
    shift_a, shift_b = coupler.shift_rad_per_s_v2
    turned = shift_a * numbers[0] + shift_b * numbers[1]
    turned = turned + coupler.conditional_rad_per_s_v2 * numbers[0] * numbers[1]
    parts.append([turned, np.append(flux**2, 0.0)])
    hamiltonian = qutip.QobjEvo(parts, tlist=times, order=0)
    start = qutip.tensor(qutip.fock_dm(3, 0), qutip.fock_dm(3, 0))
    return np.asarray(solved(hamiltonian, start, float(times[-1]), collapses).diag(), complex)


def solved(
    hamiltonian: qutip.QobjEvo, start: qutip.Qobj, until_s: float, collapses: list[qutip.Qobj]
) -> qutip.Qobj:
    """Final state of QuTiP's master equation, at its default tolerances."""
    options = {"nsteps": 100_000, "progress_bar": ""}
    return qutip.mesolve(hamiltonian, start, [0.0, until_s], collapses, options=options).final_state


def measure() -> list[Row]:
    """Both loads, ours and QuTiP's in turn, best of three."""
    chip = read_chip(CHIP_TOML)
    loads = (
        ("chip: Rabi sweep of 41 pulses", ours_rabi, theirs_rabi),
        ("chip: Bell pair on two coupled qubits", ours_bell, theirs_bell),
    )
    rows = []
    for name, ours, theirs in loads:
        seconds: tuple[list[float], list[float]] = ([], [])
        finals: list[ComplexArray] = []
        for _ in range(3):
            for side, simulate in enumerate((ours, theirs)):
                started = time.perf_counter()
                final = simulate(chip)
                seconds[side].append(time.perf_counter() - started)
                finals.append(final)
        apart = float(np.abs(finals[-2] - finals[-1]).max())
        if apart > AGREEMENT:
            raise RuntimeError(f"{name}: populations differ by {apart:.2g}")
        ours_rate, theirs_rate = (1.0 / min(times) for times in seconds)
        rows.append(Row(name, ours_rate, theirs_rate, "1/s", TARGET, "higher", "QuTiP mesolve"))
    return rows


if __name__ == "__main__":
    for row in measure():
        print(
            f"{row.name}: {row.ours:.3g} against {row.other:.3g} {row.unit} of {row.other_is},"
            f" ratio {row.ratio:.3g}, target {row.target:g}"
        )
