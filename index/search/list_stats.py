"""What the planner of filtered searches knows of the lists of an index."""

from functools import cached_property
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos, Mask, Rows
from gleann.index.engines.contract import IndexData
from gleann.index.lists import assignment

SAMPLED = 16
"""Allowed entries of each list, about, among those that estimate how many it has."""

FEW_SHARE = 1 / 16
"""Share of allowed rows below which counting takes no longer than a sample."""


class ListStats:
    """Sizes of lists and samples of their rows; made once per index, used by filters.

    Attributes:
        lists: of the index.
        n: rows of the index.
        sizes: int64 (nlist), entries of each list.
        typical: entries of the list that a random entry is in, mean.
        code_bytes: of one code.
    """

    def __init__(self, data: IndexData) -> None:
        lists = data.lists
        self.lists = lists
        self.n = len(data.vectors)
        self.code_bytes = data.codes.values.dtype.itemsize * data.encoding.width
        self.sizes = np.diff(lists.offsets)
        squares = float(np.square(self.sizes, dtype=np.float64).sum())
        self.typical = squares / max(lists.entries, 1)
        self._sampled: dict[int, NDArray[np.int32]] = {}

    def sampled(self, share: float) -> NDArray[np.int32]:
        """Rows (nlist, s) of each list, at even distances; any rows if it is empty.

        Args:
            share: of rows allowed, from `FEW_SHARE` on. Some `SAMPLED` allowed rows are
                expected among the s, a power of two.
        """
        size = SAMPLED << max(0, ceil(-log2(share)))
        known = self._sampled.get(size)
        if known is None:
            steps = np.arange(size) * self.sizes[:, None] // size
            at = self.lists.offsets[:-1, None] + steps
            known = self.lists.rows[np.minimum(at, self.lists.entries - 1)]
            self._sampled[size] = known
        return known

    def counted(self, mask: Mask) -> NDArray[np.int64]:
        """Entries (nlist) of each list whose rows `mask` (n,) allows."""
        sums = np.concatenate([[0], np.cumsum(mask[self.lists.rows], dtype=np.int64)])
        return np.diff(sums[self.lists.offsets])

    def counted_rows(self, rows: Rows | NDArray[np.int32]) -> NDArray[np.int64]:
        """Entries (nlist) of each list whose rows are among some distinct `rows`."""
        first, second = self.lists_of_rows
        nlist = self.lists.nlist
        counts = np.bincount(first[rows], minlength=nlist)
        copies = second[rows]
        return counts + np.bincount(copies[copies >= 0], minlength=nlist)

    @cached_property
    def lists_of_rows(self) -> tuple[ListNos, ListNos]:
        """The first and the second list (n,) of each row; -1 for no second."""
        return assignment(self.lists, n=self.n)
