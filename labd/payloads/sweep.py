"""The payload of a pulse job: bytes to `labd.core.sweep.Sweep`, and the check at submit.

A payload is a SweepTaskRequest that holds a SweepRequest in an Any. What cannot be unpacked at all
(other bytes, another type, no playlist, more than labd takes in) is refused here; all else that may
be wrong is found by `labd.core.compile`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from google.protobuf.message import DecodeError

from labd.core.compile import compile_sweep
from labd.core.compile_findings import MAX_SETTINGS, MAX_SPOTS, MAX_TABLE_ENTRIES, short
from labd.core.errors import InvalidPayload, Problem
from labd.core.rig import RigModule
from labd.core.sweep import SettingDatum, Sweep, SweepAxis, SweptSetting, Unusable
from labd.core.wiring import Wiring
from labd.payloads.census import check_census
from labd.payloads.playlist import SizeCount, unpack_playlist
from labd.wire import data_pb2, sweep_pb2

REQUEST_TYPE = "iqm.data_definitions.station_control.v1.SweepRequest"
"""The type that the Any of a payload must name, after its last slash."""

_KIND_OF_DATUM = {
    "complex128_value": "a complex number",
    "array": "an array",
    "sequence": "a list",
}


@dataclass(frozen=True, slots=True)
class Summary:
    """What a job's record says of its payload.

    shots: per circuit. circuits: segments. playing_s: how long the instruments play, waiting
    between shots not counted. result_bytes: as far as they are known beforehand. kind: equal for
    payloads of equal content; empty where that was not looked at. calibration_set_id: the set that
    the payload names.
    """

    shots: int
    circuits: int
    playing_s: float
    result_bytes: int
    kind: str = ""
    calibration_set_id: UUID | None = None


def check_payload(
    payload: bytes, wiring: Wiring, rig: RigModule, *, max_result_bytes: int
) -> Summary:
    """Whether the rack can execute the payload. Raises InvalidPayload with all mistakes."""
    sweep = unpack_sweep(payload)
    job = compile_sweep(sweep, wiring, rig.LIMITS, max_result_bytes=max_result_bytes)
    problems = tuple(rig.check(job.program, wiring))
    if problems:
        raise InvalidPayload(problems)
    return Summary(
        shots=job.n_shots,
        circuits=job.n_segments,
        playing_s=job.program.shot_s * job.n_shots * len(job.spots),
        result_bytes=job.result_bytes,
    )


def unpack_sweep(payload: bytes) -> Sweep:
    """The sweep that a payload describes. Raises InvalidPayload if it is none."""
    try:
        task = sweep_pb2.SweepTaskRequest.FromString(payload)
        type_name = task.payload.type_url.rpartition("/")[2]
        if type_name != REQUEST_TYPE:
            named = short(type_name) or "nothing"
            raise _refusal("payload", f"holds {named}; a pulse job holds {REQUEST_TYPE}")
        check_census(task.payload.value, sweep_pb2.SweepRequest)
        request = sweep_pb2.SweepRequest.FromString(task.payload.value)
    except DecodeError as error:
        raise _refusal("payload", "is not a SweepTaskRequest message") from error
    if not request.HasField("playlist"):
        raise _refusal("playlist", "is missing")
    labels = request.return_parameters
    SizeCount("return_parameters", "labels", MAX_TABLE_ENTRIES).add(len(labels))
    leaves = SizeCount("settings", "settings", MAX_SETTINGS)
    return Sweep(
        sweep_id=request.sweep_id or task.sweep_id,
        dut_label=request.dut_label,
        settings=dict(_settings(request.settings, "", leaves)),
        axes=_axes(request.sweeps),
        return_labels=tuple(labels),
        playlist=unpack_playlist(request.playlist),
    )


def _refusal(where: str, what: str) -> InvalidPayload:
    return InvalidPayload((Problem(where, what),))


def _settings(
    node: data_pb2.SettingNode, path: str, leaves: SizeCount
) -> Iterator[tuple[str, SettingDatum]]:
    """The leaves of the tree by dotted path; as deep as protobuf reads messages, 100 levels."""
    leaves.add(len(node.settings) + len(node.subnodes))
    for key, setting in node.settings.items():
        yield path + key, _datum(setting.value)
    for key, subnode in node.subnodes.items():
        yield from _settings(subnode, f"{path}{key}.", leaves)


def _datum(datum: data_pb2.Datum) -> SettingDatum:
    match datum.WhichOneof("value"):
        case "float64_value":
            return datum.float64_value
        case "bool_value":
            return datum.bool_value
        case "sint64_value":
            return datum.sint64_value
        case "string_value":
            return datum.string_value
        case "null_value":
            return None
        case str(kind):
            return Unusable(_KIND_OF_DATUM[kind])
        case _:
            return Unusable("an empty list")


def _axes(sweeps: data_pb2.CartesianSweep) -> tuple[SweepAxis, ...]:
    count = SizeCount("sweeps", "swept settings", MAX_SETTINGS)
    count.add(len(sweeps.parallel_sweeps))
    axes = []
    for parallel in sweeps.parallel_sweeps:
        count.add(len(parallel.single_parameter_sweeps))
        axes.append(
            tuple(
                SweptSetting(_swept_name(single), _values(single.values))
                for single in parallel.single_parameter_sweeps
            )
        )
    return tuple(axes)


def _swept_name(single: data_pb2.SingleParameterSweep) -> str:
    return single.parameter_name or single.parameter.name


def _values(
    sequence: data_pb2.Sequence,
) -> tuple[float, ...] | tuple[int, ...] | tuple[bool, ...] | None:
    name = sequence.WhichOneof("value")
    size = SizeCount("sweeps", "values of one setting", MAX_SPOTS)
    match name:
        case "float64_array":
            size.add(len(sequence.float64_array.items))
            return tuple(sequence.float64_array.items)
        case "int64_array":
            size.add(len(sequence.int64_array.items))
            return tuple(sequence.int64_array.items)
        case "bool_array":
            size.add(len(sequence.bool_array.items))
            return tuple(sequence.bool_array.items)
        case None:
            return ()
        case _:
            return None
