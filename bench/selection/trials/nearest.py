"""The simplest search for positives: the nearest rows to the positives found.

No classifier takes part until the end: before each batch the rows most similar to any
labelled positive are labelled next, over the whole pool. Together with the plain rule
over the whole pool ("global") it is what a method has to be compared with.
"""

import numpy as np

from bench.selection.trials.concepts import Labelled, draw_seed
from bench.selection.trials.labelling import Ending, Stopwatch, ending_of
from gleann.index.arrays import Rows, Vectors
from gleann.selection import ActiveParams, ActiveSession


def run_nearest(
    data: Labelled, concept: int, *, seed: int, budget: int, batch: int
) -> Ending:
    """Label `budget` rows, seed included, and judge a classifier of them all.

    Args:
        data: where the concept is from.
        concept: its class.
        seed: draws the labels to begin with, those of `run_concept`.
        budget: labels in all.
        batch: rows between two looks.
    """
    positive = data.classes == concept
    watch = Stopwatch()
    with watch:
        rows = _labelled(data.base, positive, seed=seed, budget=budget, batch=batch)
        session = ActiveSession.start(
            data.base,
            ActiveParams(pool="global"),
            rows=rows,
            labels=positive[rows].astype(np.int64),
        )
        session.probabilities(rows[:1])
    return ending_of(
        session,
        data,
        concept,
        looked_at=1.0,
        in_pool=None,
        watch=watch,
        rounds=-(-(budget - 100) // batch),
    )


def _labelled(
    vectors: Vectors, positive: np.ndarray, *, seed: int, budget: int, batch: int
) -> Rows:
    """All rows labelled, in the order they were."""
    rows = draw_seed(positive, seed=seed)
    near = np.full(len(vectors), -np.inf, np.float32)
    new = rows
    while True:
        found = new[positive[new]]
        if len(found):
            near = np.maximum(near, (vectors @ vectors[found].T).max(axis=1))
        near[rows] = -np.inf
        left = min(batch, budget - len(rows))
        if left <= 0:
            return rows
        new = np.argsort(-near, kind="stable")[:left]
        rows = np.concatenate([rows, new])
