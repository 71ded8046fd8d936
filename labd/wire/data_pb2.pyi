from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NullValue(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NULL_VALUE: _ClassVar[NullValue]
NULL_VALUE: NullValue

class Complex128(_message.Message):
    __slots__ = ("real", "imag")
    REAL_FIELD_NUMBER: _ClassVar[int]
    IMAG_FIELD_NUMBER: _ClassVar[int]
    real: float
    imag: float
    def __init__(self, real: _Optional[float] = ..., imag: _Optional[float] = ...) -> None: ...

class Int64Sequence(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, items: _Optional[_Iterable[int]] = ...) -> None: ...

class Float64Sequence(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, items: _Optional[_Iterable[float]] = ...) -> None: ...

class BoolSequence(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, items: _Optional[_Iterable[bool]] = ...) -> None: ...

class StringSequence(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, items: _Optional[_Iterable[str]] = ...) -> None: ...

class Complex128Sequence(_message.Message):
    __slots__ = ("real", "imag")
    REAL_FIELD_NUMBER: _ClassVar[int]
    IMAG_FIELD_NUMBER: _ClassVar[int]
    real: _containers.RepeatedScalarFieldContainer[float]
    imag: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, real: _Optional[_Iterable[float]] = ..., imag: _Optional[_Iterable[float]] = ...) -> None: ...

class Sequence(_message.Message):
    __slots__ = ("string_array", "bool_array", "int64_array", "float64_array", "complex128_array")
    STRING_ARRAY_FIELD_NUMBER: _ClassVar[int]
    BOOL_ARRAY_FIELD_NUMBER: _ClassVar[int]
    INT64_ARRAY_FIELD_NUMBER: _ClassVar[int]
    FLOAT64_ARRAY_FIELD_NUMBER: _ClassVar[int]
    COMPLEX128_ARRAY_FIELD_NUMBER: _ClassVar[int]
    string_array: StringSequence
    bool_array: BoolSequence
    int64_array: Int64Sequence
    float64_array: Float64Sequence
    complex128_array: Complex128Sequence
    def __init__(self, string_array: _Optional[_Union[StringSequence, _Mapping]] = ..., bool_array: _Optional[_Union[BoolSequence, _Mapping]] = ..., int64_array: _Optional[_Union[Int64Sequence, _Mapping]] = ..., float64_array: _Optional[_Union[Float64Sequence, _Mapping]] = ..., complex128_array: _Optional[_Union[Complex128Sequence, _Mapping]] = ...) -> None: ...

class Array(_message.Message):
    __slots__ = ("shape", "string_array", "bool_array", "int64_array", "float64_array", "complex128_array")
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    STRING_ARRAY_FIELD_NUMBER: _ClassVar[int]
    BOOL_ARRAY_FIELD_NUMBER: _ClassVar[int]
    INT64_ARRAY_FIELD_NUMBER: _ClassVar[int]
    FLOAT64_ARRAY_FIELD_NUMBER: _ClassVar[int]
    COMPLEX128_ARRAY_FIELD_NUMBER: _ClassVar[int]
    shape: _containers.RepeatedScalarFieldContainer[int]
    string_array: StringSequence
    bool_array: BoolSequence
    int64_array: Int64Sequence
    float64_array: Float64Sequence
    complex128_array: Complex128Sequence
    def __init__(self, shape: _Optional[_Iterable[int]] = ..., string_array: _Optional[_Union[StringSequence, _Mapping]] = ..., bool_array: _Optional[_Union[BoolSequence, _Mapping]] = ..., int64_array: _Optional[_Union[Int64Sequence, _Mapping]] = ..., float64_array: _Optional[_Union[Float64Sequence, _Mapping]] = ..., complex128_array: _Optional[_Union[Complex128Sequence, _Mapping]] = ...) -> None: ...

class Datum(_message.Message):
    __slots__ = ("string_value", "bool_value", "sint64_value", "float64_value", "complex128_value", "array", "sequence", "null_value")
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    SINT64_VALUE_FIELD_NUMBER: _ClassVar[int]
    FLOAT64_VALUE_FIELD_NUMBER: _ClassVar[int]
    COMPLEX128_VALUE_FIELD_NUMBER: _ClassVar[int]
    ARRAY_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    NULL_VALUE_FIELD_NUMBER: _ClassVar[int]
    string_value: str
    bool_value: bool
    sint64_value: int
    float64_value: float
    complex128_value: Complex128
    array: Array
    sequence: Sequence
    null_value: NullValue
    def __init__(self, string_value: _Optional[str] = ..., bool_value: _Optional[bool] = ..., sint64_value: _Optional[int] = ..., float64_value: _Optional[float] = ..., complex128_value: _Optional[_Union[Complex128, _Mapping]] = ..., array: _Optional[_Union[Array, _Mapping]] = ..., sequence: _Optional[_Union[Sequence, _Mapping]] = ..., null_value: _Optional[_Union[NullValue, str]] = ...) -> None: ...

