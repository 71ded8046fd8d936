import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from labd.wire import iqm_server_pb2 as _iqm_server_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Priority(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIORITY_UNSPECIFIED: _ClassVar[Priority]
    LOW: _ClassVar[Priority]
    NORMAL: _ClassVar[Priority]
    HIGH: _ClassVar[Priority]

class MachineMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MACHINE_MODE_UNSPECIFIED: _ClassVar[MachineMode]
    RUNNING: _ClassVar[MachineMode]
    PAUSED: _ClassVar[MachineMode]
    DRAINING: _ClassVar[MachineMode]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    USER: _ClassVar[Role]
    OPERATOR: _ClassVar[Role]
    ADMIN: _ClassVar[Role]
PRIORITY_UNSPECIFIED: Priority
LOW: Priority
NORMAL: Priority
HIGH: Priority
MACHINE_MODE_UNSPECIFIED: MachineMode
RUNNING: MachineMode
PAUSED: MachineMode
DRAINING: MachineMode
ROLE_UNSPECIFIED: Role
USER: Role
OPERATOR: Role
ADMIN: Role

class SubmitJobRequest(_message.Message):
    __slots__ = ("job", "idempotency_key", "tags", "priority")
    JOB_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    job: _iqm_server_pb2.SubmitJobRequestV1
    idempotency_key: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    priority: Priority
    def __init__(self, job: _Optional[_Union[_iqm_server_pb2.SubmitJobRequestV1, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., priority: _Optional[_Union[Priority, str]] = ...) -> None: ...

class JobSummary(_message.Message):
    __slots__ = ("job", "user", "tags", "priority", "use_timeslot", "hold_note", "waiting", "estimate")
    JOB_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    USE_TIMESLOT_FIELD_NUMBER: _ClassVar[int]
    HOLD_NOTE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    job: _iqm_server_pb2.JobV1
    user: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    priority: Priority
    use_timeslot: bool
    hold_note: str
    waiting: Waiting
    estimate: Estimate
    def __init__(self, job: _Optional[_Union[_iqm_server_pb2.JobV1, _Mapping]] = ..., user: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., priority: _Optional[_Union[Priority, str]] = ..., use_timeslot: _Optional[bool] = ..., hold_note: _Optional[str] = ..., waiting: _Optional[_Union[Waiting, _Mapping]] = ..., estimate: _Optional[_Union[Estimate, _Mapping]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("limit", "alias", "states", "user", "type", "tags", "created_from", "created_until", "page_token")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FROM_FIELD_NUMBER: _ClassVar[int]
    CREATED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    limit: int
    alias: str
    states: _containers.RepeatedScalarFieldContainer[str]
    user: str
    type: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    created_from: _timestamp_pb2.Timestamp
    created_until: _timestamp_pb2.Timestamp
    page_token: str
    def __init__(self, limit: _Optional[int] = ..., alias: _Optional[str] = ..., states: _Optional[_Iterable[str]] = ..., user: _Optional[str] = ..., type: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., created_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListJobsReply(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[JobSummary]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[JobSummary, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class JobEvent(_message.Message):
    __slots__ = ("state", "at", "error")
    STATE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    state: str
    at: _timestamp_pb2.Timestamp
    error: str
    def __init__(self, state: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error: _Optional[str] = ...) -> None: ...

class Waiting(_message.Message):
    __slots__ = ("kind", "sentence", "until")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Waiting.Kind]
        JOBS_BEFORE: _ClassVar[Waiting.Kind]
        TIMESLOT: _ClassVar[Waiting.Kind]
        OWN_TIMESLOT: _ClassVar[Waiting.Kind]
        OUTLASTS: _ClassVar[Waiting.Kind]
        JOB_HELD: _ClassVar[Waiting.Kind]
        MACHINE_HELD: _ClassVar[Waiting.Kind]
        RACK: _ClassVar[Waiting.Kind]
        CALIBRATION: _ClassVar[Waiting.Kind]
        STARTING: _ClassVar[Waiting.Kind]
        DISK: _ClassVar[Waiting.Kind]
    KIND_UNSPECIFIED: Waiting.Kind
    JOBS_BEFORE: Waiting.Kind
    TIMESLOT: Waiting.Kind
    OWN_TIMESLOT: Waiting.Kind
    OUTLASTS: Waiting.Kind
    JOB_HELD: Waiting.Kind
    MACHINE_HELD: Waiting.Kind
    RACK: Waiting.Kind
    CALIBRATION: Waiting.Kind
    STARTING: Waiting.Kind
    DISK: Waiting.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    kind: Waiting.Kind
    sentence: str
    until: _timestamp_pb2.Timestamp
    def __init__(self, kind: _Optional[_Union[Waiting.Kind, str]] = ..., sentence: _Optional[str] = ..., until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("start_p50", "start_p90", "run_p50_s", "run_p90_s")
    START_P50_FIELD_NUMBER: _ClassVar[int]
    START_P90_FIELD_NUMBER: _ClassVar[int]
    RUN_P50_S_FIELD_NUMBER: _ClassVar[int]
    RUN_P90_S_FIELD_NUMBER: _ClassVar[int]
    start_p50: _timestamp_pb2.Timestamp
    start_p90: _timestamp_pb2.Timestamp
    run_p50_s: float
    run_p90_s: float
    def __init__(self, start_p50: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_p90: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., run_p50_s: _Optional[float] = ..., run_p90_s: _Optional[float] = ...) -> None: ...

class JobDetails(_message.Message):
    __slots__ = ("summary", "events", "waiting", "estimate", "timings_s", "payload_bytes", "result_bytes", "calibration_set_id", "keeping")
    class TimingsSEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_S_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESULT_BYTES_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_SET_ID_FIELD_NUMBER: _ClassVar[int]
    KEEPING_FIELD_NUMBER: _ClassVar[int]
    summary: JobSummary
    events: _containers.RepeatedCompositeFieldContainer[JobEvent]
    waiting: Waiting
    estimate: Estimate
    timings_s: _containers.ScalarMap[str, float]
    payload_bytes: int
    result_bytes: int
    calibration_set_id: _iqm_server_pb2.Uuid
    keeping: Keeping
    def __init__(self, summary: _Optional[_Union[JobSummary, _Mapping]] = ..., events: _Optional[_Iterable[_Union[JobEvent, _Mapping]]] = ..., waiting: _Optional[_Union[Waiting, _Mapping]] = ..., estimate: _Optional[_Union[Estimate, _Mapping]] = ..., timings_s: _Optional[_Mapping[str, float]] = ..., payload_bytes: _Optional[int] = ..., result_bytes: _Optional[int] = ..., calibration_set_id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., keeping: _Optional[_Union[Keeping, _Mapping]] = ...) -> None: ...

class Keeping(_message.Message):
    __slots__ = ("payload_sha256", "result_sha256", "needed_bytes", "is_partial", "pin_note", "pinned_by", "expired_at", "damage")
    PAYLOAD_SHA256_FIELD_NUMBER: _ClassVar[int]
    RESULT_SHA256_FIELD_NUMBER: _ClassVar[int]
    NEEDED_BYTES_FIELD_NUMBER: _ClassVar[int]
    IS_PARTIAL_FIELD_NUMBER: _ClassVar[int]
    PIN_NOTE_FIELD_NUMBER: _ClassVar[int]
    PINNED_BY_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_AT_FIELD_NUMBER: _ClassVar[int]
    DAMAGE_FIELD_NUMBER: _ClassVar[int]
    payload_sha256: bytes
    result_sha256: bytes
    needed_bytes: int
    is_partial: bool
    pin_note: str
    pinned_by: str
    expired_at: _timestamp_pb2.Timestamp
    damage: str
    def __init__(self, payload_sha256: _Optional[bytes] = ..., result_sha256: _Optional[bytes] = ..., needed_bytes: _Optional[int] = ..., is_partial: _Optional[bool] = ..., pin_note: _Optional[str] = ..., pinned_by: _Optional[str] = ..., expired_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., damage: _Optional[str] = ...) -> None: ...

class PinJobRequest(_message.Message):
    __slots__ = ("id", "note")
    ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    id: _iqm_server_pb2.Uuid
    note: str
    def __init__(self, id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., note: _Optional[str] = ...) -> None: ...

class PartialPiece(_message.Message):
    __slots__ = ("mask", "data")
    MASK_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    mask: PartialMask
    data: bytes
    def __init__(self, mask: _Optional[_Union[PartialMask, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class PartialMask(_message.Message):
    __slots__ = ("bins_valid", "n_bins", "rows_valid", "shots_valid", "shots_total")
    BINS_VALID_FIELD_NUMBER: _ClassVar[int]
    N_BINS_FIELD_NUMBER: _ClassVar[int]
    ROWS_VALID_FIELD_NUMBER: _ClassVar[int]
    SHOTS_VALID_FIELD_NUMBER: _ClassVar[int]
    SHOTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    bins_valid: _containers.RepeatedScalarFieldContainer[int]
    n_bins: int
    rows_valid: _containers.RepeatedScalarFieldContainer[int]
    shots_valid: int
    shots_total: int
    def __init__(self, bins_valid: _Optional[_Iterable[int]] = ..., n_bins: _Optional[int] = ..., rows_valid: _Optional[_Iterable[int]] = ..., shots_valid: _Optional[int] = ..., shots_total: _Optional[int] = ...) -> None: ...

class FsckRequest(_message.Message):
    __slots__ = ("repairs", "is_quick")
    REPAIRS_FIELD_NUMBER: _ClassVar[int]
    IS_QUICK_FIELD_NUMBER: _ClassVar[int]
    repairs: bool
    is_quick: bool
    def __init__(self, repairs: _Optional[bool] = ..., is_quick: _Optional[bool] = ...) -> None: ...

class FsckLine(_message.Message):
    __slots__ = ("object", "what", "is_mended", "n_jobs", "n_files", "n_bytes")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    IS_MENDED_FIELD_NUMBER: _ClassVar[int]
    N_JOBS_FIELD_NUMBER: _ClassVar[int]
    N_FILES_FIELD_NUMBER: _ClassVar[int]
    N_BYTES_FIELD_NUMBER: _ClassVar[int]
    object: str
    what: str
    is_mended: bool
    n_jobs: int
    n_files: int
    n_bytes: int
    def __init__(self, object: _Optional[str] = ..., what: _Optional[str] = ..., is_mended: _Optional[bool] = ..., n_jobs: _Optional[int] = ..., n_files: _Optional[int] = ..., n_bytes: _Optional[int] = ...) -> None: ...

class Exchange(_message.Message):
    __slots__ = ("instrument", "at", "last_at", "n_times", "sent", "sent_bytes", "received", "received_bytes", "took_s", "error")
    INSTRUMENT_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    LAST_AT_FIELD_NUMBER: _ClassVar[int]
    N_TIMES_FIELD_NUMBER: _ClassVar[int]
    SENT_FIELD_NUMBER: _ClassVar[int]
    SENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_BYTES_FIELD_NUMBER: _ClassVar[int]
    TOOK_S_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    instrument: str
    at: _timestamp_pb2.Timestamp
    last_at: _timestamp_pb2.Timestamp
    n_times: int
    sent: str
    sent_bytes: int
    received: str
    received_bytes: int
    took_s: float
    error: str
    def __init__(self, instrument: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., n_times: _Optional[int] = ..., sent: _Optional[str] = ..., sent_bytes: _Optional[int] = ..., received: _Optional[str] = ..., received_bytes: _Optional[int] = ..., took_s: _Optional[float] = ..., error: _Optional[str] = ...) -> None: ...

class FlightRecord(_message.Message):
    __slots__ = ("exchanges", "n_left_out")
    EXCHANGES_FIELD_NUMBER: _ClassVar[int]
    N_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    exchanges: _containers.RepeatedCompositeFieldContainer[Exchange]
    n_left_out: int
    def __init__(self, exchanges: _Optional[_Iterable[_Union[Exchange, _Mapping]]] = ..., n_left_out: _Optional[int] = ...) -> None: ...

class HoldJobRequest(_message.Message):
    __slots__ = ("id", "note")
    ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    id: _iqm_server_pb2.Uuid
    note: str
    def __init__(self, id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., note: _Optional[str] = ...) -> None: ...

class SetPriorityRequest(_message.Message):
    __slots__ = ("id", "priority")
    ID_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    id: _iqm_server_pb2.Uuid
    priority: Priority
    def __init__(self, id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., priority: _Optional[_Union[Priority, str]] = ...) -> None: ...

class SetTagsRequest(_message.Message):
    __slots__ = ("id", "tags")
    ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    id: _iqm_server_pb2.Uuid
    tags: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ...) -> None: ...

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Progress(_message.Message):
    __slots__ = ("shots_done", "shots_total")
    SHOTS_DONE_FIELD_NUMBER: _ClassVar[int]
    SHOTS_TOTAL_FIELD_NUMBER: _ClassVar[int]
    shots_done: int
    shots_total: int
    def __init__(self, shots_done: _Optional[int] = ..., shots_total: _Optional[int] = ...) -> None: ...

class MachineRequest(_message.Message):
    __slots__ = ("alias", "note")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    alias: str
    note: str
    def __init__(self, alias: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class Machine(_message.Message):
    __slots__ = ("quantum_computer", "mode", "note", "changed_by", "changed_at", "rack_state", "rack_what", "n_queued", "running_job", "current_timeslot", "next_timeslot", "calibration_set_id")
    QUANTUM_COMPUTER_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_BY_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    RACK_STATE_FIELD_NUMBER: _ClassVar[int]
    RACK_WHAT_FIELD_NUMBER: _ClassVar[int]
    N_QUEUED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_JOB_FIELD_NUMBER: _ClassVar[int]
    CURRENT_TIMESLOT_FIELD_NUMBER: _ClassVar[int]
    NEXT_TIMESLOT_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_SET_ID_FIELD_NUMBER: _ClassVar[int]
    quantum_computer: _iqm_server_pb2.QuantumComputerV1
    mode: MachineMode
    note: str
    changed_by: str
    changed_at: _timestamp_pb2.Timestamp
    rack_state: str
    rack_what: str
    n_queued: int
    running_job: _iqm_server_pb2.Uuid
    current_timeslot: Timeslot
    next_timeslot: Timeslot
    calibration_set_id: _iqm_server_pb2.Uuid
    def __init__(self, quantum_computer: _Optional[_Union[_iqm_server_pb2.QuantumComputerV1, _Mapping]] = ..., mode: _Optional[_Union[MachineMode, str]] = ..., note: _Optional[str] = ..., changed_by: _Optional[str] = ..., changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rack_state: _Optional[str] = ..., rack_what: _Optional[str] = ..., n_queued: _Optional[int] = ..., running_job: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., current_timeslot: _Optional[_Union[Timeslot, _Mapping]] = ..., next_timeslot: _Optional[_Union[Timeslot, _Mapping]] = ..., calibration_set_id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ...) -> None: ...

class Connection(_message.Message):
    __slots__ = ("user", "credential", "origin", "since", "last_call_at", "last_call", "n_calls")
    USER_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    LAST_CALL_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_CALL_FIELD_NUMBER: _ClassVar[int]
    N_CALLS_FIELD_NUMBER: _ClassVar[int]
    user: str
    credential: str
    origin: str
    since: _timestamp_pb2.Timestamp
    last_call_at: _timestamp_pb2.Timestamp
    last_call: str
    n_calls: int
    def __init__(self, user: _Optional[str] = ..., credential: _Optional[str] = ..., origin: _Optional[str] = ..., since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_call_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_call: _Optional[str] = ..., n_calls: _Optional[int] = ...) -> None: ...

class ListConnectionsReply(_message.Message):
    __slots__ = ("connections",)
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    connections: _containers.RepeatedCompositeFieldContainer[Connection]
    def __init__(self, connections: _Optional[_Iterable[_Union[Connection, _Mapping]]] = ...) -> None: ...

class User(_message.Message):
    __slots__ = ("name", "role", "uid", "is_enabled", "note", "created_at")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    IS_ENABLED_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: Role
    uid: int
    is_enabled: bool
    note: str
    created_at: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., uid: _Optional[int] = ..., is_enabled: _Optional[bool] = ..., note: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class PutUserRequest(_message.Message):
    __slots__ = ("name", "role", "uid", "is_enabled", "note")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    UID_FIELD_NUMBER: _ClassVar[int]
    IS_ENABLED_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    name: str
    role: Role
    uid: int
    is_enabled: bool
    note: str
    def __init__(self, name: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., uid: _Optional[int] = ..., is_enabled: _Optional[bool] = ..., note: _Optional[str] = ...) -> None: ...

class ListUsersReply(_message.Message):
    __slots__ = ("users",)
    USERS_FIELD_NUMBER: _ClassVar[int]
    users: _containers.RepeatedCompositeFieldContainer[User]
    def __init__(self, users: _Optional[_Iterable[_Union[User, _Mapping]]] = ...) -> None: ...

class WhoAmIReply(_message.Message):
    __slots__ = ("user", "credential", "origin")
    USER_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    user: User
    credential: str
    origin: str
    def __init__(self, user: _Optional[_Union[User, _Mapping]] = ..., credential: _Optional[str] = ..., origin: _Optional[str] = ...) -> None: ...

class CreateTokenRequest(_message.Message):
    __slots__ = ("user", "note", "expires_at")
    USER_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    user: str
    note: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, user: _Optional[str] = ..., note: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateTokenReply(_message.Message):
    __slots__ = ("token", "secret")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    token: Token
    secret: str
    def __init__(self, token: _Optional[_Union[Token, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class Token(_message.Message):
    __slots__ = ("id", "user", "note", "created_at", "expires_at", "last_used_at", "revoked_at")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_USED_AT_FIELD_NUMBER: _ClassVar[int]
    REVOKED_AT_FIELD_NUMBER: _ClassVar[int]
    id: str
    user: str
    note: str
    created_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    last_used_at: _timestamp_pb2.Timestamp
    revoked_at: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., user: _Optional[str] = ..., note: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_used_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoked_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListTokensRequest(_message.Message):
    __slots__ = ("user",)
    USER_FIELD_NUMBER: _ClassVar[int]
    user: str
    def __init__(self, user: _Optional[str] = ...) -> None: ...

class ListTokensReply(_message.Message):
    __slots__ = ("tokens",)
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    tokens: _containers.RepeatedCompositeFieldContainer[Token]
    def __init__(self, tokens: _Optional[_Iterable[_Union[Token, _Mapping]]] = ...) -> None: ...

class RevokeTokenRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class Limit(_message.Message):
    __slots__ = ("name", "limit", "used", "source")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    limit: float
    used: float
    source: str
    def __init__(self, name: _Optional[str] = ..., limit: _Optional[float] = ..., used: _Optional[float] = ..., source: _Optional[str] = ...) -> None: ...

class GetLimitsRequest(_message.Message):
    __slots__ = ("user",)
    USER_FIELD_NUMBER: _ClassVar[int]
    user: str
    def __init__(self, user: _Optional[str] = ...) -> None: ...

class GetLimitsReply(_message.Message):
    __slots__ = ("user", "limits")
    USER_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    user: str
    limits: _containers.RepeatedCompositeFieldContainer[Limit]
    def __init__(self, user: _Optional[str] = ..., limits: _Optional[_Iterable[_Union[Limit, _Mapping]]] = ...) -> None: ...

class SetLimitRequest(_message.Message):
    __slots__ = ("user", "role", "name", "limit", "is_unlimited")
    USER_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    IS_UNLIMITED_FIELD_NUMBER: _ClassVar[int]
    user: str
    role: Role
    name: str
    limit: float
    is_unlimited: bool
    def __init__(self, user: _Optional[str] = ..., role: _Optional[_Union[Role, str]] = ..., name: _Optional[str] = ..., limit: _Optional[float] = ..., is_unlimited: _Optional[bool] = ...) -> None: ...

class Timeslot(_message.Message):
    __slots__ = ("id", "alias", "user", "start", "end", "note", "is_own")
    ID_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    IS_OWN_FIELD_NUMBER: _ClassVar[int]
    id: _iqm_server_pb2.Uuid
    alias: str
    user: str
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    note: str
    is_own: bool
    def __init__(self, id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., alias: _Optional[str] = ..., user: _Optional[str] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., note: _Optional[str] = ..., is_own: _Optional[bool] = ...) -> None: ...

class ListTimeslotsRequest(_message.Message):
    __slots__ = ("alias", "ends_after", "begins_before")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    ENDS_AFTER_FIELD_NUMBER: _ClassVar[int]
    BEGINS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    alias: str
    ends_after: _timestamp_pb2.Timestamp
    begins_before: _timestamp_pb2.Timestamp
    def __init__(self, alias: _Optional[str] = ..., ends_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., begins_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListTimeslotsReply(_message.Message):
    __slots__ = ("timeslots",)
    TIMESLOTS_FIELD_NUMBER: _ClassVar[int]
    timeslots: _containers.RepeatedCompositeFieldContainer[Timeslot]
    def __init__(self, timeslots: _Optional[_Iterable[_Union[Timeslot, _Mapping]]] = ...) -> None: ...

class BookTimeslotRequest(_message.Message):
    __slots__ = ("alias", "user", "start", "end", "note")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    alias: str
    user: str
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    note: str
    def __init__(self, alias: _Optional[str] = ..., user: _Optional[str] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., note: _Optional[str] = ...) -> None: ...

class ChangeTimeslotRequest(_message.Message):
    __slots__ = ("id", "start", "end", "note")
    ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    id: _iqm_server_pb2.Uuid
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    note: str
    def __init__(self, id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., note: _Optional[str] = ...) -> None: ...

class CancelTimeslotRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: _iqm_server_pb2.Uuid
    def __init__(self, id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ...) -> None: ...

class CalibrationSet(_message.Message):
    __slots__ = ("head", "parent_id", "author", "note", "is_active", "n_observations", "active_since", "activated_by", "activation_note")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    AUTHOR_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    IS_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    N_OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_SINCE_FIELD_NUMBER: _ClassVar[int]
    ACTIVATED_BY_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_NOTE_FIELD_NUMBER: _ClassVar[int]
    head: _iqm_server_pb2.CalibrationMetadataV1
    parent_id: _iqm_server_pb2.Uuid
    author: str
    note: str
    is_active: bool
    n_observations: int
    active_since: _timestamp_pb2.Timestamp
    activated_by: str
    activation_note: str
    def __init__(self, head: _Optional[_Union[_iqm_server_pb2.CalibrationMetadataV1, _Mapping]] = ..., parent_id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., author: _Optional[str] = ..., note: _Optional[str] = ..., is_active: _Optional[bool] = ..., n_observations: _Optional[int] = ..., active_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., activated_by: _Optional[str] = ..., activation_note: _Optional[str] = ...) -> None: ...

class ImportCalibrationRequest(_message.Message):
    __slots__ = ("alias", "observations", "parent_id", "note")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    PARENT_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    alias: str
    observations: bytes
    parent_id: _iqm_server_pb2.Uuid
    note: str
    def __init__(self, alias: _Optional[str] = ..., observations: _Optional[bytes] = ..., parent_id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., note: _Optional[str] = ...) -> None: ...

class ListCalibrationsRequest(_message.Message):
    __slots__ = ("alias", "limit", "page_token")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    alias: str
    limit: int
    page_token: str
    def __init__(self, alias: _Optional[str] = ..., limit: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCalibrationsReply(_message.Message):
    __slots__ = ("sets", "next_page_token")
    SETS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sets: _containers.RepeatedCompositeFieldContainer[CalibrationSet]
    next_page_token: str
    def __init__(self, sets: _Optional[_Iterable[_Union[CalibrationSet, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DiffCalibrationsRequest(_message.Message):
    __slots__ = ("old_id", "new_id")
    OLD_ID_FIELD_NUMBER: _ClassVar[int]
    NEW_ID_FIELD_NUMBER: _ClassVar[int]
    old_id: _iqm_server_pb2.Uuid
    new_id: _iqm_server_pb2.Uuid
    def __init__(self, old_id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., new_id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ...) -> None: ...

class ObservationChange(_message.Message):
    __slots__ = ("path", "old_json", "new_json")
    PATH_FIELD_NUMBER: _ClassVar[int]
    OLD_JSON_FIELD_NUMBER: _ClassVar[int]
    NEW_JSON_FIELD_NUMBER: _ClassVar[int]
    path: str
    old_json: str
    new_json: str
    def __init__(self, path: _Optional[str] = ..., old_json: _Optional[str] = ..., new_json: _Optional[str] = ...) -> None: ...

class DiffCalibrationsReply(_message.Message):
    __slots__ = ("changes",)
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[ObservationChange]
    def __init__(self, changes: _Optional[_Iterable[_Union[ObservationChange, _Mapping]]] = ...) -> None: ...

class ActivateCalibrationRequest(_message.Message):
    __slots__ = ("id", "note", "force")
    ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    id: _iqm_server_pb2.Uuid
    note: str
    force: bool
    def __init__(self, id: _Optional[_Union[_iqm_server_pb2.Uuid, _Mapping]] = ..., note: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class RollBackCalibrationRequest(_message.Message):
    __slots__ = ("alias", "note")
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    alias: str
    note: str
    def __init__(self, alias: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class AuditLine(_message.Message):
    __slots__ = ("number", "at_ns", "user", "credential", "origin", "action", "object", "details", "previous_hash", "hash")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    AT_NS_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_HASH_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    number: int
    at_ns: int
    user: str
    credential: str
    origin: str
    action: str
    object: str
    details: str
    previous_hash: bytes
    hash: bytes
    def __init__(self, number: _Optional[int] = ..., at_ns: _Optional[int] = ..., user: _Optional[str] = ..., credential: _Optional[str] = ..., origin: _Optional[str] = ..., action: _Optional[str] = ..., object: _Optional[str] = ..., details: _Optional[str] = ..., previous_hash: _Optional[bytes] = ..., hash: _Optional[bytes] = ...) -> None: ...

class ReadAuditRequest(_message.Message):
    __slots__ = ("first_number", "last_number", "user", "action", "object", "last")
    FIRST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    first_number: int
    last_number: int
    user: str
    action: str
    object: str
    last: int
    def __init__(self, first_number: _Optional[int] = ..., last_number: _Optional[int] = ..., user: _Optional[str] = ..., action: _Optional[str] = ..., object: _Optional[str] = ..., last: _Optional[int] = ...) -> None: ...
