"""Circuits become a pulse job: one segment per circuit, and how its bits map back.

Pure, and the same function at submit and at execution. The pulse job then goes where all pulse jobs
go, through `labd.core.compile.compile_sweep`. The parts: `circuit_check` reads circuits and finds
mistakes, `circuit_step_maker` makes steps of gates, `circuit_schedule` places them in time,
`circuit_decoupling` fills idle times, `circuit_tables` writes the playlist. Circuits that are equal
are compiled once and stand in the playlist as often as they were asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from labd.core.circuit import (
    Circuit,
    CircuitJob,
    CircuitOptions,
    Gate,
    Heralding,
)
from labd.core.circuit_check import HERALD_KEY, CircuitReader
from labd.core.circuit_decoupling import Decoupler, check_strategy
from labd.core.circuit_readout import TriggerMaker
from labd.core.circuit_results import Labels, ReadoutMap, readout_map
from labd.core.circuit_schedule import Timeline, Use
from labd.core.circuit_settings import settings_of_circuits
from labd.core.circuit_station import CircuitStation
from labd.core.circuit_step_maker import StepMaker
from labd.core.circuit_steps import Step, SteppedCircuit
from labd.core.circuit_tables import PlaylistTables
from labd.core.compile_findings import MAX_REFERENCES, MAX_SEGMENTS, Findings, short
from labd.core.errors import InvalidPayload
from labd.core.gates import GateLibrary, Refused
from labd.core.playlist import References
from labd.core.sweep import Sweep

HERALD_PAUSE_S = 320e-9
"""Between a heralding readout and the circuit: resonators empty themselves."""

MAX_RESET_CYCLES = 1000


@dataclass(frozen=True, slots=True)
class CompiledCircuits:
    """A circuit job as a pulse job.

    n_distinct: circuits that were compiled. longest_s: the longest segment, resets included.
    """

    sweep: Sweep
    readout: ReadoutMap
    n_distinct: int
    longest_s: float


@dataclass(frozen=True, slots=True)
class _Segment:
    """One circuit, compiled. qubits: those it uses. n_samples: of the whole segment."""

    rows: dict[str, References]
    results: Labels
    heralds: tuple[str, ...]
    qubits: tuple[str, ...]
    n_samples: int


def compile_circuits(job: CircuitJob, station: CircuitStation, sweep_id: str) -> CompiledCircuits:
    """The pulse job of a circuit job. Raises InvalidPayload with all mistakes."""
    findings = Findings()
    compiler = _Compiler(job.options, station, findings)
    _check_job(job, station, compiler.qubits, findings)
    distinct: dict[tuple[Gate, ...], _Segment | None] = {}
    segments: list[_Segment] = []
    n_references = 0
    for index, circuit in enumerate(job.circuits[:MAX_SEGMENTS]):
        if circuit.instructions not in distinct:
            where = f"circuit {index} ({short(circuit.name)})"
            distinct[circuit.instructions] = compiler.compile(circuit, where)
        segment = distinct[circuit.instructions]
        if segment is not None:
            segments.append(segment)
            n_references += sum(row.size for row in segment.rows.values())
        if n_references > MAX_REFERENCES:
            what = f"up to circuit {index} they need {n_references} instructions"
            findings.add("circuits", f"{what}; the limit is {MAX_REFERENCES} in all")
            break
    if findings:
        raise InvalidPayload(findings.problems())
    named = zip((circuit.name for circuit in job.circuits), segments, strict=True)
    readout = readout_map((name, segment.results, segment.heralds) for name, segment in named)
    longest = max(segment.n_samples for segment in segments)
    return CompiledCircuits(
        sweep=_sweep(job, station, sweep_id, compiler.tables, segments, readout),
        readout=readout,
        n_distinct=len(distinct),
        longest_s=compiler.seconds(longest),
    )


def _sweep(
    job: CircuitJob,
    station: CircuitStation,
    sweep_id: str,
    tables: PlaylistTables,
    segments: list[_Segment],
    readout: ReadoutMap,
) -> Sweep:
    used = {qubit for segment in segments for qubit in segment.qubits}
    settings = settings_of_circuits(
        station.observations, station.chip, station.wiring, used, job.n_shots
    )
    return Sweep(
        sweep_id=sweep_id,
        dut_label=station.wiring.dut_label,
        settings=settings,
        axes=(),
        return_labels=tuple(readout.n_triggers),
        playlist=tables.playlist(segment.rows for segment in segments),
    )


class _Compiler:
    """Compiles the circuits of one job, one by one, into common tables."""

    def __init__(
        self, options: CircuitOptions, station: CircuitStation, findings: Findings
    ) -> None:
        self.tables = PlaylistTables()
        library = GateLibrary(station)
        self._options = options
        self._station = station
        self._findings = findings
        self._library = library
        self._rack = library.rack
        self._maker = StepMaker(library, self.tables)
        self._reader = CircuitReader(
            self._maker, options.qubit_mapping, options.measured_qubits, findings
        )
        record_samples = library.longest_record_samples()
        self._triggers = TriggerMaker(library.rack, self.tables, record_samples)
        strategy = options.decoupling
        self._decoupler = None if strategy is None else Decoupler(strategy, self._maker)
        self._measurable = library.measurable_qubits()
        self._preludes: dict[tuple[str, ...], tuple[Step, ...] | Refused] = {}

    @property
    def qubits(self) -> frozenset[str]:
        """The chip's qubits."""
        return self._rack.qubits

    def seconds(self, n_samples: int) -> float:
        """How long so many samples take."""
        return self._rack.seconds(n_samples)

    def compile(self, circuit: Circuit, where: str) -> _Segment | None:
        """One circuit; None where it has mistakes, which are reported."""
        stepped = self._reader.read(circuit, where)
        if stepped is None:
            return None
        heralded = self._heralded(stepped.qubits)
        prelude = self._prelude(stepped.qubits, heralded)
        if isinstance(prelude, Refused):
            for reason in prelude.reasons:
                self._findings.add(f"{where}, before its first instruction", reason)
            return None
        timeline = self._placed(prelude, stepped, bool(heralded))
        if not self._is_short_enough(timeline, stepped, where):
            return None
        if self._decoupler is not None:
            self._decoupler.decouple(timeline)
        return _Segment(
            rows=timeline.rows(self.tables),
            results=stepped.results,
            heralds=tuple(f"{qubit}__{HERALD_KEY}" for qubit in heralded),
            qubits=stepped.qubits,
            n_samples=timeline.end_samples,
        )

    def _heralded(self, qubits: tuple[str, ...]) -> tuple[str, ...]:
        if self._options.heralding is Heralding.NONE:
            return ()
        return tuple(qubit for qubit in qubits if qubit in self._measurable)

    def _prelude(
        self, qubits: tuple[str, ...], heralded: tuple[str, ...]
    ) -> tuple[Step, ...] | Refused:
        """What comes before a circuit of these qubits: resets, then the heralding readout."""
        if qubits not in self._preludes:
            found = [*self._resets(qubits)]
            if heralded:
                found.append(self._maker.read(heralded, HERALD_KEY))
            refused = [each for each in found if isinstance(each, Refused)]
            if refused:
                reasons = dict.fromkeys(reason for each in refused for reason in each.reasons)
                self._preludes[qubits] = Refused(tuple(reasons))
            else:
                steps = tuple(each for each in found if not isinstance(each, Refused))
                self._preludes[qubits] = steps
        return self._preludes[qubits]

    def _resets(self, qubits: tuple[str, ...]) -> Iterable[Step | Refused]:
        n_cycles = self._options.active_reset_cycles
        if n_cycles is None:
            return [self._maker.relax(qubits)] if self._library.has_reset_by_waiting() else []
        if n_cycles < 1:
            return []
        return [self._maker.flip(qubits)] * min(n_cycles, MAX_RESET_CYCLES)

    def _placed(
        self, prelude: tuple[Step, ...], stepped: SteppedCircuit, is_heralded: bool
    ) -> Timeline:
        timeline = Timeline(self._rack, self._triggers)
        for step in prelude:
            timeline.place(step)
        timeline.begin(self._rack.idle_samples(HERALD_PAUSE_S) if is_heralded else 0)
        for step in stepped.steps:
            timeline.place(step)
        timeline.finish()
        return timeline

    def _is_short_enough(self, timeline: Timeline, stepped: SteppedCircuit, where: str) -> bool:
        n_before = len(self._findings)
        takes_s = self.seconds(timeline.end_samples)
        if takes_s > self._rack.limits.max_segment_s:
            self._findings.add(
                where,
                f"takes {takes_s:.6g} s, reset included; "
                f"this rack plays at most {self._rack.limits.max_segment_s:g} s at a time",
            )
        ratio = self._options.max_duration_over_t2
        for qubit in stepped.qubits if ratio > 0 and math.isfinite(ratio) else ():
            self._check_coherence(qubit, timeline, ratio, where)
        return len(self._findings) == n_before

    def _check_coherence(self, qubit: str, timeline: Timeline, ratio: float, where: str) -> None:
        """A qubit's state counts from the circuit's start to its last gate or readout."""
        ends = [
            begin if use is Use.READOUT else end
            for begin, end, use in timeline.spans[qubit]
            if use is not Use.IDLE
        ]
        lives_s = self.seconds(max(ends, default=0) - timeline.start_samples)
        t2_s = self._station.observations.get(f"characterization.model.{qubit}.t2_time")
        if not isinstance(t2_s, int | float) or not t2_s > 0:
            self._findings.add(
                f"{where}, max_circuit_duration_over_t2",
                f"the calibration set knows no T2 of {qubit}; 0 leaves the duration unchecked",
            )
        elif lives_s > ratio * t2_s:
            self._findings.add(
                f"{where}, max_circuit_duration_over_t2",
                f"{qubit} is in use for {lives_s:.4g} s, {lives_s / t2_s:.4g} times its T2 of "
                f"{t2_s:.4g} s; the limit is {ratio:g}",
            )


