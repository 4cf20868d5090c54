import datetime

from gleann.v1 import payload_pb2 as _payload_pb2
from gleann.v1 import types_pb2 as _types_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Spill(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SPILL_UNSPECIFIED: _ClassVar[Spill]
    SPILL_SOAR: _ClassVar[Spill]
    SPILL_NAIVE: _ClassVar[Spill]
    SPILL_NONE: _ClassVar[Spill]
    SPILL_AUTO: _ClassVar[Spill]

class Codes(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CODES_UNSPECIFIED: _ClassVar[Codes]
    CODES_INT8: _ClassVar[Codes]
    CODES_FLOAT32: _ClassVar[Codes]
    CODES_AUTO: _ClassVar[Codes]

class Keep(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KEEP_UNSPECIFIED: _ClassVar[Keep]
    KEEP_F32: _ClassVar[Keep]
    KEEP_F16: _ClassVar[Keep]
    KEEP_BF16: _ClassVar[Keep]
    KEEP_DISK: _ClassVar[Keep]

class EntryCodes(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENTRY_CODES_UNSPECIFIED: _ClassVar[EntryCodes]
    ENTRY_CODES_COPIED: _ClassVar[EntryCodes]
    ENTRY_CODES_SHARED: _ClassVar[EntryCodes]

class CompactionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPACTION_KIND_UNSPECIFIED: _ClassVar[CompactionKind]
    COMPACTION_KIND_FOLD: _ClassVar[CompactionKind]
    COMPACTION_KIND_REBUILD: _ClassVar[CompactionKind]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_PAUSED: _ClassVar[JobState]
    JOB_STATE_DONE: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
SPILL_UNSPECIFIED: Spill
SPILL_SOAR: Spill
SPILL_NAIVE: Spill
SPILL_NONE: Spill
SPILL_AUTO: Spill
CODES_UNSPECIFIED: Codes
CODES_INT8: Codes
CODES_FLOAT32: Codes
CODES_AUTO: Codes
KEEP_UNSPECIFIED: Keep
KEEP_F32: Keep
KEEP_F16: Keep
KEEP_BF16: Keep
KEEP_DISK: Keep
ENTRY_CODES_UNSPECIFIED: EntryCodes
ENTRY_CODES_COPIED: EntryCodes
ENTRY_CODES_SHARED: EntryCodes
COMPACTION_KIND_UNSPECIFIED: CompactionKind
COMPACTION_KIND_FOLD: CompactionKind
COMPACTION_KIND_REBUILD: CompactionKind
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_PAUSED: JobState
JOB_STATE_DONE: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState

class MemoryPart(_message.Message):
    __slots__ = ("part", "anonymous_bytes", "mapped_bytes", "on_disk_bytes")
    PART_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAPPED_BYTES_FIELD_NUMBER: _ClassVar[int]
    ON_DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    part: str
    anonymous_bytes: int
    mapped_bytes: int
    on_disk_bytes: int
    def __init__(self, part: _Optional[str] = ..., anonymous_bytes: _Optional[int] = ..., mapped_bytes: _Optional[int] = ..., on_disk_bytes: _Optional[int] = ...) -> None: ...

class Index(_message.Message):
    __slots__ = ("name", "dim", "metric", "id_type", "count", "pending", "version", "nlist", "spill", "engine", "data_hash", "create_time", "build_time", "broken", "columns", "removed", "optimizer", "etag", "keep", "entry_codes", "memory", "projection")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIM_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    ID_TYPE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NLIST_FIELD_NUMBER: _ClassVar[int]
    SPILL_FIELD_NUMBER: _ClassVar[int]
    ENGINE_FIELD_NUMBER: _ClassVar[int]
    DATA_HASH_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    BUILD_TIME_FIELD_NUMBER: _ClassVar[int]
    BROKEN_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    ENTRY_CODES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    dim: int
    metric: _types_pb2.Metric
    id_type: str
    count: int
    pending: int
    version: _types_pb2.IndexVersion
    nlist: int
    spill: Spill
    engine: str
    data_hash: str
    create_time: _timestamp_pb2.Timestamp
    build_time: _timestamp_pb2.Timestamp
    broken: str
    columns: _containers.RepeatedCompositeFieldContainer[_payload_pb2.ColumnSpec]
    removed: int
    optimizer: Optimizer
    etag: str
    keep: Keep
    entry_codes: EntryCodes
    memory: _containers.RepeatedCompositeFieldContainer[MemoryPart]
    projection: int
    def __init__(self, name: _Optional[str] = ..., dim: _Optional[int] = ..., metric: _Optional[_Union[_types_pb2.Metric, str]] = ..., id_type: _Optional[str] = ..., count: _Optional[int] = ..., pending: _Optional[int] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ..., nlist: _Optional[int] = ..., spill: _Optional[_Union[Spill, str]] = ..., engine: _Optional[str] = ..., data_hash: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., build_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., broken: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[_payload_pb2.ColumnSpec, _Mapping]]] = ..., removed: _Optional[int] = ..., optimizer: _Optional[_Union[Optimizer, _Mapping]] = ..., etag: _Optional[str] = ..., keep: _Optional[_Union[Keep, str]] = ..., entry_codes: _Optional[_Union[EntryCodes, str]] = ..., memory: _Optional[_Iterable[_Union[MemoryPart, _Mapping]]] = ..., projection: _Optional[int] = ...) -> None: ...

class Plan(_message.Message):
    __slots__ = ("rows", "seconds", "memory_bytes", "disk_bytes", "disk_bytes_after", "steps")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_AFTER_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    rows: int
    seconds: float
    memory_bytes: int
    disk_bytes: int
    disk_bytes_after: int
    steps: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, rows: _Optional[int] = ..., seconds: _Optional[float] = ..., memory_bytes: _Optional[int] = ..., disk_bytes: _Optional[int] = ..., disk_bytes_after: _Optional[int] = ..., steps: _Optional[_Iterable[str]] = ...) -> None: ...

class OptimizerParams(_message.Message):
    __slots__ = ("enabled", "pending_share", "removed_share", "drift", "min_rows", "min_seconds", "max_seconds")
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    PENDING_SHARE_FIELD_NUMBER: _ClassVar[int]
    REMOVED_SHARE_FIELD_NUMBER: _ClassVar[int]
    DRIFT_FIELD_NUMBER: _ClassVar[int]
    MIN_ROWS_FIELD_NUMBER: _ClassVar[int]
    MIN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    pending_share: float
    removed_share: float
    drift: float
    min_rows: int
    min_seconds: float
    max_seconds: float
    def __init__(self, enabled: _Optional[bool] = ..., pending_share: _Optional[float] = ..., removed_share: _Optional[float] = ..., drift: _Optional[float] = ..., min_rows: _Optional[int] = ..., min_seconds: _Optional[float] = ..., max_seconds: _Optional[float] = ...) -> None: ...

class Optimizer(_message.Message):
    __slots__ = ("params", "pending_share", "removed_share", "drift", "decision", "operation", "last_kind", "last_time", "last_error")
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    PENDING_SHARE_FIELD_NUMBER: _ClassVar[int]
    REMOVED_SHARE_FIELD_NUMBER: _ClassVar[int]
    DRIFT_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    LAST_KIND_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_ERROR_FIELD_NUMBER: _ClassVar[int]
    params: OptimizerParams
    pending_share: float
    removed_share: float
    drift: float
    decision: str
    operation: str
    last_kind: CompactionKind
    last_time: _timestamp_pb2.Timestamp
    last_error: str
    def __init__(self, params: _Optional[_Union[OptimizerParams, _Mapping]] = ..., pending_share: _Optional[float] = ..., removed_share: _Optional[float] = ..., drift: _Optional[float] = ..., decision: _Optional[str] = ..., operation: _Optional[str] = ..., last_kind: _Optional[_Union[CompactionKind, str]] = ..., last_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_error: _Optional[str] = ...) -> None: ...

class BuildParams(_message.Message):
    __slots__ = ("spill", "nlist", "spill_lambda", "kmeans_iterations", "tune_queries", "seed", "target_recall", "codes", "keep", "entry_codes", "memory", "projection")
    SPILL_FIELD_NUMBER: _ClassVar[int]
    NLIST_FIELD_NUMBER: _ClassVar[int]
    SPILL_LAMBDA_FIELD_NUMBER: _ClassVar[int]
    KMEANS_ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    TUNE_QUERIES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TARGET_RECALL_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    ENTRY_CODES_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    PROJECTION_FIELD_NUMBER: _ClassVar[int]
    spill: Spill
    nlist: int
    spill_lambda: float
    kmeans_iterations: int
    tune_queries: int
    seed: int
    target_recall: float
    codes: Codes
    keep: Keep
    entry_codes: EntryCodes
    memory: str
    projection: int
    def __init__(self, spill: _Optional[_Union[Spill, str]] = ..., nlist: _Optional[int] = ..., spill_lambda: _Optional[float] = ..., kmeans_iterations: _Optional[int] = ..., tune_queries: _Optional[int] = ..., seed: _Optional[int] = ..., target_recall: _Optional[float] = ..., codes: _Optional[_Union[Codes, str]] = ..., keep: _Optional[_Union[Keep, str]] = ..., entry_codes: _Optional[_Union[EntryCodes, str]] = ..., memory: _Optional[str] = ..., projection: _Optional[int] = ...) -> None: ...

class CreateIndexRequest(_message.Message):
    __slots__ = ("name", "dim", "metric", "request_id", "columns", "optimizer", "validate_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIM_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    dim: int
    metric: _types_pb2.Metric
    request_id: str
    columns: _containers.RepeatedCompositeFieldContainer[_payload_pb2.ColumnSpec]
    optimizer: OptimizerParams
    validate_only: bool
    def __init__(self, name: _Optional[str] = ..., dim: _Optional[int] = ..., metric: _Optional[_Union[_types_pb2.Metric, str]] = ..., request_id: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[_payload_pb2.ColumnSpec, _Mapping]]] = ..., optimizer: _Optional[_Union[OptimizerParams, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class UpdateIndexRequest(_message.Message):
    __slots__ = ("name", "add_columns", "drop_columns", "optimizer", "request_id", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADD_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DROP_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    add_columns: _containers.RepeatedCompositeFieldContainer[_payload_pb2.ColumnSpec]
    drop_columns: _containers.RepeatedScalarFieldContainer[str]
    optimizer: OptimizerParams
    request_id: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., add_columns: _Optional[_Iterable[_Union[_payload_pb2.ColumnSpec, _Mapping]]] = ..., drop_columns: _Optional[_Iterable[str]] = ..., optimizer: _Optional[_Union[OptimizerParams, _Mapping]] = ..., request_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class OptimizeIndexRequest(_message.Message):
    __slots__ = ("name", "kind", "request_id", "validate_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: CompactionKind
    request_id: str
    validate_only: bool
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[CompactionKind, str]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class GetIndexRequest(_message.Message):
    __slots__ = ("name", "read_mask")
    NAME_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    name: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, name: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListIndexesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "read_mask")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListIndexesResponse(_message.Message):
    __slots__ = ("indexes", "next_page_token")
    INDEXES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    indexes: _containers.RepeatedCompositeFieldContainer[Index]
    next_page_token: str
    def __init__(self, indexes: _Optional[_Iterable[_Union[Index, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteIndexRequest(_message.Message):
    __slots__ = ("name", "request_id", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class BuildIndexRequest(_message.Message):
    __slots__ = ("name", "params", "request_id", "validate_only")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    name: str
    params: BuildParams
    request_id: str
    validate_only: bool
    def __init__(self, name: _Optional[str] = ..., params: _Optional[_Union[BuildParams, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class OperationMetadata(_message.Message):
    __slots__ = ("kind", "index", "phase", "done", "total", "rate", "eta_seconds", "create_time", "start_time", "end_time", "state", "owner", "attempts", "command", "message", "plan", "expire_time")
    KIND_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    ETA_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    kind: str
    index: str
    phase: str
    done: int
    total: int
    rate: float
    eta_seconds: float
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    state: JobState
    owner: str
    attempts: int
    command: str
    message: str
    plan: Plan
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, kind: _Optional[str] = ..., index: _Optional[str] = ..., phase: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., rate: _Optional[float] = ..., eta_seconds: _Optional[float] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., state: _Optional[_Union[JobState, str]] = ..., owner: _Optional[str] = ..., attempts: _Optional[int] = ..., command: _Optional[str] = ..., message: _Optional[str] = ..., plan: _Optional[_Union[Plan, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
