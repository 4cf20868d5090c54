"""Operating points from queries that were asked, in place of rows that stand for them.

Rows are good sample queries where queries look like rows. Where they do not (text
against images, means of rows), true neighbours are in lists far down the probe order.
The exact neighbours of a few hundred queries say where: as in a build, recall at any
number of lists follows by counting (`build/tune.py`).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, ListNos, Mask, Rows, Vectors
from gleann.index.engines.contract import IndexData
from gleann.index.evaluate import cut_at_k
from gleann.index.metric import ListRanking
from gleann.index.operating.effort import depths_of, granted, knows_depths
from gleann.index.operating.points import (
    EffortPoint,
    OperatingPoint,
    choose_point,
    points_of,
)
from gleann.index.search.probe_order import probe_grid, probe_order, ranks_of

DEPTH = 100
"""Nearest rows whose lists are looked up."""

MOST_QUERIES = 4096
"""Queries that are kept: the last ones, since what is asked changes."""

LEAST_QUERIES = 100
"""Fewer say too little."""

MOST_LOST = 0.002
"""Share of the neighbours in the probed lists that the re-ranking may lose; above it,
twice as many rows are re-ranked."""

MOST_POOL = 16
"""Factor by which more rows are re-ranked, at most."""

Points = tuple[OperatingPoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AskedQuery:
    """A query that was asked, and its exact answer.

    Attributes:
        query: float32 (1, d), prepared.
        rows: int64 (m,), its nearest rows among those that may be found, at least one.
        distances: float32 (m,), ascending.
        k: neighbours that were asked for.
        nprobe: lists that were probed.
        found: share of the k nearest that the search found; None if that is not known.
    """

    query: Vectors
    rows: Rows
    distances: Distances
    k: int
    nprobe: int
    found: float | None


class AskedQueries:
    """Queries that were asked of one index, and where their neighbours are.

    For one thread.

    Args:
        data: the arrays of the index.
        points: its operating points of both segments.
        efforts: its settings of the effort.
    """

    def __init__(
        self, data: IndexData, points: Points, efforts: tuple[EffortPoint, ...] = ()
    ) -> None:
        self._lists = data.lists
        self._ranking = ListRanking(data.centroids, data.encoding)
        self._n = len(data.vectors)
        self._points = points
        self._efforts = efforts
        self._grid = np.array(probe_grid(data.lists.nlist))
        self._sizes = np.diff(data.lists.offsets)
        self._places = np.empty((0, 0), np.int32)
        self._entries = np.zeros(data.lists.nlist)
        self._lost: list[float] = []
        self._pool = 1
        self.count = 0

    def add(self, asked: AskedQuery) -> None:
        """Take one query."""
        order = probe_order(self._ranking.scores(asked.query))
        places = self._places_of(asked.rows, ranks_of(order)[0])
        if not len(self._places):
            self._places = np.full((MOST_QUERIES, len(places)), -1, np.int32)
        width = min(len(places), self._places.shape[1])
        at = self.count % MOST_QUERIES
        self._places[at] = self._lists.nlist  # of rows that there are not: in no list
        self._places[at, :width] = places[:width]
        self._entries += self._sizes[order[0]]
        self.count += 1
        if asked.found is None:
            return
        k = min(asked.k, len(places))
        within = asked.distances <= cut_at_k(asked.distances[None, :k])[0, 0]
        held = min(int(np.count_nonzero(within & (places < asked.nprobe))), k) / k
        self._lost.append(max(0.0, held - asked.found))
        del self._lost[:-MOST_QUERIES]

    @property
    def places(self) -> ListNos:
        """Positions int32 (m, w) of the nearest rows of the queries that are kept.

        A position is that of the first list, in the probe order of the query, that has
        the row; the number of lists where there is no row.
        """
        return self._places[: min(self.count, MOST_QUERIES)]

    @property
    def is_enough(self) -> bool:
        """Whether points can be made."""
        return self.count >= LEAST_QUERIES and bool(self._points)

    def points(self) -> Points:
        """Operating points for these queries, of all k that the index has points for.

        What the re-ranking lost of the neighbours in the probed lists is taken off; if
        that is much, the points re-rank twice as many rows as those before.
        """
        lost = np.array(self._lost) if self._lost else np.zeros(1)
        if lost.mean() > MOST_LOST and self._pool < MOST_POOL:
            self._pool *= 2
            self._lost = []
        return tuple(
            point
            for k in sorted({p.k for p in self._points})
            for point in self._points_of(k, lost)
        )

    def efforts(self) -> tuple[EffortPoint, ...]:
        """Settings of the effort for these queries, of those that the index has.

        Each has the recall of the build, or what is counted for these queries if its
        lower bound is lower. Their depths are those by their nearest rows; none where
        these do not tell them, or too few queries say what the re-ranking loses.
        """
        if len(self._lost) < LEAST_QUERIES:
            return ()
        lost, kept = np.array(self._lost), self.places
        entries = np.cumsum(self._entries / self.count)
        depths: dict[tuple[int, int], NDArray[np.float64] | None] = {}
        efforts = []
        for point in self._efforts:
            at = point.k, point.first
            if at not in depths:
                depths[at] = _depths(kept, *at)
            if (by_query := depths[at]) is not None:
                logs = point.offset + point.slope * by_query
                lists = granted(logs, first=point.first, most=point.nprobe)
                efforts.append(_lower(point, kept, lists, entries, lost))
        return tuple(efforts)

    def _points_of(self, k: int, lost: NDArray[np.float64]) -> list[OperatingPoint]:
        kept = self.places
        near = min(k, kept.shape[1])
        shares = np.stack(
            [(kept[:, :near] < lists).mean(axis=1) for lists in self._grid.tolist()],
            axis=1,
        )
        recall = shares.mean(axis=0) - lost.mean()
        if k > near:
            recall += self._built(k) - self._built(near)
        variance = shares.var(axis=0) / len(kept) + lost.var() / len(lost)
        error = np.sqrt(variance + (1 / (near * len(kept))) ** 2)
        entries = np.cumsum(self._entries / self.count)[self._grid - 1]
        reranks = self._reranks(k)
        return [
            OperatingPoint(
                k=k,
                nprobe=int(lists),
                rerank=int(reranks[at]),
                recall=float(np.clip(recall[at], 0, 1)),
                entries=float(entries[at]),
                error=float(error[at]),
            )
            for at, lists in enumerate(self._grid)
        ]

    def _built(self, k: int) -> NDArray[np.float64]:
        """Recall (g,) at each number of lists, as measured at the build."""
        points = sorted(points_of(self._points, k=k), key=lambda p: p.nprobe)
        recalls = np.maximum.accumulate([p.recall for p in points])
        return np.interp(self._grid, [p.nprobe for p in points], recalls)

    def _reranks(self, k: int) -> NDArray[np.int64]:
        """Rows to re-rank (g,) with each number of lists: of the build, or more."""
        points = sorted(points_of(self._points, k=k), key=lambda p: p.nprobe)
        at = np.searchsorted([p.nprobe for p in points], self._grid)
        reranks = np.array([p.rerank for p in points])
        grown = reranks[np.minimum(at, len(points) - 1)] * self._pool
        return np.minimum(grown, max(self._n, k))

    def _places_of(self, rows: Rows, ranks: ListNos) -> ListNos:
        """Position (m,) in the probe order of the first list of each of `rows`."""
        wanted: Mask = np.zeros(self._n, np.bool_)
        wanted[rows] = True
        entries = np.flatnonzero(wanted[self._lists.rows])
        list_nos = np.searchsorted(self._lists.offsets, entries, side="right") - 1
        places = np.full(len(rows), self._lists.nlist, np.int32)
        order = np.argsort(rows)
        at = order[np.searchsorted(rows[order], self._lists.rows[entries])]
        np.minimum.at(places, at, ranks[list_nos])
        return places


def _depths(places: ListNos, k: int, first: int) -> NDArray[np.float64] | None:
    """Depths over k (m,) of queries; None where their nearest rows do not tell them."""
    if k > places.shape[1] or not knows_depths(places, k=k, first=first):
        return None
    return depths_of(places, k=k, first=first)


def _lower(
    point: EffortPoint,
    places: ListNos,
    lists: NDArray[np.int64],
    entries: NDArray[np.float64],
    lost: NDArray[np.float64],
) -> EffortPoint:
    """A setting with what queries scan, and their recall if its bound is the lower.

    Args:
        point: as the build measured it.
        places: int32 (m, w), see `AskedQueries.places`.
        lists: (m,) that the queries scan.
        entries: (nlist,) in so many lists and one, mean.
        lost: share of the neighbours that the re-ranking lost, of some queries.
    """
    shares = (places[:, : point.k] < lists[:, None]).mean(axis=1)
    variance = shares.var() / len(shares) + lost.var() / len(lost)
    counted = replace(
        point,
        recall=float(np.clip(shares.mean() - lost.mean(), 0, 1)),
        error=float(np.sqrt(variance + (1 / places[:, : point.k].size) ** 2)),
        entries=float(entries[lists - 1].mean()),
        lists=float(lists.mean()),
    )
    if counted.low <= point.low:
        return counted
    return replace(counted, recall=point.recall, error=point.error)


def with_asked(
    point: OperatingPoint | None,
    asked: Points,
    *,
    k: int,
    target_recall: float,
) -> OperatingPoint | None:
    """The point of a build, or that of the queries asked where it probes more lists.

    The estimate is that of the queries asked in either case, and so are the entries.
    """
    chosen = choose_point(asked, k=k, target_recall=target_recall)
    if point is None or chosen is None:
        return point
    if chosen.nprobe > point.nprobe or chosen.rerank > point.rerank:
        nprobe = max(chosen.nprobe, point.nprobe)
        return replace(chosen, nprobe=nprobe, rerank=max(chosen.rerank, point.rerank))
    candidates = sorted(points_of(asked, k=k), key=lambda p: p.nprobe)
    known = max(
        (p for p in candidates if p.nprobe <= point.nprobe),
        key=lambda p: p.nprobe,
        default=candidates[0],
    )
    entries = np.interp(
        point.nprobe, [p.nprobe for p in candidates], [p.entries for p in candidates]
    )
    return replace(
        point, recall=known.recall, error=known.error, entries=float(entries)
    )


def lists_factor(
    points: Points, asked: Points, *, k: int, target_recall: float
) -> float:
    """Lists that a search probes, as a multiple of what the build alone would probe."""
    built = choose_point(points, k=k, target_recall=target_recall)
    moved = with_asked(built, asked, k=k, target_recall=target_recall)
    return 1.0 if built is None or moved is None else moved.nprobe / built.nprobe
