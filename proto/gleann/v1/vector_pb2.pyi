from gleann.v1 import index_pb2 as _index_pb2
from gleann.v1 import payload_pb2 as _payload_pb2
from gleann.v1 import types_pb2 as _types_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UpsertVectorsRequest(_message.Message):
    __slots__ = ("index", "ids", "vectors", "request_id", "payload")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    index: str
    ids: _types_pb2.Ids
    vectors: _types_pb2.Vectors
    request_id: str
    payload: _payload_pb2.Payload
    def __init__(self, index: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., vectors: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., request_id: _Optional[str] = ..., payload: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ...) -> None: ...

class UpsertVectorsResponse(_message.Message):
    __slots__ = ("count", "version")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    count: int
    version: _types_pb2.IndexVersion
    def __init__(self, count: _Optional[int] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ...) -> None: ...

class UpsertStart(_message.Message):
    __slots__ = ("index", "stream_id")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    STREAM_ID_FIELD_NUMBER: _ClassVar[int]
    index: str
    stream_id: str
    def __init__(self, index: _Optional[str] = ..., stream_id: _Optional[str] = ...) -> None: ...

class UpsertBatch(_message.Message):
    __slots__ = ("sequence", "ids", "vectors", "payload")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    ids: _types_pb2.Ids
    vectors: _types_pb2.Vectors
    payload: _payload_pb2.Payload
    def __init__(self, sequence: _Optional[int] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., vectors: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., payload: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ...) -> None: ...

