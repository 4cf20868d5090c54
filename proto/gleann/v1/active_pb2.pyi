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

class ActiveStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTIVE_STRATEGY_UNSPECIFIED: _ClassVar[ActiveStrategy]
    ACTIVE_STRATEGY_ENTROPY: _ClassVar[ActiveStrategy]
    ACTIVE_STRATEGY_LEAST_CONFIDENCE: _ClassVar[ActiveStrategy]
    ACTIVE_STRATEGY_MARGIN: _ClassVar[ActiveStrategy]
    ACTIVE_STRATEGY_MOST_LIKELY_POSITIVE: _ClassVar[ActiveStrategy]
    ACTIVE_STRATEGY_INFORMATION_DENSITY: _ClassVar[ActiveStrategy]

class ActivePool(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTIVE_POOL_UNSPECIFIED: _ClassVar[ActivePool]
    ACTIVE_POOL_SEALS: _ClassVar[ActivePool]
    ACTIVE_POOL_GLOBAL: _ClassVar[ActivePool]
    ACTIVE_POOL_RANDOM: _ClassVar[ActivePool]
    ACTIVE_POOL_CLASSIFIER: _ClassVar[ActivePool]
    ACTIVE_POOL_ANCHORS: _ClassVar[ActivePool]
    ACTIVE_POOL_AUTO: _ClassVar[ActivePool]

class ActiveModel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTIVE_MODEL_UNSPECIFIED: _ClassVar[ActiveModel]
    ACTIVE_MODEL_LOGISTIC_REGRESSION: _ClassVar[ActiveModel]
    ACTIVE_MODEL_GIVEN: _ClassVar[ActiveModel]
    ACTIVE_MODEL_GRAPH: _ClassVar[ActiveModel]
ACTIVE_STRATEGY_UNSPECIFIED: ActiveStrategy
ACTIVE_STRATEGY_ENTROPY: ActiveStrategy
ACTIVE_STRATEGY_LEAST_CONFIDENCE: ActiveStrategy
ACTIVE_STRATEGY_MARGIN: ActiveStrategy
ACTIVE_STRATEGY_MOST_LIKELY_POSITIVE: ActiveStrategy
ACTIVE_STRATEGY_INFORMATION_DENSITY: ActiveStrategy
ACTIVE_POOL_UNSPECIFIED: ActivePool
ACTIVE_POOL_SEALS: ActivePool
ACTIVE_POOL_GLOBAL: ActivePool
ACTIVE_POOL_RANDOM: ActivePool
ACTIVE_POOL_CLASSIFIER: ActivePool
ACTIVE_POOL_ANCHORS: ActivePool
ACTIVE_POOL_AUTO: ActivePool
ACTIVE_MODEL_UNSPECIFIED: ActiveModel
ACTIVE_MODEL_LOGISTIC_REGRESSION: ActiveModel
ACTIVE_MODEL_GIVEN: ActiveModel
ACTIVE_MODEL_GRAPH: ActiveModel

class ActiveParams(_message.Message):
    __slots__ = ("strategy", "pool", "batch", "neighbours", "c", "balanced", "max_iter", "seed", "classes", "anchors", "subpool", "density_power", "model", "concepts")
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    C_FIELD_NUMBER: _ClassVar[int]
    BALANCED_FIELD_NUMBER: _ClassVar[int]
    MAX_ITER_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    ANCHORS_FIELD_NUMBER: _ClassVar[int]
    SUBPOOL_FIELD_NUMBER: _ClassVar[int]
    DENSITY_POWER_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    strategy: ActiveStrategy
    pool: ActivePool
    batch: int
    neighbours: int
    c: float
    balanced: bool
    max_iter: int
    seed: int
    classes: _containers.RepeatedScalarFieldContainer[int]
    anchors: int
    subpool: int
    density_power: float
    model: ActiveModel
    concepts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, strategy: _Optional[_Union[ActiveStrategy, str]] = ..., pool: _Optional[_Union[ActivePool, str]] = ..., batch: _Optional[int] = ..., neighbours: _Optional[int] = ..., c: _Optional[float] = ..., balanced: _Optional[bool] = ..., max_iter: _Optional[int] = ..., seed: _Optional[int] = ..., classes: _Optional[_Iterable[int]] = ..., anchors: _Optional[int] = ..., subpool: _Optional[int] = ..., density_power: _Optional[float] = ..., model: _Optional[_Union[ActiveModel, str]] = ..., concepts: _Optional[_Iterable[str]] = ...) -> None: ...

