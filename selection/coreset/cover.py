"""A chosen subset: how well it covers all rows, and what it costs."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gleann.index import SoarIndex, as_vectors
from gleann.index.arrays import Distances, Rows, Vectors
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection.checks import (
    IdMap,
    as_costs,
    as_rows,
    require_between,
    require_count,
)
from gleann.selection.coreset.distance import Space
from gleann.selection.pool import Selection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coreset:
    """Chosen rows and what they achieve, F = radius + cost_weight * cost.

    Attributes:
        method: which algorithm chose them.
        rows: int64 (k,), in the order they were chosen.
        radius: largest distance of any row to its nearest chosen or locked one, in
            plain L2 (the chord on unit rows).
        cost: sum of the chosen rows' costs; 0 where none were given.
        objective: radius + cost_weight * cost.
        lower_bound: no k rows have a lower objective; None where no bound is known.
        ratio: objective / lower_bound, 1 where both are 0; None without a bound.
        radius_guess: the guess that led to the set; None where there was none.
        nearest: int64 (n,), position in `rows` of each row's nearest chosen one; -1
            where a locked row is nearer.
        distances: float32 (n,), to the nearest chosen or locked row.
    """

    method: str
    rows: Rows
    radius: float
    cost: float
    objective: float
    lower_bound: float | None
    ratio: float | None
    radius_guess: float | None
    nearest: Rows
    distances: Distances

    def to_selection(
        self, ids: ArrayLike | None, provenance: dict[str, Any]
    ) -> Selection:
        """The chosen rows as a `Selection`, with the rows each one stands for.

        Args:
            ids: (n,) names of the rows; None numbers them.
            provenance: where the set comes from.
        """
        k = len(self.rows)
        mine = self.nearest >= 0
        covers = np.bincount(self.nearest[mine], minlength=k)
        reach = np.zeros(k, np.float32)
        np.maximum.at(reach, self.nearest[mine], self.distances[mine])
        numbers = {
            "radius": self.radius,
            "cost": self.cost,
            "objective": self.objective,
            "lower_bound": self.lower_bound,
            "ratio": self.ratio,
            "radius_guess": self.radius_guess,
        }
        return Selection(
            rows=self.rows,
            ids=IdMap(ids, n=len(self.nearest)).ids[self.rows],
            scores=np.arange(k, 0, -1, dtype=np.float32),
            weights=np.ones(k, np.float32),
            why={"covers": covers, "reach": reach},
            summary={
                "method": self.method,
                **{name: x for name, x in numbers.items() if x is not None},
            },
            provenance=provenance,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """What the algorithms of this package solve, checked once.

    Attributes:
        space: the rows.
        k: rows to choose.
        costs: float64 (n,).
        cost_weight: lambda.
        locked: rows that are centres already, never chosen.
    """

    space: Space
    k: int
    costs: Any
    cost_weight: float
    locked: Rows

    def by_cost(self) -> Rows:
        """Rows that may be chosen, cheapest first, ties by lower row."""
        order = np.argsort(self.costs, kind="stable")
        return order[~np.isin(order, self.locked)]

    def measure(
        self, rows: Rows, *, method: str, radius_guess: float | None = None
    ) -> Coreset:
        """What choosing `rows` achieves."""
        centres = np.concatenate([rows, self.locked])
        nearest, distances = self.space.nearest_of(centres)
        radius, cost = float(distances.max()), float(self.costs[rows].sum())
        return Coreset(
            method=method,
            rows=rows,
            radius=radius,
            cost=cost,
            objective=radius + self.cost_weight * cost,
            lower_bound=None,
            ratio=None,
            radius_guess=radius_guess,
            nearest=np.where(nearest < len(rows), nearest, -1),
            distances=distances,
        )


def as_problem(
    vectors: ArrayLike,
    *,
    k: int,
    costs: ArrayLike | None = None,
    cost_weight: float = 0.0,
    locked: ArrayLike | None = None,
) -> Problem:
    """Check the input of a coreset algorithm.

    Raises:
        InvalidInputError: vectors, costs or locked rows that cannot be used.
        InvalidParamsError: k outside 1..n - 1, or more than the unlocked rows.
    """
    rows = as_vectors(vectors)
    n = len(rows)
    closed = as_rows([] if locked is None else locked, n=n, name="locked")
    room = min(n - 1, n - len(closed))
    require_count("k", k, at_least=0)
    require_between(
        "k", k, low=1, high=room, why=f"{n} rows, of which {len(closed)} locked"
    )
    require_between("cost_weight", cost_weight, low=0, high=np.finfo(np.float64).max)
    return Problem(
        space=Space(rows),
        k=k,
        costs=np.zeros(n) if costs is None else as_costs(costs, n=n),
        cost_weight=cost_weight,
        locked=closed,
    )


def measure(
    vectors: ArrayLike,
    rows: ArrayLike,
    *,
    costs: ArrayLike | None = None,
    cost_weight: float = 0.0,
    locked: ArrayLike | None = None,
    method: str = "given",
) -> Coreset:
    """What any chosen rows achieve, such as random ones.

    Args:
        vectors: (n, d); plain L2 between them must be the metric that is meant.
        rows: (k,) chosen.
        costs: (n,) at least 0; None for none.
        cost_weight: lambda, on the sum of costs.
        locked: rows that are centres already.
        method: what the answer calls itself.
    """
    chosen = np.asarray(rows)
    problem = as_problem(
        vectors,
        k=len(chosen),
        costs=costs,
        cost_weight=cost_weight,
        locked=locked,
    )
    checked = as_rows(chosen, n=len(problem.space))
    if (both := np.intersect1d(checked, problem.locked)).size:
        raise InvalidInputError(
            f"{both.size} of {len(checked)} rows are locked too, such as {both[0]}"
        )
    return problem.measure(checked, method=method)


def metric_vectors(index: SoarIndex) -> Vectors:
    """The rows of `index` as points whose plain L2 distance is a true metric.

    Under l2 these are the vectors, and under cosine the unit vectors, between which L2
    is the chord sqrt(2 - 2 cos). Inner product is no metric: the triangle inequality,
    and with it every guarantee of this package, fails.

    Raises:
        InvalidParamsError: an index for inner product.
    """
    if index.metric == "ip":
        raise InvalidParamsError(
            "k-center needs a true metric: build the index with cosine or l2, got ip"
        )
    return index.vectors
