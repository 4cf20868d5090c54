"""The NumPy engine: slow and simple, the oracle of every other engine."""

from dataclasses import replace

import numpy as np

from gleann.index.arrays import ListNos, Mask, Rows, Vectors
from gleann.index.checks import require_finite
from gleann.index.effort import Grants
from gleann.index.engines.contract import Scanned, ScanRequest, Work
from gleann.index.engines.granted_lists import granted_lists
from gleann.index.engines.stepwise import StepwiseEngine, count_short
from gleann.index.lists import InvertedLists
from gleann.index.metric import pair_distances, prepare
from gleann.index.params import Segments


class ReferenceEngine(StepwiseEngine):
    """Scores every distinct, allowed row of the probed lists in full precision.

    It ignores `rerank`: nothing is lost to quantisation.
    """

    name = "reference"

    def with_threads(self, threads: int) -> "ReferenceEngine":
        """See `Engine.with_threads`: this one never has more than BLAS takes."""
        return self

    def over(self, lists: InvertedLists) -> "ReferenceEngine":
        """See `ScansSubsets.over`."""
        shape = lists.nlist, self._data.vectors.shape[1]
        centroids = np.zeros(shape, np.float32)
        return ReferenceEngine(replace(self._data, lists=lists, centroids=centroids))

    def search_by_effort(
        self, queries: Vectors, grants: Grants, request: ScanRequest
    ) -> Scanned:
        """Grant the lists of one query after another; see `GrantsLists`."""
        require_finite(queries, name="queries")
        prepared = prepare(queries, self._data.metric, name="queries")
        ranked = self.rank_lists(prepared, nprobe=grants.most)
        lists = granted_lists(self._data, prepared, ranked, grants, k=request.k)
        return self.scan(prepared, lists, request)

    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """Score the candidates of one query after another; see `Engine.scan`."""
        rows = np.full((len(queries), request.k), -1, np.int64)
        distances = np.full((len(queries), request.k), np.inf, np.float32)
        entries = scored = 0
        for q, probed in enumerate(list_nos):
            found = _entries(self._data.lists, probed, request.segments)
            candidates = _distinct_allowed(found, request.allowed)
            near = pair_distances(
                queries[q : q + 1],
                self._data.vectors[candidates][None],
                self._data.metric,
            )[0]
            order = np.lexsort((candidates, near))[: request.k]
            rows[q, : len(order)] = candidates[order]
            distances[q, : len(order)] = near[order]
            entries += len(found)
            scored += len(candidates)
        work = Work(
            lists_probed=int((list_nos >= 0).sum()),
            entries_scanned=entries,
            survivors=scored,
            reranked=scored,
        )
        return Scanned(
            rows=rows, distances=distances, short=count_short(rows), work=work
        )


def _entries(lists: InvertedLists, probed: ListNos, segments: Segments) -> Rows:
    ends = lists.offsets[1:] if segments == "both" else lists.mids
    parts = [lists.rows[lists.offsets[j] : ends[j]] for j in probed[probed >= 0]]
    if not parts:
        return np.empty(0, np.int64)
    return np.concatenate(parts).astype(np.int64)


def _distinct_allowed(rows: Rows, allowed: Mask | None) -> Rows:
    distinct = np.unique(rows)
    return distinct if allowed is None else distinct[allowed[distinct]]