class StartActiveSessionRequest(_message.Message):
    __slots__ = ("index", "params", "ids", "labels", "request_id", "filter")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    index: str
    params: ActiveParams
    ids: _types_pb2.Ids
    labels: bytes
    request_id: str
    filter: _payload_pb2.Filter
    def __init__(self, index: _Optional[str] = ..., params: _Optional[_Union[ActiveParams, _Mapping]] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., labels: _Optional[bytes] = ..., request_id: _Optional[str] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ...) -> None: ...

class NextBatchRequest(_message.Message):
    __slots__ = ("session", "page_token")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session: str
    page_token: str
    def __init__(self, session: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class NextBatchResponse(_message.Message):
    __slots__ = ("items", "summary_json", "provenance_json", "next_page_token")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_JSON_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_JSON_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    items: _types_pb2.SelectedItems
    summary_json: str
    provenance_json: str
    next_page_token: str
    def __init__(self, items: _Optional[_Union[_types_pb2.SelectedItems, _Mapping]] = ..., summary_json: _Optional[str] = ..., provenance_json: _Optional[str] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SubmitLabelsRequest(_message.Message):
    __slots__ = ("session", "ids", "labels", "request_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    session: str
    ids: _types_pb2.Ids
    labels: bytes
    request_id: str
    def __init__(self, session: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., labels: _Optional[bytes] = ..., request_id: _Optional[str] = ...) -> None: ...

class SubmitLabelsResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class IgnoreIdsRequest(_message.Message):
    __slots__ = ("session", "ids", "request_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    session: str
    ids: _types_pb2.Ids
    request_id: str
    def __init__(self, session: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class IgnoreIdsResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class GetStopAdviceRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class StopAdvice(_message.Message):
    __slots__ = ("stop", "reason", "batches", "recent_uncertainty", "recent_positives")
    STOP_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    RECENT_UNCERTAINTY_FIELD_NUMBER: _ClassVar[int]
    RECENT_POSITIVES_FIELD_NUMBER: _ClassVar[int]
    stop: bool
    reason: str
    batches: int
    recent_uncertainty: float
    recent_positives: int
    def __init__(self, stop: _Optional[bool] = ..., reason: _Optional[str] = ..., batches: _Optional[int] = ..., recent_uncertainty: _Optional[float] = ..., recent_positives: _Optional[int] = ...) -> None: ...

class ScoreItemsRequest(_message.Message):
    __slots__ = ("session", "ids", "concept", "page_token")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session: str
    ids: _types_pb2.Ids
    concept: str
    page_token: str
    def __init__(self, session: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., concept: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class ScoreItemsResponse(_message.Message):
    __slots__ = ("ids", "classes", "probabilities", "next_page_token", "labelled")
    IDS_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    classes: bytes
    probabilities: bytes
    next_page_token: str
    labelled: int
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., classes: _Optional[bytes] = ..., probabilities: _Optional[bytes] = ..., next_page_token: _Optional[str] = ..., labelled: _Optional[int] = ...) -> None: ...

class ListWantedIdsRequest(_message.Message):
    __slots__ = ("session", "page_token")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session: str
    page_token: str
    def __init__(self, session: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListWantedIdsResponse(_message.Message):
    __slots__ = ("ids", "next_page_token")
    IDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    next_page_token: str
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SubmitProbabilitiesRequest(_message.Message):
    __slots__ = ("session", "ids", "probabilities", "concept", "request_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    session: str
    ids: _types_pb2.Ids
    probabilities: bytes
    concept: str
    request_id: str
    def __init__(self, session: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., probabilities: _Optional[bytes] = ..., concept: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SubmitProbabilitiesResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class GetCoverageRequest(_message.Message):
    __slots__ = ("session", "concept", "top")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    session: str
    concept: str
    top: int
    def __init__(self, session: _Optional[str] = ..., concept: _Optional[str] = ..., top: _Optional[int] = ...) -> None: ...

class Coverage(_message.Message):
    __slots__ = ("top", "in_pool", "picked", "candidates", "open_rows", "score", "random_score", "baseline_score")
    TOP_FIELD_NUMBER: _ClassVar[int]
    IN_POOL_FIELD_NUMBER: _ClassVar[int]
    PICKED_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    OPEN_ROWS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    RANDOM_SCORE_FIELD_NUMBER: _ClassVar[int]
    BASELINE_SCORE_FIELD_NUMBER: _ClassVar[int]
    top: int
    in_pool: float
    picked: float
    candidates: int
    open_rows: int
    score: float
    random_score: float
    baseline_score: float
    def __init__(self, top: _Optional[int] = ..., in_pool: _Optional[float] = ..., picked: _Optional[float] = ..., candidates: _Optional[int] = ..., open_rows: _Optional[int] = ..., score: _Optional[float] = ..., random_score: _Optional[float] = ..., baseline_score: _Optional[float] = ...) -> None: ...
