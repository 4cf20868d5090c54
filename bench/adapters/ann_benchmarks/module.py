"""gleann for ann-benchmarks: copy this folder to `ann_benchmarks/algorithms/gleann`.

One query at a time by default, on the one core that the harness pins; with `--batch`
the whole test set is one list-major search on all cores.
"""

from typing import Any

import numpy as np

from gleann.index import BuildParams, SearchParams, SearchStats, SoarIndex

try:
    from ..base.module import BaseANN  # noqa: TID252  upstream's layout
except ImportError:  # outside ann-benchmarks, as in our tests

    class BaseANN:  # type: ignore[no-redef]
        """The used part of upstream's base class."""

        def done(self) -> None:
            """Free the index."""


METRICS = {"angular": "cosine", "euclidean": "l2", "dot": "ip", "ip": "ip"}


class Gleann(BaseANN):
    """A SOAR-spilled inverted-file index.

    Args:
        metric: "angular", "euclidean" or "dot", as the harness names it.
        spill: "soar", "naive" or "none".
        nlist_share: inverted lists, as a multiple of 2 sqrt(n).
    """

    def __init__(self, metric: str, spill: str, nlist_share: float) -> None:
        self._metric = METRICS[metric]
        self._spill = spill
        self._nlist_share = nlist_share
        self._nprobe, self._rerank_factor = 1, 2
        self._index: SoarIndex | None = None
        self._results: np.ndarray | None = None
        self._stats: SearchStats | None = None
        self._searched = 0
        self.name = str(self)

    def fit(self, X: np.ndarray) -> None:  # noqa: N803  upstream's name
        """Build over the rows of `X` (n, d); a zero row is moved off the origin.

        Upstream has data sets with zero rows under "angular", where they have no
        direction; its other algorithms give them an arbitrary one too.
        """
        rows = np.array(X, dtype=np.float32)
        rows[~rows.any(axis=1)] = 1.0 / rows.shape[1] ** 0.5
        nlist = max(1, min(round(self._nlist_share * 2 * len(rows) ** 0.5), len(rows)))
        params = BuildParams(
            metric=self._metric, spill=self._spill, nlist=nlist, tune_queries=0
        )
        self._index = SoarIndex.build(rows, params)

    def set_query_arguments(self, nprobe: int, rerank_factor: int) -> None:
        """Lists to probe, and rows to re-rank per requested neighbour."""
        self._nprobe, self._rerank_factor = nprobe, rerank_factor
        self._stats, self._searched = None, 0
        self.name = str(self)

    def query(self, q: np.ndarray, n: int) -> np.ndarray:
        """The rows of the `n` nearest neighbours of one query (d,)."""
        return self._search(q[None], n)[0]

    def batch_query(self, X: np.ndarray, n: int) -> None:  # noqa: N803
        """Search all of `X` (nq, d) at once; `get_batch_results` has the answer."""
        self._results = self._search(X, n)

    def get_batch_results(self) -> np.ndarray:
        """Rows (nq, n) of the last `batch_query`."""
        return self._results

    def get_additional(self) -> dict[str, Any]:
        """Distances computed per query in the last search, for the harness' plots."""
        if self._stats is None:
            return {}
        scored = self._stats.entries_scanned + self._stats.reranked
        return {"dist_comps": scored / self._searched}

    def done(self) -> None:
        """Free the index."""
        self._index = self._results = None

    def __str__(self) -> str:
        return (
            f"Gleann(spill={self._spill}, nlist_share={self._nlist_share},"
            f" nprobe={self._nprobe}, rerank_factor={self._rerank_factor})"
        )

    def _search(self, queries: np.ndarray, n: int) -> np.ndarray:
        index = self._index
        wanted = min(n, len(index))
        params = SearchParams(
            k=wanted,
            nprobe=min(self._nprobe, index.nlist),
            rerank=min(self._rerank_factor * wanted, len(index)),
        )
        found = index.search(np.asarray(queries, np.float32), params)
        self._stats, self._searched = found.stats, len(queries)
        return found.ids
