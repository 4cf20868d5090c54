"""The result of a search: neighbours and statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Ids, Mask, Rows
from gleann.index.params import DEFAULT_TARGET_RECALL, SearchParams
from gleann.index.tables.tabular import Table, Tabular


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
            left them short of k.
        estimated_recall: recall@k measured for this setting when the index was built;
            None where the caller chose nprobe, 1 for an exhaustive search. With a
            filter that of the same setting without it, which probing on until nothing
            changes is to keep (`filtered.py`). Rows newer than the index do not change
            it: it holds as long as they are distributed as the rows of the index are.
        exact: whether every allowed row was scanned.
        recall_low: the recall that queries of the kind that was measured exceed with
            95 % confidence; None where `estimated_recall` is. The setting for a
            `target_recall` is the cheapest whose low reaches it.
        recall_high: the recall that they stay below with 95 % confidence.
        covered: share of the rows that were there to be searched; below 1 where shards
            of an index did not answer and the caller asked for no more than the others
            have. The recalls above are less by as much.
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
    recall_low: float | None = None
    recall_high: float | None = None
    covered: float = 1.0


COUNTS = ("lists_probed", "entries_scanned", "survivors", "reranked", "completed")
"""Those attributes of `SearchStats` that add up over searches."""


def sum_stats(stats: Sequence[SearchStats]) -> SearchStats:
    """The counts of several searches, summed; all else is that of the first.

    But the share that is covered is the least of all.
    """
    totals = {name: sum(getattr(part, name) for part in stats) for name in COUNTS}
    return stats[0]._replace(**totals, covered=min(part.covered for part in stats))


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
        payload: `pyarrow.Table` (nq * k,) with the requested columns of payload of each
            neighbour, query by query, null where there is no id; None if none was
            requested.
    """

    ids: Ids
    distances: Distances
    stats: SearchStats
    payload: Any = None

    def table(self) -> Table:
        """One line per neighbour: query, rank, id, distance and payload.

        There is none for no id. Columns of payload called query, rank or distance are
        "payload.query" and so on.
        """
        there = self.ids != ("" if self.ids.dtype.kind == "U" else -1)
        table = _hits("id", self.ids, self.distances, there, self.stats)
        return with_payload(table, self.payload, np.flatnonzero(there))


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
    """All neighbours within a distance of each of a batch of queries.

    Attributes:
        offsets: int64 (nq + 1,); query i has the hits offsets[i] to offsets[i + 1].
        ids: (m,) of the hits, nearest first for each query.
        distances: float32 (m,), as in `Found`.
        complete: whether no vector within the distance is missing, but for what a limit
            cut off.
        stats: settings and work of the search.
        payload: `pyarrow.Table` (m,) with the requested columns of payload; None if
            none was requested.
    """

    offsets: Rows
    ids: Ids
    distances: Distances
    complete: bool
    stats: SearchStats
    payload: Any = None

    def table(self) -> Table:
        """One line per hit: query, rank, id, distance and payload, as `Found`."""
        query, rank = _places(self.offsets)
        columns = {"query": query, "rank": rank, "id": self.ids}
        table = Table(
            columns=columns | {"distance": self.distances},
            facts={"complete": self.complete, "stats": self.stats._asdict()},
        )
        return with_payload(table, self.payload, np.arange(len(query)))


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


def with_payload(table: Table, payload: Any, lines: Rows) -> Table:
    """A table with the columns of payload beside its own.

    Args:
        table: of m lines.
        payload: `pyarrow.Table`, or None for no columns.
        lines: (m,) the line of `payload` for each line.
    """
    if payload is None or not payload.num_columns:
        return table
    taken = payload.take(lines)
    beside = {
        f"payload.{name}" if name in table.columns else name: taken.column(name)
        for name in taken.column_names
    }
    return Table(columns={**table.columns, **beside}, facts=table.facts)


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

    Where nothing was measured, only a recall that the caller named is missed.

    Where not all rows are covered, that is what it says.

    Args:
        stats: of the answer.
        params: of the search.
    """
    if (text := uncovered(stats)) is not None:
        return text
    target = params.target_recall or DEFAULT_TARGET_RECALL
    estimate = stats.estimated_recall
    if params.nprobe is not None:
        return None
    if estimate is None:
        return None if params.target_recall is None else _unknown(target)
    if estimate >= target:
        return None
    return (
        f"recall {target:g} was asked for, but the most that was measured on this index"
        f" at k = {params.k} is {estimate:.4f}; an exact search looks at every row"
    )


def uncovered(stats: SearchStats, n: int | None = None) -> str | None:
    """The warning text if parts of the index did not answer; None if all did.

    Args:
        stats: of the answer.
        n: rows of the index, where they are known.
    """
    if stats.covered == 1:
        return None
    rows = "rows" if n is None else f"{n} rows"
    return (
        f"the answer covers {stats.covered:.1%} of the {rows}: the shards that have the"
        " others do not answer"
    )


def _unknown(target: float) -> str:
    return (
        f"recall {target:g} was asked for, but what this index reaches is not known:"
        " none was measured when it was built, or rows were added since that are not"
        " like those before; build it anew, or search exactly"
    )


def drift_warning(stats: SearchStats, params: SearchParams, drift: float) -> str | None:
    """The warning text where rows added since the training do not fit the lists.

    Args:
        stats: of the answer; it has an estimate only where all rows were looked at.
        params: of the search.
        drift: of the index.
    """
    if params.nprobe is not None or stats.estimated_recall is not None:
        return None
    target = params.target_recall or DEFAULT_TARGET_RECALL
    return (
        f"recall {target:g} was asked for, but what was measured on this index does not"
        f" hold any more: squared distances to centroids of the rows added since are"
        f" {drift:.2f} times those it was trained on; build it anew, or search exactly"
    )
