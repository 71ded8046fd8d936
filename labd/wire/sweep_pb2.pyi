from google.protobuf import any_pb2 as _any_pb2
from labd.wire import data_pb2 as _data_pb2
from labd.wire import playlist_pb2 as _playlist_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SweepTaskRequest(_message.Message):
    __slots__ = ("queue_name", "payload", "sweep_id")
    QUEUE_NAME_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SWEEP_ID_FIELD_NUMBER: _ClassVar[int]
    queue_name: str
    payload: _any_pb2.Any
    sweep_id: str
    def __init__(self, queue_name: _Optional[str] = ..., payload: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., sweep_id: _Optional[str] = ...) -> None: ...

class SweepRequest(_message.Message):
    __slots__ = ("sweep_id", "settings", "sweeps", "return_parameters", "awgs_to_playlists_as_json", "dut_label", "playlist")
    class AwgsToPlaylistsAsJsonEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SWEEP_ID_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    SWEEPS_FIELD_NUMBER: _ClassVar[int]
    RETURN_PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    AWGS_TO_PLAYLISTS_AS_JSON_FIELD_NUMBER: _ClassVar[int]
    DUT_LABEL_FIELD_NUMBER: _ClassVar[int]
    PLAYLIST_FIELD_NUMBER: _ClassVar[int]
    sweep_id: str
    settings: _data_pb2.SettingNode
    sweeps: _data_pb2.CartesianSweep
    return_parameters: _containers.RepeatedScalarFieldContainer[str]
    awgs_to_playlists_as_json: _containers.ScalarMap[str, str]
    dut_label: str
    playlist: _playlist_pb2.Playlist
    def __init__(self, sweep_id: _Optional[str] = ..., settings: _Optional[_Union[_data_pb2.SettingNode, _Mapping]] = ..., sweeps: _Optional[_Union[_data_pb2.CartesianSweep, _Mapping]] = ..., return_parameters: _Optional[_Iterable[str]] = ..., awgs_to_playlists_as_json: _Optional[_Mapping[str, str]] = ..., dut_label: _Optional[str] = ..., playlist: _Optional[_Union[_playlist_pb2.Playlist, _Mapping]] = ...) -> None: ...

class Arrays(_message.Message):
    __slots__ = ("arrays",)
    ARRAYS_FIELD_NUMBER: _ClassVar[int]
    arrays: _containers.RepeatedCompositeFieldContainer[_data_pb2.Array]
    def __init__(self, arrays: _Optional[_Iterable[_Union[_data_pb2.Array, _Mapping]]] = ...) -> None: ...

class SweepResultsResponse(_message.Message):
    __slots__ = ("sweep_id", "results")
    class ResultsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Arrays
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Arrays, _Mapping]] = ...) -> None: ...
    SWEEP_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    sweep_id: str
    results: _containers.MessageMap[str, Arrays]
    def __init__(self, sweep_id: _Optional[str] = ..., results: _Optional[_Mapping[str, Arrays]] = ...) -> None: ...
