"""Readout: which records are taken, what is made of them, and what the result will hold.

All triggers of a job share one record window, because a digitizer has one setting per acquisition:
from the earliest start of any acquisition to the latest end.
"""

from __future__ import annotations

import cmath
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from labd.core.compile_findings import Budget, Findings, short
from labd.core.compile_pulses import baseband, length_of, own_angle
from labd.core.compile_segments import PlayedTables
from labd.core.layout import LabelLayout, ValueKind, in_byte_order
from labd.core.playlist import Acquisition, IQPulse, Threshold, TimeTrace
from labd.core.program import Segment
from labd.core.waveforms import sample
from labd.core.wiring import Wiring


class AcquisitionKind(Enum):
    """What is made of a record."""

    TIME_TRACE = "time trace"
    INTEGRATION = "integration"
    THRESHOLD = "threshold discrimination"


@dataclass(frozen=True, slots=True, eq=False)
class AcquisitionPlan:
    """One acquisition of a channel's table, ready for the demodulator.

    first_sample, n_samples: its window within the record.
    weights: complex64, shape (n_samples,); the integral is the sum of record * weights. They are
        conj(w) * gain / n_samples, so that constant weights of 1 give the mean voltage times the
        gain. Empty for time traces, which are volts as recorded, without gain.
    threshold: the bit is 1 where the real part of the integral is larger.
    """

    label: str
    kind: AcquisitionKind
    first_sample: int
    n_samples: int
    weights: npt.NDArray[np.complex64]
    threshold: float


@dataclass(frozen=True, slots=True)
class ReadoutPlan:
    """plans: per readout channel, by index in its acquisition table, what is played."""

    record_delay_samples: int
    record_samples: int
    plans: Mapping[str, Mapping[int, AcquisitionPlan]]
    n_triggers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Window:
    channel: str
    index: int
    acquisition: Acquisition
    n_samples: int
    n_played: int

    @property
    def where(self) -> str:
        return f"{self.channel}, acquisition {self.index}"

    @property
    def start(self) -> int:
        return self.acquisition.delay_samples

    @property
    def end(self) -> int:
        return self.acquisition.delay_samples + self.n_samples


class ReadoutCompiler:
    """Compiles the readout of one job, once its segments are known."""

    def __init__(
        self,
        tables: Mapping[str, PlayedTables],
        wiring: Wiring,
        max_segment_samples: int,
        budget: Budget,
        findings: Findings,
    ) -> None:
        self._tables = tables
        self._wiring = wiring
        self._max_samples = max_segment_samples
        self._budget = budget
        self._findings = findings

    def compile(self, segments: tuple[Segment, ...], order: tuple[int, ...]) -> ReadoutPlan:
        """The record window, the acquisitions that are played, and how often each label is."""
        windows = list(self._windows(segments, order))
        delay = min((window.start for window in windows), default=0)
        end = max((window.end for window in windows), default=0)
        self._check_record(windows, delay, end)
        self._check_spacing(segments, order, end - delay)
        self._check_labels(windows)
        plans: dict[str, dict[int, AcquisitionPlan]] = {}
        known: dict[tuple[str, IQPulse, complex], npt.NDArray[np.complex64]] = {}
        n_triggers: Counter[str] = Counter()
        for window in windows:
            of_channel = plans.setdefault(window.channel, {})
            of_channel[window.index] = self._plan(window, delay, known)
            n_triggers[window.acquisition.label] += window.n_played
        return ReadoutPlan(delay, end - delay, plans, dict(n_triggers))

    def _windows(self, segments: tuple[Segment, ...], order: tuple[int, ...]) -> Iterator[_Window]:
        """The windows of all sound acquisitions that are played, within the limits."""
        for (channel, index), n_played in sorted(_played(segments, order).items()):
            tables = self._tables[channel]
            if not tables.sound.acquisitions[index]:
                continue
            acquisition = tables.channel.acquisitions[index]
            method = acquisition.method
            if isinstance(method, TimeTrace) or method is None:
                n_samples = 0 if method is None else method.duration_samples
            else:
                n_samples = length_of(method.weights, tables.channel)
            window = _Window(channel, index, acquisition, n_samples, n_played)
            readout = self._wiring.readouts[channel]
            if n_samples == 0:
                self._findings.add(window.where, "its window has no samples")
            elif n_samples > readout.max_record_samples:
                self._findings.add(
                    window.where,
                    f"its window of {n_samples} samples is longer than the longest record of "
                    f"{readout.digitizer}, {readout.max_record_samples} samples",
                )
            elif window.end > self._max_samples:
                self._findings.add(
                    window.where,
                    f"its window ends {window.end} samples after the trigger; "
                    f"the longest segment is {self._max_samples} samples",
                )
            else:
                yield window

    def _check_record(self, windows: list[_Window], delay: int, end: int) -> None:
        for channel in sorted({window.channel for window in windows}):
            readout = self._wiring.readouts[channel]
            if end - delay > readout.max_record_samples:
                self._findings.add(
                    channel,
                    f"the acquisitions of this job reach from {delay} to {end} samples after the "
                    f"trigger, a record of {end - delay}; the longest record of "
                    f"{readout.digitizer} is {readout.max_record_samples} samples",
                )

    def _check_spacing(
        self, segments: tuple[Segment, ...], order: tuple[int, ...], record_samples: int
    ) -> None:
        first_use: dict[int, int] = {}
        for position, index in enumerate(order):
            first_use.setdefault(index, position)
        for index, segment in enumerate(segments):
            starts: dict[str, list[int]] = {}
            for trigger in segment.triggers:
                starts.setdefault(trigger.channel, []).append(trigger.start_samples)
            for channel, instants in starts.items():
                needed = record_samples + self._wiring.readouts[channel].rearm_samples
                closest = min(
                    (later - sooner for sooner, later in pairwise(instants)), default=None
                )
                if closest is not None and closest < needed:
                    self._findings.add(
                        f"segment {first_use[index]}, {channel}",
                        f"two readout triggers are {closest} samples apart; a record of "
                        f"{record_samples} samples and the digitizer's rearming need {needed}",
                    )

    def _check_labels(self, windows: list[_Window]) -> None:
        first: dict[str, _Window] = {}
        for window in windows:
            other = first.setdefault(window.acquisition.label, window)
            label = short(window.acquisition.label)
            mine, theirs = _kind(window.acquisition), _kind(other.acquisition)
            if mine is not theirs:
                what = f"label {label} is a {mine.value} here and a {theirs.value} in {other.where}"
                self._findings.add(window.where, what)
            elif mine is AcquisitionKind.TIME_TRACE and window.n_samples != other.n_samples:
                self._findings.add(
                    window.where,
                    f"label {label} is a time trace of {window.n_samples} samples here and of "
                    f"{other.n_samples} in {other.where}",
                )
            elif window.channel != other.channel:
                self._findings.add(
                    window.where, f"label {label} is acquired on {other.channel} as well"
                )

    def _plan(
        self,
        window: _Window,
        record_delay: int,
        known: dict[tuple[str, IQPulse, complex], npt.NDArray[np.complex64]],
    ) -> AcquisitionPlan:
        acquisition = window.acquisition
        method = acquisition.method
        weights = np.zeros(0, dtype=np.complex64)
        if method is not None and not isinstance(method, TimeTrace):
            gain = self._wiring.readouts[window.channel].gain_of(acquisition.label)
            key = (window.channel, method.weights, gain)
            if key not in known and self._budget.spend(window.where, window.n_samples):
                known[key] = self._weights(window, method.weights, gain)
            weights = known.get(key, weights)
        return AcquisitionPlan(
            label=acquisition.label,
            kind=_kind(acquisition),
            first_sample=window.start - record_delay,
            n_samples=window.n_samples,
            weights=weights,
            threshold=method.threshold if isinstance(method, Threshold) else 0.0,
        )

    def _weights(self, window: _Window, pulse: IQPulse, gain: complex) -> npt.NDArray[np.complex64]:
        waveforms = self._tables[window.channel].channel.waveforms
        n = window.n_samples
        wave_i = sample(waveforms[pulse.waveform_i], n)
        wave_q = sample(waveforms[pulse.waveform_q], n)
        wave = baseband(pulse, wave_i, wave_q, n) * cmath.exp(1j * own_angle(pulse))
        weights: npt.NDArray[np.complex64] = (wave.conj() * (gain / n)).astype(np.complex64)
        weights.flags.writeable = False
        return weights


