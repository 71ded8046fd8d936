import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CIRCUIT: _ClassVar[JobType]
    PULSE: _ClassVar[JobType]

class JobStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IN_QUEUE: _ClassVar[JobStatus]
    EXECUTING: _ClassVar[JobStatus]
    COMPLETED: _ClassVar[JobStatus]
    CANCELLED: _ClassVar[JobStatus]
    FAILED: _ClassVar[JobStatus]
    INTERRUPTED: _ClassVar[JobStatus]
CIRCUIT: JobType
PULSE: JobType
IN_QUEUE: JobStatus
EXECUTING: JobStatus
COMPLETED: JobStatus
CANCELLED: JobStatus
FAILED: JobStatus
INTERRUPTED: JobStatus

class Uuid(_message.Message):
    __slots__ = ("raw", "str")
    RAW_FIELD_NUMBER: _ClassVar[int]
    STR_FIELD_NUMBER: _ClassVar[int]
    raw: bytes
    str: str
    def __init__(self, raw: _Optional[bytes] = ..., str: _Optional[str] = ...) -> None: ...

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DataChunk(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class QuantumComputerLookupV1(_message.Message):
    __slots__ = ("id", "alias")
    ID_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    id: Uuid
    alias: str
    def __init__(self, id: _Optional[_Union[Uuid, _Mapping]] = ..., alias: _Optional[str] = ...) -> None: ...

class QuantumComputerV1(_message.Message):
    __slots__ = ("id", "alias", "display_name")
    ID_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    id: Uuid
    alias: str
    display_name: str
    def __init__(self, id: _Optional[_Union[Uuid, _Mapping]] = ..., alias: _Optional[str] = ..., display_name: _Optional[str] = ...) -> None: ...

class ListQuantumComputerFiltersV1(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class QuantumComputersListV1(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[QuantumComputerV1]
    def __init__(self, items: _Optional[_Iterable[_Union[QuantumComputerV1, _Mapping]]] = ...) -> None: ...

class QuantumComputerResourceLookupV1(_message.Message):
    __slots__ = ("qc_id", "resource_name")
    QC_ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_NAME_FIELD_NUMBER: _ClassVar[int]
    qc_id: Uuid
    resource_name: str
    def __init__(self, qc_id: _Optional[_Union[Uuid, _Mapping]] = ..., resource_name: _Optional[str] = ...) -> None: ...

class LatestQuantumComputerCalibrationLookupV1(_message.Message):
    __slots__ = ("qc_id",)
    QC_ID_FIELD_NUMBER: _ClassVar[int]
    qc_id: Uuid
    def __init__(self, qc_id: _Optional[_Union[Uuid, _Mapping]] = ...) -> None: ...

class CalibrationLookupV1(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: Uuid
    def __init__(self, id: _Optional[_Union[Uuid, _Mapping]] = ...) -> None: ...

class CalibrationMetadataV1(_message.Message):
    __slots__ = ("id", "created_at", "dut_label", "is_valid")
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    DUT_LABEL_FIELD_NUMBER: _ClassVar[int]
    IS_VALID_FIELD_NUMBER: _ClassVar[int]
    id: Uuid
    created_at: _timestamp_pb2.Timestamp
    dut_label: str
    is_valid: bool
    def __init__(self, id: _Optional[_Union[Uuid, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., dut_label: _Optional[str] = ..., is_valid: _Optional[bool] = ...) -> None: ...

class JobInputSummaryV1(_message.Message):
    __slots__ = ("job_type", "shots", "circuits")
    JOB_TYPE_FIELD_NUMBER: _ClassVar[int]
    SHOTS_FIELD_NUMBER: _ClassVar[int]
    CIRCUITS_FIELD_NUMBER: _ClassVar[int]
    job_type: JobType
    shots: int
    circuits: int
    def __init__(self, job_type: _Optional[_Union[JobType, str]] = ..., shots: _Optional[int] = ..., circuits: _Optional[int] = ...) -> None: ...

class JobV1(_message.Message):
    __slots__ = ("id", "type", "quantum_computer", "input", "status", "queue_position", "error", "created_at", "updated_at", "execution_started_at", "execution_ended_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    QUANTUM_COMPUTER_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    id: Uuid
    type: JobType
    quantum_computer: QuantumComputerV1
    input: JobInputSummaryV1
    status: JobStatus
    queue_position: int
    error: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    execution_started_at: _timestamp_pb2.Timestamp
    execution_ended_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[_Union[Uuid, _Mapping]] = ..., type: _Optional[_Union[JobType, str]] = ..., quantum_computer: _Optional[_Union[QuantumComputerV1, _Mapping]] = ..., input: _Optional[_Union[JobInputSummaryV1, _Mapping]] = ..., status: _Optional[_Union[JobStatus, str]] = ..., queue_position: _Optional[int] = ..., error: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., execution_started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., execution_ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Keepalive(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class JobEventV1(_message.Message):
    __slots__ = ("keepalive", "update")
    KEEPALIVE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    keepalive: Keepalive
    update: JobV1
    def __init__(self, keepalive: _Optional[_Union[Keepalive, _Mapping]] = ..., update: _Optional[_Union[JobV1, _Mapping]] = ...) -> None: ...

class JobLookupV1(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: Uuid
    def __init__(self, id: _Optional[_Union[Uuid, _Mapping]] = ...) -> None: ...

class SubmitJobRequestV1(_message.Message):
    __slots__ = ("qc_id", "type", "payload", "use_timeslot")
    QC_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    USE_TIMESLOT_FIELD_NUMBER: _ClassVar[int]
    qc_id: Uuid
    type: JobType
    payload: bytes
    use_timeslot: bool
    def __init__(self, qc_id: _Optional[_Union[Uuid, _Mapping]] = ..., type: _Optional[_Union[JobType, str]] = ..., payload: _Optional[bytes] = ..., use_timeslot: _Optional[bool] = ...) -> None: ...
