"""Search with a filter: each query probes more lists until its answer does not change.

Operating points were measured without a filter. Allowed rows can be spread thinly over
all lists or lie in a few lists far from the query. So each query first scans about
half of the lists that suffice without a filter, then as many again, and goes on
doubling until more lists do not change its answer.

Lists without an allowed row do not count; a query around which nearly all rows are
allowed reads what it would have read without a filter; and one that would scan more
than it costs to look at all allowed rows does that. Answers do not depend on the batch.
`index/DECISIONS.md` 18 has the figures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos, Mask, Rows, Vectors
from gleann.index.engines.contract import Engine, IndexData, Scanned, ScanRequest, Work
from gleann.index.engines.stepwise import count_short
from gleann.index.exact import exact_search_prepared
from gleann.index.lists import InvertedLists
from gleann.index.parallel.blocks import block_slices

NEARLY_ALL = 0.98
"""Share of rows allowed around a query that is as good as no filter."""

LEAST_SHARE = 1 / 64
"""Share of allowed rows that the first scan reckons with, at least."""

EXACT_ROW = 8
"""Entries scanned by their codes in the time of one row looked at in float32."""

RANKED = 8
"""Lists ranked at first, as a multiple of those that would do without a filter."""

QUERIES = 1024
"""Searched at once: the lists of each are held in order."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Allowed:
    """What a filter leaves of an index.

    Attributes:
        count: rows that may be returned.
        entries: int64 (nlist), entries of each list that may.
        sizes: int64 (nlist), all entries of each list.
    """

    count: int
    entries: NDArray[np.int64]
    sizes: NDArray[np.int64]


def count_allowed(lists: InvertedLists, allowed: Mask) -> Allowed:
    """Count what `allowed` (n,) leaves of each list."""
    sums = np.concatenate([[0], np.cumsum(allowed[lists.rows], dtype=np.int64)])
    return Allowed(
        count=int(np.count_nonzero(allowed)),
        entries=np.diff(sums[lists.offsets]),
        sizes=np.diff(lists.offsets),
    )


def search_filtered(
    engine: Engine,
    data: IndexData,
    queries: Vectors,
    request: ScanRequest,
    *,
    nprobe: int,
    allowed: Allowed,
) -> tuple[Scanned, int]:
    """Search the allowed rows, as far as it takes.

    Args:
        engine: what ranks lists and scans them.
        data: the sealed index.
        queries: (nq, d), prepared.
        request: what to bring back, with a filter.
        nprobe: lists that would do without the filter.
        allowed: what the filter leaves of the lists.

    Returns:
        The answer, and how many queries looked at all allowed rows.
    """
    blocks = [
        _Search(engine, data, queries[block], request, allowed).run(nprobe)
        for block in block_slices(len(queries), QUERIES)
    ]
    if len(blocks) == 1:
        return blocks[0]
    rows = np.concatenate([scanned.rows for scanned, _ in blocks])
    scanned = Scanned(
        rows=rows,
        distances=np.concatenate([scanned.distances for scanned, _ in blocks]),
        short=count_short(rows),
        work=_summed([scanned.work for scanned, _ in blocks]),
        engine=blocks[0][0].engine,
    )
    return scanned, sum(exhaustive for _, exhaustive in blocks)


