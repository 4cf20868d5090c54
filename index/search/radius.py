"""Search within a distance: every row that can be a hit, or what probing finds.

A complete answer reads the lists that the triangle inequality cannot rule out: no row
of a list is nearer to a query than its centroid is, less the distance from the centroid
to the farthest primary row of the list. Where that leaves most lists, as it does unless
the radius is small or clusters are tight, all rows are compared instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.engines.contract import IndexData
from gleann.index.exact import GATHERED
from gleann.index.found import FoundRows, SearchStats, sum_stats
from gleann.index.heartbeat import beat
from gleann.index.parallel.blocks import block_slices
from gleann.index.search.allowed import AllowedRows
from gleann.index.search.list_stats import ListStats
from gleann.index.search.within import (
    ROW_BLOCK,
    Hits,
    find_within,
    find_within_rows,
    joined,
    ordered,
)

FEW_ROWS = 1 / 8
"""Share of the rows up to which a query looks at those of its own lists only."""

FIRST_HITS = 64
"""Neighbours that probing looks for at first."""

MORE_HITS = 4
"""Neighbours looked for again, as a multiple, where the last one is a hit."""

_MARGIN = 1e-11
"""Relative error of sums of up to 65,536 products in float64, and then some."""


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Hits, and what looking for them cost.

    Attributes:
        hits: what was found.
        lists_probed: (query, list) pairs of queries that looked at some lists only.
        compared: (query, row) pairs whose distance was bounded or computed.
    """

    hits: Hits
    lists_probed: int
    compared: int

    def stats(self) -> SearchStats:
        """As those of a search."""
        return SearchStats(
            engine="exact",
            nprobe=0,
            rerank=0,
            lists_probed=self.lists_probed,
            entries_scanned=self.compared,
            survivors=self.compared,
            reranked=self.compared,
            completed=0,
            estimated_recall=1.0,
            exact=True,
            recall_low=1.0,
            recall_high=1.0,
        )


