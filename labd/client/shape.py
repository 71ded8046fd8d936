"""What a pulse payload says about its results: who measured what, where, and over which sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from labd.wire import data_pb2, playlist_pb2, sweep_pb2


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
    request = unpack_request(payload)
    shots = _setting(request.settings, "options.playlist_repeats", 1)
    return ResultShape(
        n_shots=shots,
        n_bins=_setting(request.settings, "options.averaging_bins", shots),
        n_segments=len(request.playlist.schedules),
        labels={
            label: acquired
            for label, acquired in _acquired(request.playlist).items()
            if label in request.return_parameters
        },
        axes=tuple(_axis(sweep) for sweep in request.sweeps.parallel_sweeps),
    )


def unpack_request(payload: bytes) -> sweep_pb2.SweepRequest:
    """The sweep inside a pulse payload. Raises ValueError if there is none."""
    try:
        task = sweep_pb2.SweepTaskRequest.FromString(payload)
        return sweep_pb2.SweepRequest.FromString(task.payload.value)
    except DecodeError as error:
        raise ValueError(f"not a pulse payload: {error}") from error


def _setting(root: data_pb2.SettingNode, name: str, default: int) -> int:
    *nodes, leaf = name.split(".")
    node = root
    for key in nodes:
        node = node.subnodes[key]
    if leaf not in node.settings:
        return default
    value = node.settings[leaf].value
    return int(value.float64_value) if value.HasField("float64_value") else value.sint64_value


def _acquired(playlist: playlist_pb2.Playlist) -> dict[str, Acquired]:
    """Every label's triggers: segments in order, within one in order of time."""
    found: dict[str, Acquired] = {}
    for index, schedule in enumerate(playlist.schedules):
        for name, channel in schedule.channels.items():
            description = playlist.channels[name]
            table = description.instruction_table
            for reference in channel.instruction_refs:
                for number in table[reference].readout_trigger.acqusitions:
                    method = description.acquisition_table[number]
                    known = found.get(method.label)
                    segments = known.segments if known else ()
                    found[method.label] = _acquisition(description, method, (*segments, index))
    return found


def _acquisition(
    description: playlist_pb2.ChannelDescription,
    method: playlist_pb2.AcquisitionMethod,
    segments: tuple[int, ...],
) -> Acquired:
    rate_hz = description.channel_config.ro_channel.sample_rate
    match method.WhichOneof("method"):
        case "timetrace":
            n_samples = method.timetrace.duration_samples
            return Acquired(Method.TIME_TRACE, segments, n_samples, rate_hz)
        case "integration":
            return Acquired(Method.INTEGRATION, segments, 1, rate_hz)
        case _:
            return Acquired(Method.THRESHOLD, segments, 1, rate_hz)


def _axis(sweep: data_pb2.ParallelSweep) -> Axis:
    return Axis(
        {
            single.parameter_name: np.array(
                single.values.float64_array.items or single.values.int64_array.items,
                dtype=np.float64,
            )
            for single in sweep.single_parameter_sweeps
        }
    )
