"""Records become the values of labels: integrals, bits and time traces.

An integral is the sum of record * conj(weights) over the label's window, divided by the window's
length and multiplied by the station's gain for the label: constant weights of 1 at the probe's
frequency give the mean of the demodulated voltage times the gain, and weights of 1/2 half of that.
A label with shorter weights than its neighbours is divided by its own length. A bit is 1 where the
integral's real part is larger than the threshold. A time trace is the record in volts, no gain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labd.core.compile import PulseJob
from labd.core.compile_readout import AcquisitionKind, AcquisitionPlan
from labd.core.program import Records, RigProgram

LabelValues = npt.NDArray[np.uint8] | npt.NDArray[np.complex128] | npt.NDArray[np.complex64]
"""Bits: uint8, (n_shots, n_triggers). Integrals: complex128, (n_shots, n_triggers).
Time traces: complex64, volts, (n_shots, n_triggers, n_samples). Triggers of the label alone."""

_COPY_BYTES = 64 << 20

Indices = npt.NDArray[np.intp]
_WeightsKey = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Column:
    """One label's share of a group.

    plan: of one of its triggers; they differ in threshold at most. column: of the group's weights,
    -1 for a time trace. rows: among the group's triggers. places: of the same triggers among the
    label's own. thresholds: float64, by row.
    """

    plan: AcquisitionPlan
    column: int
    rows: Indices
    places: Indices
    thresholds: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Group:
    """Triggers of a channel that are integrated with the same weights, in one multiplication.

    triggers: indices among the channel's triggers of one shot. weights: complex64, shape
    (stop - start, n_weights), over the record's samples [start, stop).
    """

    channel: str
    triggers: Indices
    start: int
    stop: int
    weights: npt.NDArray[np.complex64]
    columns: tuple[_Column, ...]


class Demodulator:
    """Turns a job's records into the values of the labels that it returns."""

    def __init__(self, job: PulseJob) -> None:
        self._layouts = {layout.label: layout for layout in job.layout.labels}
        self._record_samples = job.program.record_samples
        self._n_triggers: dict[str, int] = {}
        self._groups: list[_Group] = []
        self._bit_labels: set[str] = set()
        for channel, plans in job.acquisitions.items():
            returned = {i: plan for i, plan in plans.items() if plan.label in self._layouts}
            kinds, played = _triggers_of(job.program, channel)
            self._n_triggers[channel] = played.size
            self._groups += _groups(channel, kinds, played, returned)
            self._bit_labels |= {
                plan.label for plan in returned.values() if plan.kind is AcquisitionKind.THRESHOLD
            }

    def values(self, records: Records) -> Mapping[str, LabelValues]:
        """Values of every returned label; see LabelValues for their types and shapes.

        records: for every readout channel its triggers alone, in the order of play.
        Raises ValueError if the records are not those of the job's program.
        """
        for channel, n_triggers in self._n_triggers.items():
            shape = (records.n_shots, n_triggers, self._record_samples)
            found = records.samples[channel].shape
            if found != shape:
                raise ValueError(f"{channel}: records of shape {found} are not {shape}")
        values = {label: self._empty(label, records.n_shots) for label in self._layouts}
        for group in self._groups:
            samples = records.samples[group.channel]
            n_shots = max(1, _COPY_BYTES // max(1, samples[:1].nbytes))
            for first in range(0, records.n_shots, n_shots):
                _demodulate(group, samples[first : first + n_shots], first, values)
        return values

    def _empty(self, label: str, n_shots: int) -> LabelValues:
        layout = self._layouts[label]
        shape = (n_shots, layout.n_triggers)
        if layout.is_time_trace:
            return np.zeros((*shape, layout.n_samples), dtype=np.complex64)
        if label in self._bit_labels:
            return np.zeros(shape, dtype=np.uint8)
        return np.zeros(shape, dtype=np.complex128)


def _demodulate(
    group: _Group,
    samples: npt.NDArray[np.complex64],
    first_shot: int,
    values: Mapping[str, LabelValues],
) -> None:
    """Fill in the values of a block of shots. samples: (n_shots, n_triggers, n_samples)."""
    is_all = group.triggers.size == samples.shape[1]
    chosen = samples if is_all else samples[:, group.triggers]
    n_shots, n_triggers, n_samples = chosen.shape
    flat = chosen.reshape(n_shots * n_triggers, n_samples)[:, group.start : group.stop]
    integrals = (flat @ group.weights).reshape(n_shots, n_triggers, -1)
    for column in group.columns:
        plan = column.plan
        target = values[plan.label][first_shot : first_shot + n_shots]
        if plan.kind is AcquisitionKind.TIME_TRACE:
            window = slice(plan.first_sample, plan.first_sample + plan.n_samples)
            target[:, column.places] = chosen[:, column.rows, window]
        elif plan.kind is AcquisitionKind.THRESHOLD:
            real = integrals[:, column.rows, column.column].real
            target[:, column.places] = real > column.thresholds
        else:
            target[:, column.places] = integrals[:, column.rows, column.column]


def _triggers_of(program: RigProgram, channel: str) -> tuple[list[tuple[int, ...]], Indices]:
    """The distinct sets of acquisitions of a channel's triggers, and which each trigger has.

    The second is intp, in the order of play: segments as ordered, then time.
    """
    numbers: dict[int, int] = {}
    kinds: list[tuple[int, ...]] = []
    by_segment = []
    for segment in program.segments:
        row = []
        for trigger in segment.triggers:
            if trigger.channel == channel:
                # by identity: the tuple is the instruction's own, and may be long
                number = numbers.setdefault(id(trigger.acquisitions), len(kinds))
                if number == len(kinds):
                    kinds.append(trigger.acquisitions)
                row.append(number)
        by_segment.append(np.array(row, dtype=np.intp))
    return kinds, np.concatenate([np.zeros(0, np.intp), *(by_segment[i] for i in program.order)])


def _groups(
    channel: str,
    kinds: list[tuple[int, ...]],
    played: Indices,
    returned: Mapping[int, AcquisitionPlan],
) -> Iterator[_Group]:
    """The channel's triggers, those with the same weights together."""
    plans_of = [[returned[i] for i in kind if i in returned] for kind in kinds]
    keys = [tuple(sorted({_weights_key(p) for p in plans if p.weights.size})) for plans in plans_of]
    positions = _positions(plans_of, played)
    for key in dict.fromkeys(keys):
        members = [number for number, each in enumerate(keys) if each == key]
        triggers = np.flatnonzero(np.isin(played, members))
        by_label: dict[str, dict[int, AcquisitionPlan]] = {}
        for number in members:
            for plan in plans_of[number]:
                by_label.setdefault(plan.label, {})[number] = plan
        if by_label:
            columns = tuple(
                _column(of_kind, played, triggers, positions[label], key)
                for label, of_kind in by_label.items()
            )
            plans = [plan for of_kind in by_label.values() for plan in of_kind.values()]
            yield _group(channel, triggers, key, plans, columns)


def _group(
    channel: str,
    triggers: Indices,
    key: tuple[_WeightsKey, ...],
    plans: list[AcquisitionPlan],
    columns: tuple[_Column, ...],
) -> _Group:
    integrated = {_weights_key(plan): plan for plan in plans if plan.weights.size}
    start = min((plan.first_sample for plan in integrated.values()), default=0)
    stop = max((p.first_sample + p.n_samples for p in integrated.values()), default=0)
    weights = np.zeros((stop - start, len(key)), dtype=np.complex64)
    for column, each in enumerate(key):
        plan = integrated[each]
        first = plan.first_sample - start
        weights[first : first + plan.n_samples, column] = plan.weights
    return _Group(channel, triggers, start, stop, weights, columns)


def _column(
    of_kind: Mapping[int, AcquisitionPlan],
    played: Indices,
    triggers: Indices,
    positions: Indices,
    key: tuple[_WeightsKey, ...],
) -> _Column:
    """One label of a group. triggers: the group's; positions: all triggers that have the label."""
    plan = next(iter(of_kind.values()))
    kinds = played[triggers]
    rows = np.flatnonzero(np.isin(kinds, list(of_kind)))
    return _Column(
        plan=plan,
        column=key.index(_weights_key(plan)) if plan.weights.size else -1,
        rows=rows,
        places=np.searchsorted(positions, triggers[rows]),
        thresholds=np.array([of_kind[number].threshold for number in kinds[rows].tolist()]),
    )


def _positions(plans_of: list[list[AcquisitionPlan]], played: Indices) -> Mapping[str, Indices]:
    """Per label the triggers of the channel that acquire it, in the order of play."""
    kinds_of: dict[str, list[int]] = {}
    for number, plans in enumerate(plans_of):
        for plan in plans:
            kinds_of.setdefault(plan.label, []).append(number)
    return {label: np.flatnonzero(np.isin(played, kinds)) for label, kinds in kinds_of.items()}


def _weights_key(plan: AcquisitionPlan) -> _WeightsKey:
    """Equal for plans that integrate the same samples with the same weights."""
    return (plan.first_sample, id(plan.weights))
