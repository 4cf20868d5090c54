from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ServerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SERVER_STATE_UNSPECIFIED: _ClassVar[ServerState]
    SERVER_STATE_SERVING: _ClassVar[ServerState]
    SERVER_STATE_READ_ONLY: _ClassVar[ServerState]
    SERVER_STATE_STOPPING: _ClassVar[ServerState]
SERVER_STATE_UNSPECIFIED: ServerState
SERVER_STATE_SERVING: ServerState
SERVER_STATE_READ_ONLY: ServerState
SERVER_STATE_STOPPING: ServerState

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Limits(_message.Message):
    __slots__ = ("dim", "rows", "hits", "message_bytes", "distances", "work_bytes")
    DIM_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    HITS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_FIELD_NUMBER: _ClassVar[int]
    WORK_BYTES_FIELD_NUMBER: _ClassVar[int]
    dim: int
    rows: int
    hits: int
    message_bytes: int
    distances: int
    work_bytes: int
    def __init__(self, dim: _Optional[int] = ..., rows: _Optional[int] = ..., hits: _Optional[int] = ..., message_bytes: _Optional[int] = ..., distances: _Optional[int] = ..., work_bytes: _Optional[int] = ...) -> None: ...

class ServerInfo(_message.Message):
    __slots__ = ("version", "limits", "features", "index_count", "protocol", "oldest_protocol")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    INDEX_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    OLDEST_PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    version: str
    limits: Limits
    features: _containers.RepeatedScalarFieldContainer[str]
    index_count: int
    protocol: int
    oldest_protocol: int
    def __init__(self, version: _Optional[str] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., features: _Optional[_Iterable[str]] = ..., index_count: _Optional[int] = ..., protocol: _Optional[int] = ..., oldest_protocol: _Optional[int] = ...) -> None: ...

class GetServerStatusRequest(_message.Message):
    __slots__ = ("read_mask",)
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ServerStatus(_message.Message):
    __slots__ = ("version", "state", "reason", "uptime_seconds", "compute_threads", "memory_bytes", "mapped_bytes", "disk_free_bytes", "queues", "methods", "indexes", "operations", "sessions", "streams")
    class OperationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    UPTIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_THREADS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAPPED_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    QUEUES_FIELD_NUMBER: _ClassVar[int]
    METHODS_FIELD_NUMBER: _ClassVar[int]
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    version: str
    state: ServerState
    reason: str
    uptime_seconds: float
    compute_threads: int
    memory_bytes: int
    mapped_bytes: int
    disk_free_bytes: int
    queues: _containers.RepeatedCompositeFieldContainer[QueueStatus]
    methods: _containers.RepeatedCompositeFieldContainer[MethodStatus]
    indexes: _containers.RepeatedCompositeFieldContainer[IndexStatus]
    operations: _containers.ScalarMap[str, int]
    sessions: int
    streams: int
    def __init__(self, version: _Optional[str] = ..., state: _Optional[_Union[ServerState, str]] = ..., reason: _Optional[str] = ..., uptime_seconds: _Optional[float] = ..., compute_threads: _Optional[int] = ..., memory_bytes: _Optional[int] = ..., mapped_bytes: _Optional[int] = ..., disk_free_bytes: _Optional[int] = ..., queues: _Optional[_Iterable[_Union[QueueStatus, _Mapping]]] = ..., methods: _Optional[_Iterable[_Union[MethodStatus, _Mapping]]] = ..., indexes: _Optional[_Iterable[_Union[IndexStatus, _Mapping]]] = ..., operations: _Optional[_Mapping[str, int]] = ..., sessions: _Optional[int] = ..., streams: _Optional[int] = ...) -> None: ...

class QueueStatus(_message.Message):
    __slots__ = ("kind", "running", "queued", "places", "refused", "dropped", "delay_median_seconds", "delay_p99_seconds")
    KIND_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    DELAY_MEDIAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DELAY_P99_SECONDS_FIELD_NUMBER: _ClassVar[int]
    kind: str
    running: int
    queued: int
    places: int
    refused: int
    dropped: int
    delay_median_seconds: float
    delay_p99_seconds: float
    def __init__(self, kind: _Optional[str] = ..., running: _Optional[int] = ..., queued: _Optional[int] = ..., places: _Optional[int] = ..., refused: _Optional[int] = ..., dropped: _Optional[int] = ..., delay_median_seconds: _Optional[float] = ..., delay_p99_seconds: _Optional[float] = ...) -> None: ...

class MethodStatus(_message.Message):
    __slots__ = ("method", "codes", "rate", "median_seconds", "p99_seconds")
    class CodesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    P99_SECONDS_FIELD_NUMBER: _ClassVar[int]
    method: str
    codes: _containers.ScalarMap[str, int]
    rate: float
    median_seconds: float
    p99_seconds: float
    def __init__(self, method: _Optional[str] = ..., codes: _Optional[_Mapping[str, int]] = ..., rate: _Optional[float] = ..., median_seconds: _Optional[float] = ..., p99_seconds: _Optional[float] = ...) -> None: ...

class IndexStatus(_message.Message):
    __slots__ = ("name", "count", "pending", "removed", "memory_bytes", "disk_bytes", "queries", "probed_recall", "probed_queries", "broken")
    class MemoryBytesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    PROBED_RECALL_FIELD_NUMBER: _ClassVar[int]
    PROBED_QUERIES_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    count: int
    pending: int
    removed: int
    memory_bytes: _containers.ScalarMap[str, int]
    disk_bytes: int
    queries: int
    probed_recall: float
    probed_queries: int
    broken: str
    def __init__(self, name: _Optional[str] = ..., count: _Optional[int] = ..., pending: _Optional[int] = ..., removed: _Optional[int] = ..., memory_bytes: _Optional[_Mapping[str, int]] = ..., disk_bytes: _Optional[int] = ..., queries: _Optional[int] = ..., probed_recall: _Optional[float] = ..., probed_queries: _Optional[int] = ..., broken: _Optional[str] = ...) -> None: ...
