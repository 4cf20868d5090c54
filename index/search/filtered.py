"""Search with a filter: as many lists as the allowed rows around each query need.

Operating points were measured without a filter. Allowed rows can be spread thinly over
all lists or lie in a few lists far from the query.

- Few allowed rows are packed in one run, and all of them are scanned.
- Otherwise a query reads its best lists until the geometric mean of the entries in them
  and of the allowed ones among these reaches `REACH` of the entries that it would read
  without a filter. That is enough where its nearest lists have as large a share of
  allowed rows as all lists it read, and these as large a share as the index.
- Any other query is beside the rows allowed. It goes on, in lists with allowed rows
  only, and doubles them until more lists do not change its answer.

Answers depend neither on the batch nor on what was packed. `index/DECISIONS.md` 18 and
the note on sub-lists have the figures.
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos, Mask, Rows, Vectors
from gleann.index.engines.contract import Engine, Scanned, ScanRequest, Work
from gleann.index.engines.stepwise import count_short
from gleann.index.parallel.blocks import block_slices
from gleann.index.search.allowed import AllowedRows
from gleann.index.search.list_stats import ListStats

REACH = 0.85
"""Share of the entries read without a filter that few allowed rows take, as above."""

NEARLY_ALL = 0.98
"""Share of rows allowed around a query that is as good as no filter."""

NO_LESS = 0.8
"""A share of allowed rows is no less than another from this multiple of it up."""

NEAREST = 4
"""The nearest lists are those read at first, divided by this."""

FEW = 10_240
"""Allowed rows that are always few: packing them takes as long as choosing lists."""

PACKED_ROW = 24
"""Entries that a query scans in the time that one row takes to be packed in a run."""

RANKED = 1.5
"""Lists ranked at first, as a multiple of those that an independent filter needs."""

RANKED_ON = 4
"""Lists ranked to go on, as a multiple of those read so far."""

QUERIES = 1024
"""Queries searched at once: the ranked lists of each are kept in memory."""


def search_filtered(
    engine: Engine,
    queries: Vectors,
    request: ScanRequest,
    *,
    nprobe: int,
    allowed: AllowedRows,
) -> Scanned:
    """Search the allowed rows in as many lists as it takes.

    Args:
        engine: what ranks lists and scans them.
        queries: (nq, d), prepared.
        request: what to bring back; its own `allowed` is not read.
        nprobe: lists that would do without the filter.
        allowed: rows of this index.
    """
    return _joined(
        [
            _Search(engine, queries[block], request, allowed).run(nprobe)
            for block in block_slices(len(queries), QUERIES)
        ]
    )


def scan_few(
    engine: Engine, queries: Vectors, request: ScanRequest, allowed: AllowedRows
) -> Scanned | None:
    """Scan the codes of all allowed rows.

    Args:
        engine: what scans them.
        queries: (nq, d), not prepared and perhaps not finite.
        request: what to bring back; its own `allowed` is not read.
        allowed: rows of this index, at least one.

    Returns:
        None where the engine cannot.

    Raises:
        NonFiniteError, ZeroVectorError, InvalidInputError: as `Engine.search`.
    """
    run = allowed.runs(engine)
    if run is None:
        return None
    runner, lists = run
    return runner.search(queries, nprobe=lists, request=_with(request, None))


def is_few(allowed: AllowedRows, *, nprobe: int) -> bool:
    """Whether packing and scanning the allowed rows is cheaper than reading lists.

    The same for every batch, since it decides what is found.
    """
    read = _expected_lists(allowed, nprobe) * allowed.stats.typical
    return allowed.count <= max(FEW, read / PACKED_ROW)


def _expected_lists(allowed: AllowedRows, nprobe: int) -> float:
    """Lists that a query reads under a filter that has nothing to do with it."""
    return nprobe * max(1.0, _reach(allowed) / max(allowed.share, 1e-9) ** 0.5)


def _reach(allowed: AllowedRows) -> float:
    """`REACH`, or more of it the less is hidden: all where nothing is."""
    return REACH + (1 - REACH) * allowed.share**2


def _with(request: ScanRequest, allowed: Mask | None) -> ScanRequest:
    if request.allowed is allowed:
        return request
    return ScanRequest(
        k=request.k,
        rerank=request.rerank,
        allowed=allowed,
        segments=request.segments,
        certain=request.certain,
    )


class _Search:
    """Some queries, each on a way of its own."""

    def __init__(
        self,
        engine: Engine,
        queries: Vectors,
        request: ScanRequest,
        allowed: AllowedRows,
    ) -> None:
        self._engine = engine
        self._queries = queries
        self._request = request
        self._allowed = allowed
        self._stats: ListStats = allowed.stats
        self._nlist = self._stats.lists.nlist
        shape = len(queries), request.k
        self._rows = np.empty(shape, np.int64)  # of the first scan
        self._distances = np.empty(shape, np.float32)
        self._work: list[Work] = []
        self._served_by = ""

    def run(self, nprobe: int) -> Scanned:
        """Answer all; `nprobe` as in `search_filtered`."""
        ranked = int(_expected_lists(self._allowed, nprobe) * RANKED) + 1
        list_nos, probed, settled = self._first_lists(nprobe, min(ranked, self._nlist))
        self._scan(slice(None), list_nos)
        open_ = np.flatnonzero(~settled | self._short())
        if open_.size:
            self._probe_on(open_, probed[open_], nprobe)
        return Scanned(
            rows=self._rows,
            distances=self._distances,
            short=count_short(self._rows),
            work=_summed(self._work),
            engine=self._served_by,
        )

    def _first_lists(
        self, nprobe: int, ranked: int
    ) -> tuple[ListNos, NDArray[np.int64], Mask]:
        """The lists (nq, p) that each query reads at first, -1 behind its last.

        Returns:
            The lists; how many (nq,); and for which queries (nq,) they do.
        """
        order = self._engine.rank_lists(self._queries, nprobe=ranked)
        sizes = self._stats.sizes[order]
        shares = self._allowed.shares_of(order)
        read = np.cumsum(sizes, axis=1)
        kept = np.cumsum(sizes * shares, axis=1)
        enough = _reach(self._allowed) * read[:, nprobe - 1]
        reached = read * kept >= (enough * enough)[:, None]
        if ranked < self._nlist and not reached[:, -1].all():
            return self._first_lists(nprobe, self._nlist)
        probed = np.where(reached[:, -1], reached.argmax(axis=1) + 1, ranked)
        probed = np.maximum(probed, nprobe)
        around = _share_at(kept, read, probed)
        nearest = _share_at(kept, read, np.maximum(probed // NEAREST, 1))
        beside = (nearest < NO_LESS * around) | (around < NO_LESS * self._allowed.share)
        settled = ~beside | (around >= NEARLY_ALL)
        order = order[:, : int(probed.max())]
        order[np.arange(order.shape[1]) >= probed[:, None]] = -1
        return order, probed, settled

    def _probe_on(self, open_: Rows, probed: NDArray[np.int64], nprobe: int) -> None:
        """Double the lists of some queries until that changes nothing.

        Args:
            open_: which queries.
            probed: how many of the best lists each of them has read.
            nprobe: as in `search_filtered`.
        """
        ranked = min(RANKED_ON * int(probed.max()), self._nlist)
        order, probed = self._live_order(open_, ranked, probed)
        step = np.maximum(probed, nprobe)
        while open_.size:
            while ranked < self._nlist and (_length(order) < probed + step).any():
                ranked = min(RANKED_ON * ranked, self._nlist)
                order, _ = self._live_order(open_, ranked, probed)
            window = _window(order, probed, step)
            going = (window >= 0).any(axis=1)
            open_, order, window = open_[going], order[going], window[going]
            probed = (probed + step)[going]
            if not open_.size:
                return
            going = self._scan(open_, window) | self._short()[open_]
            open_, order = open_[going], order[going]
            probed = step = probed[going]

    def _live_order(
        self, some: Rows, ranked: int, probed: NDArray[np.int64]
    ) -> tuple[ListNos, NDArray[np.int64]]:
        """The best `ranked` lists of some queries, less those without allowed rows.

        Args:
            some: which queries.
            ranked: at least the greatest of `probed`.
            probed: how many of the best lists each of them has read.

        Returns:
            Lists (m, ranked), -1 behind the last; how many of them each has read (m,).
        """
        list_nos = self._engine.rank_lists(self._queries[some], nprobe=ranked)
        dead = self._allowed.entries == 0
        before = np.arange(ranked) < probed[:, None]
        read = np.count_nonzero(before & ~dead[list_nos], axis=1)
        return _without(list_nos, dead), read

    def _scan(self, some: Rows | slice, list_nos: ListNos) -> Mask:
        """Scan lists (m, p) for some queries; for which that changed the answer."""
        scanned = self._scan_lists(self._queries[some], list_nos)
        self._work.append(scanned.work)
        self._served_by = scanned.engine
        if len(self._work) == 1:
            self._rows, self._distances = scanned.rows, scanned.distances
            return np.ones(len(list_nos), np.bool_)
        before = self._rows[some]
        rows, distances = _merged(
            np.concatenate([before, scanned.rows], axis=1),
            np.concatenate([self._distances[some], scanned.distances], axis=1),
            k=self._request.k,
        )
        self._rows[some], self._distances[some] = rows, distances
        changed: Mask = (rows != before).any(axis=1)
        return changed

    def _scan_lists(self, queries: Vectors, list_nos: ListNos) -> Scanned:
        """Scan lists: what is allowed of them where it is packed, or else all."""
        allowed, entries = self._allowed, self._allowed.known_entries
        list_nos = np.ascontiguousarray(list_nos, np.int32)
        if entries is not None:
            list_nos = _without(list_nos, entries == 0)
        packed = allowed.packed_lists(self._engine)
        if packed is None:
            read = self._stats.sizes[list_nos[list_nos >= 0]].sum()
            packed = allowed.pack_lists(self._engine, int(read * (1 - allowed.share)))
        if packed is not None:
            return packed.scan(queries, list_nos, _with(self._request, None))
        return self._engine.scan(queries, list_nos, _with(self._request, allowed.mask))

    def _short(self) -> Mask:
        """Which queries have fewer rows than there are."""
        there = min(self._request.k, self._allowed.count)
        short: Mask = self._rows[:, there - 1] < 0
        return short


def _share_at(
    kept: NDArray[np.float64], read: NDArray[np.int64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Share of allowed entries in the first `count` (nq,) lists of each query.

    Args:
        kept: allowed entries (nq, p) in the first lists.
        read: all entries (nq, p) in them.
        count: at least 1.
    """
    last = np.arange(len(count)), count - 1
    share: NDArray[np.float64] = kept[last] / np.maximum(read[last], 1)
    return share


