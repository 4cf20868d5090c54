"""A chosen subset, how well it covers, and what it costs."""
from typing import Any
from dataclasses import dataclass
from numpy.typing import ArrayLike, NDArray
import numpy as np
from gleann.index import SoarIndex
from gleann.index.arrays import Distances, Rows, Vectors
from gleann.selection.pool import Selection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coreset:
    """Chosen rows and what they achieve: F = radius + cost_weight * cost.

    Attributes:
        method: which algorithm chose them.
        rows: int64 (k,), in the order chosen.
        radius: the largest distance (plain L2; the chord on unit rows) of any row to
            its nearest chosen or locked one.
        cost: sum of the chosen rows' costs.
        objective: radius + cost_weight * cost.
        lower_bound: no set of k rows has a lower objective; None where no bound is known.
        ratio: objective / lower_bound (1 where both are 0); None without a bound.
        radius_guess: the guess behind the set, None where there was none.
        nearest: int64 (n,), position in `rows` of each row's nearest chosen one; -1
            where a locked row is nearest.
        distances: float32 (n,), to it.
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

    def to_selection(self, ids: ArrayLike | None, provenance: dict[str, Any]) -> Selection: ...


def metric_vectors(index: SoarIndex) -> Vectors:
    """`index.vectors`, for which plain L2 is a true metric of the index.
    Raises InvalidParamsError under inner product."""


def measure(vectors: ArrayLike, rows: ArrayLike, *, costs: ArrayLike | None = None, cost_weight: float = 0.0, locked: ArrayLike | None = None, method: str = "given") -> Coreset:
    """Radius, cost and objective of any chosen rows (random, say)."""