def layout_labels(
    plan: ReadoutPlan,
    return_labels: tuple[str, ...],
    tables: Mapping[str, PlayedTables],
    findings: Findings,
    *,
    is_averaged: bool,
) -> tuple[LabelLayout, ...]:
    """The layout of each label that is to be returned; others are acquired and dropped."""
    where = "return_parameters"
    if not return_labels:
        findings.add(where, "is empty: the result would be empty")
    acquired = {
        each.label: each for of_channel in plan.plans.values() for each in of_channel.values()
    }
    described = {each.label for table in tables.values() for each in table.channel.acquisitions}
    n_before = len(findings)
    layouts: dict[str, LabelLayout] = {}
    for label, count in Counter(return_labels).items():
        if count > 1:
            findings.add(where, f"{short(label)} stands {count} times")
        if label not in described:
            near = findings.nearest(label, described)
            findings.add(where, f"no acquisition has the label {short(label)}{near}")
        elif label in acquired:
            layouts[label] = _label_layout(acquired[label], plan, is_averaged=is_averaged)
        elif n_before == 0:
            findings.add(where, f"no readout trigger that is played acquires {short(label)}")
    return in_byte_order(tuple(layouts.values()))


def _label_layout(
    acquisition: AcquisitionPlan, plan: ReadoutPlan, *, is_averaged: bool
) -> LabelLayout:
    kind = ValueKind.COMPLEX
    if acquisition.kind is AcquisitionKind.THRESHOLD:
        kind = ValueKind.MEAN_OF_BITS if is_averaged else ValueKind.BIT
    is_trace = acquisition.kind is AcquisitionKind.TIME_TRACE
    return LabelLayout(
        label=acquisition.label,
        kind=kind,
        is_time_trace=is_trace,
        n_triggers=plan.n_triggers[acquisition.label],
        n_samples=acquisition.n_samples if is_trace else 1,
    )


def _played(segments: tuple[Segment, ...], order: tuple[int, ...]) -> Mapping[tuple[str, int], int]:
    """(channel, acquisition) -> how often it is played in one shot."""
    repeats = Counter(order)
    triggers: dict[tuple[str, int], tuple[tuple[int, ...], int]] = {}
    for index, segment in enumerate(segments):
        for trigger in segment.triggers:
            # by identity: the tuple is the instruction's own, and may be long
            key = (trigger.channel, id(trigger.acquisitions))
            before = triggers[key][1] if key in triggers else 0
            triggers[key] = (trigger.acquisitions, before + repeats[index])
    played: Counter[tuple[str, int]] = Counter()
    for (channel, _), (acquisitions, count) in triggers.items():
        for acquisition in acquisitions:
            played[channel, acquisition] += count
    return played


def _kind(acquisition: Acquisition) -> AcquisitionKind:
    if isinstance(acquisition.method, TimeTrace):
        return AcquisitionKind.TIME_TRACE
    if isinstance(acquisition.method, Threshold):
        return AcquisitionKind.THRESHOLD
    return AcquisitionKind.INTEGRATION
