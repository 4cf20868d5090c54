"""How many pairs of rows a join would compare and find, from some of the lists.

A join compares all rows of a list with each other, each pair from both ends, and of two
lists those that are near the bisector of their centroids (`index/join`). The first
follows from the sizes of the lists. Of the second a join of some lists, with all of
their rows, tells the share: the lists are drawn, so it is unbiased. Where very many
pairs are found, a few of these rows tell as much.
"""

from dataclasses import dataclass, replace
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from gleann.index.join.pairs import PairJoin
from gleann.index.join.side import JoinSide

DRAWN_ROWS = 8192
"""Rows of the lists that are joined, about."""

LEAST_LISTS, MOST_LISTS = 8, 512

MOST_FOUND = 1 << 21
"""Pairs of the drawn rows after which some of these are joined in place of all."""


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


def pair_shares(
    x: JoinSide,
    y: JoinSide | None = None,
    *,
    radius: float,
    equal_as_one: bool = False,
) -> PairShares:
    """Estimate the shares of pairs that a join compares and finds.

    Takes as long as a join of about `DRAWN_ROWS` rows.

    Args:
        x: a side, with a row at least.
        y: the other, with a row at least; None joins x with itself.
        radius: the greatest distance of a pair: squared L2, or 1 - cos.
        equal_as_one: whether of equal rows of x one alone is joined.
    """
    alike = y is None or np.array_equal(x.centroids, y.centroids)
    lists = _drawn_lists(x)
    others = None if y is None else _drawn_lists(y)

    def joined(
        lists: NDArray[np.int64], others: NDArray[np.int64] | None
    ) -> tuple[_Counted, _Scale]:
        some = _Some.of(x, lists)
        some_x = some.distinct() if equal_as_one else some
        some_y = None if y is None or others is None else _Some.of(y, others)
        counted = _counted(some_x, some_y, radius=radius, alike=alike)
        if counted is None:
            counted = _of_few(some_x, some_y, radius=radius, alike=alike)
        own_y = None if y is None or others is None else _Sizes.of(y, others)
        return counted, _Scale.of(_Sizes.of(x, lists), own_y, alike=alike)

    counted, scale = own, own_scale = joined(lists, others)
    if y is not None and alike and len(common := _drawn_common(x, y)):
        # Lists that are drawn for each side alone are hardly ever the same.
        own, own_scale = joined(common, common)
    drawn = np.diff(x.offsets)[lists].sum()
    if y is not None:
        drawn += np.diff(y.offsets)[others].sum()
    return PairShares(
        compared=scale.share(
            scale.own_compared * own.compared_share(own_scale.own_compared_drawn),
            between=counted.compared_between,
        ),
        found=scale.share(
            scale.own * own.within / (own_scale.own_drawn or 1),
            between=counted.between,
        ),
        drawn=int(drawn),
    )


def _drawn_lists(side: JoinSide) -> NDArray[np.int64]:
    """Numbers of lists whose rows are about `DRAWN_ROWS`, ascending; none is empty."""
    return _drawn(np.diff(side.offsets))


def _drawn_common(x: JoinSide, y: JoinSide) -> NDArray[np.int64]:
    """As `_drawn_lists`, of lists in which both sides have rows, if there are any."""
    of_x, of_y = np.diff(x.offsets), np.diff(y.offsets)
    return _drawn(np.where((of_x > 0) & (of_y > 0), np.maximum(of_x, of_y), 0))


