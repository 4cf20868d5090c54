"""How many pairs of rows a join would compare and find, from some of the lists.

A join compares all rows of a list with each other, each pair from both ends, and of two
lists those that are near the bisector of their centroids (`index/join`). The first
follows from the sizes of the lists. Of the second a join of some lists, with all of
their rows, tells the share: the lists are drawn, so it is unbiased.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gleann.index.join.block import PairBlock
from gleann.index.join.pairs import PairJoin
from gleann.index.join.side import JoinSide

DRAWN_ROWS = 8192
"""Rows of the lists that are joined, about."""

LEAST_LISTS, MOST_LISTS = 8, 512

MOST_FOUND = 1 << 21
"""Pairs after which the radius is taken to be beyond the codes: all are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairShares:
    """Shares of all pairs of two sides, or of one side with itself.

    Attributes:
        compared: comparisons of codes; up to 2 for one side, of a single list.
        found: that are within the radius.
        drawn: rows that were looked at for this.
    """

    compared: float
    found: float
    drawn: int


def pair_shares(x: JoinSide, y: JoinSide | None = None, *, radius: float) -> PairShares:
    """Estimate the shares of pairs that a join compares and finds.

    Takes as long as a join of about `DRAWN_ROWS` rows.

    Args:
        x: a side, with a row at least.
        y: the other, with a row at least; None joins x with itself.
        radius: the greatest distance of a pair: squared L2, or 1 - cos.
    """
    lists = _drawn_lists(x)
    alike = y is None or np.array_equal(x.centroids, y.centroids)
    others = lists if y is None or alike else _drawn_lists(y)
    some_x = _of_lists(x, lists)
    some_y = None if y is None else _of_lists(y, others)
    join = PairJoin(some_x, some_y, radius=radius)
    within, between, ended = _counted(join.blocks(), some_x, some_y, alike=alike)
    drawn = len(some_x) + (0 if some_y is None else len(some_y))
    own_y = None if y is None else _Sizes.of(y, others)
    if not ended:
        return PairShares(compared=1.0, found=1.0, drawn=drawn)
    scale = _Scale.of(_Sizes.of(x, lists), own_y, alike=alike)
    compared = max(0, join.work.compared - round(scale.own_compared_drawn))
    return PairShares(
        compared=scale.share(scale.own_compared, between=compared),
        found=scale.share(scale.own * within / (scale.own_drawn or 1), between=between),
        drawn=drawn,
    )


def _drawn_lists(side: JoinSide) -> NDArray[np.int64]:
    """Numbers of lists whose rows are about `DRAWN_ROWS`, ascending."""
    mean = max(1.0, len(side) / side.nlist)
    count = int(np.clip(DRAWN_ROWS / mean, LEAST_LISTS, MOST_LISTS))
    rng = np.random.default_rng(0)
    return np.sort(rng.permutation(side.nlist)[:count])


def _of_lists(side: JoinSide, lists: NDArray[np.int64]) -> JoinSide:
    """Some lists of a side, their rows copied."""
    starts, ends = side.offsets[lists], side.offsets[lists + 1]
    members = [side.members[a:b] for a, b in zip(starts, ends, strict=True)]
    rows = np.concatenate(members)
    return replace(
        side,
        vectors=np.ascontiguousarray(side.vectors[rows], np.float32),
        codes=None,
        centroids=side.centroids[lists],
        offsets=np.append(0, np.cumsum(ends - starts)).astype(np.int64),
        members=np.arange(len(rows), dtype=np.int32),
    )


def _counted(
    blocks: Iterable[PairBlock], x: JoinSide, y: JoinSide | None, *, alike: bool
) -> tuple[int, int, bool]:
    """Pairs within the lists of the same number and between others; whether all."""
    of_x, of_y = _list_nos(x), _list_nos(x if y is None else y)
    within = between = 0
    for block in blocks:
        same = alike & (of_x[block.rows] == of_y[block.others])
        within += int(same.sum())
        between += len(block) - int(same.sum())
        if within + between > MOST_FOUND:
            return within, between, False
    return within, between, True


def _list_nos(side: JoinSide) -> NDArray[np.int64]:
    """The list (m,) of each row of a side that `_of_lists` made."""
    return np.repeat(np.arange(side.nlist), np.diff(side.offsets))


@dataclass(frozen=True, slots=True, eq=False)
class _Sizes:
    """Rows of all lists (nlist,), and numbers of those that were drawn."""

    all: NDArray[np.float64]
    drawn: NDArray[np.int64]

    @classmethod
    def of(cls, side: JoinSide, drawn: NDArray[np.int64]) -> "_Sizes":
        return cls(np.diff(side.offsets).astype(np.float64), drawn)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Pairs of all lists and of the drawn ones, within the same list and between two.

    Attributes:
        own: pairs within lists.
        own_drawn: of these, those of drawn lists.
        own_compared: comparisons within lists.
        own_compared_drawn: of these, those within drawn lists.
        between: pairs between two lists.
        between_drawn: of these, those of drawn lists.
    """

    own: float
    own_drawn: float
    own_compared: float
    own_compared_drawn: float
    between: float
    between_drawn: float

    @classmethod
    def of(cls, x: _Sizes, y: _Sizes | None, *, alike: bool) -> "_Scale":
        if y is None:
            own, compared = x.all * (x.all - 1) / 2, x.all**2
            total, some = _pairs(x.all.sum()), _pairs(x.all[x.drawn].sum())
        else:
            own = x.all * y.all if alike else np.zeros(len(x.all))
            compared = own
            total = x.all.sum() * y.all.sum()
            some = x.all[x.drawn].sum() * y.all[y.drawn].sum()
        own_drawn = float(own[x.drawn].sum())
        return cls(
            own=float(own.sum()),
            own_drawn=own_drawn,
            own_compared=float(compared.sum()),
            own_compared_drawn=float(compared[x.drawn].sum()),
            between=float(total - own.sum()),
            between_drawn=float(some - own_drawn),
        )

    def share(self, own: float, *, between: int) -> float:
        """The share of all pairs of `own` and of what drawn lists tell of the others.

        Args:
            own: within all lists.
            between: between drawn lists.
        """
        apart = self.between * between
        apart = apart / self.between_drawn if self.between_drawn else 0.0
        total = self.own + self.between
        return (own + apart) / total if total else 0.0


def _pairs(rows: float) -> float:
    return float(rows * (rows - 1) / 2)
