from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IQChannelConfig(_message.Message):
    __slots__ = ("sample_rate",)
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    sample_rate: float
    def __init__(self, sample_rate: _Optional[float] = ...) -> None: ...

class RealChannelConfig(_message.Message):
    __slots__ = ("sample_rate",)
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    sample_rate: float
    def __init__(self, sample_rate: _Optional[float] = ...) -> None: ...

class ReadoutChannelConfig(_message.Message):
    __slots__ = ("sample_rate",)
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    sample_rate: float
    def __init__(self, sample_rate: _Optional[float] = ...) -> None: ...

class ChannelConfiguration(_message.Message):
    __slots__ = ("iq_channel", "real_channel", "ro_channel")
    IQ_CHANNEL_FIELD_NUMBER: _ClassVar[int]
    REAL_CHANNEL_FIELD_NUMBER: _ClassVar[int]
    RO_CHANNEL_FIELD_NUMBER: _ClassVar[int]
    iq_channel: IQChannelConfig
    real_channel: RealChannelConfig
    ro_channel: ReadoutChannelConfig
    def __init__(self, iq_channel: _Optional[_Union[IQChannelConfig, _Mapping]] = ..., real_channel: _Optional[_Union[RealChannelConfig, _Mapping]] = ..., ro_channel: _Optional[_Union[ReadoutChannelConfig, _Mapping]] = ...) -> None: ...

class Samples(_message.Message):
    __slots__ = ("samples",)
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    samples: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, samples: _Optional[_Iterable[float]] = ...) -> None: ...

class Gaussian(_message.Message):
    __slots__ = ("sigma", "center_offset")
    SIGMA_FIELD_NUMBER: _ClassVar[int]
    CENTER_OFFSET_FIELD_NUMBER: _ClassVar[int]
    sigma: float
    center_offset: float
    def __init__(self, sigma: _Optional[float] = ..., center_offset: _Optional[float] = ...) -> None: ...

class GaussianDerivative(_message.Message):
    __slots__ = ("sigma", "center_offset")
    SIGMA_FIELD_NUMBER: _ClassVar[int]
    CENTER_OFFSET_FIELD_NUMBER: _ClassVar[int]
    sigma: float
    center_offset: float
    def __init__(self, sigma: _Optional[float] = ..., center_offset: _Optional[float] = ...) -> None: ...