class Parameter(_message.Message):
    __slots__ = ("name", "label", "unit", "collection_type", "data_type", "element_indices", "parent_name", "parent_label")
    class CollectionType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        COLLECTION_TYPE_UNSPECIFIED: _ClassVar[Parameter.CollectionType]
        COLLECTION_TYPE_SCALAR: _ClassVar[Parameter.CollectionType]
        COLLECTION_TYPE_LIST: _ClassVar[Parameter.CollectionType]
        COLLECTION_TYPE_NDARRAY: _ClassVar[Parameter.CollectionType]
    COLLECTION_TYPE_UNSPECIFIED: Parameter.CollectionType
    COLLECTION_TYPE_SCALAR: Parameter.CollectionType
    COLLECTION_TYPE_LIST: Parameter.CollectionType
    COLLECTION_TYPE_NDARRAY: Parameter.CollectionType
    class DataType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        DATA_TYPE_UNSPECIFIED: _ClassVar[Parameter.DataType]
        DATA_TYPE_STRING: _ClassVar[Parameter.DataType]
        DATA_TYPE_BOOL: _ClassVar[Parameter.DataType]
        DATA_TYPE_INT64: _ClassVar[Parameter.DataType]
        DATA_TYPE_FLOAT64: _ClassVar[Parameter.DataType]
        DATA_TYPE_COMPLEX128: _ClassVar[Parameter.DataType]
    DATA_TYPE_UNSPECIFIED: Parameter.DataType
    DATA_TYPE_STRING: Parameter.DataType
    DATA_TYPE_BOOL: Parameter.DataType
    DATA_TYPE_INT64: Parameter.DataType
    DATA_TYPE_FLOAT64: Parameter.DataType
    DATA_TYPE_COMPLEX128: Parameter.DataType
    NAME_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_TYPE_FIELD_NUMBER: _ClassVar[int]
    DATA_TYPE_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_INDICES_FIELD_NUMBER: _ClassVar[int]
    PARENT_NAME_FIELD_NUMBER: _ClassVar[int]
    PARENT_LABEL_FIELD_NUMBER: _ClassVar[int]
    name: str
    label: str
    unit: str
    collection_type: Parameter.CollectionType
    data_type: Parameter.DataType
    element_indices: _containers.RepeatedScalarFieldContainer[int]
    parent_name: str
    parent_label: str
    def __init__(self, name: _Optional[str] = ..., label: _Optional[str] = ..., unit: _Optional[str] = ..., collection_type: _Optional[_Union[Parameter.CollectionType, str]] = ..., data_type: _Optional[_Union[Parameter.DataType, str]] = ..., element_indices: _Optional[_Iterable[int]] = ..., parent_name: _Optional[str] = ..., parent_label: _Optional[str] = ...) -> None: ...

class SettingNode(_message.Message):
    __slots__ = ("name", "settings", "subnodes")
    class Setting(_message.Message):
        __slots__ = ("parameter_name", "parameter", "value", "read_only")
        PARAMETER_NAME_FIELD_NUMBER: _ClassVar[int]
        PARAMETER_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        READ_ONLY_FIELD_NUMBER: _ClassVar[int]
        parameter_name: str
        parameter: Parameter
        value: Datum
        read_only: bool
        def __init__(self, parameter_name: _Optional[str] = ..., parameter: _Optional[_Union[Parameter, _Mapping]] = ..., value: _Optional[_Union[Datum, _Mapping]] = ..., read_only: _Optional[bool] = ...) -> None: ...
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: SettingNode.Setting
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[SettingNode.Setting, _Mapping]] = ...) -> None: ...
    class SubnodesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: SettingNode
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[SettingNode, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    SUBNODES_FIELD_NUMBER: _ClassVar[int]
    name: str
    settings: _containers.MessageMap[str, SettingNode.Setting]
    subnodes: _containers.MessageMap[str, SettingNode]
    def __init__(self, name: _Optional[str] = ..., settings: _Optional[_Mapping[str, SettingNode.Setting]] = ..., subnodes: _Optional[_Mapping[str, SettingNode]] = ...) -> None: ...

class SingleParameterSweep(_message.Message):
    __slots__ = ("parameter_name", "values", "parameter")
    PARAMETER_NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    PARAMETER_FIELD_NUMBER: _ClassVar[int]
    parameter_name: str
    values: Sequence
    parameter: Parameter
    def __init__(self, parameter_name: _Optional[str] = ..., values: _Optional[_Union[Sequence, _Mapping]] = ..., parameter: _Optional[_Union[Parameter, _Mapping]] = ...) -> None: ...

class ParallelSweep(_message.Message):
    __slots__ = ("single_parameter_sweeps",)
    SINGLE_PARAMETER_SWEEPS_FIELD_NUMBER: _ClassVar[int]
    single_parameter_sweeps: _containers.RepeatedCompositeFieldContainer[SingleParameterSweep]
    def __init__(self, single_parameter_sweeps: _Optional[_Iterable[_Union[SingleParameterSweep, _Mapping]]] = ...) -> None: ...

class CartesianSweep(_message.Message):
    __slots__ = ("parallel_sweeps",)
    PARALLEL_SWEEPS_FIELD_NUMBER: _ClassVar[int]
    parallel_sweeps: _containers.RepeatedCompositeFieldContainer[ParallelSweep]
    def __init__(self, parallel_sweeps: _Optional[_Iterable[_Union[ParallelSweep, _Mapping]]] = ...) -> None: ...
