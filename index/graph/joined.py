"""The rows that a graph is of, and the engine that searches them with each other.

A graph of some rows scans lists that hold these rows only: centroids, codes and vectors
are those of the index, and nothing of the size of the vectors is copied. A graph of all
rows can score codes of projected rows (`projection.py`), and measure the rows as they
are.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos, Mask, Rows, Vectors
from gleann.index.engines.choose import make_engine
from gleann.index.engines.contract import (
    Engine,
    IndexData,
    Scanned,
    ScanRequest,
    ScansSubsets,
)
from gleann.index.engines.projected import ProjectedEngine
from gleann.index.lists import InvertedLists, lists_among
from gleann.index.params import Metric


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joined:
    """m of the n rows of an index, numbered from 0 by rising row: their places.

    Attributes:
        engine: ranks the lists.
        scanner: scans lists that hold these rows only; the same where they are all.
        data: the index with these lists, and with the codes that are scored.
        metric: of the distances; under a projection, the codes have another.
        rows: int64 (m,), ascending; None where they are all.
        places: int32 (n,), place of each of them; None where they are all.
        projected: float32 (n, p), all rows in the dimensions of the codes; None where
            these are the rows' own.
        pool: rows measured a search, at least, so that the errors of the codes cost
            few neighbours.
    """

    engine: Engine
    scanner: Engine
    data: IndexData
    metric: Metric
    rows: Rows | None = None
    places: NDArray[np.int32] | None = None
    projected: Vectors | None = None
    pool: int = 0

    @classmethod
    def all(cls, engine: Engine, data: IndexData) -> "Joined":
        """All rows of an index."""
        return cls(engine=engine, scanner=engine, data=data, metric=data.metric)

    @classmethod
    def among(cls, engine: Engine, data: IndexData, mask: Mask) -> "Joined":
        """The rows of `mask` (n,).

        An engine that cannot scan lists of some rows, such as those of a device, leaves
        that to one of the host.
        """
        rows = np.flatnonzero(mask)
        places = np.full(len(mask), -1, np.int32)
        places[rows] = np.arange(len(rows), dtype=np.int32)
        some = replace(data, lists=lists_among(data.lists, mask))
        if isinstance(engine, ScansSubsets):
            scanner = engine.over(some.lists)
        else:
            scanner = make_engine(some)
        return cls(
            engine=engine,
            scanner=scanner,
            data=some,
            metric=data.metric,
            rows=rows,
            places=places,
        )

    def __len__(self) -> int:
        return len(self.data.vectors if self.rows is None else self.rows)

    def rows_at(self, places: NDArray[np.signedinteger]) -> NDArray[np.signedinteger]:
        """The rows of the index at `places`, of any shape."""
        return places if self.rows is None else self.rows[places]

    def places_of(self, rows: Rows) -> Rows:
        """Places of `rows`, of any shape; -1 for -1."""
        if self.places is None:
            return rows
        return np.where(rows < 0, -1, self.places[rows]).astype(np.int64)

    def vectors_at(self, places: Rows) -> Vectors:
        """A contiguous copy (p, d) of some rows, which may be memory-mapped."""
        return np.ascontiguousarray(self.data.vectors[self.rows_at(places)])

    def queries_at(self, places: Rows) -> Vectors:
        """Some rows (p, d) as queries of the codes, projected where these are."""
        if self.projected is None:
            return self.vectors_at(places)
        return np.ascontiguousarray(self.projected[places])

    def scan(
        self, places: Rows, queries: Vectors, list_nos: ListNos, request: ScanRequest
    ) -> Scanned:
        """Scan the lists of some rows; the rows that are found come as places.

        Args:
            places: (p,) which rows search.
            queries: what `queries_at` gives for them.
            list_nos: (p, nprobe).
            request: of the scan; at least `pool` rows are measured.
        """
        request = replace(request, rerank=max(request.rerank, self.pool))
        if self.projected is None:
            scanned = self.scanner.scan(queries, list_nos, request)
            return scanned._replace(rows=self.places_of(scanned.rows))
        assert isinstance(self.scanner, ProjectedEngine)
        exact = self.vectors_at(places)
        scanned = self.scanner.scan_projected(queries, list_nos, request, exact)
        # Projected rows are compared by squared L2, of which this is the half.
        factor = np.float32(0.5 if self.metric == "cosine" else 1)
        return scanned._replace(distances=scanned.distances * factor)

    @property
    def mask(self) -> Mask | None:
        """True for each of the rows (n,); None where they are all."""
        return None if self.places is None else self.places >= 0

    def in_list_order(self) -> Rows:
        """Every place once (m,), list after list."""
        lists = self.data.lists
        return self.places_of(lists.rows[is_primary(lists)].astype(np.int64))

    def lists_of(self) -> tuple[ListNos, ListNos]:
        """First and second list at each place (m,), -1 for no second."""
        lists = self.data.lists
        kept = is_primary(lists)
        places = self.places_of(lists.rows[kept].astype(np.int64))
        primary = np.empty(len(self), np.int32)
        secondary = np.empty(len(self), np.int32)
        sizes = lists.mids - lists.offsets[:-1]
        primary[places] = np.repeat(np.arange(lists.nlist, dtype=np.int32), sizes)
        secondary[places] = lists.others[kept]
        return primary, secondary


def is_primary(lists: InvertedLists) -> NDArray[np.bool_]:
    """Which entries (entries,) are a row's first copy."""
    list_nos = np.repeat(np.arange(lists.nlist), np.diff(lists.offsets))
    return np.arange(lists.entries) < lists.mids[list_nos]