class Constant(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GaussianSmoothedSquare(_message.Message):
    __slots__ = ("square_width", "gaussian_sigma", "center_offset")
    SQUARE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    GAUSSIAN_SIGMA_FIELD_NUMBER: _ClassVar[int]
    CENTER_OFFSET_FIELD_NUMBER: _ClassVar[int]
    square_width: float
    gaussian_sigma: float
    center_offset: float
    def __init__(self, square_width: _Optional[float] = ..., gaussian_sigma: _Optional[float] = ..., center_offset: _Optional[float] = ...) -> None: ...

class TruncatedGaussian(_message.Message):
    __slots__ = ("full_width", "center_offset")
    FULL_WIDTH_FIELD_NUMBER: _ClassVar[int]
    CENTER_OFFSET_FIELD_NUMBER: _ClassVar[int]
    full_width: float
    center_offset: float
    def __init__(self, full_width: _Optional[float] = ..., center_offset: _Optional[float] = ...) -> None: ...

class TruncatedGaussianDerivative(_message.Message):
    __slots__ = ("full_width", "center_offset")
    FULL_WIDTH_FIELD_NUMBER: _ClassVar[int]
    CENTER_OFFSET_FIELD_NUMBER: _ClassVar[int]
    full_width: float
    center_offset: float
    def __init__(self, full_width: _Optional[float] = ..., center_offset: _Optional[float] = ...) -> None: ...

class TruncatedGaussianSmoothedSquare(_message.Message):
    __slots__ = ("full_width", "center_offset", "rise_time")
    FULL_WIDTH_FIELD_NUMBER: _ClassVar[int]
    CENTER_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RISE_TIME_FIELD_NUMBER: _ClassVar[int]
    full_width: float
    center_offset: float
    rise_time: float
    def __init__(self, full_width: _Optional[float] = ..., center_offset: _Optional[float] = ..., rise_time: _Optional[float] = ...) -> None: ...

class CosineRiseFall(_message.Message):
    __slots__ = ("full_width", "center_offset", "rise_time")
    FULL_WIDTH_FIELD_NUMBER: _ClassVar[int]
    CENTER_OFFSET_FIELD_NUMBER: _ClassVar[int]
    RISE_TIME_FIELD_NUMBER: _ClassVar[int]
    full_width: float
    center_offset: float
    rise_time: float
    def __init__(self, full_width: _Optional[float] = ..., center_offset: _Optional[float] = ..., rise_time: _Optional[float] = ...) -> None: ...

class Waveform(_message.Message):
    __slots__ = ("n_samples", "samples", "gaussian", "gaussian_derivative", "constant", "gaussian_smoothed_square", "truncated_gaussian", "truncated_gaussian_derivative", "truncated_gaussian_smoothed_square", "cosine_rise_fall")
    N_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    GAUSSIAN_FIELD_NUMBER: _ClassVar[int]
    GAUSSIAN_DERIVATIVE_FIELD_NUMBER: _ClassVar[int]
    CONSTANT_FIELD_NUMBER: _ClassVar[int]
    GAUSSIAN_SMOOTHED_SQUARE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_GAUSSIAN_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_GAUSSIAN_DERIVATIVE_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_GAUSSIAN_SMOOTHED_SQUARE_FIELD_NUMBER: _ClassVar[int]
    COSINE_RISE_FALL_FIELD_NUMBER: _ClassVar[int]
    n_samples: int
    samples: Samples
    gaussian: Gaussian
    gaussian_derivative: GaussianDerivative
    constant: Constant
    gaussian_smoothed_square: GaussianSmoothedSquare
    truncated_gaussian: TruncatedGaussian
    truncated_gaussian_derivative: TruncatedGaussianDerivative
    truncated_gaussian_smoothed_square: TruncatedGaussianSmoothedSquare
    cosine_rise_fall: CosineRiseFall
    def __init__(self, n_samples: _Optional[int] = ..., samples: _Optional[_Union[Samples, _Mapping]] = ..., gaussian: _Optional[_Union[Gaussian, _Mapping]] = ..., gaussian_derivative: _Optional[_Union[GaussianDerivative, _Mapping]] = ..., constant: _Optional[_Union[Constant, _Mapping]] = ..., gaussian_smoothed_square: _Optional[_Union[GaussianSmoothedSquare, _Mapping]] = ..., truncated_gaussian: _Optional[_Union[TruncatedGaussian, _Mapping]] = ..., truncated_gaussian_derivative: _Optional[_Union[TruncatedGaussianDerivative, _Mapping]] = ..., truncated_gaussian_smoothed_square: _Optional[_Union[TruncatedGaussianSmoothedSquare, _Mapping]] = ..., cosine_rise_fall: _Optional[_Union[CosineRiseFall, _Mapping]] = ...) -> None: ...

class Wait(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VirtualRZ(_message.Message):
    __slots__ = ("phase_increment",)
    PHASE_INCREMENT_FIELD_NUMBER: _ClassVar[int]
    phase_increment: float
    def __init__(self, phase_increment: _Optional[float] = ...) -> None: ...

class RealPulse(_message.Message):
    __slots__ = ("waveform_ref", "scale")
    WAVEFORM_REF_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    waveform_ref: int
    scale: float
    def __init__(self, waveform_ref: _Optional[int] = ..., scale: _Optional[float] = ...) -> None: ...

class IQPulse(_message.Message):
    __slots__ = ("waveform_i_ref", "waveform_q_ref", "scale_i", "scale_q", "phase", "phase_mod_freq", "phase_increment")
    WAVEFORM_I_REF_FIELD_NUMBER: _ClassVar[int]
    WAVEFORM_Q_REF_FIELD_NUMBER: _ClassVar[int]
    SCALE_I_FIELD_NUMBER: _ClassVar[int]
    SCALE_Q_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    PHASE_MOD_FREQ_FIELD_NUMBER: _ClassVar[int]
    PHASE_INCREMENT_FIELD_NUMBER: _ClassVar[int]
    waveform_i_ref: int
    waveform_q_ref: int
    scale_i: float
    scale_q: float
    phase: float
    phase_mod_freq: float
    phase_increment: float
    def __init__(self, waveform_i_ref: _Optional[int] = ..., waveform_q_ref: _Optional[int] = ..., scale_i: _Optional[float] = ..., scale_q: _Optional[float] = ..., phase: _Optional[float] = ..., phase_mod_freq: _Optional[float] = ..., phase_increment: _Optional[float] = ...) -> None: ...

class MultiplexedIQPulse(_message.Message):
    __slots__ = ("entries",)
    class Entry(_message.Message):
        __slots__ = ("instruction_ref", "iq_pulse", "offset_samples")
        INSTRUCTION_REF_FIELD_NUMBER: _ClassVar[int]
        IQ_PULSE_FIELD_NUMBER: _ClassVar[int]
        OFFSET_SAMPLES_FIELD_NUMBER: _ClassVar[int]
        instruction_ref: int
        iq_pulse: IQPulse
        offset_samples: int
        def __init__(self, instruction_ref: _Optional[int] = ..., iq_pulse: _Optional[_Union[IQPulse, _Mapping]] = ..., offset_samples: _Optional[int] = ...) -> None: ...
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[MultiplexedIQPulse.Entry]
    def __init__(self, entries: _Optional[_Iterable[_Union[MultiplexedIQPulse.Entry, _Mapping]]] = ...) -> None: ...

class MultiplexedRealPulse(_message.Message):
    __slots__ = ("entries",)
    class Entry(_message.Message):
        __slots__ = ("instruction_ref", "real_pulse", "offset_samples")
        INSTRUCTION_REF_FIELD_NUMBER: _ClassVar[int]
        REAL_PULSE_FIELD_NUMBER: _ClassVar[int]
        OFFSET_SAMPLES_FIELD_NUMBER: _ClassVar[int]
        instruction_ref: int
        real_pulse: RealPulse
        offset_samples: int
        def __init__(self, instruction_ref: _Optional[int] = ..., real_pulse: _Optional[_Union[RealPulse, _Mapping]] = ..., offset_samples: _Optional[int] = ...) -> None: ...
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[MultiplexedRealPulse.Entry]
    def __init__(self, entries: _Optional[_Iterable[_Union[MultiplexedRealPulse.Entry, _Mapping]]] = ...) -> None: ...

class ConditionalInstruction(_message.Message):
    __slots__ = ("condition", "if_true", "if_false")
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    IF_TRUE_FIELD_NUMBER: _ClassVar[int]
    IF_FALSE_FIELD_NUMBER: _ClassVar[int]
    condition: str
    if_true: int
    if_false: int
    def __init__(self, condition: _Optional[str] = ..., if_true: _Optional[int] = ..., if_false: _Optional[int] = ...) -> None: ...

class ReadoutTrigger(_message.Message):
    __slots__ = ("probe_pulse_ref", "acqusitions")
    PROBE_PULSE_REF_FIELD_NUMBER: _ClassVar[int]
    ACQUSITIONS_FIELD_NUMBER: _ClassVar[int]
    probe_pulse_ref: int
    acqusitions: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, probe_pulse_ref: _Optional[int] = ..., acqusitions: _Optional[_Iterable[int]] = ...) -> None: ...

class Instruction(_message.Message):
    __slots__ = ("duration_samples", "multiplexed_real_pulse", "multiplexed_iq_pulse", "wait", "real_pulse", "iq_pulse", "virtual_rz", "conditional_instruction", "readout_trigger")
    DURATION_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    MULTIPLEXED_REAL_PULSE_FIELD_NUMBER: _ClassVar[int]
    MULTIPLEXED_IQ_PULSE_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    REAL_PULSE_FIELD_NUMBER: _ClassVar[int]
    IQ_PULSE_FIELD_NUMBER: _ClassVar[int]
    VIRTUAL_RZ_FIELD_NUMBER: _ClassVar[int]
    CONDITIONAL_INSTRUCTION_FIELD_NUMBER: _ClassVar[int]
    READOUT_TRIGGER_FIELD_NUMBER: _ClassVar[int]
    duration_samples: int
    multiplexed_real_pulse: MultiplexedRealPulse
    multiplexed_iq_pulse: MultiplexedIQPulse
    wait: Wait
    real_pulse: RealPulse
    iq_pulse: IQPulse
    virtual_rz: VirtualRZ
    conditional_instruction: ConditionalInstruction
    readout_trigger: ReadoutTrigger
    def __init__(self, duration_samples: _Optional[int] = ..., multiplexed_real_pulse: _Optional[_Union[MultiplexedRealPulse, _Mapping]] = ..., multiplexed_iq_pulse: _Optional[_Union[MultiplexedIQPulse, _Mapping]] = ..., wait: _Optional[_Union[Wait, _Mapping]] = ..., real_pulse: _Optional[_Union[RealPulse, _Mapping]] = ..., iq_pulse: _Optional[_Union[IQPulse, _Mapping]] = ..., virtual_rz: _Optional[_Union[VirtualRZ, _Mapping]] = ..., conditional_instruction: _Optional[_Union[ConditionalInstruction, _Mapping]] = ..., readout_trigger: _Optional[_Union[ReadoutTrigger, _Mapping]] = ...) -> None: ...

class TimeTrace(_message.Message):
    __slots__ = ("duration_samples",)
    DURATION_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    duration_samples: int
    def __init__(self, duration_samples: _Optional[int] = ...) -> None: ...

class ComplexIntegration(_message.Message):
    __slots__ = ("weights",)
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    weights: IQPulse
    def __init__(self, weights: _Optional[_Union[IQPulse, _Mapping]] = ...) -> None: ...

class ThresholdStateDiscrimination(_message.Message):
    __slots__ = ("weights", "threshold", "feedback_signal_label")
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_SIGNAL_LABEL_FIELD_NUMBER: _ClassVar[int]
    weights: IQPulse
    threshold: float
    feedback_signal_label: str
    def __init__(self, weights: _Optional[_Union[IQPulse, _Mapping]] = ..., threshold: _Optional[float] = ..., feedback_signal_label: _Optional[str] = ...) -> None: ...

class AcquisitionMethod(_message.Message):
    __slots__ = ("label", "delay_samples", "timetrace", "integration", "threshold_discrimination")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    DELAY_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    TIMETRACE_FIELD_NUMBER: _ClassVar[int]
    INTEGRATION_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_DISCRIMINATION_FIELD_NUMBER: _ClassVar[int]
    label: str
    delay_samples: int
    timetrace: TimeTrace
    integration: ComplexIntegration
    threshold_discrimination: ThresholdStateDiscrimination
    def __init__(self, label: _Optional[str] = ..., delay_samples: _Optional[int] = ..., timetrace: _Optional[_Union[TimeTrace, _Mapping]] = ..., integration: _Optional[_Union[ComplexIntegration, _Mapping]] = ..., threshold_discrimination: _Optional[_Union[ThresholdStateDiscrimination, _Mapping]] = ...) -> None: ...

class ChannelDescription(_message.Message):
    __slots__ = ("controller_name", "channel_config", "instruction_table", "waveform_table", "acquisition_table")
    CONTROLLER_NAME_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_CONFIG_FIELD_NUMBER: _ClassVar[int]
    INSTRUCTION_TABLE_FIELD_NUMBER: _ClassVar[int]
    WAVEFORM_TABLE_FIELD_NUMBER: _ClassVar[int]
    ACQUISITION_TABLE_FIELD_NUMBER: _ClassVar[int]
    controller_name: str
    channel_config: ChannelConfiguration
    instruction_table: _containers.RepeatedCompositeFieldContainer[Instruction]
    waveform_table: _containers.RepeatedCompositeFieldContainer[Waveform]
    acquisition_table: _containers.RepeatedCompositeFieldContainer[AcquisitionMethod]
    def __init__(self, controller_name: _Optional[str] = ..., channel_config: _Optional[_Union[ChannelConfiguration, _Mapping]] = ..., instruction_table: _Optional[_Iterable[_Union[Instruction, _Mapping]]] = ..., waveform_table: _Optional[_Iterable[_Union[Waveform, _Mapping]]] = ..., acquisition_table: _Optional[_Iterable[_Union[AcquisitionMethod, _Mapping]]] = ...) -> None: ...

class Schedule(_message.Message):
    __slots__ = ("channels",)
    class Channel(_message.Message):
        __slots__ = ("instruction_refs",)
        INSTRUCTION_REFS_FIELD_NUMBER: _ClassVar[int]
        instruction_refs: _containers.RepeatedScalarFieldContainer[int]
        def __init__(self, instruction_refs: _Optional[_Iterable[int]] = ...) -> None: ...
    class ChannelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Schedule.Channel
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Schedule.Channel, _Mapping]] = ...) -> None: ...
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    channels: _containers.MessageMap[str, Schedule.Channel]
    def __init__(self, channels: _Optional[_Mapping[str, Schedule.Channel]] = ...) -> None: ...

class Playlist(_message.Message):
    __slots__ = ("channels", "schedules")
    class ChannelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ChannelDescription
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ChannelDescription, _Mapping]] = ...) -> None: ...
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULES_FIELD_NUMBER: _ClassVar[int]
    channels: _containers.MessageMap[str, ChannelDescription]
    schedules: _containers.RepeatedCompositeFieldContainer[Schedule]
    def __init__(self, channels: _Optional[_Mapping[str, ChannelDescription]] = ..., schedules: _Optional[_Iterable[_Union[Schedule, _Mapping]]] = ...) -> None: ...
