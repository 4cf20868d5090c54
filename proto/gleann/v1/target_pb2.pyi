from gleann.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TargetMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TARGET_MODE_UNSPECIFIED: _ClassVar[TargetMode]
    TARGET_MODE_ROUND_ROBIN: _ClassVar[TargetMode]
    TARGET_MODE_BEST_RANK: _ClassVar[TargetMode]
    TARGET_MODE_RESAMPLE: _ClassVar[TargetMode]
    TARGET_MODE_DISTIL: _ClassVar[TargetMode]
TARGET_MODE_UNSPECIFIED: TargetMode
TARGET_MODE_ROUND_ROBIN: TargetMode
TARGET_MODE_BEST_RANK: TargetMode
TARGET_MODE_RESAMPLE: TargetMode
TARGET_MODE_DISTIL: TargetMode

class ForTarget(_message.Message):
    __slots__ = ("target_vectors", "target_ids", "tasks", "budget", "mode", "allow_targets", "excluded_ids", "group_column", "cap", "caps", "target_recall", "seed", "shares", "smoothing", "sample_size", "positive_fraction")
    TARGET_VECTORS_FIELD_NUMBER: _ClassVar[int]
    TARGET_IDS_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_TARGETS_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_IDS_FIELD_NUMBER: _ClassVar[int]
    GROUP_COLUMN_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    CAPS_FIELD_NUMBER: _ClassVar[int]
    TARGET_RECALL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    SMOOTHING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_SIZE_FIELD_NUMBER: _ClassVar[int]
    POSITIVE_FRACTION_FIELD_NUMBER: _ClassVar[int]
    target_vectors: _types_pb2.Vectors
    target_ids: _types_pb2.Ids
    tasks: _containers.RepeatedScalarFieldContainer[str]
    budget: int
    mode: TargetMode
    allow_targets: bool
    excluded_ids: _types_pb2.Ids
    group_column: str
    cap: int
    caps: _containers.RepeatedCompositeFieldContainer[GroupCap]
    target_recall: float
    seed: int
    shares: _containers.RepeatedCompositeFieldContainer[TaskShare]
    smoothing: float
    sample_size: int
    positive_fraction: float
    def __init__(self, target_vectors: _Optional[_Union[_types_pb2.Vectors, _Mapping]] = ..., target_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., tasks: _Optional[_Iterable[str]] = ..., budget: _Optional[int] = ..., mode: _Optional[_Union[TargetMode, str]] = ..., allow_targets: _Optional[bool] = ..., excluded_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., group_column: _Optional[str] = ..., cap: _Optional[int] = ..., caps: _Optional[_Iterable[_Union[GroupCap, _Mapping]]] = ..., target_recall: _Optional[float] = ..., seed: _Optional[int] = ..., shares: _Optional[_Iterable[_Union[TaskShare, _Mapping]]] = ..., smoothing: _Optional[float] = ..., sample_size: _Optional[int] = ..., positive_fraction: _Optional[float] = ...) -> None: ...

class GroupCap(_message.Message):
    __slots__ = ("group", "cap")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    CAP_FIELD_NUMBER: _ClassVar[int]
    group: str
    cap: int
    def __init__(self, group: _Optional[str] = ..., cap: _Optional[int] = ...) -> None: ...

class TaskShare(_message.Message):
    __slots__ = ("task", "share")
    TASK_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    task: str
    share: float
    def __init__(self, task: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...
