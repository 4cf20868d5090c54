"""Vectors that others are searched for: sent, or named by ids of the index.

A message has them as the fields KIND_vectors and KIND_ids, such as target_ids.
"""

from typing import Any

from google.protobuf.message import Message
from numpy.typing import ArrayLike

from gleann.index.errors import InvalidInputError
from gleann.index.ids.checks import hold_id_array
from gleann.service.wire.arrays import ids_of, ids_to_wire, vectors_to_wire, wire_array


def fill_queries(
    message: Message,
    kind: str,
    vectors: ArrayLike | None,
    ids: ArrayLike | None,
    *,
    name: str,
) -> None:
    """Set one of both fields.

    Args:
        message: to fill.
        kind: such as "target".
        vectors: (m, d).
        ids: (m,) of vectors of the index.
        name: of the vectors in messages of errors.

    Raises:
        InvalidInputError: both, or neither.
    """
    if (vectors is None) == (ids is None):
        got = "neither" if vectors is None else "both"
        raise InvalidInputError(f"give {name} or {kind}_ids, got {got}")
    if vectors is not None:
        rows = vectors_to_wire(wire_array(vectors, name=name))
        getattr(message, f"{kind}_vectors").CopyFrom(rows)
    elif ids is not None:
        packed = ids_to_wire(hold_id_array(ids, name=f"{kind}_ids"))
        getattr(message, f"{kind}_ids").CopyFrom(packed)


def count_queries(message: Any, kind: str) -> int:
    """How many there are.

    Args:
        message: has the fields.
        kind: such as "target".
    """
    ids = f"{kind}_ids"
    if message.HasField(ids):
        return len(ids_of(getattr(message, ids), name=ids))
    return int(getattr(message, f"{kind}_vectors").count)
