from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PlanMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PLAN_MODE_UNSPECIFIED: _ClassVar[PlanMode]
    PLAN_MODE_IN_TURNS: _ClassVar[PlanMode]
    PLAN_MODE_DRAWN_AGAIN: _ClassVar[PlanMode]
PLAN_MODE_UNSPECIFIED: PlanMode
PLAN_MODE_IN_TURNS: PlanMode
PLAN_MODE_DRAWN_AGAIN: PlanMode

class EpochPlan(_message.Message):
    __slots__ = ("fraction", "first_epoch", "epochs", "mode", "stratum_column", "by_lists", "seed")
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    FIRST_EPOCH_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    STRATUM_COLUMN_FIELD_NUMBER: _ClassVar[int]
    BY_LISTS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    fraction: float
    first_epoch: int
    epochs: int
    mode: PlanMode
    stratum_column: str
    by_lists: bool
    seed: int
    def __init__(self, fraction: _Optional[float] = ..., first_epoch: _Optional[int] = ..., epochs: _Optional[int] = ..., mode: _Optional[_Union[PlanMode, str]] = ..., stratum_column: _Optional[str] = ..., by_lists: _Optional[bool] = ..., seed: _Optional[int] = ...) -> None: ...
