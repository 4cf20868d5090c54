"""Filtered searches step by step: for any engine, and for queries beside the rest.

`filtered.py` says how many lists a query reads, and why.
"""

from dataclasses import replace

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

RANKED = 1.5
"""Lists ranked at first, as a multiple of those that an independent filter needs."""

RANKED_ON = 4
"""Lists ranked to go on, as a multiple of those read so far."""

WHOLE = 250_000
"""Allowed rows that a query beside them reads all at once."""

QUERIES = 1024
"""Queries searched at once: the ranked lists of each are kept in memory."""


def search_stepwise(
    engine: Engine,
    queries: Vectors,
    request: ScanRequest,
    *,
    nprobe: int,
    allowed: AllowedRows,
) -> Scanned:
    """`search_filtered` for prepared queries, by the steps that any engine has."""
    return _joined(
        [
            _Search(engine, queries[block], request, allowed).run(nprobe)
            for block in block_slices(len(queries), QUERIES)
        ]
    )


def scan_all(
    engine: Engine, queries: Vectors, request: ScanRequest, allowed: AllowedRows
) -> Scanned:
    """Scan the codes of all allowed rows for prepared queries, each row once.

    In one run where the filter's lists were worth packing, else in the lists.
    """
    run = allowed.runs(engine) if allowed.packed_lists(engine) is not None else None
    if run is not None:
        (scanner, nlist), asked = run, with_allowed(request, None)
    else:
        scanner, nlist = engine, allowed.stats.lists.nlist
        asked = replace(with_allowed(request, allowed.mask), segments="primary")
    all_lists = np.arange(nlist, dtype=np.int32)
    return _joined(
        [
            scanner.scan(some, np.tile(all_lists, (len(some), 1)), asked)
            for some in (
                queries[block] for block in block_slices(len(queries), QUERIES)
            )
        ]
    )


def reads_all(allowed: AllowedRows) -> bool:
    """Whether a query beside the allowed rows reads all of them at once."""
    return allowed.count <= WHOLE


def expected_lists(allowed: AllowedRows, nprobe: int) -> float:
    """Lists that a query reads under a filter that has nothing to do with it."""
    return nprobe * max(1.0, reach_of(allowed) / max(allowed.share, 1e-9) ** 0.5)


def ranked_lists(allowed: AllowedRows, nprobe: int) -> int:
    """Lists to choose from at first."""
    ranked = int(expected_lists(allowed, nprobe) * RANKED) + 1
    return min(ranked, allowed.stats.lists.nlist)


def reach_of(allowed: AllowedRows) -> float:
    """`REACH`, or more of it the less is hidden: all where nothing is."""
    return REACH + (1 - REACH) * allowed.share**2


def with_allowed(request: ScanRequest, allowed: Mask | None) -> ScanRequest:
    """The request with another mask."""
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
        ranked = ranked_lists(self._allowed, nprobe)
        list_nos, probed, settled = self._first_lists(nprobe, ranked)
        whole = reads_all(self._allowed)
        if whole:
            list_nos[~settled] = -1
        self._scan(slice(None), list_nos)
        open_ = np.flatnonzero(~settled | self._short())
        if open_.size and whole:
            self._scan_all(open_)
        elif open_.size:
            self._probe_on(open_, probed[open_], nprobe)
        return Scanned(
            rows=self._rows,
            distances=self._distances,
            short=count_short(self._rows),
            work=summed(self._work),
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
        read = np.cumsum(self._stats.sizes[order], axis=1)
        kept = np.cumsum(self._allowed.expected_in(order), axis=1)
        enough = reach_of(self._allowed) * read[:, nprobe - 1]
        reached = read * kept >= (enough * enough)[:, None]
        probed = np.where(reached[:, -1], reached.argmax(axis=1) + 1, ranked)
        probed = np.maximum(probed, nprobe)
        around = _share_at(kept, read, probed)
        nearest = _share_at(kept, read, np.maximum(probed // NEAREST, 1))
        beside = (nearest < NO_LESS * around) | (around < NO_LESS * self._allowed.share)
        settled = reached[:, -1] & (~beside | (around >= NEARLY_ALL))
        order = order[:, : int(probed.max())]
        order[np.arange(order.shape[1]) >= probed[:, None]] = -1
        return order, probed, settled

    def _scan_all(self, open_: Rows) -> None:
        """Read all allowed rows for some queries."""
        queries = self._queries[open_]
        scanned = scan_all(self._engine, queries, self._request, self._allowed)
        self._rows[open_], self._distances[open_] = scanned.rows, scanned.distances
        self._work.append(scanned.work)

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
            packed = allowed.pack_lists(self._engine, int(read), queries=len(queries))
        if packed is not None:
            return packed.scan(queries, list_nos, with_allowed(self._request, None))
        return self._engine.scan(
            queries, list_nos, with_allowed(self._request, allowed.mask)
        )

    def _short(self) -> Mask:
        return is_short(self._rows, self._allowed.count)


def is_short(rows: Rows, count: int) -> Mask:
    """Which queries (nq, k) have fewer rows than there are: `count`, at most k."""
    there = min(rows.shape[1], count)
    short: Mask = rows[:, there - 1] < 0
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
        work=summed([part.work for part in parts]),
        engine=parts[0].engine,
    )


def summed(work: list[Work]) -> Work:
    """The work of several scans."""
    return work[0] if len(work) == 1 else Work(*map(sum, zip(*work, strict=True)))
