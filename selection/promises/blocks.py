"""Rows in the order of their proxies, cut into blocks that thresholds lie between."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.checks import IdMap
from gleann.selection.seeds import hashed_order

Counts = NDArray[np.int64]
"""One number a block, (K,)."""

CUTS_A_RULE = 20
"""Blocks that each of the rules cuts."""

SMALLEST = 5
"""Rows of the first block."""

DEFENSIVE = 0.1
"""Share of the first round that goes by size, whatever the proxies say."""

WITHIN, ACROSS = "promise within blocks", "promise above a threshold"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """Blocks of rows, those with the highest proxies first.

    Attributes:
        ranked: (n,) rows from the highest proxy to the lowest, ties by id.
        ends: (K,) where each block ends in `ranked`; the last is n.
        mass: (K,) sum of the square roots of a quarter of the proxies, less the lowest
            if that is below 0.
        order: (n,) rows by block, within each in random order.
        names: ids of the rows.
        seed: of the random orders.
    """

    ranked: Rows
    ends: Counts
    mass: NDArray[np.float64]
    order: Rows
    names: IdMap
    seed: int

    @classmethod
    def of(cls, proxy: NDArray[np.float64], names: IdMap, *, seed: int) -> "Blocks":
        """Cut rows with these proxies (n,).

        Three rules cut together: equal shares of the mass, sizes that grow by one
        factor, and equal sizes. So a threshold is near wherever positives end.
        """
        # Stable sorts by one key after another take half the time of `lexsort`.
        by_id = np.argsort(names.ids, kind="stable")
        ranked = by_id[np.argsort(-proxy[by_id], kind="stable")]
        # Of a quarter, which is exact: differences of proxies can exceed float64.
        quarters = proxy[ranked] / 4
        roots = np.sqrt(quarters - min(0.0, float(quarters[-1])))
        ends = _ends(roots)
        number = np.empty(len(proxy), np.int16)
        number[ranked] = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        by_hash = hashed_order(names.held, seed=seed, purpose=WITHIN)
        return cls(
            ranked=ranked,
            ends=ends,
            mass=np.add.reduceat(roots, np.append(0, ends[:-1])),
            order=by_hash[np.argsort(number[by_hash], kind="stable")],
            names=names,
            seed=seed,
        )

    def shuffled(self) -> Rows:
        """All rows (n,) in another random order."""
        return hashed_order(self.names.held, seed=self.seed, purpose=ACROSS)

    @property
    def sizes(self) -> Counts:
        """(K,) rows of each block."""
        return np.diff(self.ends, prepend=0)

    def first_draws(self, labels: int) -> Counts:
        """Draws (K,) of the first round, by mass and in part by size.

        Kang et al. 2020 (SUPG, https://arxiv.org/abs/2004.00827): square roots of the
        proxies, mixed with a uniform share.
        """
        sizes, total = self.sizes, self.mass.sum()
        uniform = sizes / sizes.sum()
        by_mass = self.mass / total if total > 0 else uniform
        wanted = (1 - DEFENSIVE) * by_mass + DEFENSIVE * uniform
        return spread(wanted, labels=labels, room=sizes)

    def drawn(self, draws: Counts, *, after: Counts) -> Rows:
        """The next `draws` (K,) rows past the first `after` (K,) of each block."""
        begins = np.append(0, self.ends[:-1]) + after
        return self.order[_ranges(begins, draws)]

    def numbers(self) -> Counts:
        """(n,) the block of each row."""
        number = np.empty(len(self.ranked), np.int64)
        number[self.ranked] = np.repeat(np.arange(len(self.ends)), self.sizes)
        return number


def spread(wanted: NDArray[np.float64], *, labels: int, room: Counts) -> Counts:
    """Split `labels` in proportion to `wanted` (K,), no block above its room.

    What a full block cannot take goes to the others; rounded by largest remainder,
    ties to the earlier block. Labels beyond all room stay unspent.
    """
    exact = np.zeros(len(room))
    open_ = room > 0
    left = float(min(labels, int(room.sum())))
    whole = round(left)
    while left > 0 and open_.any():
        part = np.where(open_, wanted, 0.0)
        part = part if part.sum() > 0 else np.where(open_, room, 0.0)
        trial = left * part / part.sum()
        full = open_ & (trial >= room)
        if not full.any():
            exact[open_] = trial[open_]
            break
        exact[full] = room[full]
        left -= float(room[full].sum())
        open_ &= ~full
    draws = np.minimum(np.floor(exact + 1e-9).astype(np.int64), room)
    remainders = np.where(draws < room, exact - draws, -np.inf)
    draws[np.argsort(-remainders, kind="stable")[: whole - int(draws.sum())]] += 1
    return draws


def _ends(roots: NDArray[np.float64]) -> Counts:
    n = len(roots)
    steps = np.arange(1, CUTS_A_RULE) / CUTS_A_RULE
    mass = np.cumsum(roots)
    by_mass = np.searchsorted(mass, steps * mass[-1]) + 1
    growing = np.rint(np.geomspace(min(SMALLEST, n), n, CUTS_A_RULE))
    even = np.rint(steps * n)
    ends = np.unique(np.concatenate([by_mass, growing, even, [n]]).astype(np.int64))
    return ends[(ends > 0) & (ends <= n)]


def _ranges(begins: Counts, lengths: Counts) -> Counts:
    """begins[0], begins[0] + 1, ... of each length, one after another."""
    firsts = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) + np.repeat(begins - firsts, lengths)
