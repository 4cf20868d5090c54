"""Rows of all shards as `Points`: a traversal over them is that of one machine."""

from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from typing import TypeVar
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.index.errors import InvalidParamsError
from gleann.index.shards.places import ShardPlaces
from gleann.selection.coreset.distance.choose import make_points
from gleann.selection.coreset.distance.contract import (
    Covering,
    Points,
    Squares,
    foremost,
)
from gleann.selection.coreset.parallel.asked import (
    Covered,
    Foremost,
    State,
    examined,
    foremost_of,
    state_of,
)
from gleann.selection.coreset.problem import CostOn, Problem

Answer = TypeVar("Answer")


class PlacedPoints:
    """`Points` of shards: distances are measured where the rows are.

    A batch of picks costs one question to every shard, with the vectors of the centres
    since the last one; each answers with the numbers of its foremost rows, of which the
    foremost of all are read.

    Args:
        places: of the shards.
    """

    def __init__(self, places: ShardPlaces) -> None:
        self.places = places

    def squared(self, a: Rows, b: Rows) -> Squares:
        """See `Points`."""
        vectors = self.places.rows[np.concatenate([a, b])]
        each = np.arange(len(vectors))
        return make_points(vectors).squared(each[: len(a)], each[len(a) :])

    def from_each(self, rows: Rows) -> Callable[[int], Squares]:
        """See `Points`; the rows are read once, now."""
        return make_points(self.places.rows[rows]).from_each(np.arange(len(rows)))

    def foremost(
        self,
        covering: Covering,
        prices: NDArray[np.float64] | None,
        *,
        count: int,
    ) -> tuple[Rows, float, int, Squares]:
        """See `Points`; without prices.

        Raises:
            InvalidParamsError: with prices, which no shard knows.
        """
        if prices is not None:
            raise InvalidParamsError(
                "rows in shards are picked by distance alone, not less a price"
            )
        assert isinstance(covering, PlacedCovering)
        answers = covering.asked(foremost_of, count=count)
        if len(answers) == 1:
            (one,) = answers
            return one.rows, one.bar, one.last, one.squared
        return _foremost_of_all(answers, n=len(self.places), count=count)

    def covering(self) -> "PlacedCovering":
        """See `Points`."""
        return PlacedCovering(self.places)


class PlacedCovering:
    """`Covering` of `PlacedPoints`: the shards are told of centres when they are asked.

    Args:
        places: of the shards.
    """

    def __init__(self, places: ShardPlaces) -> None:
        self._places = places
        self._run = uuid4().hex
        self._told = 0
        self._states: tuple[int, list[State]] = (0, [])
        dim = places.rows.shape[1]
        self._centres: list[Vectors] = [np.empty((0, dim), np.float32)]

    def cover(self, rows: Rows) -> None:
        """See `Covering`."""
        if len(rows):
            self._centres.append(self._places.rows[rows])

    @property
    def squared(self) -> Squares:
        """See `Covering`; 16 bytes a row travel."""
        if len(self._centres) == 1:
            return np.full(len(self._places), np.inf)
        return np.concatenate([one.squared for one in self._state()])

    @property
    def nearest(self) -> Rows:
        """See `Covering`; 16 bytes a row travel."""
        if len(self._centres) == 1:
            return np.full(len(self._places), -1, np.int64)
        return np.concatenate([one.nearest for one in self._state()])

    def _state(self) -> list[State]:
        """The state of every shard, asked for once for all centres so far."""
        count = sum(map(len, self._centres))
        if self._states[0] != count:
            self._states = (count, self.asked(state_of))
        return self._states[1]

    def asked(
        self, function: Callable[[Covered], Answer | None], *, count: int = 0
    ) -> list[Answer]:
        """What every shard answers, all centres covered."""
        centres = np.concatenate(self._centres)
        answers = self._ask(function, [self._told] * len(self._places.places), count)
        self._told = len(centres)
        if any(one is None for one in answers):
            # Who held nothing is told all; the others are asked again, which costs
            # little, so that each stays with its worker.
            before = [0 if one is None else len(centres) for one in answers]
            answers = self._ask(function, before, count)
        told = [one for one in answers if one is not None]
        if len(told) != len(answers):
            return self._from_the_start(function, count)
        return told

    def _from_the_start(
        self, function: Callable[[Covered], Answer | None], count: int
    ) -> list[Answer]:
        """What every shard answers that is told all centres, whatever it holds."""
        answers = self._ask(function, [0] * len(self._places.places), count)
        return [one for one in answers if one is not None]

    def _ask(
        self,
        function: Callable[[Covered], Answer | None],
        before: list[int],
        count: int,
    ) -> list[Answer | None]:
        centres = np.concatenate(self._centres)
        questions = [
            Covered(
                place=place,
                run=self._run,
                before=first,
                centres=centres[first:],
                count=count,
            )
            for place, first in zip(self._places.places, before, strict=True)
        ]
        return self._places.ask(function, questions)


class PlacedRows:
    """Rows of shards as a `Problem` has them; see its `Elsewhere`.

    Args:
        places: of the shards.

    Raises:
        InvalidParamsError: under inner product, which is no metric.
    """

    def __init__(self, places: ShardPlaces) -> None:
        if places.metric == "ip":
            raise InvalidParamsError(
                "k-center needs a true metric: build the index with cosine or l2, got"
                " ip"
            )
        self._places = places

    @cached_property
    def data_hash(self) -> str:
        """Of the rows; each shard reads all of its own once, and checks them."""
        hashes = self._places.ask(examined, self._places.places)
        if len(hashes) == 1:
            return hashes[0]
        return sha256("".join(hashes).encode()).hexdigest()

    def points(self) -> Points:
        """The rows, prepared for distances."""
        return PlacedPoints(self._places)


def problem_in_shards(
    places: ShardPlaces,
    *,
    k: int,
    costs: ArrayLike | None = None,
    cost_weight: float = 0.0,
    cost_on: CostOn = "sum",
    locked: Rows | None = None,
) -> Problem:
    """The problem of choosing among the rows of all shards, which stay where they are.

    `farthest_first`, `margin`, `uniform` and `stratified` solve it as they would with
    all rows on one machine, and choose the same rows. This process takes up to 54 bytes
    a row, when it learns at the end what every row is covered by; 12 stay.

    Args:
        places: of the shards; rows are numbered one shard after another.
        k: rows to choose, at most all that are not locked.
        costs: (n,) at least 0, as `Problem.of`; None for none.
        cost_weight: as `Problem.of`.
        cost_on: as `Problem.of`.
        locked: (m,) rows that are centres already.

    Raises:
        InvalidInputError: costs or locked rows that cannot be used, or rows that are
            too long to be measured.
        InvalidParamsError: k or cost_weight out of range, or an index for inner
            product.
    """
    problem = Problem.held_elsewhere(
        places.rows,
        elsewhere := PlacedRows(places),
        k=k,
        costs=costs,
        cost_weight=cost_weight,
        cost_on=cost_on,
        locked=locked,
    )
    _ = elsewhere.data_hash  # rows are checked before any work
    return problem


def _foremost_of_all(
    answers: list[Foremost], *, n: int, count: int
) -> tuple[Rows, float, int, Squares]:
    """The foremost of several shards, each of which told as many of its own.

    A row that none told is no farther than the last one that its shard told, and of
    equals behind it.
    """
    rows = np.concatenate([one.rows for one in answers])
    squared = np.concatenate([one.squared for one in answers])
    if n <= count:
        return rows, -np.inf, n, squared
    at, bar, last = foremost(np.sqrt(squared), count=count)
    return rows[at], bar, int(rows[last]), squared[at]
