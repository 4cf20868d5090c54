from gleann.v1 import active_pb2 as _active_pb2
from gleann.v1 import session_pb2 as _session_pb2
from gleann.v1 import payload_pb2 as _payload_pb2
from gleann.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RoundsPicker(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUNDS_PICKER_UNSPECIFIED: _ClassVar[RoundsPicker]
    ROUNDS_PICKER_RANDOM: _ClassVar[RoundsPicker]
    ROUNDS_PICKER_MARGIN: _ClassVar[RoundsPicker]
    ROUNDS_PICKER_FARTHEST_FIRST: _ClassVar[RoundsPicker]
    ROUNDS_PICKER_WEIGHTED_K_CENTER: _ClassVar[RoundsPicker]
    ROUNDS_PICKER_GIST: _ClassVar[RoundsPicker]
    ROUNDS_PICKER_BADGE: _ClassVar[RoundsPicker]
    ROUNDS_PICKER_CLUSTER_MARGIN: _ClassVar[RoundsPicker]
    ROUNDS_PICKER_GRAPH_MARGIN: _ClassVar[RoundsPicker]
ROUNDS_PICKER_UNSPECIFIED: RoundsPicker
ROUNDS_PICKER_RANDOM: RoundsPicker
ROUNDS_PICKER_MARGIN: RoundsPicker
ROUNDS_PICKER_FARTHEST_FIRST: RoundsPicker
ROUNDS_PICKER_WEIGHTED_K_CENTER: RoundsPicker
ROUNDS_PICKER_GIST: RoundsPicker
ROUNDS_PICKER_BADGE: RoundsPicker
ROUNDS_PICKER_CLUSTER_MARGIN: RoundsPicker
ROUNDS_PICKER_GRAPH_MARGIN: RoundsPicker

class RoundsParams(_message.Message):
    __slots__ = ("picker", "batch", "weights", "splits", "diversity", "eps", "oversampling", "cluster_rows", "c", "balanced", "max_iter", "seed")
    PICKER_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    SPLITS_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    EPS_FIELD_NUMBER: _ClassVar[int]
    OVERSAMPLING_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ROWS_FIELD_NUMBER: _ClassVar[int]
    C_FIELD_NUMBER: _ClassVar[int]
    BALANCED_FIELD_NUMBER: _ClassVar[int]
    MAX_ITER_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    picker: RoundsPicker
    batch: int
    weights: _containers.RepeatedScalarFieldContainer[float]
    splits: int
    diversity: float
    eps: float
    oversampling: float
    cluster_rows: int
    c: float
    balanced: bool
    max_iter: int
    seed: int
    def __init__(self, picker: _Optional[_Union[RoundsPicker, str]] = ..., batch: _Optional[int] = ..., weights: _Optional[_Iterable[float]] = ..., splits: _Optional[int] = ..., diversity: _Optional[float] = ..., eps: _Optional[float] = ..., oversampling: _Optional[float] = ..., cluster_rows: _Optional[int] = ..., c: _Optional[float] = ..., balanced: _Optional[bool] = ..., max_iter: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class StartRoundsSessionRequest(_message.Message):
    __slots__ = ("index", "params", "ids", "labels", "request_id", "filter")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    index: str
    params: RoundsParams
    ids: _types_pb2.Ids
    labels: bytes
    request_id: str
    filter: _payload_pb2.Filter
    def __init__(self, index: _Optional[str] = ..., params: _Optional[_Union[RoundsParams, _Mapping]] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., labels: _Optional[bytes] = ..., request_id: _Optional[str] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ...) -> None: ...
