"""Sample queries with their exact neighbours and code ranks, for counting recall.

Recall follows by counting: a row is found if one of its lists is probed and fewer than
`rerank` rows of the probed lists score better. So no setting is measured by searching.

A few queries are compared with all rows twice, for their exact neighbours and for the
rows of the best codes: they tell what a pool of `rerank` rows loses. Many more have
their nearest rows found by codes first (`near_rows.py`): they tell what the lists lose,
which is most of it and differs most between queries.

The queries come from the caller, or are rows excluded from training and from their own
answers, so that they stand for queries that are not in the index.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos, RowMatrix, Rows, Vectors
from gleann.index.codes import Encoding
from gleann.index.operating.cost import CostModel
from gleann.index.params import BuildParams

FEW_QUERIES = 512
"""Rows that are sample queries in any index: a quarter of the rows, or so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What is measured, and on how many queries.

    Attributes:
        ks: the numbers of neighbours whose recall is counted.
        pooled: queries compared with all rows exactly and by code.
        most: queries whose nearest rows are found by codes first.
        wide: rows kept per query by code score; the largest `rerank` that is measured.
    """

    ks: tuple[int, ...]
    pooled: int
    most: int
    wide: int


SHALLOW = Depth(ks=(1, 2, 5, 10, 20, 50, 100), pooled=256, most=1 << 30, wide=1000)
DEEP = Depth(ks=(320, 1000), pooled=64, most=512, wide=3000)
"""Many neighbours of a query say as much as the same number of more queries."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NearRows:
    """The nearest rows of queries.

    Attributes:
        rows: int64 (nq, w), nearest first.
        distances: float32 (nq, w), ascending.
    """

    rows: Rows
    distances: Distances

    def at(self, chosen: NDArray[np.int64]) -> "NearRows":
        """Those of some queries (m,)."""
        return NearRows(rows=self.rows[chosen], distances=self.distances[chosen])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ManyQueries:
    """Many sample queries and their nearest rows.

    Attributes:
        queries: float32 (m, d), prepared.
        centroids: float32 (nlist, d), which they rank with `encoding`.
        encoding: of the index.
        near: their nearest rows (m, w).
        pooled: int64 (nq,), which of them are the queries of the sample.
    """

    queries: Vectors
    centroids: Vectors
    encoding: Encoding
    near: NearRows
    pooled: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Sample queries, their exact neighbours and their best rows by code score.

    Attributes:
        encoding: of the codes that were ranked.
        dim: dimensions of a query.
        truth: float32 (nq, depth), exact distances of the nearest rows, ascending.
        rows: int64 (nq, m), the rows that score best by their codes, best first.
        distances: float32 (nq, m), exact distances of `rows`, +inf where a row is not
            among the nearest.
        list_ranks: int32 (nq, nlist), position of each list in the query's probe order.
        ks: numbers of neighbours to measure, as far as the depth goes.
        near: the nearest rows themselves, at least `depth` of each query; None if they
            are not known.
        many: many more queries; None where codes do not find the nearest rows.
        deeper: a sample for larger k; None without one.
        code_dim: dimensions of a code; 0 for those of a query.
    """

    encoding: Encoding
    dim: int
    truth: Distances
    rows: Rows
    distances: Distances
    list_ranks: ListNos
    ks: tuple[int, ...] = SHALLOW.ks
    near: NearRows | None = None
    many: ManyQueries | None = None
    deeper: "Sample | None" = None
    code_dim: int = 0

    @property
    def cost_model(self) -> CostModel:
        """Costs of the searches of this index."""
        return CostModel(self.dim, self.list_ranks.shape[1], code_dim=self.code_dim)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleQueries:
    """The sample queries.

    Attributes:
        vectors: float32 (nq, d), prepared.
        own: int64 (nq,), ascending, the row of each query; None if the caller supplied
            the queries.
    """

    vectors: Vectors
    own: Rows | None

    def at(self, chosen: NDArray[np.int64]) -> "SampleQueries":
        """Those at some positions (m,), ascending."""
        own = None if self.own is None else self.own[chosen]
        return SampleQueries(vectors=self.vectors[chosen], own=own)


def spread(total: int, count: int) -> NDArray[np.int64]:
    """At most `count` of `total` positions, ascending, evenly spread."""
    if count >= total:
        return np.arange(total)
    return np.linspace(0, total - 1, count).round().astype(np.int64)


def sample_size(n: int, params: BuildParams) -> int:
    """How many of n rows are sample queries: at most an eighth, a quarter of few rows.

    More would leave too few rows to train on.
    """
    return min(params.tune_queries, max(min(FEW_QUERIES, n // 4), n // 8))


def draw_queries(
    vectors: RowMatrix, params: BuildParams, *, nlist: int, queries: Vectors | None
) -> SampleQueries | None:
    """Draw sample queries before training.

    Args:
        vectors: (n, d), prepared; may be memory-mapped.
        params: tune_queries and seed.
        nlist: number of lists; as many rows must be left for training.
        queries: (m, d), prepared, to draw from; None draws rows of `vectors`, as many
            as `sample_size` says.

    Returns:
        None if there is nothing to draw, or nothing to find.
    """
    rng = np.random.default_rng([params.seed, 7])
    if queries is not None:
        count = min(params.tune_queries, len(queries))
        drawn = np.sort(rng.choice(len(queries), count, replace=False))
        return SampleQueries(vectors=queries[drawn], own=None) if count else None
    n = len(vectors)
    # With as many lists as rows, every row is a centroid: none can be excluded.
    most = n if nlist == n else min(max(1, sample_size(n, params)), n - nlist)
    count = min(params.tune_queries, most)
    if count < 1 or n < 2:
        return None
    drawn = np.sort(rng.choice(n, count, replace=False))
    return SampleQueries(vectors=np.ascontiguousarray(vectors[drawn]), own=drawn)
