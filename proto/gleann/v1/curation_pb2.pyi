import datetime

from gleann.v1 import audit_pb2 as _audit_pb2
from gleann.v1 import duplicates_pb2 as _duplicates_pb2
from gleann.v1 import graph_labels_pb2 as _graph_labels_pb2
from gleann.v1 import leakage_pb2 as _leakage_pb2
from gleann.v1 import negatives_pb2 as _negatives_pb2
from gleann.v1 import payload_pb2 as _payload_pb2
from gleann.v1 import plans_pb2 as _plans_pb2
from gleann.v1 import target_pb2 as _target_pb2
from gleann.v1 import types_pb2 as _types_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateCurationJobRequest(_message.Message):
    __slots__ = ("index", "filter", "request_id", "validate_only", "near_duplicates", "rethreshold", "join", "leakage", "similarity_split", "allocate_labels", "audit", "propagate", "epoch_plan", "for_target", "mine_negatives")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    NEAR_DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    RETHRESHOLD_FIELD_NUMBER: _ClassVar[int]
    JOIN_FIELD_NUMBER: _ClassVar[int]
    LEAKAGE_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_SPLIT_FIELD_NUMBER: _ClassVar[int]
    ALLOCATE_LABELS_FIELD_NUMBER: _ClassVar[int]
    AUDIT_FIELD_NUMBER: _ClassVar[int]
    PROPAGATE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_PLAN_FIELD_NUMBER: _ClassVar[int]
    FOR_TARGET_FIELD_NUMBER: _ClassVar[int]
    MINE_NEGATIVES_FIELD_NUMBER: _ClassVar[int]
    index: str
    filter: _payload_pb2.Filter
    request_id: str
    validate_only: bool
    near_duplicates: _duplicates_pb2.NearDuplicates
    rethreshold: _duplicates_pb2.Rethreshold
    join: _duplicates_pb2.Join
    leakage: _leakage_pb2.Leakage
    similarity_split: _leakage_pb2.SimilaritySplit
    allocate_labels: _graph_labels_pb2.AllocateLabels
    audit: _audit_pb2.AuditChoice
    propagate: _graph_labels_pb2.Propagate
    epoch_plan: _plans_pb2.EpochPlan
    for_target: _target_pb2.ForTarget
    mine_negatives: _negatives_pb2.MineNegatives
    def __init__(self, index: _Optional[str] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ..., request_id: _Optional[str] = ..., validate_only: _Optional[bool] = ..., near_duplicates: _Optional[_Union[_duplicates_pb2.NearDuplicates, _Mapping]] = ..., rethreshold: _Optional[_Union[_duplicates_pb2.Rethreshold, _Mapping]] = ..., join: _Optional[_Union[_duplicates_pb2.Join, _Mapping]] = ..., leakage: _Optional[_Union[_leakage_pb2.Leakage, _Mapping]] = ..., similarity_split: _Optional[_Union[_leakage_pb2.SimilaritySplit, _Mapping]] = ..., allocate_labels: _Optional[_Union[_graph_labels_pb2.AllocateLabels, _Mapping]] = ..., audit: _Optional[_Union[_audit_pb2.AuditChoice, _Mapping]] = ..., propagate: _Optional[_Union[_graph_labels_pb2.Propagate, _Mapping]] = ..., epoch_plan: _Optional[_Union[_plans_pb2.EpochPlan, _Mapping]] = ..., for_target: _Optional[_Union[_target_pb2.ForTarget, _Mapping]] = ..., mine_negatives: _Optional[_Union[_negatives_pb2.MineNegatives, _Mapping]] = ...) -> None: ...

class Curation(_message.Message):
    __slots__ = ("name", "index", "version", "method", "summary_json", "provenance_json", "tables", "create_time", "other_indexes", "deleted_indexes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_JSON_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_JSON_FIELD_NUMBER: _ClassVar[int]
    TABLES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    OTHER_INDEXES_FIELD_NUMBER: _ClassVar[int]
    DELETED_INDEXES_FIELD_NUMBER: _ClassVar[int]
    name: str
    index: str
    version: _types_pb2.IndexVersion
    method: str
    summary_json: str
    provenance_json: str
    tables: _containers.RepeatedCompositeFieldContainer[CurationTable]
    create_time: _timestamp_pb2.Timestamp
    other_indexes: _containers.RepeatedScalarFieldContainer[str]
    deleted_indexes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., index: _Optional[str] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ..., method: _Optional[str] = ..., summary_json: _Optional[str] = ..., provenance_json: _Optional[str] = ..., tables: _Optional[_Iterable[_Union[CurationTable, _Mapping]]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., other_indexes: _Optional[_Iterable[str]] = ..., deleted_indexes: _Optional[_Iterable[str]] = ...) -> None: ...

class CurationTable(_message.Message):
    __slots__ = ("name", "rows", "columns", "size_bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    rows: int
    columns: _containers.RepeatedCompositeFieldContainer[CurationColumn]
    size_bytes: int
    def __init__(self, name: _Optional[str] = ..., rows: _Optional[int] = ..., columns: _Optional[_Iterable[_Union[CurationColumn, _Mapping]]] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class CurationColumn(_message.Message):
    __slots__ = ("name", "type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...

class GetCurationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListCurationsRequest(_message.Message):
    __slots__ = ("index", "page_size", "page_token")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    index: str
    page_size: int
    page_token: str
    def __init__(self, index: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCurationsResponse(_message.Message):
    __slots__ = ("curations", "next_page_token")
    CURATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    curations: _containers.RepeatedCompositeFieldContainer[Curation]
    next_page_token: str
    def __init__(self, curations: _Optional[_Iterable[_Union[Curation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReadCurationTableRequest(_message.Message):
    __slots__ = ("name", "table", "columns", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    table: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., table: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ReadCurationTableResponse(_message.Message):
    __slots__ = ("arrow", "next_page_token")
    ARROW_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    arrow: bytes
    next_page_token: str
    def __init__(self, arrow: _Optional[bytes] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteCurationRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...
