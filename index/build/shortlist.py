"""Assignment of rows to many lists by a shortlist: the lists nearest by their codes.

A product of int8 codes takes a quarter of one of floats, and a second list needs three
of those. So where lists are many, codes choose a few of them for each row, among which
floats decide as they do among all. Where they are very many, lists are in groups, and
only those of the nearest groups are looked at: the work of a row then grows with the
root of their number. How few suffice is tried on some of the rows: where codes do not
tell lists apart, all lists are compared.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gleann.index.arrays import ListNos, RowMatrix, Vectors
from gleann.index.build.spill import less
from gleann.index.codes import Encoding
from gleann.index.engines.contract import IndexData, ScanRequest
from gleann.index.engines.native import NativeAssigner, NativeEngine
from gleann.index.lists import InvertedLists, invert
from gleann.index.parallel.blocks import block_slices

LEAST_LISTS = 2048
"""Fewer lists are all compared."""

WIDTHS = (32, 64, 128)
"""Lists of a shortlist from all lists, tried in this order."""

NEAREST_WIDTHS = (16,)
"""The same where only the nearest is wanted."""

LEAST_GROUPED = 8192
"""Fewer lists are in no groups."""

GROUPED = ((24, 16), (24, 32), (48, 32))
"""Groups that are looked at, and lists of a shortlist from these, tried before."""

GROUPS, GROUP_ROUNDS = 2.0, 6
"""Groups for each root of the number of lists, and rounds of k-means that make them."""

BLOCK_ROWS = 32_768
"""Rows whose shortlists are in memory at once."""

TRIED_ROWS = 1024

LEAST_ROWS = 16 * TRIED_ROWS
"""Fewer rows, such as those that are added to an index, are compared with all lists."""

SAME_FIRST = 0.999
SAME_SECOND = 0.995
"""Share of the tried rows whose first, or second, list is that among all lists."""

Lists = tuple[ListNos, ListNos]
"""First and second list of each row, -1 for none."""

Assign = Callable[[Vectors, ListNos | None], Lists]

Shortlist = Callable[[Vectors], ListNos]
"""Lists (m, p) near each row (m, d); a list may be there twice."""


def by_shortlist(
    assign: Assign,
    centroids: Vectors,
    vectors: RowMatrix,
    *,
    center: Vectors | None,
    widths: tuple[int, ...],
    threads: int,
) -> Callable[[Vectors], Lists]:
    """The assignment of rows (m, d) by the cheapest shortlist that suffices.

    Args:
        assign: the lists of rows among some lists of each, or among all for None.
        centroids: (nlist, d).
        vectors: (n, d), all rows that will be assigned; some are tried.
        center: (d,), subtracted from these before; None subtracts nothing.
        widths: of shortlists from all lists, after those from groups; all lists are
            compared where none suffices.
        threads: of the kernels; 0 takes all cores.
    """

    def among_all(rows: Vectors) -> Lists:
        return assign(rows, None)

    if len(centroids) < LEAST_LISTS or len(vectors) < LEAST_ROWS:
        return among_all
    tried = _tried_rows(vectors, center)
    wanted = among_all(tried)
    for shortlist in _shortlists(centroids, widths, threads=threads):
        if _agree(assign(tried, shortlist(tried)), wanted):
            return _in_blocks(assign, shortlist)
    return among_all


def _tried_rows(vectors: RowMatrix, center: Vectors | None) -> Vectors:
    """Some of the rows (n, d), evenly spread, less `center`."""
    last = len(vectors) - 1
    rows = np.linspace(0, last, min(TRIED_ROWS, last + 1)).astype(np.int64)
    return np.ascontiguousarray(less(vectors[rows], center))


def _shortlists(
    centroids: Vectors, widths: tuple[int, ...], *, threads: int
) -> Iterator[Shortlist]:
    """From the cheapest to the surest."""
    if len(centroids) >= LEAST_GROUPED:
        grouped = grouped_lists(centroids, threads=threads)
        for probes, width in GROUPED:
            yield from_groups(grouped, probes=probes, width=width)
    ranker = coded_lists(centroids, threads=threads)
    for width in widths:
        yield partial(ranker.rank_lists, nprobe=width)


def _in_blocks(assign: Assign, shortlist: Shortlist) -> Callable[[Vectors], Lists]:
    def assign_rows(rows: Vectors) -> Lists:
        blocks = [rows[block] for block in block_slices(len(rows), BLOCK_ROWS)]
        found = [assign(block, shortlist(block)) for block in blocks]
        first, second = zip(*found, strict=True)
        return np.concatenate(first), np.concatenate(second)

    return assign_rows


def _agree(found: Lists, wanted: Lists) -> bool:
    """Whether enough rows have the lists that they have among all."""
    if (found[0] == wanted[0]).mean() < SAME_FIRST:
        return False
    spilled = wanted[1] >= 0
    same = found[1][spilled] == wanted[1][spilled]
    return same.size == 0 or bool(same.mean() >= SAME_SECOND)


def coded_lists(centroids: Vectors, *, threads: int) -> NativeEngine:
    """Ranks lists by the codes of `centroids` (nlist, d) under l2; has no other row."""
    nlist, dim = centroids.shape
    row = np.zeros((1, dim), np.float32)
    in_first = invert(np.zeros(1, np.int32), np.full(1, -1, np.int32), nlist=nlist)
    return _engine(row, centroids, in_first, threads=threads)


def grouped_lists(centroids: Vectors, *, threads: int) -> NativeEngine:
    """An index of `centroids` (nlist, d), as rows, in groups of near ones."""
    nlist = len(centroids)
    count = min(nlist, round(GROUPS * nlist**0.5))
    rng = np.random.default_rng(nlist)
    centres = centroids[np.sort(rng.choice(nlist, count, replace=False))]
    for _ in range(GROUP_ROUNDS):
        groups = NativeAssigner(centres, threads=threads).nearest(centroids)
        sums = np.zeros_like(centres)
        np.add.at(sums, groups, centroids)
        sizes = np.bincount(groups, minlength=count)[:, None]
        centres = np.where(sizes > 0, sums / np.maximum(sizes, 1), centres)
        centres = centres.astype(np.float32)
    groups = NativeAssigner(centres, threads=threads).nearest(centroids)
    lists = invert(groups, np.full(nlist, -1, np.int32), nlist=count)
    return _engine(centroids, centres, lists, threads=threads)


def from_groups(grouped: NativeEngine, *, probes: int, width: int) -> Shortlist:
    """Shortlists of `width` lists from `probes` groups."""

    def shortlist(rows: Vectors) -> ListNos:
        request = ScanRequest(k=width, rerank=width)
        near = grouped.search(rows, nprobe=probes, request=request).rows
        first = np.maximum(near[:, :1], 0)
        return np.where(near < 0, first, near).astype(np.int32)

    return shortlist


def _engine(
    rows: Vectors, centroids: Vectors, lists: InvertedLists, *, threads: int
) -> NativeEngine:
    encoding = Encoding.uncentred("l2", rows.shape[1])
    data = IndexData(
        encoding=encoding,
        centroids=centroids,
        lists=lists,
        codes=encoding.encode(rows),
        vectors=rows,
    )
    return NativeEngine(data, threads=threads)