def _check_job(
    job: CircuitJob, station: CircuitStation, qubits: frozenset[str], findings: Findings
) -> None:
    if not job.circuits:
        findings.add("circuits", "is empty; a job has at least one circuit")
    if len(job.circuits) > MAX_SEGMENTS:
        findings.add("circuits", f"has {len(job.circuits)} circuits; the limit is {MAX_SEGMENTS}")
    if not 1 <= job.n_shots <= station.limits.max_shots:
        findings.add("shots", f"{job.n_shots} is not between 1 and {station.limits.max_shots}")
    options = job.options
    ratio = options.max_duration_over_t2
    if not (math.isfinite(ratio) and ratio >= 0):
        findings.add("max_circuit_duration_over_t2", f"{ratio} is not a number of at least 0")
    n_cycles = options.active_reset_cycles
    if n_cycles is not None and not 0 <= n_cycles <= MAX_RESET_CYCLES:
        findings.add("active_reset_cycles", f"{n_cycles} is not between 0 and {MAX_RESET_CYCLES}")
    if options.decoupling is not None:
        check_strategy(options.decoupling, qubits, findings)
    _check_mapping(options, qubits, findings)


def _check_mapping(options: CircuitOptions, qubits: frozenset[str], findings: Findings) -> None:
    taken: dict[str, str] = {}
    for logical, physical in (options.qubit_mapping or {}).items():
        where = f"qubit_mapping, {short(logical)}"
        if physical not in qubits:
            near = findings.nearest(physical, qubits)
            findings.add(where, f"the chip has no qubit {short(physical)!r}{near}")
        elif physical in taken:
            findings.add(
                where, f"{physical} is that of {short(taken[physical])} already; each has its own"
            )
        taken.setdefault(physical, logical)
