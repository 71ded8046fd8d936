"""What a pulse payload says about its results: who measured what, where, and over which sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from labd.core.errors import InvalidPayload
from labd.core.playlist import (
    Acquisition,
    Integration,
    Playlist,
    PlaylistChannel,
    ReadoutTrigger,
    TimeTrace,
)
from labd.core.sweep import Sweep, SweepAxis
from labd.payloads.sweep import unpack_sweep


class Method(StrEnum):
    """How a label's values come about: one bit, one complex number, or a record per trigger."""

    THRESHOLD = "threshold"
    INTEGRATION = "integration"
    TIME_TRACE = "time trace"


@dataclass(frozen=True, slots=True)
class Acquired:
    """One label. segments: the segment of each of its triggers, in the result's order.

    n_samples: values per trigger, 1 unless it is a time trace. sample_rate_hz: of its channel.
    """

    method: Method
    segments: tuple[int, ...]
    n_samples: int
    sample_rate_hz: float


@dataclass(frozen=True, slots=True)
class Axis:
    """One soft-sweep axis: the parameters that step together, each with float64 (n_points,)."""

    values: Mapping[str, npt.NDArray[np.float64]]

    @property
    def n_points(self) -> int:
        """Length of the axis."""
        return min((len(points) for points in self.values.values()), default=1)


@dataclass(frozen=True, slots=True)
class ResultShape:
    """Of a whole job. n_bins == n_shots means single shots. axes: slowest first."""

    n_shots: int
    n_bins: int
    n_segments: int
    labels: Mapping[str, Acquired]
    axes: tuple[Axis, ...]

    @property
    def is_single_shot(self) -> bool:
        """Whether nothing is averaged."""
        return self.n_bins == self.n_shots

    @property
    def n_spots(self) -> int:
        """Soft-sweep spots: arrays per label."""
        return int(np.prod([axis.n_points for axis in self.axes], dtype=int))


def shape_of(payload: bytes) -> ResultShape:
    """Read the shape out of a pulse payload. Raises ValueError if it is none."""
    try:
        sweep = unpack_sweep(payload)
    except InvalidPayload as error:
        raise ValueError(str(error)) from error
    shots = _count(sweep, "options.playlist_repeats", 1)
    return ResultShape(
        n_shots=shots,
        n_bins=_count(sweep, "options.averaging_bins", shots),
        n_segments=len(sweep.playlist.segments),
        labels={
            label: acquired
            for label, acquired in _acquired(sweep.playlist).items()
            if label in sweep.return_labels
        },
        axes=tuple(_axis(axis) for axis in sweep.axes),
    )


def _count(sweep: Sweep, name: str, default: int) -> int:
    value = sweep.settings.get(name)
    return int(value) if isinstance(value, int | float) else default


def _acquired(playlist: Playlist) -> dict[str, Acquired]:
    """Every label's triggers: segments in order, within one in order of time."""
    found: dict[str, Acquired] = {}
    for index, segment in enumerate(playlist.segments):
        for name, references in segment.items():
            channel = playlist.channels[name]
            for reference in references.tolist():
                operation = channel.instructions[reference].operation
                if isinstance(operation, ReadoutTrigger):
                    for number in operation.acquisitions:
                        acquisition = channel.acquisitions[number]
                        known = found.get(acquisition.label)
                        segments = (*(known.segments if known else ()), index)
                        found[acquisition.label] = _one(acquisition, channel, segments)
    return found


def _one(acquisition: Acquisition, channel: PlaylistChannel, segments: tuple[int, ...]) -> Acquired:
    match acquisition.method:
        case TimeTrace(duration_samples):
            n_samples, method = duration_samples, Method.TIME_TRACE
        case Integration():
            n_samples, method = 1, Method.INTEGRATION
        case _:
            n_samples, method = 1, Method.THRESHOLD
    return Acquired(method, segments, n_samples, channel.sample_rate_hz)


def _axis(axis: SweepAxis) -> Axis:
    return Axis({swept.name: np.array(swept.values or (), dtype=np.float64) for swept in axis})
