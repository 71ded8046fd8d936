"""The rack as experiments see it: segments go in as a job, populations or integrals come out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from labd.calibrate.lab import Lab
from labd.calibrate.stage import Rotations, Stage, tone_of
from labd.calibrate.values import ComplexArray, FloatArray
from labd.calibrate.working_set import WorkingSet
from labd.client import Client, JobNotCompleted, JobState, JobType, Program, Results
from labd.client.results import unpack_results
from labd.client.tables import Readout

Draw = Callable[[Stage], None]
"""Plays one segment up to its readout."""

Tones = Mapping[str, Readout]
"""Readouts by qubit; their labels are the qubits' names."""

_PROJECTION_NOISE = 0.5
_END_DELAY = "options.end_delay"
_REST_LIFETIMES = 10.0
_USUAL_REST_S = 7e-4


@dataclass(frozen=True, slots=True)
class Design:
    """Segments, each read out on all these qubits, shots times.

    steps: a soft sweep; the settings in it step together. The job is repeated for each of its
    points.
    """

    qubits: tuple[str, ...]
    segments: Sequence[Draw]
    shots: int
    steps: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Populations:
    """P(1), measured against |0> and |1> as they were prepared in the same job.

    of: by qubit, float64 (n_spots, n_segments). noise: standard deviation to be expected of one.
    """

    of: Mapping[str, FloatArray]
    noise: float


class Bench:
    """Runs designs as jobs. working: the set whose gates are played; experiments replace it."""

    def __init__(
        self, client: Client, lab: Lab, working: WorkingSet, *, tags: Iterable[str] = ()
    ) -> None:
        self._client = client
        self._tags = tuple(tags)
        self.lab = lab
        self.working = working
        self.jobs: list[UUID] = []

    def populations(self, design: Design) -> Populations:
        """P(1) of every segment; two more segments prepare |0> and |1> to compare with."""

        def ground(stage: Stage) -> None:
            del stage

        def excited(stage: Stage) -> None:
            for qubit in design.qubits:
                stage.rotate(qubit, np.pi)

        framed = Design(
            design.qubits, (ground, excited, *design.segments), design.shots, design.steps
        )
        means = self.means(framed, self.tones(design.qubits))
        of = {qubit: _against_references(values) for qubit, values in means.items()}
        return Populations(of, _PROJECTION_NOISE / math.sqrt(design.shots))

    def means(self, design: Design, *tones: Tones) -> dict[str, ComplexArray]:
        """Mean integrals by qubit, complex128 (n_spots, n_segments), in units of thresholds.

        tones: one for all segments, or one for each.
        """
        results = self._run(design, tones, averaging_bins=1)
        return {qubit: results.mean(qubit).astype(np.complex128) for qubit in design.qubits}

    def clouds(self, design: Design, *tones: Tones) -> dict[str, ComplexArray]:
        """Integrals of single shots by qubit, complex128 (n_shots, n_segments); no soft sweep."""
        results = self._run(design, tones, averaging_bins=None)
        return {qubit: results.array(qubit).astype(np.complex128) for qubit in design.qubits}

    def tones(self, qubits: Iterable[str], gate: str = "measure") -> Tones:
        """The calibrated readouts."""
        return {qubit: tone_of(self.lab, self.working, qubit, gate) for qubit in qubits}

    def circuits(self, payload: bytes) -> bytes:
        """Run a circuit job; its result. Raises JobNotCompleted."""
        return self._client.results_bytes(self._finished(payload, JobType.CIRCUIT))

    def _run(self, design: Design, tones: Sequence[Tones], averaging_bins: int | None) -> Results:
        program = Program(shots=design.shots, averaging_bins=averaging_bins, grid=self.lab.grid)
        program.use(self.working.values)
        program.set(_END_DELAY, self._rest_s())
        if design.steps:
            program.sweep(design.steps)
        rotations = Rotations(self.lab, self.working)
        each = tones if len(tones) > 1 else [tones[0]] * len(design.segments)
        for draw, tone in zip(design.segments, each, strict=True):
            stage = Stage(program.segment(), rotations)
            draw(stage)
            stage.read(tone)
        payload = program.pack()
        job_id = self._finished(payload, JobType.PULSE)
        return unpack_results(self._client.results_bytes(job_id), payload)

    def _rest_s(self) -> float:
        """Silence after a segment, in which what a qubit was in is forgotten to 5e-5."""
        paths = [f"characterization.model.{qubit}.t1_time" for qubit in self.lab.qubits]
        if not all(self.working.has(path) for path in paths):
            return _USUAL_REST_S
        return self.lab.on_grid(_REST_LIFETIMES * max(map(self.working.number, paths)))

    def _finished(self, payload: bytes, job_type: JobType) -> UUID:
        job = self._client.submit(payload, job_type, tags=self._tags)
        self.jobs.append(job.id)
        try:
            ended = self._client.wait(job.id)
        except KeyboardInterrupt:
            self._client.cancel(job.id)
            raise
        if ended.status is not JobState.COMPLETED:
            raise JobNotCompleted(str(ended.id), ended.status, ended.error)
        return ended.id


def _against_references(values: ComplexArray) -> FloatArray:
    """Where integrals lie between the first two columns: 0 at the first, 1 at the second."""
    ground, apart = values[:, :1], values[:, 1:2] - values[:, :1]
    between = (values[:, 2:] - ground) * np.conj(apart) / np.abs(apart) ** 2
    return np.asarray(between.real, dtype=np.float64)
