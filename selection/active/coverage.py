"""How much of what the global method would pick a pool lets through."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A batch beside the rows of highest score among all open ones.

    Attributes:
        top: how many rows of highest score were looked at.
        in_pool: share of them that were candidates, 0 to 1.
        picked: share of them that were picked.
        candidates: rows that were candidates for the batch, those that joined included.
        open_rows: rows that could have been.
    """

    top: int
    in_pool: float
    picked: float
    candidates: int
    open_rows: int


def measure_coverage(
    scores: NDArray[np.float64], rows: Rows, *, candidates: Rows, picked: Rows, top: int
) -> Coverage:
    """Compare a batch with the `top` of all open rows, ties by lower row.

    Args:
        scores: (m,) of all open rows.
        rows: (m,) them, ascending.
        candidates: rows the batch was picked from.
        picked: rows that were picked.
        top: how many to compare with, at most m.
    """
    best = rows[np.argsort(-scores, kind="stable")[:top]]
    return Coverage(
        top=len(best),
        in_pool=float(np.isin(best, candidates).mean()),
        picked=float(np.isin(best, picked).mean()),
        candidates=len(candidates),
        open_rows=len(rows),
    )
