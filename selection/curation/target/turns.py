"""Takers of turns: the rows of each in order, as far as they were needed.

A taker is a target, or a task of several targets: its rows are in the order of their
distance to the nearest of its targets, ties by id.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.curation.target.depth import depth_for
from gleann.selection.curation.target.pool import Pool
from gleann.selection.heads import FARTHEST, Heads, Key

FIRST_GOAL = 16
"""Rows that a taker looks for at first; twice as many each time it runs dry."""

NEARLY_DRY = 4
"""Takers with less than one of so many rows left look for more together with others."""


class Entry(NamedTuple):
    """A row of a taker.

    Attributes:
        row: its number.
        target: the nearest target of the taker.
        distance: to it.
        place: the place of the row in the order of the taker, from 0.
    """

    row: int
    target: int
    distance: float
    place: int


@dataclass(slots=True, eq=False)
class Taker:
    """A target or a task, and its rows.

    Attributes:
        targets: numbers (m,) of its targets, ascending.
        goal: rows that it looked for.
        rows: in order, settled.
        nearest: the nearest target of each.
        distances: of each to it.
        following: the first that was not offered yet.
        complete: all rows are there.
    """

    targets: NDArray[np.int64]
    goal: int = 0
    rows: list[int] = field(default_factory=list)
    nearest: list[int] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    following: int = 0
    complete: bool = False

    def best(self, pool: Pool) -> Entry | None:
        """The first row that has room; None where none is left of those looked for."""
        while self.following < len(self.rows):
            at = self.following
            if pool.has_room(self.rows[at]):
                return Entry(self.rows[at], self.nearest[at], self.distances[at], at)
            self.following += 1
        return None

    @property
    def is_nearly_dry(self) -> bool:
        """Whether it will look for more soon."""
        left = len(self.rows) - self.following
        return not self.complete and NEARLY_DRY * left < max(len(self.rows), 1)


class Turns:
    """The takers of one selection.

    Args:
        members: the targets of each taker, in the order of turns.
        heads: of all targets.
        pool: the rows that may be chosen.
    """

    def __init__(
        self, members: Iterable[NDArray[np.int64]], heads: Heads, pool: Pool
    ) -> None:
        self.takers = [Taker(targets=targets) for targets in members]
        self._heads = heads
        self._pool = pool

    def best(self, taker: Taker) -> Entry | None:
        """The best row of `taker` that has room; None where no row has.

        When it runs dry, all takers that will soon look for more rows do so together.
        This depends on what was chosen so far, not on how many rows are to be.
        """
        while (entry := taker.best(self._pool)) is None:
            if taker.complete:
                return None
            self._look_further([one for one in self.takers if one.is_nearly_dry])
        return entry

    def _look_further(self, takers: list[Taker]) -> None:
        by_depth: dict[int, list[NDArray[np.int64]]] = {}
        for taker in takers:
            taker.goal = max(FIRST_GOAL, 2 * taker.goal)
            depth = depth_for(min(taker.goal, self._pool.size), len(taker.targets))
            by_depth.setdefault(depth, []).append(taker.targets)
        for depth, targets in by_depth.items():
            self._heads.deepen(np.concatenate(targets), depth)
        for taker in takers:
            self._settle(taker)

    def _settle(self, taker: Taker) -> None:
        """Look for more until as many rows as the goal are known to come first."""
        while True:
            merged = _Merged.of(taker.targets, self._heads, self._pool)
            limit = min(map(self._heads.last_key, taker.targets.tolist()))
            settled = merged.upto(limit)
            if settled >= taker.goal or limit == FARTHEST:
                break
            self._deepen_nearest(taker, merged.key_at(taker.goal - 1))
        taker.rows = merged.rows[:settled].tolist()
        taker.nearest = merged.targets[:settled].tolist()
        taker.distances = merged.distances[:settled].tolist()
        taker.complete = limit == FARTHEST
        taker.following = 0

    def _deepen_nearest(self, taker: Taker, goal: Key) -> None:
        """Twice as deep: the targets whose heads end before the goal does."""
        before = [self._heads.last_key(one) < goal for one in taker.targets.tolist()]
        self._heads.double(taker.targets[before])


@dataclass(frozen=True, slots=True, eq=False)
class _Merged:
    """The rows in the heads of some targets, each once, by its nearest target.

    Attributes:
        rows: int64 (k,), in order of distance, ties by id.
        ranks: int64 (k,), places of their ids.
        distances: float64 (k,).
        targets: int64 (k,), the nearest target of each.
    """

    rows: Rows
    ranks: Rows
    distances: NDArray[np.float64]
    targets: NDArray[np.int64]

    @classmethod
    def of(cls, targets: NDArray[np.int64], heads: Heads, pool: Pool) -> "_Merged":
        parts = [heads.heads[target] for target in targets.tolist()]
        rows = np.concatenate([part.rows for part in parts])
        distances = np.concatenate([part.distances for part in parts])
        owners = np.repeat(targets, [len(part.rows) for part in parts])
        ranks = pool.id_ranks(rows)
        order = np.lexsort((owners, ranks, distances))
        # The first of each row, in this order, is that of its nearest target.
        _, first = np.unique(rows[order], return_index=True)
        kept = order[np.sort(first)]
        return cls(
            rows[kept], ranks[kept], distances[kept].astype(np.float64), owners[kept]
        )

    def upto(self, limit: Key) -> int:
        """How many entries do not come after `limit`."""
        before = int(np.searchsorted(self.distances, limit[0], side="left"))
        tied = int(np.searchsorted(self.distances, limit[0], side="right"))
        ranks = self.ranks[before:tied]
        return before + int(np.searchsorted(ranks, limit[1], side="right"))

    def key_at(self, place: int) -> Key:
        """The key of an entry; the farthest there is behind the last."""
        if place >= len(self.rows):
            return FARTHEST
        return float(self.distances[place]), int(self.ranks[place])
