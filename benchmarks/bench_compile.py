"""How many circuits a second become a playlist: 100 of 50 gates on 5 qubits, all different.

The other side is IQM's own compiler, which runs in an environment of its own (.venv-compat, made by
`make setup`) on the same circuits, while nothing else does.
"""

from __future__ import annotations

import json
import math
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.daemon_process import ROOT, DaemonProcess
from benchmarks.row import Row
from labd.client.values_observations import calibration_of
from labd.core.circuit import (
    GATE_NAMES,
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

STAR5 = ROOT / "config" / "star5"
PULLA = (ROOT / ".venv-compat/bin/python", ROOT / "tests/compat/pulla_rate.py")
N_CIRCUITS = 100
N_GATES = 50
N_SHOTS = 1000
N_RUNS = 5
TARGET = 20.0


def station() -> CircuitStation:
    limits = RigLimits(False, "no feedback", 1.0, 1_000_000)
    record = json.loads((STAR5 / "chip-design-record.json").read_text())
    return CircuitStation(
        chip=Chip.from_design_record(record),
        wiring=read_wiring(STAR5 / "wiring.toml"),
        limits=limits,
        observations=calibration_of((STAR5 / "calibration-set.json").read_bytes()).observations,
    )


def circuits(
    qubits: tuple[str, ...], pairs: list[tuple[str, ...]], *, seed: int = 11
) -> tuple[Circuit, ...]:
    """Random rotations and controlled-Z gates, every qubit measured."""
    rng = np.random.default_rng(seed)

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


def json_of(circuit: Circuit) -> dict[str, object]:
    """A circuit as IQM's client of circuits writes it."""
    instructions: list[dict[str, object]] = []
    for gate in circuit.instructions:
        match gate:
            case Prx(angle_rad=angle, phase_rad=phase):
                args: dict[str, float | str] = {"angle": angle, "phase": phase}
            case Measure(key=key):
                args = {"key": key}
            case _:
                args = {}
        name = GATE_NAMES[type(gate)]
        instructions.append({"name": name, "locus": list(gate.locus), "args": args})
    return {"name": circuit.name, "instructions": instructions}


def pulla_per_s(some: tuple[Circuit, ...]) -> float:
    """Circuits per second of IQM's compiler, which asks a labd for chip and calibration."""
    with tempfile.TemporaryDirectory(prefix="labd-bench-") as folder:
        written = Path(folder) / "circuits.json"
        written.write_text(json.dumps([json_of(each) for each in some]))
        with DaemonProcess(Path(folder) / "state") as daemon:
            url = f"http://localhost:{daemon.tcp.rpartition(':')[2]}/star5"
            command = [*map(str, PULLA), url, str(written)]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(said.split()[-1])


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
    rates = {name: N_CIRCUITS / best_s(work) for name, work in works.items()}
    other = pulla_per_s(some)
    return [
        Row(
            name=name,
            ours=rate,
            other=other,
            unit="circuits/s",
            target=TARGET,
            better="higher",
            other_is="Pulla 11.16.2: the same circuits to a playlist",
        )
        for name, rate in rates.items()
    ]
