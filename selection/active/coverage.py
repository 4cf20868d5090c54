"""A batch beside what simpler methods would ask for, by the same model.

The quality that is compared is the mean score of the rows, which is what the strategy
of the session is after: their entropy, say, or their chance of being positive. Before a
label arrives nothing more can be known of a batch.

Beside it stand a uniform draw of the open rows, by the mean that its score is expected
to have, and the *strongest simple baseline*: the same strategy applied to every open
row (plain margin, entropy or most-likely-positive sampling, the "global" pool). By this
quality no other simple method can be stronger, as no rows have a larger mean score.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A batch beside the rows of highest score among all open ones.

    Of the caller's own model only rows with probabilities can be scored; the others do
    not count in any number here, but for `open_rows` and `candidates`.

    Attributes:
        top: how many rows of highest score were looked at.
        in_pool: share of them that were candidates, 0 to 1.
        picked: share of them that were picked.
        candidates: rows that were candidates for the batch, those that joined included.
        open_rows: rows that could have been.
        score: mean of the batch.
        random_score: mean of all open rows: what random ones are expected to have.
        baseline_score: mean of as many rows of highest score as the batch has.
    """

    top: int
    in_pool: float
    picked: float
    candidates: int
    open_rows: int
    score: float
    random_score: float
    baseline_score: float


def measure_coverage(
    scores: NDArray[np.float64], rows: Rows, *, candidates: Rows, picked: Rows, top: int
) -> Coverage:
    """Compare a batch with the `top` of all open rows, ties by lower row.

    Args:
        scores: (m,) of all open rows; minus infinity where there is none.
        rows: (m,) them, ascending.
        candidates: rows the batch was picked from.
        picked: rows that were picked, each of them scored.
        top: how many to compare with, at most m.
    """
    scored = scores > -np.inf
    known, by = rows[scored], scores[scored]
    order = np.argsort(-by, kind="stable")
    best = known[order[:top]]
    return Coverage(
        top=len(best),
        in_pool=float(np.isin(best, candidates).mean()),
        picked=float(np.isin(best, picked).mean()),
        candidates=len(candidates),
        open_rows=len(rows),
        score=float(by[np.isin(known, picked)].mean()),
        random_score=float(by.mean()),
        baseline_score=float(by[order[: len(picked)]].mean()),
    )
