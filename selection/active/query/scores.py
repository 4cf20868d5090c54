"""Scores of rows, by the strategy of a session."""

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.selection.active.models.base import ProbabilityModel
from gleann.selection.active.params import ActiveParams
from gleann.selection.active.query.greedy import Score
from gleann.selection.among import Among
from gleann.selection.uncertainty import STRATEGIES, entropy


def make_score(
    params: ActiveParams,
    vectors: Vectors,
    model: ProbabilityModel,
    *,
    candidates: Rows,
    question: int,
    among: Among | None = None,
) -> Score:
    """The scoring function of one batch and one question.

    Args:
        params: name the strategy.
        vectors: (n, d) the rows.
        model: gives the class probabilities.
        candidates: rows (m,) of the pool before the first pick of the batch.
        question: column of the label whose probabilities are scored.
        among: the rows that may be candidates; None for all.
    """
    if params.pool == "random":
        return _luck(params, len(vectors), among)
    if params.strategy == "information_density":
        return _density_score(
            params, vectors, model, candidates=candidates, question=question
        )
    strategy = STRATEGIES[params.strategy]

    def score(rows: Rows) -> NDArray[np.float64]:
        scores = np.full(len(rows), -np.inf)
        known = model.has(rows)
        scores[known] = strategy(model.probabilities(rows[known], question=question))
        return scores

    return score


def _luck(params: ActiveParams, n: int, among: Among | None) -> Score:
    """One fixed random number a row: the order of a uniform draw."""
    rng = np.random.default_rng(params.seed)
    if among is None:
        luck = rng.random(n)
    else:
        # As for these rows alone; a row that was not to be picked never is.
        luck = np.full(n, -np.inf)
        luck[among.rows] = rng.random(len(among))
    return lambda rows: luck[rows]


def _density_score(
    params: ActiveParams,
    vectors: Vectors,
    model: ProbabilityModel,
    *,
    candidates: Rows,
    question: int,
) -> Score:
    """Entropy times the mean cosine similarity to the pool, to the power given.

    Settles and Craven 2008, An analysis of active learning strategies for sequence
    labeling tasks, https://aclanthology.org/D08-1112; the pool in place of all rows is
    that of SEALS. The mean of the cosines to m rows is the cosine-weighted product with
    their mean, so the score costs no more than the entropy. The mean is that of the
    pool before the batch; rows that join within the batch are scored by it too. A mean
    similarity below 0 counts as 0.
    """
    centre = _unit(vectors[candidates]).mean(axis=0) if len(candidates) else None

    def score(rows: Rows) -> NDArray[np.float64]:
        scores = np.full(len(rows), -np.inf)
        known = rows[mask := model.has(rows)]
        if centre is not None and len(known):
            doubt = entropy(model.probabilities(known, question=question))
            near = np.maximum(_unit(vectors[known]) @ centre, 0.0)
            scores[mask] = doubt * near.astype(np.float64) ** params.density_power
        return scores

    return score


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, 1e-30)
    return unit
