"""Conversion of filters on payload to messages and back."""

import math
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gleann.index.errors import InvalidFilterError
from gleann.index.filters.condition import Condition
from gleann.index.payload.moments import to_microseconds
from gleann.v1 import payload_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SECOND = -62_135_596_800
"""0001-01-01T00:00:00Z, as seconds since 1970; datetime begins there."""
_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z."""
_NANOS = 1_000_000_000
MOST_VALUES = 1_000_000
MOST_PARAMETERS = 65_536
"""$1 to $65536."""
"""Most values of the parameters of a filter, in lists and by themselves."""
_INT64 = range(-(2**63), 2**63)


def condition_of(request: Message, name: str = "filter") -> Condition | None:
    """Read the filter in field `name` of a request; None where it is not set.

    Raises:
        InvalidFilterError: a filter without a condition, or a parameter that is no
            value.
    """
    if not request.HasField(name):
        return None
    message: payload_pb2.Filter = getattr(request, name)
    if not message.where.strip():
        raise InvalidFilterError(
            f"{name} has no condition: 'true' is the one that all vectors pass"
        )
    _require_few(message.parameters)
    values = [
        _value_of(value, f"parameter ${place}")
        for place, value in enumerate(message.parameters, 1)
    ]
    return Condition(message.where, tuple(values))


def condition_to_wire(condition: Condition | None) -> payload_pb2.Filter | None:
    """Pack a filter, if any.

    Raises:
        InvalidFilterError: a text without UTF-8, or a parameter that is not finite,
            beyond 64 bits, or in no year from 1 to 9999.
    """
    if condition is None:
        return None
    return payload_pb2.Filter(
        where=_with_utf8(condition.where, "where"),
        parameters=[
            _value_to_wire(value, f"parameter ${place}")
            for place, value in enumerate(condition.parameters, 1)
        ],
    )


def filter_to_wire(
    where: str | None = None, parameters: Sequence[object] = ()
) -> payload_pb2.Filter | None:
    """Pack a filter from what a caller gives; None for none.

    Raises:
        InvalidFilterError: parameters without a filter or of another type, or as
            `condition_to_wire`.
    """
    return condition_to_wire(Condition.of(where, parameters))


def _value_of(message: payload_pb2.Value, shown: str) -> object:
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    if kind == "list_value":
        return _list_of(message.list_value.values, shown)
    if kind == "timestamp_value":
        return _moment_of(message.timestamp_value, shown)
    if kind == "float64_value":
        return _finite(message.float64_value, shown)
    value: object = getattr(message, kind)
    return value


def _require_few(parameters: Collection[payload_pb2.Value]) -> None:
    """Refuse many values before each becomes an object, of 50 times its bytes.

    Raises:
        InvalidFilterError: with both numbers.
    """
    count = len(parameters)
    if count > MOST_PARAMETERS:
        raise InvalidFilterError(
            f"there are {count} parameters, at most {MOST_PARAMETERS} are allowed"
        )
    if count <= MOST_VALUES:
        count += sum(len(value.list_value.values) for value in parameters)
    if count > MOST_VALUES:
        raise InvalidFilterError(
            f"parameters have {count} values, at most {MOST_VALUES} are allowed"
        )


def _list_of(values: Collection[payload_pb2.Value], shown: str) -> tuple[object, ...]:
    if any(value.HasField("list_value") for value in values):
        raise InvalidFilterError(f"{shown} is a list with a list in it")
    return tuple(_value_of(value, shown) for value in values)


def _moment_of(message: Timestamp, shown: str) -> datetime:
    """A moment, in UTC.

    Raises:
        InvalidFilterError: before year 1 or after year 9999, or finer than a
            microsecond.
    """
    within = _FIRST_SECOND <= message.seconds <= _LAST_SECOND
    if not within or not 0 <= message.nanos < _NANOS or message.nanos % 1000:
        raise InvalidFilterError(
            f"{shown} is a moment of {message.seconds} seconds and {message.nanos}"
            " nanoseconds, expected whole microseconds of the years 1 to 9999"
        )
    return _EPOCH + timedelta(
        seconds=message.seconds, microseconds=message.nanos // 1000
    )


def _finite(value: float, shown: str) -> float:
    if not math.isfinite(value):
        raise InvalidFilterError(f"{shown} is {value}, which is not finite")
    return value


def _value_to_wire(value: object, shown: str) -> payload_pb2.Value:
    match value:
        case None:
            return payload_pb2.Value()
        case tuple():
            listed = [_value_to_wire(one, shown) for one in value]
            together = payload_pb2.ValueList(values=listed)
            packed: dict[str, Any] = {"list_value": together}
        case bool():
            packed = {"bool_value": value}
        case int():
            packed = {"int64_value": _in_range(value, shown)}
        case float():
            packed = {"float64_value": _finite(value, shown)}
        case str():
            packed = {"string_value": _with_utf8(value, shown)}
        case datetime():
            packed = {"timestamp_value": _moment_to_wire(value, shown)}
        case _:
            raise AssertionError(f"a condition keeps no {type(value).__name__}")
    return payload_pb2.Value(**packed)


def _in_range(value: int, shown: str) -> int:
    if value not in _INT64:
        raise InvalidFilterError(f"{shown} is {value:.3g}, beyond 64 bits")
    return value


def _with_utf8(value: str, shown: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidFilterError(f"{shown} has no UTF-8: {error.reason}") from error
    return value


def _moment_to_wire(value: datetime, shown: str) -> Timestamp:
    """A moment; one without a time zone is in UTC."""
    message = Timestamp()
    try:
        message.FromMicroseconds(to_microseconds(value))
    except ValueError as error:
        raise InvalidFilterError(f"{shown} is {value}: {error}") from error
    return message
