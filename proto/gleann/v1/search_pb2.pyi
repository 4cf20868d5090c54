from gleann.v1 import payload_pb2 as _payload_pb2
from gleann.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Effort(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFORT_UNSPECIFIED: _ClassVar[Effort]
    EFFORT_EVEN: _ClassVar[Effort]
    EFFORT_BY_QUERY: _ClassVar[Effort]
EFFORT_UNSPECIFIED: Effort
EFFORT_EVEN: Effort
EFFORT_BY_QUERY: Effort

class SearchParams(_message.Message):
    __slots__ = ("k", "nprobe", "rerank", "target_recall", "exact", "effort")
    K_FIELD_NUMBER: _ClassVar[int]
    NPROBE_FIELD_NUMBER: _ClassVar[int]
    RERANK_FIELD_NUMBER: _ClassVar[int]
    TARGET_RECALL_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    k: int
    nprobe: int
    rerank: int
    target_recall: float
    exact: bool
    effort: Effort
    def __init__(self, k: _Optional[int] = ..., nprobe: _Optional[int] = ..., rerank: _Optional[int] = ..., target_recall: _Optional[float] = ..., exact: _Optional[bool] = ..., effort: _Optional[_Union[Effort, str]] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("index", "queries", "params", "allowed_ids", "filter", "columns", "radius")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    RADIUS_FIELD_NUMBER: _ClassVar[int]
    index: str
    queries: _types_pb2.Vectors
    params: SearchParams
    allowed_ids: _types_pb2.Ids
    filter: _payload_pb2.Filter
    columns: _containers.RepeatedScalarFieldContainer[str]
    radius: float
    def __init__(self, index: _Optional[str] = ..., queries: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., params: _Optional[_Union[SearchParams, _Mapping]] = ..., allowed_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ..., columns: _Optional[_Iterable[str]] = ..., radius: _Optional[float] = ...) -> None: ...

class SearchStats(_message.Message):
    __slots__ = ("engine", "nprobe", "rerank", "lists_probed", "entries_scanned", "survivors", "reranked", "completed", "estimated_recall", "exact", "recall_low", "recall_high", "covered")
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    NPROBE_FIELD_NUMBER: _ClassVar[int]
    RERANK_FIELD_NUMBER: _ClassVar[int]
    LISTS_PROBED_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_SCANNED_FIELD_NUMBER: _ClassVar[int]
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    RERANKED_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_RECALL_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    RECALL_LOW_FIELD_NUMBER: _ClassVar[int]
    RECALL_HIGH_FIELD_NUMBER: _ClassVar[int]
    COVERED_FIELD_NUMBER: _ClassVar[int]
    engine: str
    nprobe: int
    rerank: int
    lists_probed: int
    entries_scanned: int
    survivors: int
    reranked: int
    completed: int
    estimated_recall: float
    exact: bool
    recall_low: float
    recall_high: float
    covered: float
    def __init__(self, engine: _Optional[str] = ..., nprobe: _Optional[int] = ..., rerank: _Optional[int] = ..., lists_probed: _Optional[int] = ..., entries_scanned: _Optional[int] = ..., survivors: _Optional[int] = ..., reranked: _Optional[int] = ..., completed: _Optional[int] = ..., estimated_recall: _Optional[float] = ..., exact: _Optional[bool] = ..., recall_low: _Optional[float] = ..., recall_high: _Optional[float] = ..., covered: _Optional[float] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("count", "k", "ids", "distances", "stats", "version", "payload")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    count: int
    k: int
    ids: _types_pb2.Ids
    distances: bytes
    stats: SearchStats
    version: _types_pb2.IndexVersion
    payload: _payload_pb2.Payload
    def __init__(self, count: _Optional[int] = ..., k: _Optional[int] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., distances: _Optional[bytes] = ..., stats: _Optional[_Union[SearchStats, _Mapping]] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ..., payload: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ...) -> None: ...

class SearchRadiusRequest(_message.Message):
    __slots__ = ("index", "queries", "radius", "filter", "columns", "target_recall", "limit", "page_size", "page_token")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    RADIUS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    TARGET_RECALL_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    index: str
    queries: _types_pb2.Vectors
    radius: float
    filter: _payload_pb2.Filter
    columns: _containers.RepeatedScalarFieldContainer[str]
    target_recall: float
    limit: int
    page_size: int
    page_token: str
    def __init__(self, index: _Optional[str] = ..., queries: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., radius: _Optional[float] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ..., columns: _Optional[_Iterable[str]] = ..., target_recall: _Optional[float] = ..., limit: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchRadiusResponse(_message.Message):
    __slots__ = ("counts", "ids", "distances", "payload", "complete", "stats", "version", "next_page_token")
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    counts: bytes
    ids: _types_pb2.Ids
    distances: bytes
    payload: _payload_pb2.Payload
    complete: bool
    stats: SearchStats
    version: _types_pb2.IndexVersion
    next_page_token: str
    def __init__(self, counts: _Optional[bytes] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., distances: _Optional[bytes] = ..., payload: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ..., complete: _Optional[bool] = ..., stats: _Optional[_Union[SearchStats, _Mapping]] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
