from labd.wire import iqm_server_pb2 as _iqm_server_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListJobsRequest(_message.Message):
    __slots__ = ("limit", "alias")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    limit: int
    alias: str
    def __init__(self, limit: _Optional[int] = ..., alias: _Optional[str] = ...) -> None: ...

class ListJobsReply(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[_iqm_server_pb2.JobV1]
    def __init__(self, jobs: _Optional[_Iterable[_Union[_iqm_server_pb2.JobV1, _Mapping]]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("shots_done", "shots_total")
    SHOTS_DONE_FIELD_NUMBER: _ClassVar[int]
    SHOTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    shots_done: int
    shots_total: int
    def __init__(self, shots_done: _Optional[int] = ..., shots_total: _Optional[int] = ...) -> None: ...
