"""A payload becomes a job that the rig can play, and a file for what comes out.

Pulse jobs and circuit jobs differ here alone: from `Prepared` on they are the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from labd.core.circuit_station import CircuitStation
from labd.core.compile import PulseJob, compile_sweep
from labd.core.demod import LabelValues
from labd.core.errors import ExecutionFailed, InvalidPayload, StorageFault
from labd.core.jobs import JobType
from labd.core.rig import RigModule
from labd.core.station_description import Chip
from labd.core.wiring import Wiring
from labd.payloads.circuit import compile_circuit_job, read_circuits
from labd.payloads.observations import values_of
from labd.payloads.sweep import unpack_sweep
from labd.rack.measurements_file import MeasurementsFile
from labd.rack.messages import Run
from labd.rack.result_file import ResultFile
from labd.rack.stopwatch import Stopwatch


class ResultSink(Protocol):
    """Where values go while they are measured; a result once it is finished."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def write(self, spot: int, first_shot: int, values: Mapping[str, LabelValues]) -> None:
        """A block of shots of a spot, in order."""

    def finish(self) -> None:
        """All shots were written."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What payloads are compiled with. chip: None where the rack was told of none."""

    rig_module: RigModule
    wiring: Wiring
    chip: Chip | None
    max_result_bytes: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that was compiled and checked."""

    job: PulseJob
    open_result: Callable[[Path], ResultSink]


def prepare(run: Run, workshop: Workshop, watch: Stopwatch) -> Prepared:
    """Read and compile a payload. Raises InvalidPayload, ExecutionFailed, StorageFault."""
    with watch.phase("decode"):
        payload = _read(run.payload_path, "the payload")
    if run.job_type == JobType.CIRCUIT:
        return _prepare_circuits(run, payload, workshop, watch)
    with watch.phase("decode"):
        sweep = unpack_sweep(payload)
    with watch.phase("compile"):
        job = compile_sweep(
            sweep,
            workshop.wiring,
            workshop.rig_module.LIMITS,
            max_result_bytes=workshop.max_result_bytes,
        )
        _check(job, workshop)
    return Prepared(job, lambda path: ResultFile(path, job, sweep.sweep_id))


def _prepare_circuits(run: Run, payload: bytes, workshop: Workshop, watch: Stopwatch) -> Prepared:
    if workshop.chip is None or not run.calibration_path:
        raise ExecutionFailed("circuits need a chip design record and a calibration set")
    with watch.phase("decode"):
        document = json.loads(_read(run.calibration_path, "the calibration set"))
    with watch.phase("compile"):
        station = CircuitStation(
            chip=workshop.chip,
            wiring=workshop.wiring,
            limits=workshop.rig_module.LIMITS,
            observations=values_of(document["observations"]),
        )
        asked = read_circuits(payload, workshop.chip.qubits).job
        compiled = compile_circuit_job(
            asked, station, run.job_id, max_result_bytes=workshop.max_result_bytes
        )
        _check(compiled.job, workshop)
    readout, n_shots = compiled.readout, compiled.job.n_shots
    return Prepared(compiled.job, lambda path: MeasurementsFile(path, readout, n_shots))


def _read(path: str, what: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StorageFault(f"{what} cannot be read: {error.strerror or error}") from error


def _check(job: PulseJob, workshop: Workshop) -> None:
    problems = workshop.rig_module.check(job.program, workshop.wiring)
    if problems:
        raise InvalidPayload(tuple(problems))
