"""What a request asked for, as JSON values for the provenance of its result."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

MOST = 100
"""Numbers or words of a list; of a longer one only the length is kept."""


def asked(message: Message) -> dict[str, Any]:
    """The fields that are set, by name; ids, vectors and other columns as their sizes.

    Args:
        message: the parameters of a method.

    Returns:
        Numbers, words and names of enums as they are, submessages likewise; bytes as
        {"bytes": n}, lists of more than `MOST` as {"length": n}.
    """
    return {field.name: _values(field, value) for field, value in message.ListFields()}


def _values(field: FieldDescriptor, value: Any) -> Any:
    if not field.is_repeated:
        return _value(field, value)
    if len(value) > MOST:
        return {"length": len(value)}
    return [_value(field, one) for one in value]


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return asked(value)
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return value if known is None else known.name
    return {"bytes": len(value)} if isinstance(value, bytes) else value
