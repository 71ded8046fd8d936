"""A pulse job becomes what a rig plays, or a list of all that is wrong with it.

Pure, and the same function at submit and at execution: what is accepted can be executed. The
parts: `compile_settings` reads options and settings, `compile_tables` checks the tables,
`compile_segments` places pulses in time, `compile_pulses` samples them, `compile_readout` plans
records and labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from labd.core.compile_findings import Budget, Findings, short
from labd.core.compile_pulses import WaveformStore
from labd.core.compile_readout import AcquisitionPlan, ReadoutCompiler, layout_labels
from labd.core.compile_segments import PlayedTables, SegmentCompiler
from labd.core.compile_settings import Options, options_of, settings_of, spots_of
from labd.core.compile_tables import check_tables
from labd.core.errors import InvalidPayload
from labd.core.layout import LabelLayout, ResultLayout, result_bytes
from labd.core.playlist import Playlist
from labd.core.program import RigProgram
from labd.core.rig import RigLimits, SettingValue
from labd.core.sweep import Sweep
from labd.core.wiring import Wiring


@dataclass(frozen=True, slots=True)
class PulseJob:
    """A job that can be executed.

    acquisitions: per readout channel, by the indices that the program's triggers name.
    settings: by setting name, checked against the wiring; set before the first spot.
    ignored_settings: names that nothing on the rack follows.
    spots: what each spot of the soft sweep sets, in the order of the result's arrays; at least one.
    n_shots: playlist repeats per spot. n_segments: segments of the playlist, played in one shot.
    result_bytes: size of the result file.
    """

    sweep_id: str
    program: RigProgram
    acquisitions: Mapping[str, Mapping[int, AcquisitionPlan]]
    layout: ResultLayout
    settings: Mapping[str, SettingValue]
    ignored_settings: tuple[str, ...]
    spots: tuple[Mapping[str, SettingValue], ...]
    n_shots: int
    n_bins: int
    n_segments: int
    result_bytes: int


def compile_sweep(
    sweep: Sweep, wiring: Wiring, limits: RigLimits, *, max_result_bytes: int
) -> PulseJob:
    """What the rig plays and what comes back. Raises InvalidPayload with all mistakes."""
    findings = Findings()
    if sweep.dut_label and sweep.dut_label != wiring.dut_label:
        findings.add("dut_label", f"{short(sweep.dut_label)} is not here; {wiring.dut_label} is")
    options = options_of(sweep, limits, findings)
    settings, ignored = settings_of(sweep, wiring, findings)
    spots = spots_of(sweep, wiring, findings)
    tables = _tables(sweep.playlist, wiring, limits, findings)
    program, acquisitions, labels = _compile_playlist(
        sweep, tables, wiring, options, limits, findings
    )
    layout = ResultLayout(len(spots), options.n_shots, options.n_bins, labels)
    n_bytes = result_bytes(layout, sweep.sweep_id)
    if n_bytes > max_result_bytes:
        findings.add("result", f"would be {n_bytes} bytes; the limit is {max_result_bytes}")
    if findings:
        raise InvalidPayload(findings.problems())
    return PulseJob(
        sweep_id=sweep.sweep_id,
        program=program,
        acquisitions=acquisitions,
        layout=layout,
        settings=settings,
        ignored_settings=ignored,
        spots=spots,
        n_shots=options.n_shots,
        n_bins=options.n_bins,
        n_segments=len(program.order),
        result_bytes=n_bytes,
    )


def _compile_playlist(
    sweep: Sweep,
    tables: Mapping[str, PlayedTables],
    wiring: Wiring,
    options: Options,
    limits: RigLimits,
    findings: Findings,
) -> tuple[RigProgram, Mapping[str, Mapping[int, AcquisitionPlan]], tuple[LabelLayout, ...]]:
    rate_hz = _common_rate_hz(tables, findings)
    max_segment_samples = math.floor(limits.max_segment_s * rate_hz)
    store, budget = WaveformStore(), Budget(findings)
    segments, order = SegmentCompiler(tables, max_segment_samples, store, budget, findings).compile(
        sweep.playlist
    )
    readout = ReadoutCompiler(tables, wiring, max_segment_samples, budget, findings).compile(
        segments, order
    )
    is_averaged = options.n_bins < options.n_shots
    labels = layout_labels(readout, sweep.return_labels, tables, findings, is_averaged=is_averaged)
    program = RigProgram(
        sample_rate_hz=rate_hz,
        waveforms=store.waveforms(),
        segments=segments,
        order=order,
        # rounded up; the sliver keeps 3e-4 s * 2e9 Hz from being 600001 samples
        end_delay_samples=math.ceil(options.end_delay_s * rate_hz - 1e-6),
        record_delay_samples=readout.record_delay_samples,
        record_samples=readout.record_samples,
    )
    return program, readout.plans, labels


def _tables(
    playlist: Playlist, wiring: Wiring, limits: RigLimits, findings: Findings
) -> Mapping[str, PlayedTables]:
    """The channels that the rack has, with their tables checked, by name."""
    tables = {}
    for name in sorted(playlist.channels):
        wired = wiring.channels.get(name)
        if wired is None:
            near = findings.nearest(name, wiring.channels)
            findings.add(short(name), f"this rack has no channel of this name{near}")
            continue
        channel = playlist.channels[name]
        tables[name] = PlayedTables(channel, wired, check_tables(channel, wired, limits, findings))
    return tables


def _common_rate_hz(tables: Mapping[str, PlayedTables], findings: Findings) -> float:
    rates = {name: table.wired.sample_rate_hz for name, table in tables.items()}
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"{name} {rate:g} Hz" for name, rate in rates.items())
        findings.add("playlist", f"its channels have different sample rates here: {listed}")
    return max(rates.values(), default=1.0)
