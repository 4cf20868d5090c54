from gleann.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class NegativeSampling(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NEGATIVE_SAMPLING_UNSPECIFIED: _ClassVar[NegativeSampling]
    NEGATIVE_SAMPLING_TOP: _ClassVar[NegativeSampling]
    NEGATIVE_SAMPLING_RANDOM: _ClassVar[NegativeSampling]
NEGATIVE_SAMPLING_UNSPECIFIED: NegativeSampling
NEGATIVE_SAMPLING_TOP: NegativeSampling
NEGATIVE_SAMPLING_RANDOM: NegativeSampling

class MineNegatives(_message.Message):
    __slots__ = ("query_vectors", "query_ids", "positive_counts", "positive_ids", "per_query", "first_rank", "end_rank", "max_similarity", "margin", "relative_margin", "duplicate_radius", "sampling", "target_recall", "seed")
    QUERY_VECTORS_FIELD_NUMBER: _ClassVar[int]
    QUERY_IDS_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_COUNTS_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_IDS_FIELD_NUMBER: _ClassVar[int]
    PER_QUERY_FIELD_NUMBER: _ClassVar[int]
    FIRST_RANK_FIELD_NUMBER: _ClassVar[int]
    END_RANK_FIELD_NUMBER: _ClassVar[int]
    MAX_SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_MARGIN_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_RADIUS_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    TARGET_RECALL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    query_vectors: _types_pb2.Vectors
    query_ids: _types_pb2.Ids
    positive_counts: _containers.RepeatedScalarFieldContainer[int]
    positive_ids: _types_pb2.Ids
    per_query: int
    first_rank: int
    end_rank: int
    max_similarity: float
    margin: float
    relative_margin: float
    duplicate_radius: float
    sampling: NegativeSampling
    target_recall: float
    seed: int
    def __init__(self, query_vectors: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., query_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., positive_counts: _Optional[_Iterable[int]] = ..., positive_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., per_query: _Optional[int] = ..., first_rank: _Optional[int] = ..., end_rank: _Optional[int] = ..., max_similarity: _Optional[float] = ..., margin: _Optional[float] = ..., relative_margin: _Optional[float] = ..., duplicate_radius: _Optional[float] = ..., sampling: _Optional[_Union[NegativeSampling, str]] = ..., target_recall: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...
