"""Assignment of rows to many lists by a shortlist: the lists nearest by their codes.

A product of int8 codes takes a quarter of one of floats, and a second list needs three
of those. So where lists are many, codes choose a few of them for each row, among which
floats decide as they do among all. Where they are very many, lists are in groups, and
only those of the nearest groups are looked at: the work of a row then grows with the
root of their number. How few suffice is tried on some of the rows: where codes do not
tell lists apart, all lists are compared.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Groups:
    """Lists in groups of near ones.

    Attributes:
        centres: float32 (g, d).
        of_list: int32 (nlist,), the group of each list.
    """

    centres: Vectors
    of_list: ListNos


@dataclass(frozen=True, slots=True, kw_only=True)
class AllLists:
    """No shortlist: a row is compared with all lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedLists:
    """A shortlist of the lists that are best by their codes among all.

    Attributes:
        width: lists of it.
    """

    width: int

    def opened(self, centroids: Vectors, *, threads: int) -> Shortlist:
        """What makes shortlists of these lists (nlist, d)."""
        return self.of(coded_lists(centroids, threads=threads))

    def of(self, ranker: NativeEngine) -> Shortlist:
        """The same by an engine of `coded_lists`."""
        return partial(ranker.rank_lists, nprobe=self.width)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupedLists:
    """A shortlist of the lists that are nearest among those of near groups.

    Attributes:
        groups: of all lists.
        probes: groups that are looked at.
        width: lists of it.
    """

    groups: Groups
    probes: int
    width: int

    def opened(self, centroids: Vectors, *, threads: int) -> Shortlist:
        """What makes shortlists of these lists (nlist, d)."""
        return self.of(grouped_lists(centroids, self.groups, threads=threads))

    def of(self, grouped: NativeEngine) -> Shortlist:
        """The same by an engine of `grouped_lists`."""
        return from_groups(grouped, probes=self.probes, width=self.width)


Chosen = AllLists | CodedLists | GroupedLists
"""How shortlists are made, as it was chosen for some rows and lists: small, and the
same for all parts of the rows, which other processes may assign."""


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
    _, shortlist = choose_shortlist(
        assign, centroids, vectors, center=center, widths=widths, threads=threads
    )
    return _assigned_by(assign, shortlist)


def choose_shortlist(
    assign: Assign,
    centroids: Vectors,
    vectors: RowMatrix,
    *,
    center: Vectors | None,
    widths: tuple[int, ...],
    threads: int,
) -> tuple[Chosen, Shortlist | None]:
    """The choice of `by_shortlist`, which takes the same, and what makes shortlists."""
    if len(centroids) < LEAST_LISTS or len(vectors) < LEAST_ROWS:
        return AllLists(), None
    tried = _tried_rows(vectors, center)
    wanted = assign(tried, None)
    for chosen, shortlist in _shortlists(centroids, widths, threads=threads):
        if _agree(assign(tried, shortlist(tried)), wanted):
            return chosen, shortlist
    return AllLists(), None


def by_chosen(
    assign: Assign, centroids: Vectors, chosen: Chosen, *, threads: int
) -> Callable[[Vectors], Lists]:
    """The assignment of rows (m, d) by a shortlist that was chosen before.

    Args:
        assign: as for `by_shortlist`.
        centroids: (nlist, d), those of the choice.
        chosen: by `choose_shortlist`.
        threads: of the kernels; 0 takes all cores.
    """
    shortlist = None
    if not isinstance(chosen, AllLists):
        shortlist = chosen.opened(centroids, threads=threads)
    return _assigned_by(assign, shortlist)


def _tried_rows(vectors: RowMatrix, center: Vectors | None) -> Vectors:
    """Some of the rows (n, d), evenly spread, less `center`."""
    last = len(vectors) - 1
    rows = np.linspace(0, last, min(TRIED_ROWS, last + 1)).astype(np.int64)
    return np.ascontiguousarray(less(vectors[rows], center))


def _shortlists(
    centroids: Vectors, widths: tuple[int, ...], *, threads: int
) -> Iterator[tuple[Chosen, Shortlist]]:
    """From the cheapest to the surest."""
    if len(centroids) >= LEAST_GROUPED:
        groups = make_groups(centroids, threads=threads)
        engine = grouped_lists(centroids, groups, threads=threads)
        for probes, width in GROUPED:
            grouped = GroupedLists(groups=groups, probes=probes, width=width)
            yield grouped, grouped.of(engine)
    ranker = coded_lists(centroids, threads=threads)
    for width in widths:
        coded = CodedLists(width=width)
        yield coded, coded.of(ranker)


def _assigned_by(
    assign: Assign, shortlist: Shortlist | None
) -> Callable[[Vectors], Lists]:
    """The assignment of rows among a shortlist of each, or among all lists."""
    if shortlist is None:
        return lambda rows: assign(rows, None)

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


def make_groups(centroids: Vectors, *, threads: int) -> Groups:
    """Groups of near ones among `centroids` (nlist, d), the same for any threads."""
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
    return Groups(centres=centres, of_list=groups)


def grouped_lists(centroids: Vectors, groups: Groups, *, threads: int) -> NativeEngine:
    """An index of `centroids` (nlist, d), as rows, in their groups."""
    none = np.full(len(centroids), -1, np.int32)
    lists = invert(groups.of_list, none, nlist=len(groups.centres))
    return _engine(centroids, groups.centres, lists, threads=threads)


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
