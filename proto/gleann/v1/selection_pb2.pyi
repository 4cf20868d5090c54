import datetime

from gleann.v1 import types_pb2 as _types_pb2
from google.longrunning import operations_pb2 as _operations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class QuotaRule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUOTA_RULE_UNSPECIFIED: _ClassVar[QuotaRule]
    QUOTA_RULE_PROPORTIONAL: _ClassVar[QuotaRule]
    QUOTA_RULE_EQUAL: _ClassVar[QuotaRule]

class CostOn(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COST_ON_UNSPECIFIED: _ClassVar[CostOn]
    COST_ON_SUM: _ClassVar[CostOn]
    COST_ON_MEAN: _ClassVar[CostOn]

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

class ActiveModel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACTIVE_MODEL_UNSPECIFIED: _ClassVar[ActiveModel]
    ACTIVE_MODEL_LOGISTIC_REGRESSION: _ClassVar[ActiveModel]
    ACTIVE_MODEL_GIVEN: _ClassVar[ActiveModel]

class EstimateTarget(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ESTIMATE_TARGET_UNSPECIFIED: _ClassVar[EstimateTarget]
    ESTIMATE_TARGET_COUNT: _ClassVar[EstimateTarget]
    ESTIMATE_TARGET_AVG: _ClassVar[EstimateTarget]
    ESTIMATE_TARGET_SUM: _ClassVar[EstimateTarget]

class StrataCut(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STRATA_CUT_UNSPECIFIED: _ClassVar[StrataCut]
    STRATA_CUT_SQRT_MASS: _ClassVar[StrataCut]
    STRATA_CUT_EQUAL_SIZE: _ClassVar[StrataCut]
    STRATA_CUT_GEOMETRIC: _ClassVar[StrataCut]

class EstimateInterval(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ESTIMATE_INTERVAL_UNSPECIFIED: _ClassVar[EstimateInterval]
    ESTIMATE_INTERVAL_DELTA: _ClassVar[EstimateInterval]
    ESTIMATE_INTERVAL_BOOTSTRAP: _ClassVar[EstimateInterval]
QUOTA_RULE_UNSPECIFIED: QuotaRule
QUOTA_RULE_PROPORTIONAL: QuotaRule
QUOTA_RULE_EQUAL: QuotaRule
COST_ON_UNSPECIFIED: CostOn
COST_ON_SUM: CostOn
COST_ON_MEAN: CostOn
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
ACTIVE_MODEL_UNSPECIFIED: ActiveModel
ACTIVE_MODEL_LOGISTIC_REGRESSION: ActiveModel
ACTIVE_MODEL_GIVEN: ActiveModel
ESTIMATE_TARGET_UNSPECIFIED: EstimateTarget
ESTIMATE_TARGET_COUNT: EstimateTarget
ESTIMATE_TARGET_AVG: EstimateTarget
ESTIMATE_TARGET_SUM: EstimateTarget
STRATA_CUT_UNSPECIFIED: StrataCut
STRATA_CUT_SQRT_MASS: StrataCut
STRATA_CUT_EQUAL_SIZE: StrataCut
STRATA_CUT_GEOMETRIC: StrataCut
ESTIMATE_INTERVAL_UNSPECIFIED: EstimateInterval
ESTIMATE_INTERVAL_DELTA: EstimateInterval
ESTIMATE_INTERVAL_BOOTSTRAP: EstimateInterval

class CreateSelectionJobRequest(_message.Message):
    __slots__ = ("index", "k", "weighted_k_center", "farthest_first", "margin", "random", "gist", "ccs", "allowed_ids", "request_id", "quotas")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    WEIGHTED_K_CENTER_FIELD_NUMBER: _ClassVar[int]
    FARTHEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    RANDOM_FIELD_NUMBER: _ClassVar[int]
    GIST_FIELD_NUMBER: _ClassVar[int]
    CCS_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_IDS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    index: str
    k: int
    weighted_k_center: WeightedKCenter
    farthest_first: FarthestFirst
    margin: Margin
    random: Random
    gist: Gist
    ccs: Ccs
    allowed_ids: _types_pb2.Ids
    request_id: str
    quotas: Quotas
    def __init__(self, index: _Optional[str] = ..., k: _Optional[int] = ..., weighted_k_center: _Optional[_Union[WeightedKCenter, _Mapping]] = ..., farthest_first: _Optional[_Union[FarthestFirst, _Mapping]] = ..., margin: _Optional[_Union[Margin, _Mapping]] = ..., random: _Optional[_Union[Random, _Mapping]] = ..., gist: _Optional[_Union[Gist, _Mapping]] = ..., ccs: _Optional[_Union[Ccs, _Mapping]] = ..., allowed_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., request_id: _Optional[str] = ..., quotas: _Optional[_Union[Quotas, _Mapping]] = ...) -> None: ...

class Quotas(_message.Message):
    __slots__ = ("ids", "groups", "rule")
    IDS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    groups: _containers.RepeatedScalarFieldContainer[str]
    rule: QuotaRule
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., groups: _Optional[_Iterable[str]] = ..., rule: _Optional[_Union[QuotaRule, str]] = ...) -> None: ...

class Costs(_message.Message):
    __slots__ = ("ids", "values")
    IDS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    values: bytes
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., values: _Optional[bytes] = ...) -> None: ...

class WeightedKCenter(_message.Message):
    __slots__ = ("costs", "cost_weight", "locked_ids", "eps", "cost_on")
    COSTS_FIELD_NUMBER: _ClassVar[int]
    COST_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    LOCKED_IDS_FIELD_NUMBER: _ClassVar[int]
    EPS_FIELD_NUMBER: _ClassVar[int]
    COST_ON_FIELD_NUMBER: _ClassVar[int]
    costs: Costs
    cost_weight: float
    locked_ids: _types_pb2.Ids
    eps: float
    cost_on: CostOn
    def __init__(self, costs: _Optional[_Union[Costs, _Mapping]] = ..., cost_weight: _Optional[float] = ..., locked_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., eps: _Optional[float] = ..., cost_on: _Optional[_Union[CostOn, str]] = ...) -> None: ...

class FarthestFirst(_message.Message):
    __slots__ = ("covered_ids", "seed")
    COVERED_IDS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    covered_ids: _types_pb2.Ids
    seed: int
    def __init__(self, covered_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., seed: _Optional[int] = ...) -> None: ...

class Margin(_message.Message):
    __slots__ = ("costs", "locked_ids")
    COSTS_FIELD_NUMBER: _ClassVar[int]
    LOCKED_IDS_FIELD_NUMBER: _ClassVar[int]
    costs: Costs
    locked_ids: _types_pb2.Ids
    def __init__(self, costs: _Optional[_Union[Costs, _Mapping]] = ..., locked_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ...) -> None: ...

class Gist(_message.Message):
    __slots__ = ("costs", "diversity", "eps", "locked_ids")
    COSTS_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    EPS_FIELD_NUMBER: _ClassVar[int]
    LOCKED_IDS_FIELD_NUMBER: _ClassVar[int]
    costs: Costs
    diversity: float
    eps: float
    locked_ids: _types_pb2.Ids
    def __init__(self, costs: _Optional[_Union[Costs, _Mapping]] = ..., diversity: _Optional[float] = ..., eps: _Optional[float] = ..., locked_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ...) -> None: ...

class Ccs(_message.Message):
    __slots__ = ("costs", "hardest_share", "strata", "seed", "locked_ids")
    COSTS_FIELD_NUMBER: _ClassVar[int]
    HARDEST_SHARE_FIELD_NUMBER: _ClassVar[int]
    STRATA_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    LOCKED_IDS_FIELD_NUMBER: _ClassVar[int]
    costs: Costs
    hardest_share: float
    strata: int
    seed: int
    locked_ids: _types_pb2.Ids
    def __init__(self, costs: _Optional[_Union[Costs, _Mapping]] = ..., hardest_share: _Optional[float] = ..., strata: _Optional[int] = ..., seed: _Optional[int] = ..., locked_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ...) -> None: ...

class Random(_message.Message):
    __slots__ = ("seed", "locked_ids")
    SEED_FIELD_NUMBER: _ClassVar[int]
    LOCKED_IDS_FIELD_NUMBER: _ClassVar[int]
    seed: int
    locked_ids: _types_pb2.Ids
    def __init__(self, seed: _Optional[int] = ..., locked_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("name", "index", "method", "count", "summary_json", "provenance_json", "create_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_JSON_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_JSON_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    index: str
    method: str
    count: int
    summary_json: str
    provenance_json: str
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., index: _Optional[str] = ..., method: _Optional[str] = ..., count: _Optional[int] = ..., summary_json: _Optional[str] = ..., provenance_json: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SelectedItems(_message.Message):
    __slots__ = ("ids", "scores", "weights", "why")
    IDS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    scores: bytes
    weights: bytes
    why: _containers.RepeatedCompositeFieldContainer[_types_pb2.Column]
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., scores: _Optional[bytes] = ..., weights: _Optional[bytes] = ..., why: _Optional[_Iterable[_Union[_types_pb2.Column, _Mapping]]] = ...) -> None: ...

class GetSelectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListSelectedItemsRequest(_message.Message):
    __slots__ = ("name", "page_size", "page_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    page_size: int
    page_token: str
    def __init__(self, name: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSelectedItemsResponse(_message.Message):
    __slots__ = ("items", "next_page_token")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    items: SelectedItems
    next_page_token: str
    def __init__(self, items: _Optional[_Union[SelectedItems, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("name", "kind", "index", "sealed_version", "labelled", "create_time", "update_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SEALED_VERSION_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    index: str
    sealed_version: int
    labelled: int
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., index: _Optional[str] = ..., sealed_version: _Optional[int] = ..., labelled: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("index", "params", "ids", "labels", "request_id")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    index: str
    params: ActiveParams
    ids: _types_pb2.Ids
    labels: bytes
    request_id: str
    def __init__(self, index: _Optional[str] = ..., params: _Optional[_Union[ActiveParams, _Mapping]] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., labels: _Optional[bytes] = ..., request_id: _Optional[str] = ...) -> None: ...

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
    items: SelectedItems
    summary_json: str
    provenance_json: str
    next_page_token: str
    def __init__(self, items: _Optional[_Union[SelectedItems, _Mapping]] = ..., summary_json: _Optional[str] = ..., provenance_json: _Optional[str] = ..., next_page_token: _Optional[str] = ...) -> None: ...

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
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

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
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

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
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

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

class EstimateParams(_message.Message):
    __slots__ = ("target", "budget", "strata", "pilot_share", "confidence", "seed", "strata_cut", "rounds", "floor", "interval", "stop_at_width", "stop_at_relative_width")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    STRATA_FIELD_NUMBER: _ClassVar[int]
    PILOT_SHARE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STRATA_CUT_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    FLOOR_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_FIELD_NUMBER: _ClassVar[int]
    STOP_AT_WIDTH_FIELD_NUMBER: _ClassVar[int]
    STOP_AT_RELATIVE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    target: EstimateTarget
    budget: int
    strata: int
    pilot_share: float
    confidence: float
    seed: int
    strata_cut: StrataCut
    rounds: int
    floor: float
    interval: EstimateInterval
    stop_at_width: float
    stop_at_relative_width: float
    def __init__(self, target: _Optional[_Union[EstimateTarget, str]] = ..., budget: _Optional[int] = ..., strata: _Optional[int] = ..., pilot_share: _Optional[float] = ..., confidence: _Optional[float] = ..., seed: _Optional[int] = ..., strata_cut: _Optional[_Union[StrataCut, str]] = ..., rounds: _Optional[int] = ..., floor: _Optional[float] = ..., interval: _Optional[_Union[EstimateInterval, str]] = ..., stop_at_width: _Optional[float] = ..., stop_at_relative_width: _Optional[float] = ...) -> None: ...

class ProxyScores(_message.Message):
    __slots__ = ("ids", "values")
    IDS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    values: bytes
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., values: _Optional[bytes] = ...) -> None: ...

class NamedProxy(_message.Message):
    __slots__ = ("name", "scores")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    name: str
    scores: ProxyScores
    def __init__(self, name: _Optional[str] = ..., scores: _Optional[_Union[ProxyScores, _Mapping]] = ...) -> None: ...

class ProxyCandidates(_message.Message):
    __slots__ = ("proxies",)
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    proxies: _containers.RepeatedCompositeFieldContainer[NamedProxy]
    def __init__(self, proxies: _Optional[_Iterable[_Union[NamedProxy, _Mapping]]] = ...) -> None: ...

class LabelledExamples(_message.Message):
    __slots__ = ("ids", "values", "neighbours")
    IDS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    NEIGHBOURS_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    values: bytes
    neighbours: int
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., values: _Optional[bytes] = ..., neighbours: _Optional[int] = ...) -> None: ...

class IndexProxy(_message.Message):
    __slots__ = ("representatives",)
    REPRESENTATIVES_FIELD_NUMBER: _ClassVar[int]
    representatives: int
    def __init__(self, representatives: _Optional[int] = ...) -> None: ...

class KnownLabels(_message.Message):
    __slots__ = ("ids", "positives", "values")
    IDS_FIELD_NUMBER: _ClassVar[int]
    POSITIVES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    positives: bytes
    values: bytes
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., positives: _Optional[bytes] = ..., values: _Optional[bytes] = ...) -> None: ...

class StartEstimateSessionRequest(_message.Message):
    __slots__ = ("index", "params", "scores", "examples", "candidates", "index_proxy", "request_id", "known")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    INDEX_PROXY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    index: str
    params: EstimateParams
    scores: ProxyScores
    examples: LabelledExamples
    candidates: ProxyCandidates
    index_proxy: IndexProxy
    request_id: str
    known: KnownLabels
    def __init__(self, index: _Optional[str] = ..., params: _Optional[_Union[EstimateParams, _Mapping]] = ..., scores: _Optional[_Union[ProxyScores, _Mapping]] = ..., examples: _Optional[_Union[LabelledExamples, _Mapping]] = ..., candidates: _Optional[_Union[ProxyCandidates, _Mapping]] = ..., index_proxy: _Optional[_Union[IndexProxy, _Mapping]] = ..., request_id: _Optional[str] = ..., known: _Optional[_Union[KnownLabels, _Mapping]] = ...) -> None: ...

class NextEstimateBatchRequest(_message.Message):
    __slots__ = ("session", "page_token")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session: str
    page_token: str
    def __init__(self, session: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class NextEstimateBatchResponse(_message.Message):
    __slots__ = ("items", "summary_json", "provenance_json", "next_page_token")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_JSON_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_JSON_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    items: SelectedItems
    summary_json: str
    provenance_json: str
    next_page_token: str
    def __init__(self, items: _Optional[_Union[SelectedItems, _Mapping]] = ..., summary_json: _Optional[str] = ..., provenance_json: _Optional[str] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SubmitEstimateLabelsRequest(_message.Message):
    __slots__ = ("session", "ids", "positives", "values", "request_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    POSITIVES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    session: str
    ids: _types_pb2.Ids
    positives: bytes
    values: bytes
    request_id: str
    def __init__(self, session: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., positives: _Optional[bytes] = ..., values: _Optional[bytes] = ..., request_id: _Optional[str] = ...) -> None: ...

class SubmitEstimateLabelsResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class GetEstimateRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class Stratum(_message.Message):
    __slots__ = ("size", "labelled", "positives", "rate", "mean", "proxy_mean")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    POSITIVES_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    PROXY_MEAN_FIELD_NUMBER: _ClassVar[int]
    size: int
    labelled: int
    positives: int
    rate: float
    mean: float
    proxy_mean: float
    def __init__(self, size: _Optional[int] = ..., labelled: _Optional[int] = ..., positives: _Optional[int] = ..., rate: _Optional[float] = ..., mean: _Optional[float] = ..., proxy_mean: _Optional[float] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("target", "value", "low", "high", "confidence", "labels_used", "positives", "note", "by_stratum", "provenance_json", "uniform_width", "abae_width")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    LABELS_USED_FIELD_NUMBER: _ClassVar[int]
    POSITIVES_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    BY_STRATUM_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_JSON_FIELD_NUMBER: _ClassVar[int]
    UNIFORM_WIDTH_FIELD_NUMBER: _ClassVar[int]
    ABAE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    target: EstimateTarget
    value: float
    low: float
    high: float
    confidence: float
    labels_used: int
    positives: int
    note: str
    by_stratum: _containers.RepeatedCompositeFieldContainer[Stratum]
    provenance_json: str
    uniform_width: float
    abae_width: float
    def __init__(self, target: _Optional[_Union[EstimateTarget, str]] = ..., value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., confidence: _Optional[float] = ..., labels_used: _Optional[int] = ..., positives: _Optional[int] = ..., note: _Optional[str] = ..., by_stratum: _Optional[_Iterable[_Union[Stratum, _Mapping]]] = ..., provenance_json: _Optional[str] = ..., uniform_width: _Optional[float] = ..., abae_width: _Optional[float] = ...) -> None: ...

class KnownGroupLabels(_message.Message):
    __slots__ = ("ids", "groups", "positives", "values")
    IDS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    POSITIVES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    groups: GroupNumbers
    positives: GroupPositives
    values: bytes
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., groups: _Optional[_Union[GroupNumbers, _Mapping]] = ..., positives: _Optional[_Union[GroupPositives, _Mapping]] = ..., values: _Optional[bytes] = ...) -> None: ...

class StartGroupSessionRequest(_message.Message):
    __slots__ = ("index", "params", "groups", "overlapping", "request_id", "known")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    OVERLAPPING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    index: str
    params: EstimateParams
    groups: _containers.RepeatedCompositeFieldContainer[NamedProxy]
    overlapping: bool
    request_id: str
    known: _containers.RepeatedCompositeFieldContainer[KnownGroupLabels]
    def __init__(self, index: _Optional[str] = ..., params: _Optional[_Union[EstimateParams, _Mapping]] = ..., groups: _Optional[_Iterable[_Union[NamedProxy, _Mapping]]] = ..., overlapping: _Optional[bool] = ..., request_id: _Optional[str] = ..., known: _Optional[_Iterable[_Union[KnownGroupLabels, _Mapping]]] = ...) -> None: ...

class NextGroupBatchesRequest(_message.Message):
    __slots__ = ("session", "page_token")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session: str
    page_token: str
    def __init__(self, session: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class GroupBatch(_message.Message):
    __slots__ = ("group", "items", "summary_json", "provenance_json")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_JSON_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_JSON_FIELD_NUMBER: _ClassVar[int]
    group: str
    items: SelectedItems
    summary_json: str
    provenance_json: str
    def __init__(self, group: _Optional[str] = ..., items: _Optional[_Union[SelectedItems, _Mapping]] = ..., summary_json: _Optional[str] = ..., provenance_json: _Optional[str] = ...) -> None: ...

class NextGroupBatchesResponse(_message.Message):
    __slots__ = ("batches", "next_page_token")
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[GroupBatch]
    next_page_token: str
    def __init__(self, batches: _Optional[_Iterable[_Union[GroupBatch, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GroupNumbers(_message.Message):
    __slots__ = ("numbers",)
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    numbers: bytes
    def __init__(self, numbers: _Optional[bytes] = ...) -> None: ...

class GroupPositives(_message.Message):
    __slots__ = ("group", "positives")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    POSITIVES_FIELD_NUMBER: _ClassVar[int]
    group: str
    positives: bytes
    def __init__(self, group: _Optional[str] = ..., positives: _Optional[bytes] = ...) -> None: ...

class SubmitGroupLabelsRequest(_message.Message):
    __slots__ = ("session", "ids", "groups", "positives", "values", "request_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    POSITIVES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    session: str
    ids: _types_pb2.Ids
    groups: GroupNumbers
    positives: GroupPositives
    values: bytes
    request_id: str
    def __init__(self, session: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., groups: _Optional[_Union[GroupNumbers, _Mapping]] = ..., positives: _Optional[_Union[GroupPositives, _Mapping]] = ..., values: _Optional[bytes] = ..., request_id: _Optional[str] = ...) -> None: ...

class SubmitGroupLabelsResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: Session
    def __init__(self, session: _Optional[_Union[Session, _Mapping]] = ...) -> None: ...

class GetGroupEstimatesRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class GroupEstimate(_message.Message):
    __slots__ = ("group", "estimate")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ESTIMATE_FIELD_NUMBER: _ClassVar[int]
    group: str
    estimate: Estimate
    def __init__(self, group: _Optional[str] = ..., estimate: _Optional[_Union[Estimate, _Mapping]] = ...) -> None: ...

class GroupEstimates(_message.Message):
    __slots__ = ("estimates",)
    ESTIMATES_FIELD_NUMBER: _ClassVar[int]
    estimates: _containers.RepeatedCompositeFieldContainer[GroupEstimate]
    def __init__(self, estimates: _Optional[_Iterable[_Union[GroupEstimate, _Mapping]]] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("index", "page_size", "page_token")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    index: str
    page_size: int
    page_token: str
    def __init__(self, index: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions", "next_page_token")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[Session]
    next_page_token: str
    def __init__(self, sessions: _Optional[_Iterable[_Union[Session, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CloseSessionRequest(_message.Message):
    __slots__ = ("name", "request_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...
