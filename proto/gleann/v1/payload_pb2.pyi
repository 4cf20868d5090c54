import datetime

from gleann.v1 import types_pb2 as _types_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ColumnType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLUMN_TYPE_UNSPECIFIED: _ClassVar[ColumnType]
    COLUMN_TYPE_STRING: _ClassVar[ColumnType]
    COLUMN_TYPE_INT64: _ClassVar[ColumnType]
    COLUMN_TYPE_FLOAT64: _ClassVar[ColumnType]
    COLUMN_TYPE_BOOL: _ClassVar[ColumnType]
    COLUMN_TYPE_TIMESTAMP: _ClassVar[ColumnType]
    COLUMN_TYPE_STRINGS: _ClassVar[ColumnType]
    COLUMN_TYPE_JSON: _ClassVar[ColumnType]
COLUMN_TYPE_UNSPECIFIED: ColumnType
COLUMN_TYPE_STRING: ColumnType
COLUMN_TYPE_INT64: ColumnType
COLUMN_TYPE_FLOAT64: ColumnType
COLUMN_TYPE_BOOL: ColumnType
COLUMN_TYPE_TIMESTAMP: ColumnType
COLUMN_TYPE_STRINGS: ColumnType
COLUMN_TYPE_JSON: ColumnType

class ColumnSpec(_message.Message):
    __slots__ = ("name", "type", "indexed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    INDEXED_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: ColumnType
    indexed: bool
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[ColumnType, str]] = ..., indexed: _Optional[bool] = ...) -> None: ...

class StringLists(_message.Message):
    __slots__ = ("strings", "lengths")
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    LENGTHS_FIELD_NUMBER: _ClassVar[int]
    strings: _types_pb2.Strings
    lengths: bytes
    def __init__(self, strings: _Optional[_Union[_types_pb2.Strings, _Mapping]] = ..., lengths: _Optional[bytes] = ...) -> None: ...

class PayloadColumn(_message.Message):
    __slots__ = ("name", "type", "present", "int64s", "float64s", "bools", "strings", "lists")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    INT64S_FIELD_NUMBER: _ClassVar[int]
    FLOAT64S_FIELD_NUMBER: _ClassVar[int]
    BOOLS_FIELD_NUMBER: _ClassVar[int]
    STRINGS_FIELD_NUMBER: _ClassVar[int]
    LISTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: ColumnType
    present: bytes
    int64s: bytes
    float64s: bytes
    bools: bytes
    strings: _types_pb2.Strings
    lists: StringLists
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[ColumnType, str]] = ..., present: _Optional[bytes] = ..., int64s: _Optional[bytes] = ..., float64s: _Optional[bytes] = ..., bools: _Optional[bytes] = ..., strings: _Optional[_Union[_types_pb2.Strings, _Mapping]] = ..., lists: _Optional[_Union[StringLists, _Mapping]] = ...) -> None: ...

class Payload(_message.Message):
    __slots__ = ("count", "columns")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    count: int
    columns: _containers.RepeatedCompositeFieldContainer[PayloadColumn]
    def __init__(self, count: _Optional[int] = ..., columns: _Optional[_Iterable[_Union[PayloadColumn, _Mapping]]] = ...) -> None: ...

class Value(_message.Message):
    __slots__ = ("string_value", "int64_value", "float64_value", "bool_value", "timestamp_value", "list_value")
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT64_VALUE_FIELD_NUMBER: _ClassVar[int]
    FLOAT64_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_VALUE_FIELD_NUMBER: _ClassVar[int]
    LIST_VALUE_FIELD_NUMBER: _ClassVar[int]
    string_value: str
    int64_value: int
    float64_value: float
    bool_value: bool
    timestamp_value: _timestamp_pb2.Timestamp
    list_value: ValueList
    def __init__(self, string_value: _Optional[str] = ..., int64_value: _Optional[int] = ..., float64_value: _Optional[float] = ..., bool_value: _Optional[bool] = ..., timestamp_value: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., list_value: _Optional[_Union[ValueList, _Mapping]] = ...) -> None: ...

class ValueList(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[Value]
    def __init__(self, values: _Optional[_Iterable[_Union[Value, _Mapping]]] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("where", "parameters")
    WHERE_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    where: str
    parameters: _containers.RepeatedCompositeFieldContainer[Value]
    def __init__(self, where: _Optional[str] = ..., parameters: _Optional[_Iterable[_Union[Value, _Mapping]]] = ...) -> None: ...
