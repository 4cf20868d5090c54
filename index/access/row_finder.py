"""Filters of an index, rows within a distance, and points for queries asked."""

from abc import ABC, abstractmethod

from numpy.typing import ArrayLike

from gleann.index.arrays import Mask
from gleann.index.checks import as_matrix
from gleann.index.found import FoundRows, FoundWithin, RowsWithin
from gleann.index.ids.table import IdTable
from gleann.index.operating.points import EffortPoint, OperatingPoint
from gleann.index.params import RowFilter, SearchParams
from gleann.index.search.allowed import AllowedRows, allow, allow_rows
from gleann.index.search.searcher import Searcher
from gleann.index.search.within import require_limit, require_radius


class RowFinder(ABC):
    """The part of `SoarIndex` that finds rows by distance and prepares searches."""

    _searcher: Searcher
    _table: IdTable

    @abstractmethod
    def _require_whole(self) -> None:
        """Refuse to read a file that was cut."""

    def search_radius(
        self,
        queries: ArrayLike,
        radius: float,
        *,
        target_recall: float = 1.0,
        limit: int | None = None,
        allowed: Mask | RowFilter | None = None,
    ) -> FoundWithin:
        """Find all rows within a distance of each query.

        Args:
            queries: (nq, d), as in `search`.
            radius: the greatest distance of a hit, as `Found.distances` are: squared
                L2, 1 - cos, or -ip. Both are compared as float32.
            target_recall: 1 looks wherever a hit can be. Below 1 lists are probed, as
                `search` does for the nearest neighbours.
            limit: most hits of a query, its nearest; None for all.
            allowed: rows that may be hits, as in `SearchParams`.

        Raises:
            InvalidInputError: as `search`.
            InvalidParamsError: a radius that is not finite, or below 0 under l2 and
                cosine; a limit below 1; a target that is not above 0 and at most 1.
        """
        found = self.find_within(
            queries, radius, target_recall=target_recall, limit=limit, allowed=allowed
        )
        return FoundWithin(
            offsets=found.offsets,
            ids=self._table.ids_of(found.rows),
            distances=found.distances,
            complete=found.complete,
            stats=found.stats,
        )

    def find_within(
        self,
        queries: ArrayLike,
        radius: float,
        *,
        target_recall: float = 1.0,
        limit: int | None = None,
        allowed: Mask | RowFilter | None = None,
    ) -> RowsWithin:
        """`search_radius`, answering with row numbers."""
        self._require_whole()
        SearchParams(target_recall=target_recall)
        require_limit(limit)
        return self._searcher.within(
            as_matrix(queries, name="queries", dim=self._searcher.dim),
            require_radius(radius, self._searcher.metric),
            target_recall=target_recall,
            limit=limit,
            allowed=allowed,
        )

    def find_among(
        self, queries: ArrayLike, params: SearchParams, allowed: AllowedRows
    ) -> FoundRows:
        """`find_rows` with `allowed` in place of what `params` allow."""
        self._require_whole()
        checked = as_matrix(queries, name="queries", dim=self._searcher.dim)
        return self._searcher.search_among(checked, params, allowed)

    def allow(self, mask: ArrayLike) -> AllowedRows:
        """The rows of a mask, for many searches (`SearchParams.allowed`).

        What it leaves of the lists is counted once, and packed once that pays.

        Args:
            mask: bool (n,), True for each row that may be returned.

        Raises:
            InvalidInputError: not bool (n,).
        """
        return allow(self._searcher.list_stats, mask)

    def allow_rows(self, rows: ArrayLike) -> AllowedRows:
        """`allow` for rows (m,), in time and memory that grow with those only.

        Raises:
            InvalidInputError: not integers (m,), or a row that does not exist.
        """
        return allow_rows(self._searcher.list_stats, rows)

    def learn(
        self,
        points: tuple[OperatingPoint, ...],
        efforts: tuple[EffortPoint, ...] = (),
    ) -> None:
        """Search by operating points for queries that were asked, in this process.

        They never probe fewer lists than those of the build do. They are not saved.

        Args:
            points: as `search.asked.AskedQueries.points` makes them; empty for those of
                the build alone.
            efforts: as `efforts` of these makes them; without any, searches by effort
                scan as many lists for all queries.
        """
        self._searcher.learn(points, efforts)

    @property
    def learned_points(self) -> tuple[OperatingPoint, ...]:
        """The points that `learn` was given last; empty without any."""
        return self._searcher.asked
