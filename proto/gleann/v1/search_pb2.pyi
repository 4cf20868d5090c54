from gleann.v1 import types_pb2 as _types_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchParams(_message.Message):
    __slots__ = ("k", "nprobe", "rerank", "target_recall", "exact")
    K_FIELD_NUMBER: _ClassVar[int]
    NPROBE_FIELD_NUMBER: _ClassVar[int]
    RERANK_FIELD_NUMBER: _ClassVar[int]
    TARGET_RECALL_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    k: int
    nprobe: int
    rerank: int
    target_recall: float
    exact: bool
    def __init__(self, k: _Optional[int] = ..., nprobe: _Optional[int] = ..., rerank: _Optional[int] = ..., target_recall: _Optional[float] = ..., exact: _Optional[bool] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("index", "queries", "params", "allowed_ids")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_IDS_FIELD_NUMBER: _ClassVar[int]
    index: str
    queries: _types_pb2.Vectors
    params: SearchParams
    allowed_ids: _types_pb2.Ids
    def __init__(self, index: _Optional[str] = ..., queries: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., params: _Optional[_Union[SearchParams, _Mapping]] = ..., allowed_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ...) -> None: ...

class SearchStats(_message.Message):
    __slots__ = ("engine", "nprobe", "rerank", "lists_probed", "entries_scanned", "survivors", "reranked", "completed", "estimated_recall", "exact")
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
    def __init__(self, engine: _Optional[str] = ..., nprobe: _Optional[int] = ..., rerank: _Optional[int] = ..., lists_probed: _Optional[int] = ..., entries_scanned: _Optional[int] = ..., survivors: _Optional[int] = ..., reranked: _Optional[int] = ..., completed: _Optional[int] = ..., estimated_recall: _Optional[float] = ..., exact: _Optional[bool] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("count", "k", "ids", "distances", "stats", "version")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    count: int
    k: int
    ids: _types_pb2.Ids
    distances: bytes
    stats: SearchStats
    version: _types_pb2.IndexVersion
    def __init__(self, count: _Optional[int] = ..., k: _Optional[int] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., distances: _Optional[bytes] = ..., stats: _Optional[_Union[SearchStats, _Mapping]] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ...) -> None: ...
