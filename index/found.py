"""The result of a search: neighbours and statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Ids, Mask, Rows
from gleann.index.params import DEFAULT_TARGET_RECALL, SearchParams
from gleann.index.tabular import Table, Tabular


class SearchStats(NamedTuple):
    """The settings and the work of a search.

    A named tuple, since it takes half the time of a frozen dataclass to make: that time
    is a part of every search for one query.

    Attributes:
        engine: which engine ran.
        nprobe: lists probed a query, 0 for an exhaustive search; the mean, rounded up,
            where a filter had each query probe as many as it took.
        rerank: rows re-ranked in float32 a query, at most.
        lists_probed: (query, list) pairs.
        entries_scanned: entries scored, copies included.
        survivors: entries that passed every test of the scan.
        reranked: rows scored in float32.
        completed: queries that an exhaustive search answered, since the probed lists
            left them short of k, or a filter so few rows that it cost less.
        estimated_recall: recall@k measured for this setting when the index was built;
            None where the caller chose nprobe, 1 for an exhaustive search. With a
            filter that of the same setting without it, which probing on until nothing
            changes is to keep (`filtered.py`).
        exact: whether every allowed row was scanned.
    """

    engine: str
    nprobe: int
    rerank: int
    lists_probed: int
    entries_scanned: int
    survivors: int
    reranked: int
    completed: int
    estimated_recall: float | None
    exact: bool


COUNTS = ("lists_probed", "entries_scanned", "survivors", "reranked", "completed")
"""Those attributes of `SearchStats` that add up over searches."""


def sum_stats(stats: Sequence[SearchStats]) -> SearchStats:
    """The counts of several searches, summed; all else is that of the first."""
    totals = {name: sum(getattr(part, name) for part in stats) for name in COUNTS}
    return stats[0]._replace(**totals)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found(Tabular):
    """Neighbours of a batch of queries.

    Attributes:
        ids: (nq, k), nearest first, ties by lower row; -1 or "" where there are fewer
            than k rows, or fewer were allowed. Strings are as wide as the longest of
            this answer.
        distances: float32 (nq, k), ascending: squared L2, 1 - cos, or -ip; +inf where
            there is no id.
        stats: settings and work of the search.
    """

    ids: Ids
    distances: Distances
    stats: SearchStats

    def table(self) -> Table:
        """One line per neighbour: query, rank, id and distance; none for no id."""
        there = self.ids != ("" if self.ids.dtype.kind == "U" else -1)
        return _hits("id", self.ids, self.distances, there, self.stats)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundRows(Tabular):
    """Neighbours of a batch of queries, by row.

    Attributes:
        rows: (nq, k), nearest first, ties by lower row; -1 where there are fewer than k
            rows, or fewer were allowed.
        distances: as in `Found`.
        stats: as in `Found`.
    """

    rows: Rows
    distances: Distances
    stats: SearchStats

    def table(self) -> Table:
        """One line per neighbour: query, rank, row and distance; none for no row."""
        return _hits("row", self.rows, self.distances, self.rows >= 0, self.stats)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundWithin(Tabular):
    """Rows within a distance of a batch of queries.

    Query i has the hits `offsets[i]:offsets[i + 1]`, nearest first, ties by lower row.

    Attributes:
        offsets: int64 (nq + 1).
        ids: (m,), of all hits; strings are as wide as the longest of this answer.
        distances: float32 (m,): squared L2, 1 - cos, or -ip.
        complete: whether all rows within the distance are proven to be among the hits,
            but for what a limit cuts off.
        stats: settings and work of the search.
    """

    offsets: NDArray[np.int64]
    ids: Ids
    distances: Distances
    complete: bool
    stats: SearchStats

    def table(self) -> Table:
        """One line per hit: query, rank, id and distance."""
        query, rank = _places(self.offsets)
        columns = {"query": query, "rank": rank, "id": self.ids}
        return Table(
            columns=columns | {"distance": self.distances},
            facts={"complete": self.complete, "stats": self.stats._asdict()},
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowsWithin(Tabular):
    """`FoundWithin` by row.

    Attributes:
        offsets: as in `FoundWithin`.
        rows: int64 (m,), of all hits.
        distances: as in `FoundWithin`.
        complete: as in `FoundWithin`.
        stats: as in `FoundWithin`.
    """

    offsets: NDArray[np.int64]
    rows: Rows
    distances: Distances
    complete: bool
    stats: SearchStats

    def table(self) -> Table:
        """One line per hit: query, rank, row and distance."""
        query, rank = _places(self.offsets)
        columns = {"query": query, "rank": rank, "row": self.rows}
        return Table(
            columns=columns | {"distance": self.distances},
            facts={"complete": self.complete, "stats": self.stats._asdict()},
        )


def _places(offsets: NDArray[np.int64]) -> tuple[Rows, Rows]:
    """Query and rank (m,) of each hit."""
    counts = np.diff(offsets)
    query = np.repeat(np.arange(len(counts)), counts)
    return query, np.arange(len(query)) - offsets[query]


def cut_at(found: FoundRows, radius: float) -> FoundRows:
    """`found` with -1 and +inf in place of rows farther than `radius`, in float32."""
    far = found.distances > np.float32(radius)
    if not far.any():
        return found
    return FoundRows(
        rows=np.where(far, -1, found.rows),
        distances=np.where(far, np.float32(np.inf), found.distances),
        stats=found.stats,
    )


def _hits(
    name: str, found: Ids, distances: Distances, there: Mask, stats: SearchStats
) -> Table:
    """Neighbours (nq, k) as lines, where there are any."""
    query, rank = np.nonzero(there)
    return Table(
        columns={
            "query": query,
            "rank": rank,
            name: found[there],
            "distance": distances[there],
        },
        facts={"stats": stats._asdict()},
    )


def widened(found: FoundRows, *, k: int) -> FoundRows:
    """`found` with k places a query, -1 and +inf in those behind its last."""
    empty = ((0, 0), (0, k - found.rows.shape[1]))
    return FoundRows(
        rows=np.pad(found.rows, empty, constant_values=-1),
        distances=np.pad(found.distances, empty, constant_values=np.float32(np.inf)),
        stats=found.stats,
    )


def shortfall(stats: SearchStats, params: SearchParams) -> str | None:
    """The warning text if the requested recall was not measured; None if it was.

    Args:
        stats: of the answer.
        params: of the search.
    """
    target = params.target_recall or DEFAULT_TARGET_RECALL
    estimate = stats.estimated_recall
    if params.nprobe is not None or estimate is None or estimate >= target:
        return None
    return (
        f"recall {target:g} was asked for, but the most that was measured on this index"
        f" at k = {params.k} is {estimate:.4f}; an exact search looks at every row"
    )
