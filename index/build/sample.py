"""Sample queries with their exact neighbours and code ranks, for counting recall.

One exhaustive pass finds the nearest rows of each query, and another the rows that
score best by their codes, of all rows of the index. Which of the nearest a search
returns follows by counting: a row is found if one of its lists is probed, and if fewer
than `rerank` rows of the probed lists score better. So no setting has to be tried out
by searching, and no engine is needed.

The queries are the caller's, or rows that no centroid was trained on and that are left
out of their own answers: those are queries that the index does not hold.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gleann.index.arrays import Distances, ListNos, Rows, Vectors
from gleann.index.build.contract import BuildKernels
from gleann.index.build.rank_by_code import distances_of_ranked, rank_by_code
from gleann.index.codes import Encoding
from gleann.index.cost import CostModel
from gleann.index.evaluate import cut_at_k
from gleann.index.exact import others_than
from gleann.index.metric import list_scores
from gleann.index.params import BuildParams, Metric

DEPTH = 100
"""The largest k whose recall can be counted."""

TIES = 20
"""Nearest rows known beyond `DEPTH`, to see whether more rows tie there."""

WIDE = 1000
"""Rows kept of each query by their codes; no rerank that is measured is larger."""

TOLD_K = 10
CODES_RERANK = 100
TOLD_RECALL = 0.998
"""int8 codes suffice where the best `CODES_RERANK` rows by code hold this share of the
`TOLD_K` nearest: a higher recall is not measured (`tune.ENOUGH`)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Queries that stand for those to come, and the rows that matter to them.

    Attributes:
        encoding: of the codes that were ranked.
        dim: d of the queries.
        truth: float32 (nq, depth), exact distances of the nearest rows, ascending.
        rows: int64 (nq, m), the rows that score best by their codes, best first.
        distances: float32 (nq, m), exact distances of `rows`, +inf where a row is not
            among the nearest.
        list_ranks: int32 (nq, nlist), place of each list in the query's probe order.
    """

    encoding: Encoding
    dim: int
    truth: Distances
    rows: Rows
    distances: Distances
    list_ranks: ListNos

    @property
    def cost_model(self) -> CostModel:
        """What searches of this index take."""
        return CostModel(self.dim, self.list_ranks.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleQueries:
    """Who asks.

    Attributes:
        vectors: float32 (nq, d), prepared.
        own: int64 (nq,), ascending, the rows that they are; None where the caller gave
            them.
    """

    vectors: Vectors
    own: Rows | None


def draw_queries(
    vectors: Vectors, params: BuildParams, *, nlist: int, queries: Vectors | None
) -> SampleQueries | None:
    """Draw sample queries, before anything is trained.

    Args:
        vectors: (n, d), prepared; may be memory-mapped.
        params: tune_queries and seed.
        nlist: lists that the rows left for training must fill.
        queries: (m, d), prepared, to draw from; None draws rows of `vectors`, at most a
            quarter of them.

    Returns:
        None where there is nothing to draw, or nothing to find.
    """
    rng = np.random.default_rng([params.seed, 7])
    if queries is not None:
        count = min(params.tune_queries, len(queries))
        drawn = np.sort(rng.choice(len(queries), count, replace=False))
        return SampleQueries(vectors=queries[drawn], own=None) if count else None
    n = len(vectors)
    # Every row is its own centroid where there are as many lists: none can be spared.
    most = n if nlist == n else min(max(1, n // 4), n - nlist)
    count = min(params.tune_queries, most)
    if count < 1 or n < 2:
        return None
    drawn = np.sort(rng.choice(n, count, replace=False))
    return SampleQueries(vectors=np.ascontiguousarray(vectors[drawn]), own=drawn)


def make_sample(  # noqa: PLR0913  the index so far, and who asks
    vectors: Vectors,
    centroids: Vectors,
    params: BuildParams,
    *,
    encoding: Encoding,
    queries: SampleQueries,
    kernels: BuildKernels,
    progress: Callable[[int, int], None] | None = None,
) -> Sample:
    """Find what matters to the queries.

    Args:
        vectors: (n, d), prepared; may be memory-mapped.
        centroids: (nlist, d).
        params: metric, codes and seed.
        encoding: of the index; its kind is chosen here where `params` leave it open.
        queries: who asks.
        kernels: who searches all rows.
        progress: called with the rows looked at, and how many will be.
    """
    others = len(vectors) - (queries.own is not None)
    depth, wide = min(DEPTH, others), min(WIDE, others)
    passes = _Passes(len(vectors), progress)

    def nearest(k: int) -> tuple[Rows, Distances]:
        return _nearest(vectors, queries, params.metric, k, kernels, passes.next())

    if encoding.kind == "int8":
        near, distances = nearest(min(DEPTH + TIES, others))
        truth = distances[:, :depth].copy()
        rows = rank_by_code(
            encoding,
            vectors,
            queries.vectors,
            own=queries.own,
            width=wide,
            rng=np.random.default_rng([params.seed, 17]),
            progress=passes.next(),
        )
        found = distances_of_ranked(
            vectors,
            queries.vectors,
            rows,
            near=near,
            distances=distances,
            depth=depth,
            metric=params.metric,
        )
        if params.codes == "auto" and not _told_apart(found, truth):
            encoding = replace(encoding, kind="float32")
    if encoding.kind == "float32":
        # Scores in float32 order rows as distances do.
        rows, found = nearest(wide)
        truth = found[:, :depth].copy()
    return Sample(
        encoding=encoding,
        dim=vectors.shape[1],
        truth=truth,
        rows=rows,
        distances=found,
        list_ranks=_list_ranks(queries.vectors, centroids, encoding),
    )


class _Passes:
    """Passes over n rows, reported as one piece of work."""

    def __init__(self, n: int, report: Callable[[int, int], None] | None) -> None:
        self._n = n
        self._report = report
        self._begun = 0

    def next(self) -> Callable[[int, int], None]:
        """What the next pass tells its progress."""
        before = self._begun * self._n
        self._begun += 1

        def heard(done: int, total: int) -> None:
            if self._report is not None:
                most = max(2, self._begun) * self._n
                self._report(before + done * self._n // total, most)

        return heard


def _nearest(
    vectors: Vectors,
    queries: SampleQueries,
    metric: Metric,
    k: int,
    kernels: BuildKernels,
    progress: Callable[[int, int], None],
) -> tuple[Rows, Distances]:
    """The k nearest rows (nq, k) of each query, its own left out."""
    own = 0 if queries.own is None else 1
    rows, distances = kernels.nearest_rows(
        queries.vectors, vectors, metric=metric, k=k + own, progress=progress
    )
    if queries.own is not None:
        others, shape = others_than(queries.own, rows), (len(rows), k)
        rows, distances = rows[others].reshape(shape), distances[others].reshape(shape)
    return rows, distances


def _told_apart(distances: Distances, truth: Distances) -> bool:
    """Whether the rows with the best codes hold the nearest rows."""
    k = min(TOLD_K, truth.shape[1])
    hits = (distances[:, :CODES_RERANK] <= cut_at_k(truth[:, :k])).sum(axis=1)
    return float(np.minimum(hits, k).mean()) >= TOLD_RECALL * k


def _list_ranks(queries: Vectors, centroids: Vectors, encoding: Encoding) -> ListNos:
    scores = list_scores(queries, centroids, encoding)
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty(order.shape, np.int32)
    places = np.arange(order.shape[1], dtype=np.int32)
    np.put_along_axis(ranks, order, np.broadcast_to(places, order.shape), axis=1)
    return ranks
