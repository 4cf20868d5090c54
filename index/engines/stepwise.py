"""Engines whose search is three steps: prepare queries, rank their lists, scan them."""

from abc import ABC, abstractmethod

import numpy as np

from gleann.index.arrays import ListNos, Rows, Vectors
from gleann.index.checks import require_finite
from gleann.index.engines.contract import IndexData, Scanned, ScanRequest
from gleann.index.metric import ListRanking, prepare
from gleann.index.params import Segments


class StepwiseEngine(ABC):
    """An engine that ranks lists in NumPy and has only `scan` of its own; see `Engine`.

    Args:
        data: the sealed index; its arrays are kept, not copied.
    """

    def __init__(self, data: IndexData) -> None:
        self._data = data
        self._ranking = ListRanking(data.centroids, data.encoding)

    def rank_lists(self, queries: Vectors, *, nprobe: int) -> ListNos:
        """Sort all lists by score; see `Engine.rank_lists`."""
        return top_lists(self._ranking.scores(queries), nprobe=nprobe)

    def choose_segments(self, *, both: int, primary: int, queries: int) -> Segments:
        """Both: rows have copies only if those pay; see `Engine.choose_segments`."""
        return "both"

    def search(self, queries: Vectors, *, nprobe: int, request: ScanRequest) -> Scanned:
        """One step after another; see `Engine.search`."""
        require_finite(queries, name="queries")
        prepared = prepare(queries, self._data.metric, name="queries")
        return self.scan(prepared, self.rank_lists(prepared, nprobe=nprobe), request)

    @abstractmethod
    def scan(
        self, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """See `Engine.scan`."""


def count_short(rows: Rows) -> int:
    """Queries of (nq, k) with fewer than k rows."""
    return int((rows[:, -1] < 0).sum())


def top_lists(scores: Vectors, *, nprobe: int) -> ListNos:
    """The `nprobe` best columns of each row (nq, nlist), ties to the lower number."""
    order = np.argsort(-scores, axis=1, kind="stable")
    return order[:, :nprobe].astype(np.int32)
