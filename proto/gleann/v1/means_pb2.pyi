from gleann.v1 import payload_pb2 as _payload_pb2
from gleann.v1 import session_pb2 as _session_pb2
from gleann.v1 import types_pb2 as _types_pb2
from gleann.v1 import estimate_pb2 as _estimate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatisticKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATISTIC_KIND_UNSPECIFIED: _ClassVar[StatisticKind]
    STATISTIC_KIND_MEAN: _ClassVar[StatisticKind]
    STATISTIC_KIND_SHARE: _ClassVar[StatisticKind]
    STATISTIC_KIND_AVG: _ClassVar[StatisticKind]

class JointIntervals(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOINT_INTERVALS_UNSPECIFIED: _ClassVar[JointIntervals]
    JOINT_INTERVALS_MAX_T: _ClassVar[JointIntervals]
    JOINT_INTERVALS_BONFERRONI: _ClassVar[JointIntervals]
STATISTIC_KIND_UNSPECIFIED: StatisticKind
STATISTIC_KIND_MEAN: StatisticKind
STATISTIC_KIND_SHARE: StatisticKind
STATISTIC_KIND_AVG: StatisticKind
JOINT_INTERVALS_UNSPECIFIED: JointIntervals
JOINT_INTERVALS_MAX_T: JointIntervals
JOINT_INTERVALS_BONFERRONI: JointIntervals

class MeansStatistic(_message.Message):
    __slots__ = ("name", "kind")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: StatisticKind
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[StatisticKind, str]] = ...) -> None: ...

class MeansParams(_message.Message):
    __slots__ = ("statistics", "budget", "stratify_by", "strata", "strata_cut", "confidence", "joint", "seed")
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    STRATIFY_BY_FIELD_NUMBER: _ClassVar[int]
    STRATA_FIELD_NUMBER: _ClassVar[int]
    STRATA_CUT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    JOINT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    statistics: _containers.RepeatedCompositeFieldContainer[MeansStatistic]
    budget: int
    stratify_by: str
    strata: int
    strata_cut: _estimate_pb2.StrataCut
    confidence: float
    joint: JointIntervals
    seed: int
    def __init__(self, statistics: _Optional[_Iterable[_Union[MeansStatistic, _Mapping]]] = ..., budget: _Optional[int] = ..., stratify_by: _Optional[str] = ..., strata: _Optional[int] = ..., strata_cut: _Optional[_Union[_estimate_pb2.StrataCut, str]] = ..., confidence: _Optional[float] = ..., joint: _Optional[_Union[JointIntervals, str]] = ..., seed: _Optional[int] = ...) -> None: ...

class KnownGroups(_message.Message):
    __slots__ = ("ids", "groups")
    IDS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    groups: _types_pb2.Column
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., groups: _Optional[_Union[_types_pb2.Column, _Mapping]] = ...) -> None: ...

class NamedColumn(_message.Message):
    __slots__ = ("name", "column")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    name: str
    column: str
    def __init__(self, name: _Optional[str] = ..., column: _Optional[str] = ...) -> None: ...

class StartMeansSessionRequest(_message.Message):
    __slots__ = ("index", "params", "controls", "groups", "by_list", "filter", "request_id", "control_columns", "group_columns")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    CONTROLS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    BY_LIST_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CONTROL_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    GROUP_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    index: str
    params: MeansParams
    controls: _containers.RepeatedCompositeFieldContainer[_estimate_pb2.NamedProxy]
    groups: _containers.RepeatedCompositeFieldContainer[KnownGroups]
    by_list: bool
    filter: _payload_pb2.Filter
    request_id: str
    control_columns: _containers.RepeatedCompositeFieldContainer[NamedColumn]
    group_columns: _containers.RepeatedCompositeFieldContainer[NamedColumn]
    def __init__(self, index: _Optional[str] = ..., params: _Optional[_Union[MeansParams, _Mapping]] = ..., controls: _Optional[_Iterable[_Union[_estimate_pb2.NamedProxy, _Mapping]]] = ..., groups: _Optional[_Iterable[_Union[KnownGroups, _Mapping]]] = ..., by_list: _Optional[bool] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ..., request_id: _Optional[str] = ..., control_columns: _Optional[_Iterable[_Union[NamedColumn, _Mapping]]] = ..., group_columns: _Optional[_Iterable[_Union[NamedColumn, _Mapping]]] = ...) -> None: ...

class NextMeansBatchRequest(_message.Message):
    __slots__ = ("session", "page_token")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session: str
    page_token: str
    def __init__(self, session: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class NextMeansBatchResponse(_message.Message):
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

class SubmitMeansValuesRequest(_message.Message):
    __slots__ = ("session", "ids", "values", "request_id")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    session: str
    ids: _types_pb2.Ids
    values: bytes
    request_id: str
    def __init__(self, session: _Optional[str] = ..., ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., values: _Optional[bytes] = ..., request_id: _Optional[str] = ...) -> None: ...

class SubmitMeansValuesResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class GetMeansRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class MeanEstimate(_message.Message):
    __slots__ = ("name", "kind", "value", "low", "high", "standard_error", "stratified_width", "uniform_width", "interval_valid", "note", "stratified_value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    STANDARD_ERROR_FIELD_NUMBER: _ClassVar[int]
    STRATIFIED_WIDTH_FIELD_NUMBER: _ClassVar[int]
    UNIFORM_WIDTH_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_VALID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    STRATIFIED_VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: StatisticKind
    value: float
    low: float
    high: float
    standard_error: float
    stratified_width: float
    uniform_width: float
    interval_valid: bool
    note: str
    stratified_value: float
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[StatisticKind, str]] = ..., value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., standard_error: _Optional[float] = ..., stratified_width: _Optional[float] = ..., uniform_width: _Optional[float] = ..., interval_valid: _Optional[bool] = ..., note: _Optional[str] = ..., stratified_value: _Optional[float] = ...) -> None: ...

class JointEstimates(_message.Message):
    __slots__ = ("estimates", "covariance", "confidence", "quantile", "lambdas", "labels_used", "rows", "provenance_json")
    ESTIMATES_FIELD_NUMBER: _ClassVar[int]
    COVARIANCE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    QUANTILE_FIELD_NUMBER: _ClassVar[int]
    LAMBDAS_FIELD_NUMBER: _ClassVar[int]
    LABELS_USED_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_JSON_FIELD_NUMBER: _ClassVar[int]
    estimates: _containers.RepeatedCompositeFieldContainer[MeanEstimate]
    covariance: bytes
    confidence: float
    quantile: float
    lambdas: bytes
    labels_used: int
    rows: int
    provenance_json: str
    def __init__(self, estimates: _Optional[_Iterable[_Union[MeanEstimate, _Mapping]]] = ..., covariance: _Optional[bytes] = ..., confidence: _Optional[float] = ..., quantile: _Optional[float] = ..., lambdas: _Optional[bytes] = ..., labels_used: _Optional[int] = ..., rows: _Optional[int] = ..., provenance_json: _Optional[str] = ...) -> None: ...
