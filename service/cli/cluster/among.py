"""The rows of an index in shards that pass --where."""

import numpy as np

from gleann.index.errors import InvalidInputError
from gleann.index.filters.condition import Condition
from gleann.index.shards.places import ShardPlaces
from gleann.selection.among import Among
from gleann.service.views.passing import condition_as_json


def among_of(places: ShardPlaces, condition: Condition | None) -> Among | None:
    """The rows that pass, by the payload of each shard; None without a condition.

    Raises:
        InvalidFilterError: the condition does not fit the columns.
        InvalidInputError: no row passes.
    """
    if condition is None:
        return None
    rows = np.flatnonzero(places.where(condition.where, condition.parameters))
    if not len(rows):
        raise InvalidInputError(
            f"0 of {len(places)} items pass --where {condition.where[:200]!r}"
        )
    return Among(rows=rows, n=len(places), by=condition_as_json(condition))
