"""What deleted and replaced rows leave of the lists of an index.

Operating points were measured on full lists. Rows that are deleted evenly leave the
share s of every list: then the k-th live row is where the k / s-th was, and more probes
(as the root of 1 / s, see `search/plan.py`) find as many. Lists that have lost far more
than others are thin: searches around them are those with a filter.
"""

from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import ListNos, Mask
from gleann.index.lists import InvertedLists

THIN = 0.5
"""A list is thin below this share of the mean share of live entries."""

SHORT = 16
"""Entries of a list too short to matter: a few deletions leave it empty."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Thinned:
    """Live entries of the lists, newer ones included, beside all sealed ones.

    Attributes:
        share: live entries as a share of the sealed ones, at most 1.
        thin: bool (nlist), lists that have lost far more than others; None if none has.
    """

    share: float
    thin: Mask | None

    def widened(self, nprobe: int, *, nlist: int) -> int:
        """Lists to probe where `nprobe` would do for full lists."""
        return min(nlist, int(np.ceil(nprobe / max(self.share, 1e-9) ** 0.5 - 1e-6)))


class Thinning:
    """Counts live entries; each row that dies is counted once.

    Masks given later may only have fewer rows; for one that has more, since it is an
    earlier state, rows that died in between are counted as dead.
    """

    def __init__(self, lists: InvertedLists) -> None:
        self._lists = lists
        self._lock = Lock()
        self._alive: Mask | None = None
        self._dead = np.zeros(lists.nlist, np.int64)
        self._homes: ListNos | None = None

    def of(self, alive: Mask, newer: list[NDArray[np.int64]]) -> Thinned:
        """What `alive` (n,) and newer entries, (nlist) each, leave of the lists."""
        with self._lock:
            self._count(alive)
            dead = self._dead
        sizes = np.diff(self._lists.offsets)
        live = sizes - dead
        for entries in newer:
            live = live + entries
        share = min(1.0, float(live.sum() / max(1, sizes.sum())))
        thin = (live < THIN * share * sizes) & (sizes > SHORT)
        return Thinned(share=share, thin=thin if thin.any() else None)

    def _count(self, alive: Mask) -> None:
        if self._alive is alive:
            return
        died = np.flatnonzero(~alive if self._alive is None else self._alive > alive)
        if died.size:
            homes = self._list_nos()[:, died]
            self._dead = self._dead + np.bincount(
                homes[homes >= 0], minlength=self._lists.nlist
            )
            self._alive = alive if self._alive is None else self._alive & alive

    def _list_nos(self) -> ListNos:
        """Both lists (2, n) of every row, -1 for no second."""
        if self._homes is None:
            lists = self._lists
            ends = np.stack([lists.mids, lists.offsets[1:]])
            starts = np.stack([lists.offsets[:-1], lists.mids])
            lengths = np.stack([ends - starts]).reshape(2, -1).T.reshape(-1)
            numbers = np.arange(lists.nlist, dtype=np.int32).repeat(2).repeat(lengths)
            second = np.tile([False, True], lists.nlist).repeat(lengths)
            n = int(lists.rows.max(initial=-1)) + 1
            homes = np.full((2, n), -1, np.int32)
            homes[0, lists.rows[~second]] = numbers[~second]
            homes[1, lists.rows[second]] = numbers[second]
            self._homes = homes
        return self._homes
