from gleann.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CurationLines(_message.Message):
    __slots__ = ("curation", "table", "flag")
    CURATION_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    FLAG_FIELD_NUMBER: _ClassVar[int]
    curation: str
    table: str
    flag: str
    def __init__(self, curation: _Optional[str] = ..., table: _Optional[str] = ..., flag: _Optional[str] = ...) -> None: ...

class AuditChoice(_message.Message):
    __slots__ = ("ids", "selection", "lines", "group_columns", "orders", "shares", "seed")
    IDS_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    GROUP_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    selection: str
    lines: CurationLines
    group_columns: _containers.RepeatedScalarFieldContainer[str]
    orders: _containers.RepeatedScalarFieldContainer[float]
    shares: _containers.RepeatedScalarFieldContainer[float]
    seed: int
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., selection: _Optional[str] = ..., lines: _Optional[_Union[CurationLines, _Mapping]] = ..., group_columns: _Optional[_Iterable[str]] = ..., orders: _Optional[_Iterable[float]] = ..., shares: _Optional[_Iterable[float]] = ..., seed: _Optional[int] = ...) -> None: ...
