"""The NumPy engine: slow, obvious, and what every other engine is compared with."""

import numpy as np

from gleann.index.arrays import ListNos, Mask, Rows, Vectors
from gleann.index.checks import require_finite
from gleann.index.engines.contract import Engine, IndexData, Scanned, ScanRequest, Work
from gleann.index.lists import InvertedLists
from gleann.index.metric import ListRanking, pair_distances, prepare
from gleann.index.params import Metric, Segments


class ReferenceEngine:
    """Scores every distinct, allowed row of the probed lists in full precision.

    The pool of the request is not needed: nothing is lost to quantisation.
    """

    name = "reference"

    def __init__(self, data: IndexData) -> None:
        self._data = data
        self._ranking = ListRanking(data.centroids, data.encoding)

    def with_threads(self, threads: int) -> "ReferenceEngine":
        """See `Engine.with_threads`: this one never has more than BLAS takes."""
        return self

    def rank_lists(self, queries: Vectors, *, nprobe: int) -> ListNos:
        """Sort all lists by score; see `Engine.rank_lists`."""
        return top_lists(self._ranking.scores(queries), nprobe=nprobe)

    def choose_segments(self, *, both: int, primary: int, queries: int) -> Segments:
        """Both: rows have copies only where those pay; see `Engine`."""
        return "both"

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """One step after another; see `Engine.search`."""
        metric = self._data.metric
        return search_in_steps(self, queries, metric, nprobe=nprobe, request=request)

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


def search_in_steps(
    engine: Engine,
    queries: Vectors,
    metric: Metric,
    *,
    nprobe: int,
    request: ScanRequest,
) -> Scanned:
    """`Engine.search` of an engine that has no shorter way than its other methods."""
    require_finite(queries, name="queries")
    prepared = prepare(queries, metric, name="queries")
    return engine.scan(prepared, engine.rank_lists(prepared, nprobe=nprobe), request)


def count_short(rows: Rows) -> int:
    """Queries of (nq, k) with fewer than k rows."""
    return int((rows[:, -1] < 0).sum())


def top_lists(scores: Vectors, *, nprobe: int) -> ListNos:
    """The `nprobe` best columns of each row (nq, nlist), ties to the lower number."""
    order = np.argsort(-scores, axis=1, kind="stable")
    return order[:, :nprobe].astype(np.int32)


def _entries(lists: InvertedLists, probed: ListNos, segments: Segments) -> Rows:
    ends = lists.offsets[1:] if segments == "both" else lists.mids
    parts = [lists.rows[lists.offsets[j] : ends[j]] for j in probed[probed >= 0]]
    if not parts:
        return np.empty(0, np.int64)
    return np.concatenate(parts).astype(np.int64)


def _distinct_allowed(rows: Rows, allowed: Mask | None) -> Rows:
    distinct = np.unique(rows)
    return distinct if allowed is None else distinct[allowed[distinct]]
