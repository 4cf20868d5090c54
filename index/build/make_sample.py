"""Compare sample queries with all rows, for `Sample`."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos, RowMatrix, Rows, Vectors
from gleann.index.build.contract import BuildKernels
from gleann.index.build.rank_by_code import distances_of_ranked
from gleann.index.build.sample import (
    DEEP,
    SHALLOW,
    ManyQueries,
    NearRows,
    Sample,
    SampleQueries,
    spread,
)
from gleann.index.codes import Encoding
from gleann.index.evaluate import cut_at_k
from gleann.index.exact import others_than
from gleann.index.metric import list_scores
from gleann.index.params import BuildParams
from gleann.index.search.probe_order import probe_order, ranks_of

TIES = 20
"""Nearest rows computed beyond the depth of a sample, to detect ties at that rank."""

TOLD_K = 10
CODES_RERANK = 100
TOLD_RECALL = 0.998
"""int8 codes suffice where the best `CODES_RERANK` rows by code hold this share of the
`TOLD_K` nearest: a higher recall is not measured (`tune.ENOUGH`)."""

TRUE_SHARE = 0.9995
"""Nearest rows that are found by codes first are taken for the nearest if they are this
share of those that an exhaustive search finds for the queries that have both."""

ALONE = 1024
"""Queries that are compared with all rows exactly where codes do not find the nearest
rows of more."""

LEAST_DEEP = 128
"""Sample queries from which on larger k are measured: fewer are asked for where a build
is to cost little."""

FLOAT32_COST = 4
"""A scan in float32 takes so many times as long as one of int8 codes."""


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
    is_deep = others >= DEEP.ks[0] and len(queries.vectors) >= LEAST_DEEP
    passes = _Passes(len(vectors), progress, expected=6 if is_deep else 4)
    scan = _Scan(vectors, centroids, params, kernels, passes)
    sample = scan.sample(queries, encoding)
    if is_deep:
        sample = replace(sample, deeper=scan.deeper(queries, sample))
    passes.end()
    return sample


class _Passes:
    """Several passes over n rows, reported as one phase; some may not take place."""

    def __init__(
        self, n: int, report: Callable[[int, int], None] | None, *, expected: int
    ) -> None:
        self._n = n
        self._report = report
        self._expected = expected
        self._begun = 0

    def next(self) -> Callable[[int, int], None]:
        """The progress callback of the next pass."""
        before = self._begun * self._n
        self._begun += 1

        def heard(done: int, total: int) -> None:
            if self._report is not None:
                self._report(before + done * self._n // total, self._expected * self._n)

        return heard

    def end(self) -> None:
        """Report the end of all passes."""
        if self._report is not None:
            self._report(self._expected * self._n, self._expected * self._n)


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """Compares sample queries with all rows.

    Attributes:
        vectors: (n, d), prepared; may be memory-mapped.
        centroids: (nlist, d).
        params: metric, codes and seed.
        kernels: the kernels for the exhaustive search.
        passes: progress of the passes.
    """

    vectors: RowMatrix
    centroids: Vectors
    params: BuildParams
    kernels: BuildKernels
    passes: _Passes

    def sample(self, queries: SampleQueries, encoding: Encoding) -> Sample:
        """A sample for small k; its encoding is chosen if `params` do not fix it."""
        total = len(queries.vectors)
        pooled = spread(total, SHALLOW.pooled)
        sample = self._pooled(queries.at(pooled), encoding)
        if total <= len(pooled):
            return sample
        many = self._checked(queries, sample, pooled)
        if many is None:
            more = queries.at(spread(total, ALONE))
            return self._pooled(more, sample.encoding, settled=True)
        return replace(sample, many=many)

    def _pooled(
        self, asking: SampleQueries, encoding: Encoding, *, settled: bool = False
    ) -> Sample:
        """Queries that are compared with all rows exactly and by code.

        Args:
            asking: all of them.
            encoding: of the index; it may become that of float32 rows.
            settled: whether it stays what it is.
        """
        others = self._others(asking)
        depth, wide = min(SHALLOW.ks[-1], others), min(SHALLOW.wide, others)
        is_open = self.params.codes == "auto" and not settled
        is_open = is_open and encoding.projection is None
        near = self._nearest(asking, min(depth + TIES, others))
        truth = near.distances[:, :depth].copy()
        if encoding.kind == "int8":
            rows, found = self._ranked(asking, encoding, near, depth, wide)
            if is_open and not _told_apart(found, truth):
                encoding = replace(encoding, kind="float32")
        if encoding.kind == "float32":
            # float32 scores rank rows as distances do.
            near = self._nearest(asking, wide)
            rows, found = near.rows, near.distances
            truth = found[:, :depth].copy()
        return Sample(
            encoding=encoding,
            dim=self.vectors.shape[1],
            code_dim=encoding.width,
            truth=truth,
            rows=rows,
            distances=found,
            list_ranks=_list_ranks(asking.vectors, self.centroids, encoding),
            near=near,
        )

    def deeper(self, queries: SampleQueries, sample: Sample) -> Sample:
        """A sample of fewer queries for large k, with the codes of `sample`."""
        others, encoding = self._others(queries), sample.encoding
        depth, wide = min(DEEP.ks[-1], others), min(DEEP.wide, others)
        few = queries.at(spread(len(queries.vectors), DEEP.most))
        pooled = spread(len(few.vectors), DEEP.pooled)
        asking, k, many = few.at(pooled), min(depth + TIES, others), None
        if sample.many is None:
            near = self._nearest(asking, k)
        else:
            many = self._by_code(few, pooled, encoding, k)
            near = many.near.at(pooled)
        rows, found = near.rows, near.distances
        if encoding.kind == "int8":
            rows, found = self._ranked(asking, encoding, near, depth, wide)
        return Sample(
            encoding=encoding,
            dim=self.vectors.shape[1],
            code_dim=encoding.width,
            truth=near.distances[:, :depth].copy(),
            rows=rows,
            distances=found,
            list_ranks=_list_ranks(asking.vectors, self.centroids, encoding),
            ks=DEEP.ks,
            near=near,
            many=many,
        )

    def _others(self, queries: SampleQueries) -> int:
        """Rows that a query may find."""
        return len(self.vectors) - (queries.own is not None)

    def _checked(
        self, queries: SampleQueries, sample: Sample, pooled: NDArray[np.int64]
    ) -> ManyQueries | None:
        """The nearest rows of all of `queries`, of which `pooled` are the sample's.

        None where the best codes do not include the nearest rows of those.
        """
        count, depth = len(queries.vectors), sample.truth.shape[1]
        if sample.encoding.kind == "float32":
            kept = np.union1d(spread(count, -(-count // FLOAT32_COST)), pooled)
            queries, pooled = queries.at(kept), np.searchsorted(kept, pooled)
        k = min(depth + TIES, self._others(queries))
        many = self._by_code(queries, pooled, sample.encoding, k)
        found = many.near.distances[pooled, :depth] <= cut_at_k(sample.truth)
        return many if found.mean() >= TRUE_SHARE else None

    def _by_code(
        self,
        queries: SampleQueries,
        pooled: NDArray[np.int64],
        encoding: Encoding,
        k: int,
    ) -> ManyQueries:
        """The k nearest rows of each query, excluding its own, by codes first."""
        rows, distances = self.kernels.nearest_by_code(
            queries.vectors,
            self.vectors,
            encoding.unprojected,
            metric=self.params.metric,
            k=k + (queries.own is not None),
            progress=self.passes.next(),
        )
        return ManyQueries(
            queries=queries.vectors,
            centroids=self.centroids,
            encoding=encoding,
            near=_without_own(queries, rows, distances),
            pooled=pooled,
        )

    def _ranked(
        self,
        queries: SampleQueries,
        encoding: Encoding,
        near: NearRows,
        depth: int,
        wide: int,
    ) -> tuple[Rows, Distances]:
        """The `wide` rows of the best codes, with distances of the `depth` nearest."""
        rows = self.kernels.rank_by_code(
            encoding,
            self.vectors,
            queries.vectors,
            own=queries.own,
            width=wide,
            rng=np.random.default_rng([self.params.seed, 17]),
            progress=self.passes.next(),
        )
        found = distances_of_ranked(
            self.vectors,
            queries.vectors,
            rows,
            near=near.rows,
            distances=near.distances,
            depth=depth,
            metric=self.params.metric,
        )
        return rows, found

    def _nearest(self, queries: SampleQueries, k: int) -> NearRows:
        """The k nearest rows of each query, excluding its own."""
        rows, distances = self.kernels.nearest_rows(
            queries.vectors,
            self.vectors,
            metric=self.params.metric,
            k=k + (queries.own is not None),
            progress=self.passes.next(),
        )
        return _without_own(queries, rows, distances)


def _without_own(queries: SampleQueries, rows: Rows, distances: Distances) -> NearRows:
    if queries.own is None:
        return NearRows(rows=rows, distances=distances)
    shape = len(rows), rows.shape[1] - 1
    others = others_than(queries.own, rows)
    return NearRows(
        rows=rows[others].reshape(shape), distances=distances[others].reshape(shape)
    )


def _told_apart(distances: Distances, truth: Distances) -> bool:
    """Whether the best rows by code score include the nearest rows."""
    k = min(TOLD_K, truth.shape[1])
    hits = (distances[:, :CODES_RERANK] <= cut_at_k(truth[:, :k])).sum(axis=1)
    return float(np.minimum(hits, k).mean()) >= TOLD_RECALL * k


def _list_ranks(queries: Vectors, centroids: Vectors, encoding: Encoding) -> ListNos:
    return ranks_of(probe_order(list_scores(queries, centroids, encoding)))
