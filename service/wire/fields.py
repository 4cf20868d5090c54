"""Conversion of single fields of messages: numbers, enums and times."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gleann.index.errors import InvalidParamsError


def fill(message: Message, values: Mapping[str, object]) -> None:
    """Set the fields of `message` in `values`; None leaves a field unset.

    Enum fields take their text, such as "soar", and repeated ones a tuple.

    Raises:
        InvalidParamsError: a value out of the field's range.
    """
    for name, value in values.items():
        if value is None:
            continue
        field = message.DESCRIPTOR.fields_by_name[name]
        try:
            if isinstance(value, tuple):
                getattr(message, name).extend(value)
            elif field.enum_type is not None:
                setattr(message, name, _enum_number(field.enum_type, str(value)))
            else:
                setattr(message, name, value)
        except (TypeError, ValueError, KeyError) as error:
            raise InvalidParamsError(f"{name} cannot be {value!r}") from error


def given(message: Message) -> dict[str, Any]:
    """The set fields of `message` as keyword arguments; enums as text.

    Raises:
        InvalidParamsError: an enum number that this version does not know.
    """
    values: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.is_repeated:
            values[field.name] = tuple(value)
        elif field.enum_type is None:
            values[field.name] = value
        elif value:
            values[field.name] = enum_text(field.enum_type, value)
    return values


def time_to_wire(moment: datetime) -> Timestamp:
    """Pack a time."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def time_of(message: Timestamp) -> datetime:
    """Read a time, UTC."""
    return message.ToDatetime(tzinfo=UTC)


def _enum_number(enum: Any, text: str) -> int:
    number: int = enum.values_by_name[_enum_prefix(enum) + text.upper()].number
    return number


def enum_text(enum: Any, number: int) -> Any:
    """The text of an enum's value: "soar" for SPILL_SOAR.

    Raises:
        InvalidParamsError: a number that this version does not know.
    """
    value = enum.values_by_number.get(number)
    if value is None:
        raise InvalidParamsError(f"{enum.name} has no value {number}")
    return value.name.removeprefix(_enum_prefix(enum)).lower()


def _enum_prefix(enum: Any) -> str:
    """SPILL_ for Spill and SCALAR_TYPE_ for ScalarType, by the zero value's name."""
    return str(enum.values_by_number[0].name).removesuffix("UNSPECIFIED")
