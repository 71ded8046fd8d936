"""How many circuits a second become a playlist: 100 of 50 gates on 5 qubits, all different.

The other side is IQM's own compiler, which needs an environment of its own: its rate is the one
that was measured on a machine of two cores.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.row import Row
from labd.client.values_observations import calibration_of
from labd.core.circuit import (
    Circuit,
    CircuitJob,
    CircuitOptions,
    Cz,
    DecouplingStrategy,
    Gate,
    Measure,
    Prx,
)
from labd.core.circuit_compile import compile_circuits
from labd.core.circuit_station import CircuitStation
from labd.core.compile import compile_sweep
from labd.core.rig import RigLimits
from labd.core.station_description import Chip
from labd.wiring_file import read_wiring

STAR5 = Path(__file__).parents[1] / "config" / "star5"
N_CIRCUITS = 100
N_GATES = 50
N_SHOTS = 1000
N_RUNS = 5
TARGET = 20.0
PULLA_PER_S = 11.0
"""Measured once: Pulla 11.16.2, these very circuits, two cores."""


def station() -> CircuitStation:
    limits = RigLimits(False, "no feedback", 1.0, 1_000_000)
    record = json.loads((STAR5 / "chip-design-record.json").read_text())
    return CircuitStation(
        chip=Chip.from_design_record(record),
        wiring=read_wiring(STAR5 / "wiring.toml"),
        limits=limits,
        observations=calibration_of((STAR5 / "calibration-set.json").read_bytes()).observations,
    )


def circuits(qubits: tuple[str, ...], pairs: list[tuple[str, ...]]) -> tuple[Circuit, ...]:
    """Random rotations and controlled-Z gates, every qubit measured."""
    rng = np.random.default_rng(11)

    def gate() -> Gate:
        if rng.random() < 0.35:
            one, other = pairs[int(rng.integers(len(pairs)))]
            return Cz((one, other))
        angle, phase = rng.uniform(-math.pi, math.pi, 2).tolist()
        return Prx(str(rng.choice(qubits)), angle, phase)

    return tuple(
        Circuit(f"c{i}", (*(gate() for _ in range(N_GATES)), Measure(qubits, "m")))
        for i in range(N_CIRCUITS)
    )


def best_s(work: Callable[[], object]) -> float:
    """The shortest of a few runs, seconds."""
    times = []
    for _ in range(N_RUNS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def measure() -> list[Row]:
    """Circuits per second: to a playlist, with decoupling, and on to what the rig plays."""
    here = station()
    some = circuits(here.chip.qubits, list(here.chip.couplers.values()))

    def compiled(options: CircuitOptions) -> Callable[[], object]:
        job = CircuitJob(some, N_SHOTS, options)
        return lambda: compile_circuits(job, here, "benchmark")

    def compiled_to_samples() -> object:
        sweep = compile_circuits(CircuitJob(some, N_SHOTS), here, "benchmark").sweep
        return compile_sweep(sweep, here.wiring, here.limits, max_result_bytes=1 << 33)

    works = {
        "circuits to a playlist": compiled(CircuitOptions()),
        "circuits to a playlist, decoupled": compiled(
            CircuitOptions(decoupling=DecouplingStrategy())
        ),
        "circuits to samples": compiled_to_samples,
    }
    return [
        Row(
            name=name,
            ours=N_CIRCUITS / best_s(work),
            other=PULLA_PER_S,
            unit="circuits/s",
            target=TARGET,
            better="higher",
            other_is="Pulla 11.16.2 to a playlist, as measured once on two cores",
        )
        for name, work in works.items()
    ]
