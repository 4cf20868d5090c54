"""GIST: utility and diversity, by greedy picking at a minimum distance.

Fahrbach et al. 2025, GIST: Greedy Independent Set Thresholding for Max-Min
Diversification with Submodular Utility, https://arxiv.org/abs/2405.18754.
"""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import InvalidInputError
from gleann.selection.checks import require_between
from gleann.selection.coreset.methods.defaults import DIVERSITY, THRESHOLD_STEP
from gleann.selection.coreset.methods.farthest_first import traverse
from gleann.selection.coreset.problem import LARGEST_SUM, Problem
from gleann.selection.coreset.result import Coreset

SMALLEST_EPS = 1e-2
BATCH = 256


def gist(
    problem: Problem, *, diversity: float = DIVERSITY, eps: float = THRESHOLD_STEP
) -> Coreset:
    """Choose k rows with a large sum of utilities plus `diversity` * least distance.

    The utility of a row is 1 - cost, with costs in 0..1 such as `margin_costs`. For
    each threshold of a geometric grid, and for 0, rows are taken in order of utility,
    each at least that far from all taken before; the best set of k wins. The paper
    allows smaller sets and has a ratio of 2/3 - eps for them; ours always have k rows,
    as those of the other methods, and we claim no ratio. O(n d k) per threshold.

    Args:
        problem: with costs in 0..1; its cost_weight does not affect the choice.
        diversity: weight of the least distance between two chosen (or locked) rows.
        eps: relative step between the thresholds.

    Raises:
        InvalidInputError: a cost above 1.
        InvalidParamsError: diversity or eps out of range.
    """
    require_between("eps", eps, low=SMALLEST_EPS, high=1)
    require_between("diversity", diversity, low=0, high=LARGEST_SUM)
    if (highest := problem.costs.max()) > 1:
        raise InvalidInputError(f"costs of gist must be in 0..1, got {highest}")
    rows = gist_rows(problem, diversity=diversity, eps=eps)
    chosen = problem.measure(rows, method="gist")
    return problem.finished(chosen, params={"diversity": float(diversity), "eps": eps})


def gist_rows(problem: Problem, *, diversity: float, eps: float) -> Rows:
    """The rows of `gist`."""
    utilities = 1 - problem.costs
    order = problem.by_cost()
    # k rows are at most this far from each other at the least: twice Gonzalez' radius.
    spread = traverse(problem, first=int(order[0]), progress=problem.progress)
    full = len(spread.insertions) == problem.k
    widest = 2 * spread.insertions[-1] if full else 0.0
    best, best_value = order[: problem.k], -np.inf
    thresholds = _thresholds(widest, eps=eps)
    for number, threshold in enumerate(thresholds):
        problem.report("thresholds", done=number, total=len(thresholds))
        rows, least = _take(problem, order, threshold)
        if len(rows) < problem.k:
            continue
        value = float(utilities[rows].sum()) + diversity * least
        if value > best_value:
            best, best_value = rows, value
    return best


def _thresholds(widest: float, *, eps: float) -> NDArray[np.float64]:
    """0, then a grid from `eps` / 2 of the widest up to it; only 0 for a single row."""
    if not 0 < widest < np.inf:
        return np.zeros(1)
    steps = int(np.ceil(np.log(2 / eps) / np.log(1 + eps)))
    return np.concatenate([[0.0], widest * (1 + eps) ** -np.arange(steps, -1, -1.0)])


def _take(problem: Problem, order: Rows, threshold: float) -> tuple[Rows, float]:
    """Rows in `order` at `threshold` or more from each other, and their least distance.

    Rows are taken in batches: whether one may be taken depends on all rows before it;
    the covering has those of earlier batches.

    Args:
        problem: what is chosen from.
        order: rows that may be taken, by descending utility.
        threshold: distance below which a row is passed over.
    """
    covering = problem.points.covering()
    covering.cover(problem.locked)
    taken: list[int] = []
    least, at = np.inf, 0
    while len(taken) < problem.k:
        apart = np.sqrt(covering.squared[order[at:]])
        places = np.flatnonzero(apart >= threshold)[:BATCH]
        if not places.size:
            break
        batch = order[at + places]
        fresh, narrowest = _take_batch(
            problem, batch, apart[places], threshold, most=problem.k - len(taken)
        )
        least = min(least, narrowest)
        taken.extend(fresh.tolist())
        covering.cover(fresh)
        at += int(places[-1]) + 1
    return np.asarray(taken, np.int64), least if np.isfinite(least) else 0.0


def _take_batch(
    problem: Problem,
    batch: Rows,
    apart: NDArray[np.float64],
    threshold: float,
    *,
    most: int,
) -> tuple[Rows, float]:
    """Up to `most` rows of `batch`, and the least of their distances when taken.

    Args:
        problem: what is chosen from.
        batch: (m,) rows, by descending utility.
        apart: (m,) their distances to the rows taken before the batch.
        threshold: distance below which a row is passed over.
        most: how many may be taken.
    """
    taken: list[int] = []
    least = np.inf
    for place, row in enumerate(batch):
        if len(taken) == most:
            break
        if apart[place] < threshold:
            continue
        taken.append(int(row))
        least = min(least, float(apart[place]))
        to_row = np.sqrt(problem.points.squared(batch[place : place + 1], batch)[0])
        apart = np.minimum(apart, to_row)
    return np.asarray(taken, np.int64), least
