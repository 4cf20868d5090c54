"""Assignment of rows to many lists by a shortlist: the lists nearest by their codes.

A product of int8 codes takes a quarter of one of floats, and a second list needs three
of those. So where lists are many, codes choose a few of them for each row, among which
floats decide as they do among all. How few is tried on some of the rows: where codes
do not tell lists apart, all lists are compared.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gleann.index.arrays import ListNos, RowMatrix, Vectors
from gleann.index.build.sample import spread
from gleann.index.build.spill import less
from gleann.index.codes import Encoding
from gleann.index.engines.contract import IndexData
from gleann.index.engines.native import NativeEngine
from gleann.index.lists import InvertedLists

LEAST_LISTS = 2048
"""Fewer lists are all compared."""

WIDTHS = (32, 64, 128)
"""Lists of a shortlist, tried in this order."""

NEAREST_WIDTH = 16
"""Lists of a shortlist where only the nearest is wanted."""

TRIED_ROWS = 1024

SAME_FIRST = 0.999
SAME_SECOND = 0.995
"""Share of the tried rows whose first, or second, list is that among all lists."""

Lists = tuple[ListNos, ListNos]
"""First and second list of each row, -1 for none."""

Assign = Callable[[Vectors, ListNos | None], Lists]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ranker:
    """Ranks lists by the int8 codes of their centroids, as in a search under l2.

    Attributes:
        engine: which has the centroids, and one row that nothing reads.
    """

    engine: NativeEngine

    @classmethod
    def of(cls, centroids: Vectors, *, threads: int) -> "Ranker":
        """Code `centroids` (nlist, d)."""
        nlist, dim = centroids.shape
        encoding = Encoding.uncentred("l2", dim)
        ends = np.ones(nlist, np.int64)
        row = np.zeros((1, dim), np.float32)
        data = IndexData(
            encoding=encoding,
            centroids=centroids,
            lists=InvertedLists(
                offsets=np.concatenate([np.zeros(1, np.int64), ends]),
                mids=ends,
                rows=np.zeros(1, np.int32),
                others=np.full(1, -1, np.int32),
            ),
            codes=encoding.encode(row),
            vectors=row,
        )
        return cls(engine=NativeEngine(data, threads=threads))

    def nearest(self, vectors: Vectors, *, count: int) -> ListNos:
        """The `count` nearest lists (m, count) of rows (m, d) by code, best first."""
        return self.engine.rank_lists(vectors, nprobe=count)


def tried_rows(vectors: RowMatrix, center: Vectors | None) -> Vectors:
    """Some of the rows (n, d), evenly spread, less `center`."""
    return np.ascontiguousarray(less(vectors[spread(len(vectors), TRIED_ROWS)], center))


def by_shortlist(
    assign: Assign,
    centroids: Vectors,
    tried: Vectors,
    *,
    widths: tuple[int, ...],
    threads: int,
) -> Callable[[Vectors], Lists]:
    """The assignment of rows (m, d) by the narrowest shortlist that suffices.

    Args:
        assign: the lists of rows among some lists of each, or among all for None.
        centroids: (nlist, d).
        tried: (t, d), rows on which shortlists are compared with all lists.
        widths: of the shortlists; all lists are compared where none suffices.
        threads: of the kernels; 0 takes all cores.
    """

    def among_all(rows: Vectors) -> Lists:
        return assign(rows, None)

    if len(centroids) < LEAST_LISTS:
        return among_all
    ranker = Ranker.of(centroids, threads=threads)
    wanted = among_all(tried)
    for width in widths:
        if _agree(assign(tried, ranker.nearest(tried, count=width)), wanted):
            return _among_nearest(assign, ranker, width)
    return among_all


def _among_nearest(
    assign: Assign, ranker: Ranker, width: int
) -> Callable[[Vectors], Lists]:
    return lambda rows: assign(rows, ranker.nearest(rows, count=width))


def _agree(found: Lists, wanted: Lists) -> bool:
    """Whether enough rows have the lists that they have among all."""
    if (found[0] == wanted[0]).mean() < SAME_FIRST:
        return False
    spilled = wanted[1] >= 0
    same = found[1][spilled] == wanted[1][spilled]
    return same.size == 0 or bool(same.mean() >= SAME_SECOND)
