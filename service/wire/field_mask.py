"""Answers in part: field masks of requests that read."""

from typing import Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from gleann.index.errors import InvalidInputError

M = TypeVar("M", bound=Message)

ALL = "*"
MOST_PATHS = 100


def require_mask(mask: FieldMask, kind: type[Message]) -> None:
    """Refuse a mask with a path that messages of a kind do not have.

    A path is the name of a field, such as "count", or of a field of one that is a
    single message, such as "optimizer.decision". "*" is all, and so is no path.

    Raises:
        InvalidInputError: naming the path, or with the number of paths.
    """
    if len(mask.paths) > MOST_PATHS:
        raise InvalidInputError(
            f"read_mask has {len(mask.paths)} paths, at most {MOST_PATHS} are read"
        )
    descriptor: Any = kind.DESCRIPTOR
    for path in mask.paths:
        if path == ALL or FieldMask(paths=[path]).IsValidForDescriptor(descriptor):
            continue
        raise InvalidInputError(
            f"read_mask: {descriptor.name} has no field {path[:80]!r}; it has"
            f" {', '.join(field.name for field in descriptor.fields)}"
        )


def masked(message: M, mask: FieldMask) -> M:
    """The fields of a message that a valid mask names; the message itself for all."""
    if not mask.paths or ALL in mask.paths:
        return message
    part = type(message)()
    mask.MergeMessage(message, part)
    return part
