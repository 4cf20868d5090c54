import datetime

from gleann.v1 import payload_pb2 as _payload_pb2
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
QUOTA_RULE_UNSPECIFIED: QuotaRule
QUOTA_RULE_PROPORTIONAL: QuotaRule
QUOTA_RULE_EQUAL: QuotaRule
COST_ON_UNSPECIFIED: CostOn
COST_ON_SUM: CostOn
COST_ON_MEAN: CostOn

class CreateSelectionJobRequest(_message.Message):
    __slots__ = ("index", "k", "weighted_k_center", "farthest_first", "margin", "random", "gist", "ccs", "allowed_ids", "request_id", "quotas", "filter", "validate_only")
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
    FILTER_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
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
    filter: _payload_pb2.Filter
    validate_only: bool
    def __init__(self, index: _Optional[str] = ..., k: _Optional[int] = ..., weighted_k_center: _Optional[_Union[WeightedKCenter, _Mapping]] = ..., farthest_first: _Optional[_Union[FarthestFirst, _Mapping]] = ..., margin: _Optional[_Union[Margin, _Mapping]] = ..., random: _Optional[_Union[Random, _Mapping]] = ..., gist: _Optional[_Union[Gist, _Mapping]] = ..., ccs: _Optional[_Union[Ccs, _Mapping]] = ..., allowed_ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., request_id: _Optional[str] = ..., quotas: _Optional[_Union[Quotas, _Mapping]] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class Quotas(_message.Message):
    __slots__ = ("ids", "groups", "rule", "quotas")
    IDS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    QUOTAS_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    groups: _containers.RepeatedScalarFieldContainer[str]
    rule: QuotaRule
    quotas: _containers.RepeatedCompositeFieldContainer[GroupQuota]
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., groups: _Optional[_Iterable[str]] = ..., rule: _Optional[_Union[QuotaRule, str]] = ..., quotas: _Optional[_Iterable[_Union[GroupQuota, _Mapping]]] = ...) -> None: ...

class GroupQuota(_message.Message):
    __slots__ = ("group", "number", "share")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    group: str
    number: int
    share: float
    def __init__(self, group: _Optional[str] = ..., number: _Optional[int] = ..., share: _Optional[float] = ...) -> None: ...

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
    items: _types_pb2.SelectedItems
    next_page_token: str
    def __init__(self, items: _Optional[_Union[_types_pb2.SelectedItems, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSelectionsRequest(_message.Message):
    __slots__ = ("index", "page_size", "page_token")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    index: str
    page_size: int
    page_token: str
    def __init__(self, index: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSelectionsResponse(_message.Message):
    __slots__ = ("selections", "next_page_token")
    SELECTIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    selections: _containers.RepeatedCompositeFieldContainer[Selection]
    next_page_token: str
    def __init__(self, selections: _Optional[_Iterable[_Union[Selection, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteSelectionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...
