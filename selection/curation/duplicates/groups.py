"""Keep-first: a row is dropped where an earlier row that is kept is near it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Distances, Mask, Rows
from gleann.index.extension import available, compiled


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairTable:
    """Pairs of distinct rows within a radius, each once, by ascending rows.

    Attributes:
        rows: int32 (p,).
        others: int32 (p,), above `rows`.
        distances: float32 (p,).
    """

    rows: NDArray[np.int32]
    others: NDArray[np.int32]
    distances: Distances

    def __len__(self) -> int:
        return len(self.rows)

    def within(self, radius: float) -> "PairTable":
        """Those whose distance is at most `radius`."""
        near = self.distances <= np.float32(radius)
        return PairTable(
            rows=self.rows[near],
            others=self.others[near],
            distances=self.distances[near],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outside:
    """The nearest row of another collection, all of which are kept.

    Attributes:
        rows: int64 (n,), row there; -1 for none within the radius.
        distances: float32 (n,), +inf for none.
    """

    rows: Rows
    distances: Distances


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Choice:
    """Which rows are kept, and for which kept row each other one is dropped.

    Attributes:
        kept: bool (n,).
        duplicate_of: int64 (n,), the nearest kept row within the radius, ties by the
            order of keeping; a kept row itself; -1 for one outside or no part.
        distances: float32 (n,), to it; NaN for a row that takes no part.
        from_outside: bool (n,), dropped for a row of the other collection.
    """

    kept: Mask
    duplicate_of: Rows
    distances: Distances
    from_outside: Mask


def choose(
    pairs: PairTable, first: Rows, ranks: Rows, outside: Outside | None
) -> Choice:
    """Keep or drop each row.

    Args:
        pairs: of rows that are the first of their equals.
        first: (n,) the first row equal to each; -1 for a row that takes no part.
        ranks: (n,) places in the order of keeping.
        outside: what is near in another collection, whose rows come first.
    """
    n = len(first)
    part = np.flatnonzero(first >= 0)
    leaders = _leaders(part, first, ranks)
    heads = np.flatnonzero(leaders >= 0)
    order = heads[np.argsort(ranks[leaders[heads]])]
    number = np.full(n, -1, np.int64)
    number[order] = np.arange(len(order))
    outer = np.full(len(order), np.inf, np.float32)
    if outside is not None:
        outer = outside.distances[order]
    near = _numbered(pairs, number)
    kept = keep_first(*_by_later(near), np.isinf(outer))
    nearest, apart = _nearest_kept(near, kept)
    abroad = outer <= apart
    own = number[first[part]]
    choice = _nothing(n)
    choice.kept[leaders[order[kept]]] = True
    choice.from_outside[part] = (~kept & abroad)[own]
    target = np.where(kept, np.arange(len(order)), np.where(abroad, -1, nearest))
    there = target[own] >= 0
    choice.duplicate_of[part[there]] = leaders[order[target[own[there]]]]
    to_kept = np.where(abroad, outer, apart).astype(np.float32)
    choice.distances[part] = np.where(kept, np.float32(0), to_kept)[own]
    return choice


def keep_first(later: NDArray[np.int32], earlier: NDArray[np.int32], may: Mask) -> Mask:
    """Which of m numbered rows are kept.

    Args:
        later: (p,), ascending; one end of each pair.
        earlier: (p,), the other, which is lower.
        may: (m,), False for rows that are dropped in any case.
    """
    if available():
        kept: Mask = compiled.keep_first(later, earlier, may)
        return kept
    return keep_first_reference(later, earlier, may)


def keep_first_reference(
    later: NDArray[np.int32], earlier: NDArray[np.int32], may: Mask
) -> Mask:
    """`keep_first` row by row; what the native one must equal."""
    kept = may.copy()
    for row, other in zip(later.tolist(), earlier.tolist(), strict=True):
        if kept[other]:
            kept[row] = False
    return kept


def _leaders(part: Rows, first: Rows, ranks: Rows) -> Rows:
    """The earliest of the equals (n,) of each row that is the first of them; or -1."""
    leaders = np.full(len(first), -1, np.int64)
    by_rank = part[np.argsort(ranks[part])][::-1]
    leaders[first[by_rank]] = by_rank  # the last write is the earliest row
    return leaders


def _numbered(pairs: PairTable, number: Rows) -> PairTable:
    """Pairs of rows as pairs of (later, earlier) numbers in the order of keeping."""
    a, b = number[pairs.rows], number[pairs.others]
    return PairTable(
        rows=np.maximum(a, b).astype(np.int32),
        others=np.minimum(a, b).astype(np.int32),
        distances=pairs.distances,
    )


def _by_later(near: PairTable) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    order = np.argsort(near.rows, kind="stable")
    return near.rows[order], near.others[order]


def _nearest_kept(near: PairTable, kept: Mask) -> tuple[Rows, Distances]:
    """The nearest kept number of each that is dropped, ties to the lower; or -1."""
    nearest = np.full(len(kept), -1, np.int64)
    apart = np.full(len(kept), np.inf, np.float32)
    mixed = kept[near.rows] != kept[near.others]
    rows, others = near.rows[mixed], near.others[mixed]
    dropped = np.where(kept[rows], others, rows)
    stays = np.where(kept[rows], rows, others)
    order = np.lexsort((stays, near.distances[mixed], dropped))[::-1]
    nearest[dropped[order]] = stays[order]  # the last write is the nearest
    apart[dropped[order]] = near.distances[mixed][order]
    return nearest, apart


def _nothing(n: int) -> Choice:
    return Choice(
        kept=np.zeros(n, np.bool_),
        duplicate_of=np.full(n, -1, np.int64),
        distances=np.full(n, np.nan, np.float32),
        from_outside=np.zeros(n, np.bool_),
    )
