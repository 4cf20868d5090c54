from gleann.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EdgeKernel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EDGE_KERNEL_UNSPECIFIED: _ClassVar[EdgeKernel]
    EDGE_KERNEL_COSINE: _ClassVar[EdgeKernel]
    EDGE_KERNEL_GAUSSIAN: _ClassVar[EdgeKernel]
    EDGE_KERNEL_UNIFORM: _ClassVar[EdgeKernel]

class HoldLabels(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HOLD_LABELS_UNSPECIFIED: _ClassVar[HoldLabels]
    HOLD_LABELS_SOFT: _ClassVar[HoldLabels]
    HOLD_LABELS_CLAMPED: _ClassVar[HoldLabels]
EDGE_KERNEL_UNSPECIFIED: EdgeKernel
EDGE_KERNEL_COSINE: EdgeKernel
EDGE_KERNEL_GAUSSIAN: EdgeKernel
EDGE_KERNEL_UNIFORM: EdgeKernel
HOLD_LABELS_UNSPECIFIED: HoldLabels
HOLD_LABELS_SOFT: HoldLabels
HOLD_LABELS_CLAMPED: HoldLabels

class Propagate(_message.Message):
    __slots__ = ("ids", "labels", "probabilities", "weights", "classes", "k", "kernel", "power", "alpha", "hold", "tolerance", "max_sweeps", "uncertain")
    IDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    KERNEL_FIELD_NUMBER: _ClassVar[int]
    POWER_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    MAX_SWEEPS_FIELD_NUMBER: _ClassVar[int]
    UNCERTAIN_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    labels: _types_pb2.Column
    probabilities: bytes
    weights: bytes
    classes: _types_pb2.Column
    k: int
    kernel: EdgeKernel
    power: float
    alpha: float
    hold: HoldLabels
    tolerance: float
    max_sweeps: int
    uncertain: int
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., labels: _Optional[_Union[_types_pb2.Column, _Mapping]] = ..., probabilities: _Optional[bytes] = ..., weights: _Optional[bytes] = ..., classes: _Optional[_Union[_types_pb2.Column, _Mapping]] = ..., k: _Optional[int] = ..., kernel: _Optional[_Union[EdgeKernel, str]] = ..., power: _Optional[float] = ..., alpha: _Optional[float] = ..., hold: _Optional[_Union[HoldLabels, str]] = ..., tolerance: _Optional[float] = ..., max_sweeps: _Optional[int] = ..., uncertain: _Optional[int] = ...) -> None: ...

class ClassProbabilities(_message.Message):
    __slots__ = ("ids", "classes", "values")
    IDS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    classes: _types_pb2.Column
    values: bytes
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., classes: _Optional[_Union[_types_pb2.Column, _Mapping]] = ..., values: _Optional[bytes] = ...) -> None: ...

class ClassNumbers(_message.Message):
    __slots__ = ("classes", "values")
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    classes: _types_pb2.Column
    values: bytes
    def __init__(self, classes: _Optional[_Union[_types_pb2.Column, _Mapping]] = ..., values: _Optional[bytes] = ...) -> None: ...

class AllocateLabels(_message.Message):
    __slots__ = ("curation", "probabilities", "shares", "upper_bounds", "counts", "confidence", "share", "gamma", "tolerance", "max_sweeps")
    CURATION_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    UPPER_BOUNDS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    GAMMA_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    MAX_SWEEPS_FIELD_NUMBER: _ClassVar[int]
    curation: str
    probabilities: ClassProbabilities
    shares: ClassNumbers
    upper_bounds: ClassNumbers
    counts: ClassNumbers
    confidence: float
    share: float
    gamma: float
    tolerance: float
    max_sweeps: int
    def __init__(self, curation: _Optional[str] = ..., probabilities: _Optional[_Union[ClassProbabilities, _Mapping]] = ..., shares: _Optional[_Union[ClassNumbers, _Mapping]] = ..., upper_bounds: _Optional[_Union[ClassNumbers, _Mapping]] = ..., counts: _Optional[_Union[ClassNumbers, _Mapping]] = ..., confidence: _Optional[float] = ..., share: _Optional[float] = ..., gamma: _Optional[float] = ..., tolerance: _Optional[float] = ..., max_sweeps: _Optional[int] = ...) -> None: ...
