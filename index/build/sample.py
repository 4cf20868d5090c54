"""Sample queries with their exact neighbours and code ranks, for counting recall.

One exhaustive pass finds the nearest rows of each query, and another ranks all rows by
the scores of their codes. The recall of a setting follows by counting: a row is found
if one of its lists is probed and fewer than `rerank` rows of the probed lists score
better. So no setting is measured by searching, and no engine is needed.

The queries come from the caller, or are rows excluded from training and from their own
answers, so that they stand for queries that are not in the index.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gleann.index.arrays import Distances, ListNos, RowMatrix, Rows, Vectors
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
"""Nearest rows computed beyond `DEPTH`, to detect ties at that rank."""

WIDE = 1000
"""Rows kept per query by code score; the largest `rerank` that is measured."""

TOLD_K = 10
CODES_RERANK = 100
TOLD_RECALL = 0.998
"""int8 codes suffice where the best `CODES_RERANK` rows by code hold this share of the
`TOLD_K` nearest: a higher recall is not measured (`tune.ENOUGH`)."""


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
    """

    encoding: Encoding
    dim: int
    truth: Distances
    rows: Rows
    distances: Distances
    list_ranks: ListNos

    @property
    def cost_model(self) -> CostModel:
        """Costs of the searches of this index."""
        return CostModel(self.dim, self.list_ranks.shape[1])


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


def draw_queries(
    vectors: RowMatrix, params: BuildParams, *, nlist: int, queries: Vectors | None
) -> SampleQueries | None:
    """Draw sample queries before training.

    Args:
        vectors: (n, d), prepared; may be memory-mapped.
        params: tune_queries and seed.
        nlist: number of lists; as many rows must be left for training.
        queries: (m, d), prepared, to draw from; None draws rows of `vectors`, at most a
            quarter of them.

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
    most = n if nlist == n else min(max(1, n // 4), n - nlist)
    count = min(params.tune_queries, most)
    if count < 1 or n < 2:
        return None
    drawn = np.sort(rng.choice(n, count, replace=False))
    return SampleQueries(vectors=np.ascontiguousarray(vectors[drawn]), own=drawn)


def make_sample(  # noqa: PLR0913  the index so far, and who asks
    vectors: RowMatrix,
    centroids: Vectors,
    params: BuildParams,
    *,
    encoding: Encoding,
    queries: SampleQueries,
    kernels: BuildKernels,
    progress: Callable[[int, int], None] | None = None,
) -> Sample:
    """Compute the neighbours, code ranks and probe orders of the queries.

    Args:
        vectors: (n, d), prepared; may be memory-mapped.
        centroids: (nlist, d).
        params: metric, codes and seed.
        encoding: the encoding of the index; its kind is chosen here if `params` do not
            fix it.
        queries: the sample queries.
        kernels: the kernels for the exhaustive search.
        progress: called with (rows scanned, rows in total).
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
        # float32 scores rank rows as distances do.
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
    """Several passes over n rows, reported as one phase."""

    def __init__(self, n: int, report: Callable[[int, int], None] | None) -> None:
        self._n = n
        self._report = report
        self._begun = 0

    def next(self) -> Callable[[int, int], None]:
        """The progress callback of the next pass."""
        before = self._begun * self._n
        self._begun += 1

        def heard(done: int, total: int) -> None:
            if self._report is not None:
                most = max(2, self._begun) * self._n
                self._report(before + done * self._n // total, most)

        return heard


def _nearest(
    vectors: RowMatrix,
    queries: SampleQueries,
    metric: Metric,
    k: int,
    kernels: BuildKernels,
    progress: Callable[[int, int], None],
) -> tuple[Rows, Distances]:
    """The k nearest rows (nq, k) of each query, excluding its own."""
    own = 0 if queries.own is None else 1
    rows, distances = kernels.nearest_rows(
        queries.vectors, vectors, metric=metric, k=k + own, progress=progress
    )
    if queries.own is not None:
        others, shape = others_than(queries.own, rows), (len(rows), k)
        rows, distances = rows[others].reshape(shape), distances[others].reshape(shape)
    return rows, distances


def _told_apart(distances: Distances, truth: Distances) -> bool:
    """Whether the best rows by code score include the nearest rows."""
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