def _drawn(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    held = np.flatnonzero(sizes)
    if not len(held):
        return held
    count = int(np.clip(DRAWN_ROWS / sizes[held].mean(), LEAST_LISTS, MOST_LISTS))
    rng = np.random.default_rng(0)
    return np.sort(rng.permutation(held)[:count])


@dataclass(frozen=True, slots=True, eq=False)
class _Some:
    """Some lists of a side, and copies of their rows, or of some of these.

    Attributes:
        lists: int64 (k,), their numbers, ascending.
        side: their rows, in k lists.
    """

    lists: NDArray[np.int64]
    side: JoinSide

    @classmethod
    def of(cls, side: JoinSide, lists: NDArray[np.int64]) -> "_Some":
        starts, ends = side.offsets[lists], side.offsets[lists + 1]
        members = [side.members[a:b] for a, b in zip(starts, ends, strict=True)]
        rows = np.concatenate(members)
        some = replace(
            side,
            vectors=np.ascontiguousarray(side.vectors[rows], np.float32),
            codes=None,
            centroids=side.centroids[lists],
            offsets=np.append(0, np.cumsum(ends - starts)).astype(np.int64),
            members=np.arange(len(rows), dtype=np.int32),
        )
        return cls(lists, some)

    @property
    def list_nos(self) -> NDArray[np.int64]:
        """The number (m,) of each row's list."""
        return np.repeat(self.lists, np.diff(self.side.offsets))

    def distinct(self) -> "_Some":
        """The first of equal rows."""
        # Adding zero makes one number of both zeros, which are equal.
        rows = np.ascontiguousarray(self.side.vectors[:] + np.float32(0))
        whole = rows.view(np.dtype((np.void, rows.strides[0]))).ravel()
        return self._kept(np.sort(np.unique(whole, return_index=True)[1]))

    def thinned(self, most: int) -> tuple["_Some", float]:
        """At most so many of the rows, drawn, and their share."""
        n = len(self.side)
        if n <= most:
            return self, 1.0
        rows = np.random.default_rng(1).permutation(n)[:most]
        return self._kept(np.sort(rows)), most / n

    def _kept(self, rows: NDArray[np.intp]) -> "_Some":
        side = replace(
            self.side,
            vectors=np.ascontiguousarray(self.side.vectors[rows]),
            offsets=np.searchsorted(rows, self.side.offsets).astype(np.int64),
            members=np.arange(len(rows), dtype=np.int32),
        )
        return _Some(self.lists, side)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """Pairs of some lists, within the same list and between two.

    Attributes:
        within: pairs that are found within lists.
        between: that are found between two.
        compared_within: comparisons within lists.
        compared_between: comparisons between two.
    """

    within: float
    between: float
    compared_within: float
    compared_between: float

    def times(self, factor: float) -> "_Counted":
        """So many times as much of all."""
        return _Counted(
            within=factor * self.within,
            between=factor * self.between,
            compared_within=factor * self.compared_within,
            compared_between=factor * self.compared_between,
        )

    def compared_share(self, drawn: float) -> float:
        """Of `drawn` comparisons within lists the share that is done."""
        return self.compared_within / drawn if drawn else 1.0


def _counted(
    x: _Some, y: _Some | None, *, radius: float, alike: bool
) -> _Counted | None:
    """The pairs of some lists; None where more than `MOST_FOUND` are found."""
    join = PairJoin(x.side, None if y is None else y.side, radius=radius)
    other = x if y is None else y
    of_x, of_y = x.list_nos, other.list_nos
    within = between = 0
    for block in join.blocks():
        same = int((alike & (of_x[block.rows] == of_y[block.others])).sum())
        within += same
        between += len(block) - same
        if within + between > MOST_FOUND:
            return None
    own = 0
    if alike:
        _, here, there = np.intersect1d(x.lists, other.lists, return_indices=True)
        sizes, others = np.diff(x.side.offsets), np.diff(other.side.offsets)
        own = int(sizes[here] @ others[there])
    return _Counted(
        within=within,
        between=between,
        compared_within=own,
        compared_between=max(0, join.work.compared - own),
    )


def _of_few(x: _Some, y: _Some | None, *, radius: float, alike: bool) -> _Counted:
    """As `_counted`, from so few rows that they have at most `MOST_FOUND` pairs."""
    few = isqrt(MOST_FOUND)
    some_x, share = x.thinned(few)
    some_y, other = (None, share) if y is None else y.thinned(few)
    counted = _counted(some_x, some_y, radius=radius, alike=alike)
    assert counted is not None, "so few rows have no more pairs"
    return counted.times(1 / (share * other))


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
            own, compared, both = x.all * (x.all - 1) / 2, x.all**2, x.drawn
            total, some = _pairs(x.all.sum()), _pairs(x.all[x.drawn].sum())
        else:
            own = x.all * y.all if alike else np.zeros(len(x.all))
            compared, both = own, np.intersect1d(x.drawn, y.drawn)
            total = x.all.sum() * y.all.sum()
            some = x.all[x.drawn].sum() * y.all[y.drawn].sum()
        own_drawn = float(own[both].sum())
        return cls(
            own=float(own.sum()),
            own_drawn=own_drawn,
            own_compared=float(compared.sum()),
            own_compared_drawn=float(compared[both].sum()),
            between=float(total - own.sum()),
            between_drawn=float(some - own_drawn),
        )

    def share(self, own: float, *, between: float) -> float:
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