class UpsertEnd(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class StreamUpsertVectorsRequest(_message.Message):
    __slots__ = ("start", "batch", "end")
    START_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    start: UpsertStart
    batch: UpsertBatch
    end: UpsertEnd
    def __init__(self, start: _Optional[_Union[UpsertStart, _Mapping]] = ..., batch: _Optional[_Union[UpsertBatch, _Mapping]] = ..., end: _Optional[_Union[UpsertEnd, _Mapping]] = ...) -> None: ...

class UpsertStarted(_message.Message):
    __slots__ = ("sequence", "window", "count")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    window: int
    count: int
    def __init__(self, sequence: _Optional[int] = ..., window: _Optional[int] = ..., count: _Optional[int] = ...) -> None: ...

class UpsertAcknowledged(_message.Message):
    __slots__ = ("sequence", "count", "version")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    count: int
    version: _types_pb2.IndexVersion
    def __init__(self, sequence: _Optional[int] = ..., count: _Optional[int] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ...) -> None: ...

class UpsertRefused(_message.Message):
    __slots__ = ("sequence", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class StreamUpsertVectorsResponse(_message.Message):
    __slots__ = ("started", "acknowledged", "refused")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    started: UpsertStarted
    acknowledged: UpsertAcknowledged
    refused: UpsertRefused
    def __init__(self, started: _Optional[_Union[UpsertStarted, _Mapping]] = ..., acknowledged: _Optional[_Union[UpsertAcknowledged, _Mapping]] = ..., refused: _Optional[_Union[UpsertRefused, _Mapping]] = ...) -> None: ...

class NpyFile(_message.Message):
    __slots__ = ("path", "ids_path", "payload_path")
    PATH_FIELD_NUMBER: _ClassVar[int]
    IDS_PATH_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    ids_path: str
    payload_path: str
    def __init__(self, path: _Optional[str] = ..., ids_path: _Optional[str] = ..., payload_path: _Optional[str] = ...) -> None: ...

class ParquetFile(_message.Message):
    __slots__ = ("path", "vector_column", "id_column")
    PATH_FIELD_NUMBER: _ClassVar[int]
    VECTOR_COLUMN_FIELD_NUMBER: _ClassVar[int]
    ID_COLUMN_FIELD_NUMBER: _ClassVar[int]
    path: str
    vector_column: str
    id_column: str
    def __init__(self, path: _Optional[str] = ..., vector_column: _Optional[str] = ..., id_column: _Optional[str] = ...) -> None: ...

class ImportVectorsRequest(_message.Message):
    __slots__ = ("index", "npy", "parquet", "request_id", "columns", "add_columns", "validate_only")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NPY_FIELD_NUMBER: _ClassVar[int]
    PARQUET_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ADD_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    index: str
    npy: NpyFile
    parquet: ParquetFile
    request_id: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    add_columns: bool
    validate_only: bool
    def __init__(self, index: _Optional[str] = ..., npy: _Optional[_Union[NpyFile, _Mapping]] = ..., parquet: _Optional[_Union[ParquetFile, _Mapping]] = ..., request_id: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., add_columns: _Optional[bool] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class ImportVectorsResponse(_message.Message):
    __slots__ = ("count", "index", "ignored_columns")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IGNORED_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    count: int
    index: _index_pb2.Index
    ignored_columns: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, count: _Optional[int] = ..., index: _Optional[_Union[_index_pb2.Index, _Mapping]] = ..., ignored_columns: _Optional[_Iterable[str]] = ...) -> None: ...

class GetVectorsRequest(_message.Message):
    __slots__ = ("index", "ids", "columns", "without_vectors")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_VECTORS_FIELD_NUMBER: _ClassVar[int]
    index: str
    ids: _types_pb2.Ids
    columns: _containers.RepeatedScalarFieldContainer[str]
    without_vectors: bool
    def __init__(self, index: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., columns: _Optional[_Iterable[str]] = ..., without_vectors: _Optional[bool] = ...) -> None: ...

class GetVectorsResponse(_message.Message):
    __slots__ = ("vectors", "payload")
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    vectors: _types_pb2.Vectors
    payload: _payload_pb2.Payload
    def __init__(self, vectors: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., payload: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ...) -> None: ...

class DeleteVectorsRequest(_message.Message):
    __slots__ = ("index", "ids", "request_id", "missing_ok", "filter")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MISSING_OK_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    index: str
    ids: _types_pb2.Ids
    request_id: str
    missing_ok: bool
    filter: _payload_pb2.Filter
    def __init__(self, index: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., request_id: _Optional[str] = ..., missing_ok: _Optional[bool] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ...) -> None: ...

class DeleteVectorsResponse(_message.Message):
    __slots__ = ("count", "version")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    count: int
    version: _types_pb2.IndexVersion
    def __init__(self, count: _Optional[int] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ...) -> None: ...

class UpdatePayloadRequest(_message.Message):
    __slots__ = ("index", "ids", "filter", "payload", "request_id")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    index: str
    ids: _types_pb2.Ids
    filter: _payload_pb2.Filter
    payload: _payload_pb2.Payload
    request_id: str
    def __init__(self, index: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ..., payload: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdatePayloadResponse(_message.Message):
    __slots__ = ("count", "version")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    count: int
    version: _types_pb2.IndexVersion
    def __init__(self, count: _Optional[int] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ...) -> None: ...

class DeletePayloadRequest(_message.Message):
    __slots__ = ("index", "ids", "filter", "columns", "request_id")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    index: str
    ids: _types_pb2.Ids
    filter: _payload_pb2.Filter
    columns: _containers.RepeatedScalarFieldContainer[str]
    request_id: str
    def __init__(self, index: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ..., columns: _Optional[_Iterable[str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeletePayloadResponse(_message.Message):
    __slots__ = ("count", "version")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    count: int
    version: _types_pb2.IndexVersion
    def __init__(self, count: _Optional[int] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ...) -> None: ...

class ScrollVectorsRequest(_message.Message):
    __slots__ = ("index", "filter", "columns", "with_vectors", "page_size", "page_token")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    WITH_VECTORS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    index: str
    filter: _payload_pb2.Filter
    columns: _containers.RepeatedScalarFieldContainer[str]
    with_vectors: bool
    page_size: int
    page_token: str
    def __init__(self, index: _Optional[str] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ..., columns: _Optional[_Iterable[str]] = ..., with_vectors: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ScrollVectorsResponse(_message.Message):
    __slots__ = ("ids", "payload", "vectors", "next_page_token", "version")
    IDS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    payload: _payload_pb2.Payload
    vectors: _types_pb2.Vectors
    next_page_token: str
    version: _types_pb2.IndexVersion
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., payload: _Optional[_Union[_payload_pb2.Payload, _Mapping]] = ..., vectors: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., next_page_token: _Optional[str] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ...) -> None: ...

class CountVectorsRequest(_message.Message):
    __slots__ = ("index", "filter")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    index: str
    filter: _payload_pb2.Filter
    def __init__(self, index: _Optional[str] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ...) -> None: ...

class CountVectorsResponse(_message.Message):
    __slots__ = ("count", "version")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    count: int
    version: _types_pb2.IndexVersion
    def __init__(self, count: _Optional[int] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ...) -> None: ...
