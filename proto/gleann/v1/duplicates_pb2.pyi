from gleann.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class KeepBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KEEP_BY_UNSPECIFIED: _ClassVar[KeepBy]
    KEEP_BY_ID: _ClassVar[KeepBy]
    KEEP_BY_SCORE: _ClassVar[KeepBy]
    KEEP_BY_NEWEST: _ClassVar[KeepBy]
    KEEP_BY_NEAR_CENTROID: _ClassVar[KeepBy]
    KEEP_BY_FAR_FROM_CENTROID: _ClassVar[KeepBy]
KEEP_BY_UNSPECIFIED: KeepBy
KEEP_BY_ID: KeepBy
KEEP_BY_SCORE: KeepBy
KEEP_BY_NEWEST: KeepBy
KEEP_BY_NEAR_CENTROID: KeepBy
KEEP_BY_FAR_FROM_CENTROID: KeepBy

class NearDuplicates(_message.Message):
    __slots__ = ("radius", "similarity", "keep_by", "score_column", "scores", "against_index", "against_vectors", "known", "max_pairs", "curve")
    RADIUS_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    KEEP_BY_FIELD_NUMBER: _ClassVar[int]
    SCORE_COLUMN_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    AGAINST_INDEX_FIELD_NUMBER: _ClassVar[int]
    AGAINST_VECTORS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    MAX_PAIRS_FIELD_NUMBER: _ClassVar[int]
    CURVE_FIELD_NUMBER: _ClassVar[int]
    radius: float
    similarity: float
    keep_by: KeepBy
    score_column: str
    scores: _types_pb2.Scores
    against_index: str
    against_vectors: _types_pb2.Vectors
    known: str
    max_pairs: int
    curve: bool
    def __init__(self, radius: _Optional[float] = ..., similarity: _Optional[float] = ..., keep_by: _Optional[_Union[KeepBy, str]] = ..., score_column: _Optional[str] = ..., scores: _Optional[_Union[_types_pb2.Scores, _Mapping]] = ..., against_index: _Optional[str] = ..., against_vectors: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., known: _Optional[str] = ..., max_pairs: _Optional[int] = ..., curve: _Optional[bool] = ...) -> None: ...

class Rethreshold(_message.Message):
    __slots__ = ("curation", "radius", "similarity", "curve")
    CURATION_FIELD_NUMBER: _ClassVar[int]
    RADIUS_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    CURVE_FIELD_NUMBER: _ClassVar[int]
    curation: str
    radius: float
    similarity: float
    curve: bool
    def __init__(self, curation: _Optional[str] = ..., radius: _Optional[float] = ..., similarity: _Optional[float] = ..., curve: _Optional[bool] = ...) -> None: ...

class Join(_message.Message):
    __slots__ = ("other_index", "other_vectors", "radius", "similarity", "k", "target_recall", "max_pairs")
    OTHER_INDEX_FIELD_NUMBER: _ClassVar[int]
    OTHER_VECTORS_FIELD_NUMBER: _ClassVar[int]
    RADIUS_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    TARGET_RECALL_FIELD_NUMBER: _ClassVar[int]
    MAX_PAIRS_FIELD_NUMBER: _ClassVar[int]
    other_index: str
    other_vectors: _types_pb2.Vectors
    radius: float
    similarity: float
    k: int
    target_recall: float
    max_pairs: int
    def __init__(self, other_index: _Optional[str] = ..., other_vectors: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., radius: _Optional[float] = ..., similarity: _Optional[float] = ..., k: _Optional[int] = ..., target_recall: _Optional[float] = ..., max_pairs: _Optional[int] = ...) -> None: ...
