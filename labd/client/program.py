"""Build a pulse job from numpy arrays and named shapes, without any other package.

A `Program` holds settings, soft sweeps and segments; `pack` makes the payload of a PULSE job. Every
channel of a segment starts at its trigger. A component's next instruction comes after everything it
was told before; `wait` and `sync` move that instant, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from google.protobuf.any_pb2 import Any as PackedAny

from labd.client.segment import Segment
from labd.client.tables import Grid, Tables
from labd.client.values_observations import CalibrationSet
from labd.wire import data_pb2, playlist_pb2, sweep_pb2

_REQUEST_TYPE = "iqm-data-definitions/iqm.data_definitions.station_control.v1.SweepRequest"

SettingValue = bool | int | float | str


class Program:
    """A pulse job in the making.

    shots: playlist repeats. averaging_bins: over how many bins they are averaged; None keeps single
    shots. end_delay_s: silence after every segment, in which qubits relax.
    """

    def __init__(
        self,
        *,
        shots: int,
        averaging_bins: int | None = None,
        end_delay_s: float = 300e-6,
        grid: Grid | None = None,
        dut_label: str = "",
    ) -> None:
        self._dut_label = dut_label
        self._settings: dict[str, SettingValue] = {
            "options.end_delay": float(end_delay_s),
            "options.playlist_repeats": int(shots),
            "options.averaging_bins": int(shots if averaging_bins is None else averaging_bins),
        }
        self._sweeps: list[data_pb2.ParallelSweep] = []
        self._tables = Tables(grid or Grid())
        self._segments: list[Segment] = []

    def set(self, name: str, value: SettingValue) -> None:
        """A setting by its dotted name, e.g. ``QB1__drive.frequency``."""
        self._settings[name] = value

    def use(self, calibration: CalibrationSet) -> None:
        """Take every controller setting of a calibration set."""
        for name, value in calibration.observations.items():
            head, _, rest = name.partition(".")
            if head == "controllers" and isinstance(value, bool | int | float | str):
                component, _, leaf = rest.partition(".")
                is_option = component == "options"
                self.set(f"options.{leaf}" if is_option else f"{component}__{leaf}", value)

    def sweep(self, values: Mapping[str, Sequence[float] | npt.NDArray[np.float64]]) -> None:
        """One soft-sweep axis: the settings in it step together. The first axis is the slowest."""
        lengths = {name: len(points) for name, points in values.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"settings that step together need equally many values, not {lengths}")
        singles = [
            data_pb2.SingleParameterSweep(
                parameter_name=name,
                values=data_pb2.Sequence(
                    float64_array=data_pb2.Float64Sequence(items=[float(v) for v in points])
                ),
            )
            for name, points in values.items()
        ]
        self._sweeps.append(data_pb2.ParallelSweep(single_parameter_sweeps=singles))

    def segment(self) -> Segment:
        """A new segment, played after those before it."""
        self._segments.append(Segment(self._tables))
        return self._segments[-1]

    def pack(self) -> bytes:
        """The payload, for `Client.submit`. Every call gives it a new sweep id."""
        sweep_id = str(uuid4())
        request = sweep_pb2.SweepRequest(
            sweep_id=sweep_id,
            settings=_settings_tree(self._settings | dict.fromkeys(self._tables.sources, True)),
            sweeps=data_pb2.CartesianSweep(parallel_sweeps=self._sweeps),
            return_parameters=list(self._tables.labels),
            dut_label=self._dut_label or None,
            playlist=playlist_pb2.Playlist(
                channels={
                    name: tables.description for name, tables in self._tables.channels.items()
                },
                schedules=[segment.pack() for segment in self._segments],
            ),
        )
        packed = PackedAny(type_url=_REQUEST_TYPE, value=request.SerializeToString())
        task = sweep_pb2.SweepTaskRequest(queue_name="sweeps", payload=packed, sweep_id=sweep_id)
        return task.SerializeToString()


def _settings_tree(settings: Mapping[str, SettingValue]) -> data_pb2.SettingNode:
    """Settings by dotted name as the tree that the wire wants; a node's name is its dotted path."""
    root = data_pb2.SettingNode(name="root")
    for name, value in settings.items():
        *path, leaf = name.split(".")
        node = root
        for depth, key in enumerate(path, start=1):
            node = node.subnodes[key]
            node.name = ".".join(path[:depth])
        node.settings[leaf].parameter_name = name
        node.settings[leaf].value.CopyFrom(_datum(value))
    return root


def _datum(value: SettingValue) -> data_pb2.Datum:
    match value:
        case bool():
            return data_pb2.Datum(bool_value=value)
        case int():
            return data_pb2.Datum(sint64_value=value)
        case float():
            return data_pb2.Datum(float64_value=value)
        case str():
            return data_pb2.Datum(string_value=value)
