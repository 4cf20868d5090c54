from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Leakage(_message.Message):
    __slots__ = ("radius", "similarity", "reference_index", "splits", "group_column", "bins", "max_pairs")
    RADIUS_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_INDEX_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    GROUP_COLUMN_FIELD_NUMBER: _ClassVar[int]
    BINS_FIELD_NUMBER: _ClassVar[int]
    MAX_PAIRS_FIELD_NUMBER: _ClassVar[int]
    radius: float
    similarity: float
    reference_index: str
    splits: TrainingSplits
    group_column: str
    bins: int
    max_pairs: int
    def __init__(self, radius: _Optional[float] = ..., similarity: _Optional[float] = ..., reference_index: _Optional[str] = ..., splits: _Optional[_Union[TrainingSplits, _Mapping]] = ..., group_column: _Optional[str] = ..., bins: _Optional[int] = ..., max_pairs: _Optional[int] = ...) -> None: ...

class TrainingSplits(_message.Message):
    __slots__ = ("column", "trained_on")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    TRAINED_ON_FIELD_NUMBER: _ClassVar[int]
    column: str
    trained_on: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, column: _Optional[str] = ..., trained_on: _Optional[_Iterable[str]] = ...) -> None: ...

class SimilaritySplit(_message.Message):
    __slots__ = ("folds", "held_out", "together_column", "together_curation", "seed")
    FOLDS_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_FIELD_NUMBER: _ClassVar[int]
    TOGETHER_COLUMN_FIELD_NUMBER: _ClassVar[int]
    TOGETHER_CURATION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    folds: int
    held_out: float
    together_column: str
    together_curation: str
    seed: int
    def __init__(self, folds: _Optional[int] = ..., held_out: _Optional[float] = ..., together_column: _Optional[str] = ..., together_curation: _Optional[str] = ..., seed: _Optional[int] = ...) -> None: ...
