from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChannelProperties(_message.Message):
    __slots__ = ("sampling_rate", "instruction_duration_granularity", "instruction_duration_min", "compatible_instructions", "instruction_duration_granularity_samples", "instruction_duration_min_samples")
    SAMPLING_RATE_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_DURATION_GRANULARITY_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_DURATION_MIN_FIELD_NUMBER: _ClassVar[int]
    COMPATIBLE_INSTRUCTIONS_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_DURATION_GRANULARITY_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_DURATION_MIN_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    sampling_rate: float
    instruction_duration_granularity: float
    instruction_duration_min: float
    compatible_instructions: _containers.RepeatedScalarFieldContainer[str]
    instruction_duration_granularity_samples: int
    instruction_duration_min_samples: int
    def __init__(self, sampling_rate: _Optional[float] = ..., instruction_duration_granularity: _Optional[float] = ..., instruction_duration_min: _Optional[float] = ..., compatible_instructions: _Optional[_Iterable[str]] = ..., instruction_duration_granularity_samples: _Optional[int] = ..., instruction_duration_min_samples: _Optional[int] = ...) -> None: ...

class AwgProperties(_message.Message):
    __slots__ = ("channel_properties", "fast_feedback_sources", "local_oscillator", "mixer_correction")
    CHANNEL_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    FAST_FEEDBACK_SOURCES_FIELD_NUMBER: _ClassVar[int]
    LOCAL_OSCILLATOR_FIELD_NUMBER: _ClassVar[int]
    MIXER_CORRECTION_FIELD_NUMBER: _ClassVar[int]
    channel_properties: ChannelProperties
    fast_feedback_sources: _containers.RepeatedScalarFieldContainer[str]
    local_oscillator: bool
    mixer_correction: bool
    def __init__(self, channel_properties: _Optional[_Union[ChannelProperties, _Mapping]] = ..., fast_feedback_sources: _Optional[_Iterable[str]] = ..., local_oscillator: _Optional[bool] = ..., mixer_correction: _Optional[bool] = ...) -> None: ...

class ReadoutProperties(_message.Message):
    __slots__ = ("channel_properties", "integration_start_dead_time", "integration_stop_dead_time", "integration_start_dead_time_samples", "integration_stop_dead_time_samples")
    CHANNEL_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_START_DEAD_TIME_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_STOP_DEAD_TIME_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_START_DEAD_TIME_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_STOP_DEAD_TIME_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    channel_properties: ChannelProperties
    integration_start_dead_time: float
    integration_stop_dead_time: float
    integration_start_dead_time_samples: int
    integration_stop_dead_time_samples: int
    def __init__(self, channel_properties: _Optional[_Union[ChannelProperties, _Mapping]] = ..., integration_start_dead_time: _Optional[float] = ..., integration_stop_dead_time: _Optional[float] = ..., integration_start_dead_time_samples: _Optional[int] = ..., integration_stop_dead_time_samples: _Optional[int] = ...) -> None: ...

class ChannelPropertyEntry(_message.Message):
    __slots__ = ("awg", "readout")
    AWG_FIELD_NUMBER: _ClassVar[int]
    READOUT_FIELD_NUMBER: _ClassVar[int]
    awg: AwgProperties
    readout: ReadoutProperties
    def __init__(self, awg: _Optional[_Union[AwgProperties, _Mapping]] = ..., readout: _Optional[_Union[ReadoutProperties, _Mapping]] = ...) -> None: ...

class ChannelPropertyDictionary(_message.Message):
    __slots__ = ("channels",)
    class ChannelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ChannelPropertyEntry
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ChannelPropertyEntry, _Mapping]] = ...) -> None: ...
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    channels: _containers.MessageMap[str, ChannelPropertyEntry]
    def __init__(self, channels: _Optional[_Mapping[str, ChannelPropertyEntry]] = ...) -> None: ...
