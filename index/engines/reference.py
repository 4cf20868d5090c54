"""The NumPy engine: slow and simple, the oracle of every other engine."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos, Mask, Rows, Vectors
from gleann.index.checks import require_finite
from gleann.index.engines.contract import IndexData, Scanned, ScanRequest, Work
from gleann.index.engines.stepwise import StepwiseEngine, count_short
from gleann.index.lists import InvertedLists, assignment
from gleann.index.metric import pair_distances, prepare
from gleann.index.operating.effort import Grants, bit_lengths
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
        lists = granted_lists(self._data, prepared, ranked, grants)
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


def granted_lists(
    data: IndexData, queries: Vectors, ranked: ListNos, grants: Grants
) -> ListNos:
    """Which of its best lists each query scans: the oracle of other engines.

    Args:
        data: the index.
        queries: (nq, d), prepared.
        ranked: (nq, grants.most), their best lists, best first.
        grants: how many, by the depth of a query.

    Returns:
        `ranked` with -1 for lists that are not granted.
    """
    primary, copy = assignment(data.lists, n=len(data.vectors))
    copy = np.where(copy >= 0, copy, primary)
    behind = int(grants.first).bit_length()
    lists = ranked.copy()
    for query, order in zip(queries, lists, strict=True):
        first = order[: grants.first]
        best = _best(data, query, first, k=grants.deep_rows)
        depths = np.full(data.lists.nlist, behind)
        depths[first] = bit_lengths(np.arange(grants.first))
        depth = np.minimum(depths[primary[best]], depths[copy[best]]).sum()
        depth += behind * (grants.deep_rows - len(best))
        order[max(int(grants.budgets[depth]), grants.first) :] = -1
    return lists


def _best(data: IndexData, query: Vectors, lists: ListNos, *, k: int) -> Rows:
    """The k best distinct rows of some lists, by code, ties by the lower row."""
    offsets = data.lists.offsets
    rows: NDArray[np.int64] = np.unique(
        np.concatenate([data.lists.rows[offsets[j] : offsets[j + 1]] for j in lists])
    )
    scores = data.encoding.scan_scores(query[None], data.codes[rows])[0]
    return rows[np.lexsort((rows, -scores))[:k]]
