"""Exact search of rows that no index holds, by the native float32 scan.

The scan computes squared distances in float32, a little wrong, and re-ranks the best
rows exactly, some more than were asked for. No other row is nearer than the farthest of
those, but for the error of the scan: where the k-th is nearer by more than that, the
answer is exact. The other queries, where rows tie or nearly so, are answered by
comparing all rows in NumPy.
"""

from dataclasses import replace

import numpy as np

from gleann.index.arrays import Mask, Vectors
from gleann.index.codes import Encoding
from gleann.index.engines import native
from gleann.index.engines.contract import IndexData, ScanRequest
from gleann.index.found import FoundRows
from gleann.index.lists import one_list
from gleann.index.newer.lists import NewerLists
from gleann.index.newer.rows import NewerRows
from gleann.index.newer.search import EXACT, search_exactly
from gleann.index.params import BuildParams, Metric
from gleann.index.search.list_stats import ListStats

SLACK = 32
"""Rows re-ranked beyond k, so that one that nearly ties is seen to."""

LEAST = 1e-30
"""Squared distances below this may underflow in float32: nothing follows from them."""


class UnsealedRows:
    """Rows of a collection before its first build, packed for the scan as they come.

    Under ip, whose products cancel, and without the native kernels all rows are
    compared in NumPy.

    Args:
        metric: which distance.
        dim: dimensions of a row.
    """

    def __init__(self, metric: Metric, dim: int) -> None:
        self._metric = metric
        self._margin = 4 * (dim + 8) * float(np.finfo(np.float32).eps)
        self._engine = None
        data = _no_rows(metric, dim)
        if metric != "ip" and native.available():
            self._engine = native.NativeEngine(data)
            params = BuildParams(metric=metric, spill="none", nlist=1)
            self.lists = NewerLists(
                data, params, stats=ListStats(data), engine=self._engine
            )

    def rows(self, vectors: Vectors, alive: Mask | None) -> NewerRows | None:
        """One state of the rows, as `NewerLists.rows`; None where nothing is packed."""
        return None if self._engine is None else self.lists.rows(vectors, alive=alive)

    def search(
        self,
        queries: Vectors,
        vectors: Vectors,
        *,
        alive: Mask | None,
        k: int,
        packed: NewerRows | None,
    ) -> FoundRows:
        """The k nearest rows of each query, exactly; see `search_exactly`.

        Args:
            queries: (nq, d), prepared.
            vectors: (m, d), prepared.
            alive: bool (m,), at least k rows that may be returned; None for all.
            k: neighbours.
            packed: the same rows, of `rows`.
        """
        if packed is None or self._engine is None:
            return search_exactly(
                queries, vectors, alive=alive, k=k, metric=self._metric
            )
        wide = min(k + SLACK, packed.count)
        request = ScanRequest(k=wide, rerank=wide)
        scanned = self._engine.scan_newer(queries, request, packed.joined)
        rows = np.ascontiguousarray(scanned.rows[:, :k])
        distances = np.ascontiguousarray(scanned.distances[:, :k])
        if wide < packed.count:
            last = scanned.distances[:, -1].astype(np.float64)
            sure = (distances[:, -1] < last * (1 - self._margin)) & (last > LEAST)
            doubtful = np.flatnonzero(~sure)
            if doubtful.size:
                found = search_exactly(
                    queries[doubtful], vectors, alive=alive, k=k, metric=self._metric
                )
                rows[doubtful], distances[doubtful] = found.rows, found.distances
        looked_at = len(queries) * packed.count
        stats = EXACT._replace(
            entries_scanned=looked_at, survivors=looked_at, reranked=looked_at
        )
        return FoundRows(rows=rows, distances=distances, stats=stats)


def _no_rows(metric: Metric, dim: int) -> IndexData:
    """An index without rows, whose only list takes all newer rows in float32."""
    none = np.empty((0, dim), np.float32)
    encoding = replace(Encoding.uncentred(metric, dim), kind="float32")
    return IndexData(
        encoding=encoding,
        centroids=np.zeros((1, dim), np.float32),
        lists=one_list(0),
        codes=encoding.encode(none),
        vectors=none,
    )
