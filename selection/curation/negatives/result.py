"""The negatives of each query."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Rows
from gleann.index.tables.tabular import Table, Tabular


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Negatives(Tabular):
    """Hard negatives of m queries.

    Attributes:
        rows: int64 (m, per_query), most similar first, ties by id; -1 where a query has
            fewer. They are never filled up with rows that do not qualify.
        ids: (m, per_query) the caller's ids; -1 or "" where there is none.
        similarities: float32 (m, per_query), to the query; NaN where there is none.
        query_ids: (m,) ids of the queries; their numbers where they are vectors.
        shortfall: int64 (m,), how many negatives each query lacks.
        summary: facts about all of them.
        provenance: method, params, seed, data_hash, version: JSON values.
    """

    rows: Rows
    ids: Ids
    similarities: NDArray[np.float32]
    query_ids: Ids
    shortfall: Rows
    summary: dict[str, float | int | str | bool] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def table(self) -> Table:
        """One line per negative: query, rank, id, row and similarity."""
        query, rank = np.nonzero(self.rows >= 0)
        return Table(
            columns={
                "query": self.query_ids[query],
                "rank": rank,
                "id": self.ids[query, rank],
                "row": self.rows[query, rank],
                "similarity": self.similarities[query, rank],
            },
            facts={"summary": self.summary, "provenance": self.provenance},
        )
