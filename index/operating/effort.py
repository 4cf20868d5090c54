"""Effort: how many of its best lists a query scans, by where its best rows are so far.

One number of lists for all queries is too many for most and too few for some. The first
few lists say which: where the best rows so far are in the very best lists, little is to
come; where many are in the last of them, the query is far from its neighbours.

So every query scans its first lists, and then as many more as its *depth* grants: the
sum, over the k best rows by code, of the bit length of the rank of the first list that
holds the row. All of it is integers, so every engine grants the same, and so does every
batch. `index/DECISIONS.md` 39 has the figures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos, Mask
from gleann.index.operating.points import EffortPoint

KNOWN = 0.98
"""Share of the k best rows of the first lists that must be among the nearest for depths
to be known from these."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grants:
    """What a search by effort scans.

    Attributes:
        first: lists that every query scans.
        deep_rows: best rows of a query whose depths are summed; a search for fewer
            neighbours scans the same lists.
        budgets: int32 (deep_rows b + 1), lists in total by the depth, where b is the
            bit length of `first`.
        most: the most lists of all.
    """

    first: int
    deep_rows: int
    budgets: NDArray[np.int32]
    most: int

    @classmethod
    def of(cls, point: EffortPoint) -> "Grants":
        """Those of a setting."""
        depths = np.arange(point.k * int(point.first).bit_length() + 1)
        lists = granted(
            point.offset + point.slope * depths / point.k,
            first=point.first,
            most=point.nprobe,
        )
        return cls(
            first=point.first,
            deep_rows=point.k,
            budgets=lists.astype(np.int32),
            most=point.nprobe,
        )


def granted(
    log_lists: NDArray[np.float64], *, first: int, most: int
) -> NDArray[np.int64]:
    """Lists, from the logs of one more than their number."""
    lists = np.expm1(np.clip(log_lists, 0, 30))
    return np.clip(lists, first, most).astype(np.int64)


def depths_of(places: ListNos, *, k: int, first: int) -> NDArray[np.float64]:
    """Depth over k (nq,) of queries after their first lists, by their nearest rows.

    Args:
        places: int32 (nq, w), of the first list of each row, nearest rows first.
        k: best rows whose depths are summed.
        first: lists.
    """
    best = _best_rows(places, k=k, first=first)
    lacking = k - best.sum(axis=1)
    sums = np.where(best, bit_lengths(places), 0).sum(axis=1)
    depths: NDArray[np.float64] = (sums + lacking * int(first).bit_length()) / k
    return depths


def knows_depths(places: ListNos, *, k: int, first: int) -> bool:
    """Whether the nearest rows have enough of the k best rows of the first lists."""
    best = _best_rows(places, k=k, first=first)
    return float(best.sum()) >= KNOWN * k * len(places)


def _best_rows(places: ListNos, *, k: int, first: int) -> Mask:
    """Which rows (nq, w) are the k best of the first lists."""
    held = places < first
    return held & (np.cumsum(held, axis=1) <= k)


def bit_lengths(numbers: NDArray[np.integer]) -> NDArray[np.int64]:
    """How many bits each number, at least 0 and below 2^31, has."""
    return np.frexp(numbers)[1].astype(np.int64)
