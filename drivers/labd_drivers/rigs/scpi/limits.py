"""What the rack cannot do, found in the plan before anything is sent. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from labd.core.errors import Problem
from labd.core.program import RigProgram
from labd.core.wiring import Wiring
from labd_drivers.rigs.scpi.plan import MAX_STEPS, MIN_RECORD_SAMPLES, Plan, make_plan

LONGEST_WAIT_S = 20.0
"""For an instrument that answers and is not done: to start, to take its next record."""
MAX_WAVEFORM_SAMPLES = 1 << 26
"""Samples of distinct waveforms that one program may need on one AWG (256 MiB as float32)."""


def problems_of(program: RigProgram, wiring: Wiring) -> tuple[Problem, ...]:
    """Everything in the program that the rack cannot do: too long, too many, too close."""
    problems = (*_record_problems(program, wiring), *_wiring_problems(program, wiring))
    if problems:
        return problems
    plan = make_plan(program, wiring)
    return (*_awg_problems(plan), *_trigger_problems(program, wiring, plan))


def _record_problems(program: RigProgram, wiring: Wiring) -> Iterator[Problem]:
    if not program.order:
        yield Problem("playlist", "there is no segment to play")
    for name in sorted({t.channel for segment in program.segments for t in segment.triggers}):
        readout = wiring.readouts[name]
        if program.record_samples > readout.max_record_samples:
            yield Problem(
                name,
                f"a record of {program.record_samples} samples is longer than the "
                f"{readout.max_record_samples} samples that {readout.digitizer} takes",
            )
        if program.n_triggers > readout.max_frames:
            yield Problem(
                name,
                f"{program.n_triggers} readout triggers in one repetition are more than the "
                f"{readout.max_frames} records that {readout.digitizer} holds: "
                "split the job into fewer segments",
            )


def _wiring_problems(program: RigProgram, wiring: Wiring) -> Iterator[Problem]:
    """AWGs that nobody starts."""
    played = {name for segment in program.segments for name in segment.blocks}
    used = {o.instrument for name in played for o in wiring.channels[name].outputs}
    triggered = {t.channel for segment in program.segments for t in segment.triggers}
    used |= {wiring.readouts[name].trigger.instrument for name in triggered}
    sync = wiring.sync
    started = {sync.leader, *sync.followers} if sync is not None else set(sorted(used)[:1])
    for instrument in sorted(used - started):
        yield Problem(instrument, "this AWG is neither the leader nor a follower of [sync]")
    if sync is not None and sync.trigger.instrument != sync.leader:
        yield Problem("sync.trigger", f"the marker is not one of the leader {sync.leader}")
    if not used and sync is None:
        yield Problem("playlist", "no channel plays anything")


def _awg_problems(plan: Plan) -> Iterator[Problem]:
    for awg in plan.awgs:
        if len(awg.steps) > MAX_STEPS:
            yield Problem(
                "playlist",
                f"it needs {len(awg.steps)} sequence steps on {awg.instrument}, which has "
                f"{MAX_STEPS}: use fewer segments or fewer separate pulses",
            )
        contents = {content for step in awg.steps for content in step.contents}
        n_samples = sum(content.n_samples for content in contents)
        if n_samples > MAX_WAVEFORM_SAMPLES:
            yield Problem(
                "playlist",
                f"it needs {n_samples} samples of distinct waveforms on {awg.instrument}, which "
                f"holds {MAX_WAVEFORM_SAMPLES}",
            )


def _trigger_problems(program: RigProgram, wiring: Wiring, plan: Plan) -> Iterator[Problem]:
    """Records of one digitizer that follow each other faster than it can take them."""
    triggered = sorted({t.channel for segment in program.segments for t in segment.triggers})
    for name in triggered:
        readout = wiring.readouts[name]
        offsets = [
            sorted(t.start_samples for t in segment.triggers if t.channel == name)
            for segment in program.segments
        ]
        instants = np.concatenate(
            [
                start + np.array(offsets[index], dtype=np.int64)
                for start, index in zip(plan.starts_samples, program.order, strict=True)
            ]
        )
        owners = np.repeat(
            np.arange(len(program.order)), [len(offsets[index]) for index in program.order]
        )
        spacing = np.diff(instants, append=instants[0] + plan.loop_samples)
        record_samples = max(program.record_samples, MIN_RECORD_SAMPLES)
        needed = record_samples + readout.rearm_samples
        too_close = np.flatnonzero(spacing < needed)
        if len(too_close):
            first = int(too_close[0])
            yield Problem(
                f"segment {owners[first]}, {name}",
                f"the next readout trigger comes {spacing[first]} samples later; a record of "
                f"{record_samples} samples and {readout.rearm_samples} samples until "
                f"{readout.digitizer} is ready again take {needed}"
                + (f" (and {len(too_close) - 1} more such places)" if len(too_close) > 1 else ""),
            )
