"""Vendi scores: the effective number of directions that rows take.

Friedman and Dieng 2023 (https://arxiv.org/abs/2210.02410), and of order q Pasarkar and
Dieng 2024 (https://arxiv.org/abs/2310.12952): with unit rows X and the eigenvalues l of
X X' / n, which sum to one, the score of order q is the exponential of their Renyi
entropy. X' X / n has the same eigenvalues and is (d, d), whatever n, and sums of X' X
add up over parts. For q below 1 rounding noise that counts as eigenvalues ruins the
score, so those below a floor relative to the largest are dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Vectors
from gleann.index.errors import InvalidParamsError
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.selection.checks import require_between

FLOOR = 1e-9
"""Eigenvalues below this share of the largest are rounding noise."""

NEAR_ONE = 1e-9
"""Orders so near 1 are 1: the quotient of their formula is rounding alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SecondMoments:
    """The sum of outer products of unit rows; those of disjoint parts add up.

    Attributes:
        rows: rows in the sum.
        sums: float64 (d, d).
    """

    rows: int
    sums: NDArray[np.float64]

    @classmethod
    def of(cls, unit: Vectors) -> "SecondMoments":
        """Of unit rows (n, d); n may be 0."""
        dim = unit.shape[1]
        sums = np.zeros((dim, dim))
        for block in block_slices(len(unit), max(1, BLOCK_VALUES // dim)):
            # In float64: a sum in float32 is noise at the height of the floor.
            wide = unit[block].astype(np.float64)
            sums += wide.T @ wide
        return cls(rows=len(unit), sums=sums)

    def __add__(self, other: "SecondMoments") -> "SecondMoments":
        return SecondMoments(rows=self.rows + other.rows, sums=self.sums + other.sums)

    def __sub__(self, other: "SecondMoments") -> "SecondMoments":
        """Without a part; noise stays below the floor where a millionth is left."""
        return SecondMoments(rows=self.rows - other.rows, sums=self.sums - other.sums)

    def eigenvalues(self) -> NDArray[np.float64]:
        """Those above the floor (r,), descending, summing to one; none for no rows."""
        if not self.rows:
            return np.empty(0)
        values = np.linalg.eigvalsh(self.sums)[::-1]
        kept = values[values > FLOOR * values[0]]
        return kept / kept.sum()


def vendi_score(eigenvalues: NDArray[np.float64], *, order: float) -> float:
    """The score of an order, from 1 to the number of eigenvalues; 0 for none.

    Args:
        eigenvalues: (r,) above 0, summing to one.
        order: q, above 0; below 1 rare directions count more, infinity tells only how
            much the commonest one dominates.
    """
    if not len(eigenvalues):
        return 0.0
    if order == np.inf:
        return float(1 / eigenvalues.max())
    logs = np.log(eigenvalues)
    if abs(order - 1) < NEAR_ONE:
        return float(np.exp(-(eigenvalues * logs).sum()))
    # Over the largest: powers of a great order are below float64.
    sums = np.exp(order * (logs - logs.max())).sum()
    return float(np.exp((order * logs.max() + np.log(sums)) / (1 - order)))


def vendi_scores(moments: SecondMoments, orders: Sequence[float]) -> tuple[float, ...]:
    """The score of each order."""
    values = moments.eigenvalues()
    return tuple(vendi_score(values, order=order) for order in orders)


def require_orders(orders: Sequence[float]) -> None:
    """Refuse orders that are not above 0, or none at all.

    Raises:
        InvalidParamsError: with the order.
    """
    if not orders:
        raise InvalidParamsError("orders must have at least 1 entry, got 0")
    for order in orders:
        require_between("orders", order, low=0, high=np.inf)
        if not order:
            raise InvalidParamsError(f"orders must be above 0, got {order!r}")


def order_as_json(order: float) -> float | str:
    """An order as JSON has it: "inf" for infinity."""
    return "inf" if order == np.inf else float(order)
