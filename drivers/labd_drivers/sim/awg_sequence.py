"""Sequences of an AWG: their steps, and the order and time in which steps are played. Pure.

Repeats stay numbers. One pass of an AWG is what it plays until it is back at its first step; an AWG
whose steps wait for triggers passes as the triggers of another AWG let it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence as Many
from dataclasses import dataclass, field

INFINITE = 0
NEXT, FIRST, LAST, END = 0, -1, -2, -3
_MOST_PASSES = 16
_MOST_RUNS = 1_000_000


class NotPlayable(Exception):
    """What the sequence asks for is not simulated, or would not be played as it looks."""


@dataclass(slots=True)
class Step:
    """One step. assets: waveform name by track (1-based). goto: a step (1-based) or NEXT, ..."""

    assets: dict[int, str] = field(default_factory=dict)
    repeat: int = 1
    wait_input: str = "OFF"
    goto: int = NEXT
    jump_input: str = "OFF"
    jump_to: int = NEXT


@dataclass(slots=True)
class StepList:
    """A sequence: its steps for n_tracks tracks."""

    n_tracks: int
    steps: list[Step]


@dataclass(frozen=True, slots=True)
class Timing:
    """A step as the clock sees it. next_step: 0-based, None ends the sequence."""

    n_samples: int
    repeat: int
    wait_input: str
    next_step: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """A step (0-based) as it was played: repeat times from start_samples on."""

    step: int
    start_samples: int
    repeat: int


@dataclass(frozen=True, slots=True)
class Passed:
    """What an AWG plays in `n_passes` of its leader (1 for the leader itself).

    is_looping: whether it goes on like this for ever, or stops after it.
    """

    runs: tuple[Run, ...]
    duration_samples: int
    n_passes: int
    is_looping: bool


def timings_of(sequence: StepList, n_samples: Many[int]) -> tuple[Timing, ...]:
    """The steps' timings. n_samples: length of each step's waveforms."""
    last = len(sequence.steps) - 1
    targets = {FIRST: 0, LAST: last, END: None}
    timings = []
    for index, (step, length) in enumerate(zip(sequence.steps, n_samples, strict=True)):
        if step.goto == NEXT:
            next_step = index + 1 if index < last else None
        else:
            next_step = targets.get(step.goto, step.goto - 1)
        timings.append(Timing(length, step.repeat, step.wait_input, next_step))
    return tuple(timings)


def waits(timings: Many[Timing]) -> bool:
    """Whether any step waits for a trigger."""
    return any(timing.wait_input != "OFF" for timing in timings)


def lead(timings: Many[Timing]) -> Passed:
    """One pass of an AWG that waits for nobody."""
    runs: list[Run] = []
    time, step = 0, 0
    while True:
        timing = timings[step]
        repeat = timing.repeat
        if repeat == INFINITE:
            if step != 0:
                raise NotPlayable(f"step {step + 1} repeats for ever: the first step never returns")
            repeat = 1
        runs.append(Run(step, time, repeat))
        time += repeat * timing.n_samples
        if timing.repeat == INFINITE or timing.next_step == 0:
            return Passed(tuple(runs), time, 1, is_looping=True)
        if timing.next_step is None:
            return Passed(tuple(runs), time, 1, is_looping=False)
        step = timing.next_step
        if len(runs) >= len(timings):
            raise NotPlayable("the steps form a loop that does not come back to the first step")


def follow(
    timings: Many[Timing],
    triggers_samples: Many[int],
    pass_samples: int,
    latency_samples: int,
) -> Passed:
    """What an AWG plays whose waiting steps start on a leader's triggers.

    triggers_samples: within one pass of the leader, ascending. A trigger that comes while a step
    plays is lost, as on the instrument. Goes on until the AWG waits at its first step at the end of
    a pass, so that the leader's n_passes are played like this again and again.
    """
    runs: list[Run] = []
    time, step = 0, 0
    while len(runs) < _MOST_RUNS:
        timing = timings[step]
        if timing.wait_input != "OFF":
            trigger = _next_trigger(triggers_samples, pass_samples, time)
            n_passes = max(-(-time // pass_samples), 1)
            if step == 0 and (trigger is None or trigger >= n_passes * pass_samples):
                return Passed(tuple(runs), n_passes * pass_samples, n_passes, is_looping=True)
            if trigger is None:
                return Passed(tuple(runs), pass_samples, 1, is_looping=True)
            time = trigger + latency_samples
        elif step == 0 and time >= pass_samples:
            return Passed(tuple(runs), pass_samples, 1, is_looping=True)
        if time > _MOST_PASSES * pass_samples:
            raise NotPlayable(
                f"not back at its first step after {_MOST_PASSES} passes of its leader"
            )
        repeat = timing.repeat or max(1, -(-(pass_samples - time) // timing.n_samples))
        runs.append(Run(step, time, repeat))
        time += repeat * timing.n_samples
        if timing.next_step is None:
            raise NotPlayable(f"ends at step {step + 1}: it would play in the first pass only")
        step = timing.next_step
    raise NotPlayable(f"more than {_MOST_RUNS} steps in a pass")


def _next_trigger(triggers: Many[int], period: int, time: int) -> int | None:
    """The first trigger at or after `time`; triggers repeat with the period."""
    if not triggers:
        return None
    n_periods, within = divmod(time, period)
    index = bisect_left(triggers, within)
    if index == len(triggers):
        return (n_periods + 1) * period + triggers[0]
    return n_periods * period + triggers[index]
