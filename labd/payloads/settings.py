"""The `settings` resource: the station as IQM's compiler reads it, packed as a SettingNode."""

from __future__ import annotations

from collections.abc import Mapping

from labd.core.station_description import feedback_sources
from labd.core.wiring import ChannelKind, Wiring
from labd.wire import data_pb2

Observation = float | int | bool | str
_Value = float | int | bool | str | tuple[str, ...]

_SCALAR = data_pb2.Parameter.COLLECTION_TYPE_SCALAR
_LIST = data_pb2.Parameter.COLLECTION_TYPE_LIST
DEFAULT_SHOTS = 1000


def pack_settings_resource(
    wiring: Wiring, observations: Mapping[str, Observation], *, has_fast_feedback: bool
) -> bytes:
    """The station's settings tree, serialised.

    observations: values of the active calibration set by path; ``controllers.QB1.flux.voltage``
        becomes the value of setting ``QB1__flux.voltage``.

    Every channel of the wiring appears with its grid; every component with a bias or a frequency
    has that as a leaf. To IQM's compiler a missing node is a channel that does not exist.
    """
    root = data_pb2.SettingNode(name="root")
    for setting, route in wiring.settings.items():
        value = observations.get(_observation_of(setting))
        if route.is_switch or not isinstance(value, float | int):
            continue
        _put(root, setting, float(value), route.unit)
    for name, channel in wiring.channels.items():
        _put(root, f"{name}.sampling_rate", channel.sample_rate_hz, "Hz")
        _put(root, f"{name}.instruction_duration_granularity", channel.granularity_samples)
        _put(root, f"{name}.instruction_duration_min", channel.min_samples)
        if channel.kind is ChannelKind.READOUT:
            readout = wiring.readouts[name]
            start, stop = (
                readout.integration_start_dead_time_samples,
                readout.integration_stop_dead_time_samples,
            )
            _put(root, f"{name}.integration_start_dead_time", start)
            _put(root, f"{name}.integration_stop_dead_time", stop)
            _put(root, f"{name}.center_frequency", readout.center_frequency_hz, "Hz")
            continue
        _put(root, f"{name}.status", True)
        _put(root, f"{name}.trigger_delay", 0.0, "s")
        sources = feedback_sources(wiring, has_fast_feedback=has_fast_feedback)
        if channel.kind is ChannelKind.IQ:
            _put(root, f"{channel.component}__drive.status", True)
            if sources:
                _put(root, f"{name}.feedback_sources", sources)
    _put(root, "options.playlist_repeats", DEFAULT_SHOTS)
    _put(root, "options.averaging_bins", 1)
    end_delay = observations.get("controllers.options.end_delay", 0.0)
    _put(root, "options.end_delay", float(end_delay), "s")
    return root.SerializeToString(deterministic=True)


def _observation_of(setting: str) -> str:
    """``QB1__flux.voltage`` is observed as ``controllers.QB1.flux.voltage``."""
    return "controllers." + setting.replace("__", ".", 1)


def _put(root: data_pb2.SettingNode, path: str, value: _Value, unit: str = "") -> None:
    """Set one leaf. Nodes are named by their dotted path, as IQM names them."""
    *nodes, leaf = path.split(".")
    node = root
    for depth, key in enumerate(nodes):
        node = node.subnodes[key]
        node.name = ".".join(nodes[: depth + 1])
    setting = node.settings[leaf]
    setting.parameter.name = path
    setting.parameter.label = path
    setting.parameter.unit = unit
    setting.parameter.collection_type = _LIST if isinstance(value, tuple) else _SCALAR
    setting.read_only = False
    match value:
        case bool():
            setting.parameter.data_type = data_pb2.Parameter.DATA_TYPE_BOOL
            setting.value.bool_value = value
        case int():
            setting.parameter.data_type = data_pb2.Parameter.DATA_TYPE_INT64
            setting.value.sint64_value = value
        case float():
            setting.parameter.data_type = data_pb2.Parameter.DATA_TYPE_FLOAT64
            setting.value.float64_value = value
        case str():
            setting.parameter.data_type = data_pb2.Parameter.DATA_TYPE_STRING
            setting.value.string_value = value
        case _:
            setting.parameter.data_type = data_pb2.Parameter.DATA_TYPE_STRING
            setting.value.sequence.string_array.items.extend(value)
