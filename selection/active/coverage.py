"""A batch compared with those of simpler methods, scored by the same model.

The quality compared is the mean score of the rows, which the strategy of the session
maximises: their entropy, say, or their probability of being positive. Before a label
arrives no other quality of a batch is known.

The baselines are a uniform draw of the open rows, by its expected mean score, and the
*strongest simple baseline*: the same strategy applied to every open row (plain margin,
entropy or most-likely-positive sampling, the "global" pool). By this quality no other
simple method can be stronger, as no rows have a larger mean score.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.tables.tabular import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage(Record):
    """A batch compared with the highest-scoring of all open rows.

    With model "given" only rows with probabilities are scored; the others count only in
    `open_rows` and `candidates`.

    Attributes:
        top: number of highest-scoring rows compared with.
        in_pool: share of them that were candidates, 0 to 1.
        picked: share of them that were picked.
        candidates: rows that were candidates for the batch, including later ones.
        open_rows: rows without a label that are not ignored.
        score: mean score of the batch.
        random_score: mean score of all open rows, the expectation of a random draw.
        baseline_score: mean of the highest scores, as many as the batch has rows.
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
        rows: (m,) all open rows, ascending.
        candidates: rows the batch was picked from.
        picked: rows that were picked, each of them scored.
        top: number of highest-scoring rows to compare with, at most m.
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
