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

from gleann.index.arrays import Mask
from gleann.index.ids.live_rows import LiveRows
from gleann.index.search.list_stats import ListStats

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

    States given later may only have fewer rows; for one that has more, since it is an
    earlier one, rows that died in between are counted as dead.
    """

    def __init__(self, stats: ListStats) -> None:
        self._stats = stats
        self._lock = Lock()
        self._alive: LiveRows | None = None
        self._dead = np.zeros(stats.lists.nlist, np.int64)

    def of(self, alive: LiveRows, newer: list[NDArray[np.int64]]) -> Thinned:
        """What live rows and newer entries, (nlist) each, leave of the lists."""
        with self._lock:
            self._count(alive)
            dead = self._dead
        sizes = self._stats.sizes
        live = sizes - dead
        for entries in newer:
            live = live + entries
        share = min(1.0, float(live.sum() / max(1, sizes.sum())))
        thin = (live < THIN * share * sizes) & (sizes > SHORT)
        return Thinned(share=share, thin=thin if thin.any() else None)

    def _count(self, alive: LiveRows) -> None:
        if self._alive is alive:
            return
        died = alive.died_since(self._alive)
        if died.size:
            before = LiveRows.all_of(len(alive)) if self._alive is None else self._alive
            self._dead = self._dead + self._stats.counted_rows(died)
            self._alive = before.without(died)
