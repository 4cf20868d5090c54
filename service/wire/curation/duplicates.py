"""Conversion of the options of near-duplicates and joins."""

from typing import TYPE_CHECKING, TypeAlias, cast

from numpy.typing import ArrayLike

from gleann.index.errors import InvalidParamsError
from gleann.service.wire.arrays import Column, vectors_to_wire, wire_array
from gleann.service.wire.curation.scores import scores_to_wire
from gleann.service.wire.fields import enum_text, fill
from gleann.v1 import duplicates_pb2, leakage_pb2

if TYPE_CHECKING:
    from gleann.selection.curation.duplicates import KeepBy

if TYPE_CHECKING:
    from gleann.selection.curation.duplicates import KeepBy

Near: TypeAlias = (
    duplicates_pb2.NearDuplicates
    | duplicates_pb2.Rethreshold
    | duplicates_pb2.Join
    | leakage_pb2.Leakage
)
"""A message with the field `near`."""


def fill_near(
    message: Near,
    *,
    radius: float | None,
    similarity: float | None,
    k: int | None = None,
) -> None:
    """Set how near vectors must be.

    Raises:
        InvalidParamsError: several of them, or none.
    """
    values = {"radius": radius, "similarity": similarity, "k": k}
    given = {name: value for name, value in values.items() if value is not None}
    if len(given) != 1:
        allowed = [one.name for one in message.DESCRIPTOR.oneofs_by_name["near"].fields]
        got = " and ".join(f"{name}={value}" for name, value in given.items())
        raise InvalidParamsError(
            f"give one of {', '.join(allowed)}; got {got or 'none of them'}"
        )
    fill(message, given)


def near_of(message: Near) -> dict[str, float]:
    """The option that is set, radius, similarity or k, by its name.

    Raises:
        InvalidParamsError: none is set.
    """
    name = message.WhichOneof("near")
    if name is None:
        allowed = [one.name for one in message.DESCRIPTOR.oneofs_by_name["near"].fields]
        raise InvalidParamsError(f"give one of {', '.join(allowed)}; got none of them")
    return {name: getattr(message, name)}


def keep_by_of(message: duplicates_pb2.NearDuplicates) -> "KeepBy":
    """The order of keeping.

    Raises:
        InvalidParamsError: a number that this version does not know.
    """
    number = message.keep_by or duplicates_pb2.KEEP_BY_ID
    return cast("KeepBy", enum_text(duplicates_pb2.KeepBy.DESCRIPTOR, number))


def fill_scores(
    message: duplicates_pb2.NearDuplicates, scores: str | Column | None
) -> None:
    """Set the scores: the name of a column of payload, or (ids, numbers)."""
    if isinstance(scores, str):
        message.score_column = scores
    elif scores is not None:
        message.scores.CopyFrom(scores_to_wire(scores))


def fill_against(
    message: duplicates_pb2.NearDuplicates, against: str | ArrayLike | None
) -> None:
    """Set the other collection: the name of an index, or vectors (m, d)."""
    if isinstance(against, str):
        message.against_index = against
    elif against is not None:
        rows = vectors_to_wire(wire_array(against, name="against"))
        message.against_vectors.CopyFrom(rows)


def fill_other(message: duplicates_pb2.Join, other: str | ArrayLike | None) -> None:
    """Set the other collection: the name of an index, or vectors (m, d)."""
    if isinstance(other, str):
        message.other_index = other
    elif other is not None:
        rows = vectors_to_wire(wire_array(other, name="other"))
        message.other_vectors.CopyFrom(rows)
