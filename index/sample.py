"""Sample queries, and all that their recall depends on.

One exhaustive pass finds the nearest rows of each query. Which of them a search returns
follows by counting: a row is found if one of its lists is probed, and if fewer than
`rerank` rows of the probed lists have a better int8 score. So no setting has to be
tried out by searching, and no engine is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import Distances, ListNos, Rows, Vectors
from gleann.index.build_kernels import BuildKernels
from gleann.index.choose_codes import choose_encoding
from gleann.index.codes import Encoding
from gleann.index.cost import CostModel
from gleann.index.exact import others_than
from gleann.index.metric import list_scores
from gleann.index.params import BuildParams

DEPTH = 100
"""The largest k whose recall can be counted."""

WIDE = 300
"""Nearest rows known of each query: those that compete for its re-rank pool."""

CODED_K = 10
CODED_POOL = 100
CODED_RECALL = 0.998
CODED_QUERIES = 128
"""int8 is enough where so many queries find `CODED_RECALL` of their `CODED_K` nearest
rows in a pool of the best `CODED_POOL` of all: more is not measured (`tune.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Queries that stand for those to come, and their nearest rows.

    Attributes:
        encoding: what the codes of the index are.
        dim: d of the queries.
        truth: float32 (nq, depth), exact distances of the nearest rows, ascending.
        rows: int64 (nq, m), m at least depth, the nearest rows, the best int8 score
            first.
        distances: float32 (nq, m), exact distances of `rows`.
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


def make_sample(  # noqa: PLR0913  what a sample is of
    vectors: Vectors,
    centroids: Vectors,
    params: BuildParams,
    *,
    encoding: Encoding,
    queries: Vectors | None,
    kernels: BuildKernels,
    progress: Callable[[int, int], None] | None = None,
) -> Sample | None:
    """Draw sample queries and find their neighbours.

    Args:
        vectors: (n, d), prepared; may be memory-mapped.
        centroids: (nlist, d).
        params: metric, codes, tune_queries and seed.
        encoding: of the index; its kind is chosen here where `params` leave it open.
        queries: (m, d), prepared, to draw from; None draws rows of `vectors`, each
            left out of its own answer.
        kernels: who searches all rows.
        progress: called with the rows looked at, and how many will be.

    Returns:
        None where there is nothing to draw, or nothing to find.
    """
    rng = np.random.default_rng([params.seed, 7])
    source = vectors if queries is None else queries
    own = 1 if queries is None else 0
    wide = min(WIDE, len(vectors) - own)
    count = min(params.tune_queries, len(source))
    if min(count, wide) < 1:
        return None
    drawn = np.sort(rng.choice(len(source), count, replace=False))
    asked = np.ascontiguousarray(source[drawn])
    rows, distances = kernels.nearest_rows(
        asked, vectors, metric=params.metric, k=wide + own, progress=progress
    )
    if queries is None:
        others, shape = others_than(drawn, rows), (count, wide)
        rows, distances = rows[others].reshape(shape), distances[others].reshape(shape)
    truth = distances[:, : min(DEPTH, wide)].copy()
    if params.codes == "auto":
        some = slice(0, CODED_QUERIES)
        encoding = choose_encoding(
            encoding,
            vectors,
            asked[some],
            rows[some, :CODED_K],
            own=drawn[some] if queries is None else None,
            pool=CODED_POOL,
            least=CODED_RECALL,
        )
    rows, distances = _by_code(asked, vectors, rows, distances, encoding)
    return Sample(
        encoding=encoding,
        dim=vectors.shape[1],
        truth=truth,
        rows=rows,
        distances=distances,
        list_ranks=_list_ranks(asked, centroids, encoding),
    )


def _by_code(
    queries: Vectors,
    vectors: Vectors,
    rows: Rows,
    distances: Distances,
    encoding: Encoding,
) -> tuple[Rows, Distances]:
    """Order rows (nq, m) and their distances as the codes of both sides do."""
    scores = np.empty(rows.shape, np.float32)
    for q, near in enumerate(rows):
        coded = encoding.encode(vectors[near])
        scores[q] = encoding.scan_scores(queries[q : q + 1], coded)[0]
    order = np.argsort(-scores, axis=1, kind="stable")
    return (
        np.take_along_axis(rows, order, axis=1),
        np.take_along_axis(distances, order, axis=1),
    )


def _list_ranks(queries: Vectors, centroids: Vectors, encoding: Encoding) -> ListNos:
    scores = list_scores(queries, centroids, encoding)
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty(order.shape, np.int32)
    places = np.arange(order.shape[1], dtype=np.int32)
    np.put_along_axis(ranks, order, np.broadcast_to(places, order.shape), axis=1)
    return ranks