class RadiusSearch:
    """Finds all rows within a distance; made once per index.

    Args:
        data: of the index.
        stats: of its lists.
    """

    def __init__(self, data: IndexData, stats: ListStats) -> None:
        self._data = data
        self._stats = stats

    @cached_property
    def list_radii(self) -> NDArray[np.float64]:
        """Distance (nlist) of each centroid to its farthest primary row, at least."""
        data, (first, _) = self._data, self._stats.lists_of_rows
        radii = np.zeros(data.lists.nlist)
        for block in block_slices(len(data.vectors), ROW_BLOCK):
            own = first[block]
            apart = data.vectors[block].astype(np.float64) - data.centroids[own]
            distances = np.sqrt(np.einsum("ij,ij->i", apart, apart))
            # A row of an index of an earlier gleann may be infinitely far.
            np.maximum.at(radii, own, np.nan_to_num(distances, nan=np.inf))
            beat()
        return radii * (1 + _MARGIN)

    def all_within(
        self,
        queries: Vectors,
        radius: float,
        *,
        limit: int | None,
        allowed: AllowedRows | None,
    ) -> Looked:
        """Every allowed row within `radius` of each query, or its nearest `limit`.

        Args:
            queries: (nq, d), prepared.
            radius: as `require_radius` returns it.
            limit: most hits a query; None for all.
            allowed: rows that may be hits; None for all.
        """
        if allowed is not None and GATHERED * allowed.count < self._stats.n:
            return self._among_few(queries, radius, limit, allowed)
        mask = None if allowed is None else allowed.mask
        parts, looked = [], [0, 0]
        can_hit = self.can_hit(queries, radius)
        lists = self._data.lists
        read = can_hit @ (lists.mids - lists.offsets[:-1])
        few = read <= FEW_ROWS * self._stats.n
        for q in np.flatnonzero(few).tolist():
            rows = self._rows_of(np.flatnonzero(can_hit[q]), mask)
            found = find_within_rows(
                queries[q : q + 1],
                self._data.vectors,
                rows,
                metric=self._data.metric,
                radius=radius,
                limit=limit,
            )
            parts.append(Hits(found.queries + q, found.rows, found.distances))
            looked[0] += int(np.count_nonzero(can_hit[q]))
            looked[1] += len(rows)
        others = np.flatnonzero(~few)
        if others.size:
            found = self._among_all(queries[others], radius, limit, mask)
            parts.append(Hits(others[found.queries], found.rows, found.distances))
            looked[1] += len(others) * self._stats.n
        return Looked(ordered(joined(parts), limit=None), *looked)

    def can_hit(self, queries: Vectors, radius: float) -> Mask:
        """Whether a primary row of each list can be within `radius` (nq, nlist).

        False is certain; rounding is on the side of True.
        """
        # A float32 distance is at most the radius if the distance is at most this.
        most = float(np.nextafter(np.float32(radius), np.float32(np.inf)))
        wide = queries.astype(np.float64)
        products = wide @ self._wide_centroids.T
        lengths = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        sizes = lengths[:, None] + self._centroid_lengths
        if self._data.metric == "ip":
            reach = lengths[:, None] * self.list_radii
            slack = _MARGIN * (lengths[:, None] * self._centroid_lengths + reach)
            return -(products + reach + slack) <= most
        squares = np.square(lengths)[:, None] + np.square(self._centroid_lengths)
        apart = squares - 2 * products - _MARGIN * np.square(sizes)
        least = np.sqrt(np.maximum(apart, 0)) * (1 - _MARGIN) - self.list_radii
        squared = 2 * most if self._data.metric == "cosine" else most
        return least <= np.sqrt(max(squared, 0)) * (1 + _MARGIN)

    @cached_property
    def _wide_centroids(self) -> NDArray[np.float64]:
        return self._data.centroids.astype(np.float64)

    @cached_property
    def _centroid_lengths(self) -> NDArray[np.float64]:
        wide = self._wide_centroids
        lengths: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
        return lengths

    def _rows_of(self, list_nos: Rows, mask: Mask | None) -> Rows:
        """The allowed primary rows of some lists, ascending."""
        lists = self._data.lists
        parts = [lists.rows[lists.offsets[j] : lists.mids[j]] for j in list_nos]
        rows = (
            np.concatenate(parts).astype(np.int64) if parts else np.empty(0, np.int64)
        )
        return np.sort(rows if mask is None else rows[mask[rows]])

    def _among_all(
        self, queries: Vectors, radius: float, limit: int | None, mask: Mask | None
    ) -> Hits:
        return find_within(
            queries,
            self._data.vectors,
            metric=self._data.metric,
            radius=radius,
            limit=limit,
            allowed=mask,
        )

    def _among_few(
        self, queries: Vectors, radius: float, limit: int | None, allowed: AllowedRows
    ) -> Looked:
        """Look at the allowed rows only, gathered once."""
        found = find_within(
            queries,
            self._data.vectors[allowed.rows],
            metric=self._data.metric,
            radius=radius,
            limit=limit,
        )
        rows = allowed.rows[found.rows].astype(np.int64)
        hits = Hits(found.queries, rows, found.distances)
        return Looked(hits, 0, len(queries) * allowed.count)


def probed_within(
    search: Callable[[Vectors, int], FoundRows],
    queries: Vectors,
    radius: float,
    *,
    most: int,
) -> tuple[Hits, SearchStats]:
    """Hits among the nearest neighbours that a search finds, of more and more of them.

    Args:
        search: finds neighbours, as many as it is told.
        queries: (nq, d), as `search` takes them.
        radius: as `require_radius` returns it.
        most: hits of a query, or rows that there are if those are fewer.
    """
    parts, stats = [], []
    open_, k = np.arange(len(queries)), min(FIRST_HITS, most)
    while open_.size:
        found = search(queries[open_], k)
        stats.append(found.stats)
        hit = (found.distances <= np.float32(radius)) & (found.rows >= 0)
        more = hit[:, -1] & (k < most)
        asked, place = np.nonzero(hit & ~more[:, None])
        parts.append(
            Hits(open_[asked], found.rows[asked, place], found.distances[asked, place])
        )
        open_, k = open_[more], min(k * MORE_HITS, most)
    return ordered(joined(parts), limit=None), sum_stats(stats)
