"""`ShardedView`: an index in shards, as calls that read see it; it never changes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import local
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index import SearchParams
from gleann.index.arrays import HeldIds, Rows, Vectors
from gleann.index.errors import NotReadyError
from gleann.index.filters.condition import Condition
from gleann.index.found import FoundRows, RowsWithin
from gleann.index.ids.held import bytes_at
from gleann.index.ids.table import require_found
from gleann.index.params import Metric
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.shards.filters import ShardedFilter
from gleann.index.shards.sharded_index import ShardedIndex
from gleann.service.values import IdType, IndexVersion
from gleann.service.views.live_index import View

VERSION = 1
"""Of the one state that there is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShardedView:
    """The one state of an index in shards; attributes as those of `View`.

    Attributes:
        name: of the index.
        index: who asks the shards.
        created: seconds since 1970, when it was built.
    """

    name: str
    index: ShardedIndex
    created: float
    _recent: local = field(default_factory=local, repr=False)

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.index.dim

    @property
    def metric(self) -> Metric:
        """The distance it ranks by."""
        return self.index.metric

    @property
    def schema(self) -> Schema:
        """The columns of payload."""
        return self.index.schema

    @property
    def id_type(self) -> IdType:
        """Kind of the ids."""
        return "string" if self.index.id_kind == "strings" else "int64"

    @property
    def state(self) -> IndexVersion:
        """The version; nothing came after it."""
        return IndexVersion(sealed=VERSION, sequence=0)

    @property
    def count(self) -> int:
        """Number of vectors."""
        return len(self.index)

    def search(
        self,
        queries: NDArray[Any],
        params: SearchParams,
        *,
        allowed_ids: HeldIds | None,
        condition: Condition | None,
    ) -> FoundRows:
        """The nearest vectors of each query; as `view_search.search`."""
        allowed = self._allowed(allowed_ids, condition)
        answer = self.index.nearest(queries, replace(params, allowed=allowed))
        found = answer.found
        self._recent.ids = found.rows.ravel(), found.ids
        return FoundRows(rows=found.rows, distances=found.distances, stats=answer.stats)

    def search_radius(
        self,
        queries: Vectors,
        radius: float,
        *,
        target_recall: float,
        limit: int | None,
        condition: Condition | None,
    ) -> RowsWithin:
        """All vectors within a distance; as `radius_search.search_radius`."""
        return self.index.find_within(
            queries,
            radius,
            target_recall=target_recall,
            limit=limit,
            allowed=self._allowed(None, condition),
        )

    def require(self, ids: HeldIds) -> Rows:
        """Rows (m,) of `ids`.

        Raises:
            UnknownIdError: unknown id.
        """
        return require_found(self.index.find_ids(ids), ids, where=repr(self.name))

    def vectors_at(self, rows: Rows) -> Vectors:
        """The prepared vectors (m, dim) of `rows`."""
        return self.index.vectors_at(rows)

    def ids_at(self, rows: Rows) -> HeldIds:
        """The ids (m,) of `rows`; "" or -1 for row -1.

        Those that this thread found or asked for last are not fetched again.
        """
        recent = getattr(self._recent, "ids", None)
        if recent is not None and np.array_equal(recent[0], rows):
            ids: HeldIds = recent[1]
            return ids
        ids = self.index.held_ids_at(rows)
        self._recent.ids = rows, ids
        return ids

    def payload_at(self, rows: Rows, names: Sequence[str] | None = None) -> Payload:
        """The payload (m,) of `rows`, of some columns or all; null for row -1."""
        return self.index.payload_at(rows, names)

    def id_bytes_at(self, rows: Rows) -> int:
        """Bytes of the ids of `rows` in a message."""
        if self.id_type == "int64":
            return 8 * rows.size
        return bytes_at(self.ids_at(rows), np.arange(rows.size))

    def count_of(self, condition: Condition | None) -> int:
        """How many vectors meet a condition; all for None."""
        if condition is None:
            return self.count
        return self.index.count_where(condition.where, condition.parameters)

    def rows_after(
        self, after: int | str | None, *, size: int, condition: Condition | None
    ) -> Rows:
        """The next rows of a condition in the order of the ids."""
        return self.index.rows_after(
            after, size=size, allowed=self._allowed(None, condition)
        )

    def _allowed(
        self, ids: HeldIds | None, condition: Condition | None
    ) -> ShardedFilter | None:
        kept = None
        if condition is not None:
            kept = self.index.allow_where(condition.where, condition.parameters)
        if ids is None:
            return kept
        rows = np.unique(self.require(ids))
        if kept is not None:
            rows = rows[np.isin(rows, self.index.rows_allowed(kept))]
        return self.index.allow_rows(rows)


Readable: TypeAlias = View | ShardedView
"""What calls that read one index take."""


def refuse(name: str) -> NotReadyError:
    """Why a call that is not one of those cannot have the index of this name."""
    return NotReadyError(
        f"{name!r} is in shards that a cluster holds: here it is searched and read, and"
        " nothing else; to change it, build it anew (gleann cluster build), and start"
        " the server again"
    )
