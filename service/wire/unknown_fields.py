"""Refusal of requests with fields that this version does not know.

Protobuf reads past an unknown field. A request of a later client would then be
understood in part: a deletion whose unknown field is a filter would delete everything.
"""

from functools import cache
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from gleann import __version__
from gleann.index.errors import InvalidInputError
from gleann.service.wire.protocol import PROTOCOL

UNNAMED_CLIENT = "one that does not say its version"


MANY = 16
"""Messages of one field from which they are compared in C, without a look at each."""


class _Field(NamedTuple):
    """A field of messages.

    Attributes:
        name: of the field.
        kind: of its messages.
        is_single: whether there is at most one.
        is_map: whether the messages are the values of a map.
        is_leaf: whether its messages have no field of messages.
    """

    name: str
    kind: Descriptor
    is_single: bool
    is_map: bool
    is_leaf: bool


def require_known(request: Message, client: str) -> None:
    """Refuse a request with an unknown field, in it or in a message within it.

    Args:
        request: the request.
        client: version and protocol of the client as it names them; "" for none.

    Raises:
        InvalidInputError: naming the message, the field's number and both versions.
    """
    kind: Any = request.DESCRIPTOR
    found = _unknown(request, kind)
    if found is not None:
        name, number = found
        raise InvalidInputError(
            f"{name} has a field {number}, which this server does not know: it is"
            f" gleann {__version__}, protocol {PROTOCOL}; the client is"
            f" {client or UNNAMED_CLIENT}"
        )


def _unknown(message: Any, kind: Descriptor) -> tuple[str, int] | None:
    """The name of a message with an unknown field, and its number; None for none."""
    if unknown := UnknownFieldSet(message):
        return kind.full_name, unknown[0].field_number
    for field in _message_fields(kind):
        if not field.is_single:
            found = _unknown_in(message, field)
        elif not message.HasField(field.name):
            continue
        elif field.is_leaf:
            # Most are: not through another call.
            unknown = UnknownFieldSet(getattr(message, field.name))
            found = (field.kind.full_name, unknown[0].field_number) if unknown else None
        else:
            found = _unknown(getattr(message, field.name), field.kind)
        if found is not None:
            return found
    return None


def _unknown_in(message: Any, field: _Field) -> tuple[str, int] | None:
    """As `_unknown`, for the messages of a repeated field or a map."""
    values = getattr(message, field.name)
    if len(values) > MANY and _is_known(message):
        return None
    for value in values.values() if field.is_map else values:
        if (found := _unknown(value, field.kind)) is not None:
            return found
    return None


def _is_known(message: Message) -> bool:
    """Whether a message loses nothing with its unknown fields; it stays as it is."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return known.ByteSize() == message.ByteSize()


@cache
def _message_fields(kind: Descriptor) -> tuple[_Field, ...]:
    """The fields of a kind of message that are messages themselves."""
    return tuple(
        field
        for one in kind.fields
        if one.message_type is not None and (field := _field_of(one)) is not None
    )


def _field_of(field: Any) -> _Field | None:
    kind, is_map = field.message_type, field.message_type.GetOptions().map_entry
    if is_map:
        kind = kind.fields_by_name["value"].message_type
    if kind is None:
        return None  # a map of numbers or texts
    is_leaf = all(one.message_type is None for one in kind.fields)
    return _Field(field.name, kind, not field.is_repeated, is_map, is_leaf)
