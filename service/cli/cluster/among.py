"""The rows of an index in shards that pass --where."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gleann.index.arrays import Mask
from gleann.index.errors import InvalidInputError
from gleann.index.filters.condition import Condition
from gleann.selection.among import Among
from gleann.service.views.passing import condition_as_json


class Filtered(Protocol):
    """Items in shards, such as `ShardPlaces` and `ItemsInShards`."""

    def __len__(self) -> int: ...

    def where(self, where: str, parameters: Sequence[object] = ()) -> Mask:
        """Which of them (n,) meet a condition."""


def among_of(items: Filtered, condition: Condition | None) -> Among | None:
    """The items that pass, by the payload of each shard; None without a condition.

    Raises:
        InvalidFilterError: the condition does not fit the columns.
        InvalidInputError: no row passes.
    """
    if condition is None:
        return None
    rows = np.flatnonzero(items.where(condition.where, condition.parameters))
    if not len(rows):
        raise InvalidInputError(
            f"0 of {len(items)} items pass --where {condition.where[:200]!r}"
        )
    return Among(rows=rows, n=len(items), by=condition_as_json(condition))
