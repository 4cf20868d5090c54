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

class EstimateTarget(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ESTIMATE_TARGET_UNSPECIFIED: _ClassVar[EstimateTarget]
    ESTIMATE_TARGET_COUNT: _ClassVar[EstimateTarget]
    ESTIMATE_TARGET_AVG: _ClassVar[EstimateTarget]
    ESTIMATE_TARGET_SUM: _ClassVar[EstimateTarget]
    ESTIMATE_TARGET_SHARE: _ClassVar[EstimateTarget]

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
    ESTIMATE_INTERVAL_AUTO: _ClassVar[EstimateInterval]
    ESTIMATE_INTERVAL_POLYA: _ClassVar[EstimateInterval]

class EstimateAllocation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ESTIMATE_ALLOCATION_UNSPECIFIED: _ClassVar[EstimateAllocation]
    ESTIMATE_ALLOCATION_ADAPTIVE: _ClassVar[EstimateAllocation]
    ESTIMATE_ALLOCATION_EVEN: _ClassVar[EstimateAllocation]
ESTIMATE_TARGET_UNSPECIFIED: EstimateTarget
ESTIMATE_TARGET_COUNT: EstimateTarget
ESTIMATE_TARGET_AVG: EstimateTarget
ESTIMATE_TARGET_SUM: EstimateTarget
ESTIMATE_TARGET_SHARE: EstimateTarget
STRATA_CUT_UNSPECIFIED: StrataCut
STRATA_CUT_SQRT_MASS: StrataCut
STRATA_CUT_EQUAL_SIZE: StrataCut
STRATA_CUT_GEOMETRIC: StrataCut
ESTIMATE_INTERVAL_UNSPECIFIED: EstimateInterval
ESTIMATE_INTERVAL_DELTA: EstimateInterval
ESTIMATE_INTERVAL_BOOTSTRAP: EstimateInterval
ESTIMATE_INTERVAL_AUTO: EstimateInterval
ESTIMATE_INTERVAL_POLYA: EstimateInterval
ESTIMATE_ALLOCATION_UNSPECIFIED: EstimateAllocation
ESTIMATE_ALLOCATION_ADAPTIVE: EstimateAllocation
ESTIMATE_ALLOCATION_EVEN: EstimateAllocation

class EstimateParams(_message.Message):
    __slots__ = ("target", "budget", "strata", "pilot_share", "confidence", "seed", "strata_cut", "rounds", "floor", "interval", "stop_at_width", "stop_at_relative_width", "anytime", "allocation", "value_range")
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
    ANYTIME_FIELD_NUMBER: _ClassVar[int]
    ALLOCATION_FIELD_NUMBER: _ClassVar[int]
    VALUE_RANGE_FIELD_NUMBER: _ClassVar[int]
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
    anytime: bool
    allocation: EstimateAllocation
    value_range: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, target: _Optional[_Union[EstimateTarget, str]] = ..., budget: _Optional[int] = ..., strata: _Optional[int] = ..., pilot_share: _Optional[float] = ..., confidence: _Optional[float] = ..., seed: _Optional[int] = ..., strata_cut: _Optional[_Union[StrataCut, str]] = ..., rounds: _Optional[int] = ..., floor: _Optional[float] = ..., interval: _Optional[_Union[EstimateInterval, str]] = ..., stop_at_width: _Optional[float] = ..., stop_at_relative_width: _Optional[float] = ..., anytime: _Optional[bool] = ..., allocation: _Optional[_Union[EstimateAllocation, str]] = ..., value_range: _Optional[_Iterable[float]] = ...) -> None: ...

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
    __slots__ = ("index", "params", "scores", "examples", "candidates", "index_proxy", "request_id", "known", "filter")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    INDEX_PROXY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    index: str
    params: EstimateParams
    scores: ProxyScores
    examples: LabelledExamples
    candidates: ProxyCandidates
    index_proxy: IndexProxy
    request_id: str
    known: KnownLabels
    filter: _payload_pb2.Filter
    def __init__(self, index: _Optional[str] = ..., params: _Optional[_Union[EstimateParams, _Mapping]] = ..., scores: _Optional[_Union[ProxyScores, _Mapping]] = ..., examples: _Optional[_Union[LabelledExamples, _Mapping]] = ..., candidates: _Optional[_Union[ProxyCandidates, _Mapping]] = ..., index_proxy: _Optional[_Union[IndexProxy, _Mapping]] = ..., request_id: _Optional[str] = ..., known: _Optional[_Union[KnownLabels, _Mapping]] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ...) -> None: ...

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
    items: _types_pb2.SelectedItems
    summary_json: str
    provenance_json: str
    next_page_token: str
    def __init__(self, items: _Optional[_Union[_types_pb2.SelectedItems, _Mapping]] = ..., summary_json: _Optional[str] = ..., provenance_json: _Optional[str] = ..., next_page_token: _Optional[str] = ...) -> None: ...

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
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("target", "value", "low", "high", "confidence", "labels_used", "positives", "note", "by_stratum", "provenance_json", "uniform_width", "abae_width", "rows", "interval_valid")
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
    ROWS_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_VALID_FIELD_NUMBER: _ClassVar[int]
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
    rows: int
    interval_valid: bool
    def __init__(self, target: _Optional[_Union[EstimateTarget, str]] = ..., value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., confidence: _Optional[float] = ..., labels_used: _Optional[int] = ..., positives: _Optional[int] = ..., note: _Optional[str] = ..., by_stratum: _Optional[_Iterable[_Union[Stratum, _Mapping]]] = ..., provenance_json: _Optional[str] = ..., uniform_width: _Optional[float] = ..., abae_width: _Optional[float] = ..., rows: _Optional[int] = ..., interval_valid: _Optional[bool] = ...) -> None: ...

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
    __slots__ = ("index", "params", "groups", "overlapping", "request_id", "known", "filter")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    OVERLAPPING_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    index: str
    params: EstimateParams
    groups: _containers.RepeatedCompositeFieldContainer[NamedProxy]
    overlapping: bool
    request_id: str
    known: _containers.RepeatedCompositeFieldContainer[KnownGroupLabels]
    filter: _payload_pb2.Filter
    def __init__(self, index: _Optional[str] = ..., params: _Optional[_Union[EstimateParams, _Mapping]] = ..., groups: _Optional[_Iterable[_Union[NamedProxy, _Mapping]]] = ..., overlapping: _Optional[bool] = ..., request_id: _Optional[str] = ..., known: _Optional[_Iterable[_Union[KnownGroupLabels, _Mapping]]] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ...) -> None: ...

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
    items: _types_pb2.SelectedItems
    summary_json: str
    provenance_json: str
    def __init__(self, group: _Optional[str] = ..., items: _Optional[_Union[_types_pb2.SelectedItems, _Mapping]] = ..., summary_json: _Optional[str] = ..., provenance_json: _Optional[str] = ...) -> None: ...

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
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

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
