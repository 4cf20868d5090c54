from gleann.v1 import index_pb2 as _index_pb2
from gleann.v1 import types_pb2 as _types_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UpsertVectorsRequest(_message.Message):
    __slots__ = ("index", "ids", "vectors", "request_id")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    index: str
    ids: _types_pb2.Ids
    vectors: _types_pb2.Vectors
    request_id: str
    def __init__(self, index: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., vectors: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpsertVectorsResponse(_message.Message):
    __slots__ = ("count", "version")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    count: int
    version: _types_pb2.IndexVersion
    def __init__(self, count: _Optional[int] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ...) -> None: ...

class NpyFile(_message.Message):
    __slots__ = ("path", "ids_path")
    PATH_FIELD_NUMBER: _ClassVar[int]
    IDS_PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    ids_path: str
    def __init__(self, path: _Optional[str] = ..., ids_path: _Optional[str] = ...) -> None: ...

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
    __slots__ = ("index", "npy", "parquet", "request_id")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    NPY_FIELD_NUMBER: _ClassVar[int]
    PARQUET_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    index: str
    npy: NpyFile
    parquet: ParquetFile
    request_id: str
    def __init__(self, index: _Optional[str] = ..., npy: _Optional[_Union[NpyFile, _Mapping]] = ..., parquet: _Optional[_Union[ParquetFile, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ImportVectorsResponse(_message.Message):
    __slots__ = ("count", "index")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    count: int
    index: _index_pb2.Index
    def __init__(self, count: _Optional[int] = ..., index: _Optional[_Union[_index_pb2.Index, _Mapping]] = ...) -> None: ...

class GetVectorsRequest(_message.Message):
    __slots__ = ("index", "ids")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    index: str
    ids: _types_pb2.Ids
    def __init__(self, index: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ...) -> None: ...

class GetVectorsResponse(_message.Message):
    __slots__ = ("vectors",)
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    vectors: _types_pb2.Vectors
    def __init__(self, vectors: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ...) -> None: ...

class DeleteVectorsRequest(_message.Message):
    __slots__ = ("index", "ids", "request_id", "missing_ok")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MISSING_OK_FIELD_NUMBER: _ClassVar[int]
    index: str
    ids: _types_pb2.Ids
    request_id: str
    missing_ok: bool
    def __init__(self, index: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., request_id: _Optional[str] = ..., missing_ok: _Optional[bool] = ...) -> None: ...

class DeleteVectorsResponse(_message.Message):
    __slots__ = ("count", "version")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    count: int
    version: _types_pb2.IndexVersion
    def __init__(self, count: _Optional[int] = ..., version: _Optional[_Union[_types_pb2.IndexVersion, _Mapping]] = ...) -> None: ...