def _length(list_nos: ListNos) -> NDArray[np.int64]:
    """How many lists (nq,) there are before the -1 of each query."""
    return np.count_nonzero(list_nos >= 0, axis=1)


def _window(
    order: ListNos, probed: NDArray[np.int64], step: NDArray[np.int64]
) -> ListNos:
    """The next `step` (m,) lists of each query, -1 behind the last."""
    columns = probed[:, None] + np.arange(int(step.max()))
    inside = (columns < (probed + step)[:, None]) & (columns < order.shape[1])
    at = np.minimum(columns, order.shape[1] - 1)
    lists: ListNos = np.where(inside, np.take_along_axis(order, at, axis=1), -1)
    return lists.astype(np.int32)


def _without(list_nos: ListNos, dead: Mask) -> ListNos:
    """The lists (nq, p) of each query less `dead` ones (nlist), -1 behind the last."""
    gone = (list_nos < 0) | dead[list_nos]
    if not gone.any():
        return list_nos
    order = np.argsort(gone, axis=1, kind="stable")
    kept = np.take_along_axis(list_nos, order, axis=1)
    kept[np.take_along_axis(gone, order, axis=1)] = -1
    return kept


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


def _joined(parts: list[Scanned]) -> Scanned:
    """The answers of blocks of queries as one."""
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([part.rows for part in parts])
    return Scanned(
        rows=rows,
        distances=np.concatenate([part.distances for part in parts]),
        short=count_short(rows),
        work=_summed([part.work for part in parts]),
        engine=parts[0].engine,
    )


def _summed(work: list[Work]) -> Work:
    return work[0] if len(work) == 1 else Work(*map(sum, zip(*work, strict=True)))
