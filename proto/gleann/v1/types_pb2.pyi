from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScalarType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCALAR_TYPE_UNSPECIFIED: _ClassVar[ScalarType]
    SCALAR_TYPE_FLOAT32: _ClassVar[ScalarType]
    SCALAR_TYPE_FLOAT16: _ClassVar[ScalarType]
    SCALAR_TYPE_INT8: _ClassVar[ScalarType]
    SCALAR_TYPE_UINT8: _ClassVar[ScalarType]

class Metric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METRIC_UNSPECIFIED: _ClassVar[Metric]
    METRIC_IP: _ClassVar[Metric]
    METRIC_COSINE: _ClassVar[Metric]
    METRIC_L2: _ClassVar[Metric]
SCALAR_TYPE_UNSPECIFIED: ScalarType
SCALAR_TYPE_FLOAT32: ScalarType
SCALAR_TYPE_FLOAT16: ScalarType
SCALAR_TYPE_INT8: ScalarType
SCALAR_TYPE_UINT8: ScalarType
METRIC_UNSPECIFIED: Metric
METRIC_IP: Metric
METRIC_COSINE: Metric
METRIC_L2: Metric

class Vectors(_message.Message):
    __slots__ = ("data", "scalar_type", "dim", "count")
    DATA_FIELD_NUMBER: _ClassVar[int]
    SCALAR_TYPE_FIELD_NUMBER: _ClassVar[int]
    DIM_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    scalar_type: ScalarType
    dim: int
    count: int
    def __init__(self, data: _Optional[bytes] = ..., scalar_type: _Optional[_Union[ScalarType, str]] = ..., dim: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class Strings(_message.Message):
    __slots__ = ("values", "text", "lengths")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    text: bytes
    lengths: bytes
    def __init__(self, values: _Optional[_Iterable[str]] = ..., text: _Optional[bytes] = ..., lengths: _Optional[bytes] = ...) -> None: ...

class Ids(_message.Message):
    __slots__ = ("int64s", "strings")
    INT64S_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    int64s: bytes
    strings: Strings
    def __init__(self, int64s: _Optional[bytes] = ..., strings: _Optional[_Union[Strings, _Mapping]] = ...) -> None: ...

class Scores(_message.Message):
    __slots__ = ("ids", "values")
    IDS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    ids: Ids
    values: bytes
    def __init__(self, ids: _Optional[_Union[Ids, _Mapping]] = ..., values: _Optional[bytes] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "int64s", "float64s", "strings", "bools")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INT64S_FIELD_NUMBER: _ClassVar[int]
    FLOAT64S_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    BOOLS_FIELD_NUMBER: _ClassVar[int]
    name: str
    int64s: bytes
    float64s: bytes
    strings: Strings
    bools: bytes
    def __init__(self, name: _Optional[str] = ..., int64s: _Optional[bytes] = ..., float64s: _Optional[bytes] = ..., strings: _Optional[_Union[Strings, _Mapping]] = ..., bools: _Optional[bytes] = ...) -> None: ...

class IndexVersion(_message.Message):
    __slots__ = ("sealed", "sequence")
    SEALED_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    sealed: int
    sequence: int
    def __init__(self, sealed: _Optional[int] = ..., sequence: _Optional[int] = ...) -> None: ...

class SelectedItems(_message.Message):
    __slots__ = ("ids", "scores", "weights", "why")
    IDS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    ids: Ids
    scores: bytes
    weights: bytes
    why: _containers.RepeatedCompositeFieldContainer[Column]
    def __init__(self, ids: _Optional[_Union[Ids, _Mapping]] = ..., scores: _Optional[bytes] = ..., weights: _Optional[bytes] = ..., why: _Optional[_Iterable[_Union[Column, _Mapping]]] = ...) -> None: ...
