from gleann.v1 import payload_pb2 as _payload_pb2
from gleann.v1 import session_pb2 as _session_pb2
from gleann.v1 import types_pb2 as _types_pb2
from gleann.v1 import estimate_pb2 as _estimate_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Promise(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMISE_UNSPECIFIED: _ClassVar[Promise]
    PROMISE_RECALL: _ClassVar[Promise]
    PROMISE_PRECISION: _ClassVar[Promise]

class AuditDesign(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIT_DESIGN_UNSPECIFIED: _ClassVar[AuditDesign]
    AUDIT_DESIGN_SEEDED: _ClassVar[AuditDesign]
    AUDIT_DESIGN_UNIFORM: _ClassVar[AuditDesign]
PROMISE_UNSPECIFIED: Promise
PROMISE_RECALL: Promise
PROMISE_PRECISION: Promise
AUDIT_DESIGN_UNSPECIFIED: AuditDesign
AUDIT_DESIGN_SEEDED: AuditDesign
AUDIT_DESIGN_UNIFORM: AuditDesign

class PromiseParams(_message.Message):
    __slots__ = ("promise", "target", "budget", "confidence", "seed")
    PROMISE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    promise: Promise
    target: float
    budget: int
    confidence: float
    seed: int
    def __init__(self, promise: _Optional[_Union[Promise, str]] = ..., target: _Optional[float] = ..., budget: _Optional[int] = ..., confidence: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class StartPromiseSessionRequest(_message.Message):
    __slots__ = ("index", "params", "scores", "filter", "request_id", "score_column")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_COLUMN_FIELD_NUMBER: _ClassVar[int]
    index: str
    params: PromiseParams
    scores: _estimate_pb2.ProxyScores
    filter: _payload_pb2.Filter
    request_id: str
    score_column: str
    def __init__(self, index: _Optional[str] = ..., params: _Optional[_Union[PromiseParams, _Mapping]] = ..., scores: _Optional[_Union[_estimate_pb2.ProxyScores, _Mapping]] = ..., filter: _Optional[_Union[_payload_pb2.Filter, _Mapping]] = ..., request_id: _Optional[str] = ..., score_column: _Optional[str] = ...) -> None: ...

class BatchAuditParams(_message.Message):
    __slots__ = ("size", "confidence", "seed", "design")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    DESIGN_FIELD_NUMBER: _ClassVar[int]
    size: int
    confidence: float
    seed: int
    design: AuditDesign
    def __init__(self, size: _Optional[int] = ..., confidence: _Optional[float] = ..., seed: _Optional[int] = ..., design: _Optional[_Union[AuditDesign, str]] = ...) -> None: ...

class StartAuditSessionRequest(_message.Message):
    __slots__ = ("index", "params", "batch", "request_id", "drawn")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PARAMS_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DRAWN_FIELD_NUMBER: _ClassVar[int]
    index: str
    params: BatchAuditParams
    batch: _types_pb2.Ids
    request_id: str
    drawn: _types_pb2.Ids
    def __init__(self, index: _Optional[str] = ..., params: _Optional[_Union[BatchAuditParams, _Mapping]] = ..., batch: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., request_id: _Optional[str] = ..., drawn: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ...) -> None: ...

class NextPromiseBatchRequest(_message.Message):
    __slots__ = ("session", "page_token")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session: str
    page_token: str
    def __init__(self, session: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class NextPromiseBatchResponse(_message.Message):
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

class SubmitPromiseLabelsRequest(_message.Message):
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

class SubmitPromiseLabelsResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...

class GetPromisedSetRequest(_message.Message):
    __slots__ = ("session", "page_token")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session: str
    page_token: str
    def __init__(self, session: _Optional[str] = ..., page_token: _Optional[str] = ...) -> None: ...

class PromisedSet(_message.Message):
    __slots__ = ("ids", "proxies", "labelled", "promise", "target", "confidence", "count", "out_of", "threshold", "everything", "labels_used", "positives_labelled", "note", "provenance_json", "next_page_token")
    IDS_FIELD_NUMBER: _ClassVar[int]
    PROXIES_FIELD_NUMBER: _ClassVar[int]
    LABELLED_FIELD_NUMBER: _ClassVar[int]
    PROMISE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    EVERYTHING_FIELD_NUMBER: _ClassVar[int]
    LABELS_USED_FIELD_NUMBER: _ClassVar[int]
    POSITIVES_LABELLED_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_JSON_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ids: _types_pb2.Ids
    proxies: bytes
    labelled: bytes
    promise: Promise
    target: float
    confidence: float
    count: int
    out_of: int
    threshold: float
    everything: bool
    labels_used: int
    positives_labelled: int
    note: str
    provenance_json: str
    next_page_token: str
    def __init__(self, ids: _Optional[_Union[_types_pb2.Ids, _Mapping]] = ..., proxies: _Optional[bytes] = ..., labelled: _Optional[bytes] = ..., promise: _Optional[_Union[Promise, str]] = ..., target: _Optional[float] = ..., confidence: _Optional[float] = ..., count: _Optional[int] = ..., out_of: _Optional[int] = ..., threshold: _Optional[float] = ..., everything: _Optional[bool] = ..., labels_used: _Optional[int] = ..., positives_labelled: _Optional[int] = ..., note: _Optional[str] = ..., provenance_json: _Optional[str] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetAcceptanceBoundRequest(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: str
    def __init__(self, session: _Optional[str] = ...) -> None: ...

class AcceptanceBound(_message.Message):
    __slots__ = ("batch", "audited", "failed", "at_most", "confidence")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    AUDITED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    batch: int
    audited: int
    failed: int
    at_most: int
    confidence: float
    def __init__(self, batch: _Optional[int] = ..., audited: _Optional[int] = ..., failed: _Optional[int] = ..., at_most: _Optional[int] = ..., confidence: _Optional[float] = ...) -> None: ...