class _Search:
    """Some queries, each on a way of its own."""

    def __init__(
        self,
        engine: Engine,
        data: IndexData,
        queries: Vectors,
        request: ScanRequest,
        allowed: Allowed,
    ) -> None:
        self._engine = engine
        self._data = data
        self._queries = queries
        self._request = request
        self._allowed = allowed
        shape = len(queries), request.k
        self._rows = np.full(shape, -1, np.int64)
        self._distances = np.full(shape, np.inf, np.float32)
        self._work: list[Work] = []
        self._served_by = ""
        self._exhaustive = 0

    def run(self, nprobe: int) -> tuple[Scanned, int]:
        """Answer all; `nprobe` as in `search_filtered`."""
        share, settled = self._scan_as_without(nprobe)
        if not settled.all():
            open_ = np.flatnonzero(~settled)
            self._probe_on(open_, share[open_], nprobe)
        scanned = Scanned(
            rows=self._rows,
            distances=self._distances,
            short=count_short(self._rows),
            work=_summed(self._work),
            engine=self._served_by,
        )
        return scanned, self._exhaustive

    def _scan_as_without(self, nprobe: int) -> tuple[NDArray[np.float64], Mask]:
        """Search as if without the filter where nearly all is allowed.

        Returns:
            The share of allowed entries in the best `nprobe` lists of each query (nq,),
            and which queries (nq,) are answered.
        """
        list_nos = self._engine.rank_lists(self._queries, nprobe=nprobe)
        sizes = self._allowed.sizes[list_nos].sum(axis=1)
        share = self._allowed.entries[list_nos].sum(axis=1) / np.maximum(sizes, 1)
        settled: Mask = share >= NEARLY_ALL
        some = np.flatnonzero(settled)
        if some.size:
            self._scan(some, list_nos[some])
            settled[some] = ~self._short(some)
        return share, settled

    def _probe_on(self, open_: Rows, share: NDArray[np.float64], nprobe: int) -> None:
        """Double the lists of some queries until that changes nothing."""
        nlist = self._data.lists.nlist
        ranked = min(RANKED * nprobe, nlist)
        order = self._live_order(open_, ranked)
        fill = np.sqrt(np.maximum(share, LEAST_SHARE))
        step = np.ceil(nprobe / 2 / fill).astype(np.int64)
        probed = np.zeros(len(open_), np.int64)
        while open_.size:
            live = np.count_nonzero(order >= 0, axis=1)
            if ranked < nlist and (probed + step > live).any():
                ranked = nlist
                order = self._live_order(open_, ranked)
            limit = EXACT_ROW * self._allowed.count
            costly = self._entries(order, probed + step) >= limit
            self._look_at_all(open_[costly])
            window = _window(order, probed, step)
            going = ~costly & (window >= 0).any(axis=1)
            open_, order = open_[going], order[going]
            probed, step, window = probed[going], step[going], window[going]
            changed = self._scan(open_, window)
            going = (probed == 0) | self._short(open_) | changed
            probed = probed + step
            open_, order = open_[going], order[going]
            probed = step = probed[going]

    def _live_order(self, some: Rows, ranked: int) -> ListNos:
        """The best `ranked` lists of some queries less those without allowed rows.

        Returns:
            (m, ranked), -1 behind the last.
        """
        list_nos = self._engine.rank_lists(self._queries[some], nprobe=ranked)
        live = self._allowed.entries[list_nos] > 0
        order = np.argsort(~live, axis=1, kind="stable")
        list_nos = np.take_along_axis(list_nos, order, axis=1)
        list_nos[np.arange(ranked) >= live.sum(axis=1)[:, None]] = -1
        return list_nos

    def _entries(self, order: ListNos, probed: NDArray[np.int64]) -> NDArray[np.int64]:
        """Entries (m,) of the first `probed` lists (m,) of each query."""
        sizes = np.where(order >= 0, self._allowed.sizes[order], 0)
        at = np.clip(probed, 1, order.shape[1]) - 1
        sums: NDArray[np.int64] = np.cumsum(sizes, axis=1)[np.arange(len(order)), at]
        return sums

    def _look_at_all(self, some: Rows) -> None:
        """Answer some queries from all allowed rows."""
        if not some.size:
            return
        self._rows[some], self._distances[some] = exact_search_prepared(
            self._queries[some],
            self._data.vectors,
            metric=self._data.metric,
            k=self._request.k,
            allowed=self._request.allowed,
        )
        looked_at = len(some) * self._allowed.count
        self._work.append(Work(0, looked_at, looked_at, looked_at))
        self._exhaustive += len(some)

    def _scan(self, some: Rows, list_nos: ListNos) -> Mask:
        """Scan lists (m, p) for some queries; for which that changed the answer."""
        if not some.size:
            return np.zeros(0, np.bool_)
        scanned = self._engine.scan(
            self._queries[some], np.ascontiguousarray(list_nos), self._request
        )
        self._work.append(scanned.work)
        self._served_by = scanned.engine
        before = self._rows[some]
        if (before < 0).all():
            self._rows[some], self._distances[some] = scanned.rows, scanned.distances
            return np.ones(len(some), np.bool_)
        rows, distances = _merged(
            np.concatenate([before, scanned.rows], axis=1),
            np.concatenate([self._distances[some], scanned.distances], axis=1),
            k=self._request.k,
        )
        self._rows[some], self._distances[some] = rows, distances
        changed: Mask = (rows != before).any(axis=1)
        return changed

    def _short(self, some: Rows) -> Mask:
        """Which of some queries have fewer rows than there are."""
        there = min(self._request.k, self._allowed.count)
        short: Mask = self._rows[some, there - 1] < 0
        return short


def _window(
    order: ListNos, probed: NDArray[np.int64], step: NDArray[np.int64]
) -> ListNos:
    """The next `step` (m,) lists of each query, -1 behind the last."""
    columns = probed[:, None] + np.arange(int(step.max()))
    inside = (columns < (probed + step)[:, None]) & (columns < order.shape[1])
    at = np.minimum(columns, order.shape[1] - 1)
    lists: ListNos = np.where(inside, np.take_along_axis(order, at, axis=1), -1)
    return lists.astype(np.int32)


def _merged(rows: Rows, distances: Distances, *, k: int) -> tuple[Rows, Distances]:
    """The k nearest distinct rows of (m, 2k), ties by lower row, -1 behind the last."""
    order = np.argsort(rows, axis=1, kind="stable")
    rows = np.take_along_axis(rows, order, axis=1)
    distances = np.take_along_axis(distances, order, axis=1)
    again = rows[:, 1:] == rows[:, :-1]
    rows[:, 1:][again] = -1
    distances[:, 1:][again] = np.inf
    order = np.lexsort((rows, distances), axis=1)[:, :k]
    return (
        np.take_along_axis(rows, order, axis=1),
        np.take_along_axis(distances, order, axis=1),
    )


def _summed(work: list[Work]) -> Work:
    return Work(*np.sum(work, axis=0).tolist()) if work else Work()
