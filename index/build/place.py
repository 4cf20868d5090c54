"""Positions of the rows that sample queries want in the probe orders of the queries."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos, Rows
from gleann.index.build.sample import ManyQueries, Sample
from gleann.index.metric import ListRanking
from gleann.index.parallel.blocks import block_slices, map_blocks
from gleann.index.search.probe_order import probe_order, ranks_of

SCORES_HELD = 1 << 20
"""Scores of queries against lists that a core keeps at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """Where the rows of a sample are, in one form of the lists.

    A place is the position, from 0, of the first list that contains a row in the probe
    order of a query.

    Attributes:
        ranked: int32 (nq, w), places of the rows that score best by their codes.
        near: int32 (nq, m), places of the nearest rows; None if they are not known.
        many: the same for many more queries; None without them.
        entries: float64 (nlist), entries that a query reads on average with its first
            1, 2, ... lists.
    """

    ranked: ListNos
    near: ListNos | None
    many: ListNos | None
    entries: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Lists:
    """One form of the lists: with second copies or without.

    Attributes:
        primary: (n,), first list of each row.
        secondary: (n,), second list of each row, -1 for none; None without copies.
        sizes: int64 (nlist), entries of each list.
    """

    primary: ListNos
    secondary: ListNos | None
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, primary: ListNos, secondary: ListNos | None, *, nlist: int) -> "_Lists":
        """Count the entries."""
        sizes = np.bincount(primary, minlength=nlist)
        if secondary is not None:
            sizes = sizes + np.bincount(secondary[secondary >= 0], minlength=nlist)
        return cls(primary=primary, secondary=secondary, sizes=sizes)

    def places(self, ranks: ListNos, rows: Rows) -> ListNos:
        """Places (nq, w) of `rows` (nq, w), from the ranks (nq, nlist) of all lists."""
        place = np.take_along_axis(ranks, self.primary[rows], axis=1)
        if self.secondary is None:
            return place
        copy = self.secondary[rows]
        of_copy = np.take_along_axis(ranks, np.maximum(copy, 0), axis=1)
        return np.where(copy >= 0, np.minimum(place, of_copy), place)


def place(
    sample: Sample, primary: ListNos, secondary: ListNos | None
) -> tuple[Placed, Placed]:
    """Find the rows of a sample in the lists with second copies, and without.

    Args:
        sample: the queries.
        primary: (n,) first list of each row.
        secondary: (n,) second list of each row, -1 for none; None without spilling.
    """
    nlist = sample.list_ranks.shape[1]
    plain = _Lists.of(primary, None, nlist=nlist)
    forms = [plain]
    if secondary is not None:
        forms.insert(0, _Lists.of(primary, secondary, nlist=nlist))
    many: list[ListNos | None] = [None] * len(forms)
    if sample.many is None:
        entries = [_entries(sample.list_ranks, form) for form in forms]
    else:
        places, entries = _place_many(sample.many, forms)
        many = [*places]
    placed = [
        Placed(
            ranked=form.places(sample.list_ranks, sample.rows),
            near=None
            if sample.near is None
            else form.places(sample.list_ranks, sample.near.rows),
            many=of_many,
            entries=np.cumsum(at_rank),
        )
        for form, of_many, at_rank in zip(forms, many, entries, strict=True)
    ]
    return placed[0], placed[-1]


def _place_many(
    many: ManyQueries, forms: list[_Lists]
) -> tuple[list[ListNos], list[NDArray[np.float64]]]:
    """Places (m, w) of the nearest rows, and mean entries at each position (nlist)."""
    ranking = ListRanking(many.centroids, many.encoding)
    count, nlist = len(many.queries), len(many.centroids)
    places = [np.empty(many.near.rows.shape, np.int32) for _ in forms]
    entries = [np.zeros(nlist) for _ in forms]

    def work(block: slice) -> list[tuple[ListNos, NDArray[np.int64]]]:
        order = probe_order(ranking.scores(many.queries[block]))
        ranks = ranks_of(order)
        rows = many.near.rows[block]
        return [
            (form.places(ranks, rows), form.sizes[order].sum(axis=0)) for form in forms
        ]

    for block, found in map_blocks(work, block_slices(count, SCORES_HELD // nlist)):
        for number, (place_of, sizes) in enumerate(found):
            places[number][block] = place_of
            entries[number] += sizes
    return places, [of_form / count for of_form in entries]


def _entries(ranks: ListNos, form: _Lists) -> NDArray[np.float64]:
    """Mean entries (nlist) of the list at each position of the probe orders."""
    at_rank = np.zeros(ranks.shape[1])
    for one in ranks:
        at_rank[one] += form.sizes
    return at_rank / len(ranks)
