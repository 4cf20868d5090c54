"""An index that cannot be served: the reason, and what is still known about it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from sqlite3 import Row
from typing import get_args

from gleann.index.errors import (
    CorruptDataError,
    DeviceLostError,
    DeviceMemoryError,
    GleannError,
    InvalidInputError,
    NotReadyError,
)
from gleann.index.params import Metric
from gleann.index.payload.schema import Column, Schema
from gleann.service.state.seal import Seal
from gleann.service.values import IdType, IndexInfo


@dataclass(frozen=True, slots=True)
class Broken:
    """An index that is not served, with the reason.

    Attributes:
        number: of the index.
        kind: the exception class of calls on it; not the error itself, whose
            traceback would keep partly loaded data alive.
        reason: message of that exception.
        info: its description from the database, or else from the sealed version.
    """

    number: int
    kind: type[GleannError]
    reason: str
    info: IndexInfo


def broken(row: Row, seal: Seal | None, error: BaseException) -> Broken:
    """Describe the index of `row`, whose load failed with `error`.

    Args:
        row: of the table `indexes`; it may itself be damaged.
        seal: of its sealed version, used if the row is damaged.
        error: the exception of the load.
    """
    name = str(row["name"]) if seal is None else seal.name
    reason = f"index {name!r} cannot be served: {_said(error)}"
    info = IndexInfo(
        name=name,
        dim=_whole(row["dim"] if seal is None else seal.dim),
        metric=_metric(row["metric"] if seal is None else seal.metric),
        id_type=_id_type(row["id_type"] if seal is None else seal.id_type),
        count=0,
        pending=0,
        version=_whole(row["version"]),
        sequence=_whole(row["sequence"]),
        created_at=_moment(row["created"]),
        broken=reason,
        columns=_columns(row["columns"] if seal is None else seal.columns),
    )
    return Broken(row["number"], _kind(error), reason, info)


def _kind(error: BaseException) -> type[GleannError]:
    if isinstance(error, DeviceMemoryError | DeviceLostError):
        return type(error)
    return NotReadyError if isinstance(error, MemoryError) else CorruptDataError


def _said(error: BaseException) -> str:
    if isinstance(error, GleannError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory to open it"
    return f"{type(error).__name__}: {error}"


def _whole(value: object) -> int:
    """A number within the range of the message field; 0 for damaged values."""
    return value if isinstance(value, int) and 0 <= value < 1 << 31 else 0


def _metric(value: object) -> Metric:
    return next((known for known in get_args(Metric) if known == value), "cosine")


def _id_type(value: object) -> IdType | None:
    return next((known for known in get_args(IdType) if known == value), None)


def _columns(value: object) -> tuple[Column, ...]:
    try:
        return Schema.from_json(str(value)).columns
    except InvalidInputError:
        return ()


def _moment(value: object) -> datetime:
    try:
        return datetime.fromtimestamp(float(str(value)), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
