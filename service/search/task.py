"""`SearchTask`: one search of a view, and what it may be merged with."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from gleann.index import SearchParams
from gleann.index.arrays import HeldIds
from gleann.index.filters.condition import Condition
from gleann.service.views.sharded_view import Readable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchTask:
    """One search.

    Attributes:
        view: the state to answer from.
        queries: (nq, dim) of a dtype of the protocol; not checked for NaN.
        params: search parameters, without `allowed` and `radius`.
        allowed_ids: the only vectors that may be returned; None for all.
        condition: what they must pass besides; None for nothing.
        radius: the greatest distance of a neighbour; None for any.
    """

    view: Readable
    queries: NDArray[Any]
    params: SearchParams
    allowed_ids: HeldIds | None = None
    condition: Condition | None = None
    radius: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether only a condition limits the rows that may be returned."""
        return self.allowed_ids is None and self.radius is None

    def merge_key(self) -> Hashable:
        """Equal for tasks that are answered by one scan.

        Each gets the answer that it would get alone. So k differs only where all rows
        are compared: else more neighbours re-rank more rows, and some answers change.
        """
        if self.allowed_ids is not None:
            return id(self)
        params, queries = self.params, self.queries
        return (
            id(self.view),
            None if params.exact else params.k,
            params.nprobe,
            params.rerank,
            params.target_recall,
            params.exact,
            params.effort,
            queries.dtype.char,
            queries.shape[1],
            self.condition,
        )
