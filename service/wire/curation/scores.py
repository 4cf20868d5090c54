"""Conversion of scores, a number for each vector."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.errors import InvalidInputError
from gleann.index.ids.checks import hold_distinct, hold_id_array
from gleann.index.ids.held import id_at, shown_id
from gleann.index.nouns import number_of
from gleann.service.wire.arrays import (
    Column,
    float64s_of,
    float64s_to_wire,
    ids_of,
    ids_to_wire,
)
from gleann.v1 import types_pb2


def scores_to_wire(scores: Column) -> types_pb2.Scores:
    """Pack (ids, numbers)."""
    ids, values = scores
    return types_pb2.Scores(
        ids=ids_to_wire(hold_id_array(ids, name="scores ids")),
        values=float64s_to_wire(values, name="scores"),
    )


def given_scores(message: types_pb2.Scores) -> tuple[HeldIds, NDArray[np.float64]]:
    """Unpack ids and their numbers.

    Raises:
        InvalidInputError: not packed as they must be, or an id twice.
        NonFiniteError: NaN or infinity.
    """
    ids = hold_distinct(ids_of(message.ids, name="scores.ids"))
    return ids, float64s_of(message.values, name="scores.values", n=len(ids))


def scores_of(
    message: types_pb2.Scores,
    ids: HeldIds,
    find: Callable[[HeldIds], Rows],
    *,
    needed: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """The number (n,) of each of `ids` (n,); 0 where it is neither given nor needed.

    Args:
        message: ids that are not among `ids` are left out.
        ids: of all vectors.
        find: places of ids among them, -1 for others.
        needed: bool (n,), the vectors that must have a number; None for all.

    Raises:
        InvalidInputError: a vector that needs a number has none.
        and those of `given_scores`.
    """
    named, values = given_scores(message)
    places = find(named)
    scores = np.full(len(ids), np.nan)
    scores[places[places >= 0]] = values[places >= 0]
    missing = np.isnan(scores)
    bare = np.flatnonzero(missing if needed is None else missing & needed)
    if bare.size:
        count = len(ids) if needed is None else int(np.count_nonzero(needed))
        raise InvalidInputError(
            f"scores has none for id {shown_id(id_at(ids, int(bare[0])))}"
            f" ({bare.size} of {number_of(count, 'vectors')} have none)"
        )
    scores[missing] = 0
    return scores
