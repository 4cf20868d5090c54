"""Active learning on rare concepts: the default pool, SEALS, global and random."""

from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.selection import ActiveParams, ActiveSession, IndexNeighbours
from gleann.service.demo.scale import Scale

Method = Literal["default", "seals", "global", "random"]
METHODS: tuple[Method, ...] = ("default", "seals", "global", "random")

PUBLISHED_NEIGHBOURS = 100
"""Neighbours of each labelled row in the SEALS paper."""

SEED_POSITIVES = 5
SEED_LABELS = 100
REGULARISATION = 10.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """One concept to learn.

    Attributes:
        name: the concept.
        vectors: float32 (n, d), unit rows to label.
        positive: bool (n,), the truth.
        ambiguous: bool (n,), rows excluded from labelling.
        test: float32 (m, d), unit rows held out.
        test_positive: bool (m,), the truth of the test rows.
    """

    name: str
    vectors: Vectors
    positive: Mask
    ambiguous: Mask
    test: Vectors
    test_positive: Mask

    @property
    def prevalence(self) -> float:
        """Share of positives among the unambiguous rows."""
        return float(self.positive.sum() / (~self.ambiguous).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Evaluation of a run after some batches.

    Attributes:
        labels: number of labels so far.
        positives: number of positives among them.
        ap_pool: average precision on the unlabelled remainder of the pool.
        ap_test: average precision on the held-out rows.
        looked_at: share of the rows that were candidates so far.
    """

    labels: int
    positives: int
    ap_pool: float
    ap_test: float
    looked_at: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """One run of one method on one concept.

    Attributes:
        concept: its name.
        method: selection method.
        seed: for the run.
        checkpoints: evaluations in order.
        select_seconds: time of selection and training, without evaluation.
        rows: labelled rows, in order.
        pool: pool that was used.
        pool_reason: why, if the session chose it.
    """

    concept: str
    method: Method
    seed: int
    checkpoints: tuple[Checkpoint, ...]
    select_seconds: float
    rows: Rows
    pool: str
    pool_reason: str


def run_method(
    task: Task, method: Method, neighbours: IndexNeighbours, scale: Scale, *, seed: int
) -> Run:
    """Label `scale.labels` rows by one method, with regular evaluation."""
    start = perf_counter()
    session = start_session(task, method, neighbours, scale, seed=seed)
    seconds = perf_counter() - start
    checkpoints = [_look(task, session)]
    batches = (scale.labels - SEED_LABELS) // scale.batch
    for number in range(1, batches + 1):
        start = perf_counter()
        picked = session.next_batch()
        session.submit_labels(picked.ids, task.positive[picked.rows].astype(np.int64))
        seconds += perf_counter() - start
        if number % scale.evaluate_every == 0:
            checkpoints.append(_look(task, session))
    return Run(
        concept=task.name,
        method=method,
        seed=seed,
        checkpoints=tuple(checkpoints),
        select_seconds=seconds,
        rows=session.labelled_rows,
        pool=session.pool_choice.pool,
        pool_reason=session.pool_choice.reason,
    )


def start_session(
    task: Task, method: Method, neighbours: IndexNeighbours, scale: Scale, *, seed: int
) -> ActiveSession:
    """Start from the seed rows; ambiguous rows are excluded."""
    rows = seed_rows(task, seed=seed)
    session = ActiveSession.start(
        task.vectors,
        active_params(method, scale, seed=seed),
        rows=rows,
        labels=task.positive[rows].astype(np.int64),
        neighbours=neighbours,
    )
    session.ignore(np.flatnonzero(task.ambiguous))
    return session


def active_params(method: Method, scale: Scale, *, seed: int) -> ActiveParams:
    """Session parameters; only the pool and its neighbours differ between methods."""
    ours = ActiveParams()
    return ActiveParams(
        strategy="entropy",
        pool="auto" if method == "default" else method,
        batch=scale.batch,
        neighbours=PUBLISHED_NEIGHBOURS if method == "seals" else ours.neighbours,
        C=REGULARISATION,
        class_weight="balanced",
        seed=seed,
    )


def seed_rows(task: Task, *, seed: int) -> Rows:
    """Five positives and 95 negatives, as in the SEALS paper, positives first."""
    rng = np.random.default_rng([seed, 3])
    positives = rng.choice(np.flatnonzero(task.positive), SEED_POSITIVES, replace=False)
    negatives = np.flatnonzero(~task.positive & ~task.ambiguous)
    others = rng.choice(negatives, SEED_LABELS - SEED_POSITIVES, replace=False)
    return np.concatenate([positives, others])


def _look(task: Task, session: ActiveSession) -> Checkpoint:
    rows, labels = session.labelled_rows, session.labels
    askable = ~task.ambiguous
    askable[rows] = False
    remainder = np.flatnonzero(askable)
    return Checkpoint(
        labels=len(rows),
        positives=int(labels.sum()),
        ap_pool=average_precision(
            # Scoring all rows avoids a copy of nearly all of them.
            task.positive[remainder],
            session.probabilities()[remainder, -1],
        ),
        ap_test=average_precision(
            task.test_positive, session.score_vectors(task.test)[:, -1]
        ),
        looked_at=_looked_at(session) / len(task.vectors),
    )


def _looked_at(session: ActiveSession) -> int:
    """Number of rows that were candidates so far; for a random draw, of drawn rows."""
    if session.params.pool == "random":
        return len(session.labelled_rows)
    return session.looked_at


def average_precision(positive: Mask, scores: NDArray[np.float64]) -> float:
    """Mean, over the positives, of the precision at their score; 0 without any.

    Equal scores share one threshold, as in scikit-learn's `average_precision_score`.
    """
    hits = np.sort(scores[positive])
    if not len(hits):
        return 0.0
    at_least = len(scores) - np.searchsorted(np.sort(scores), hits)
    hits_at_least = len(hits) - np.searchsorted(hits, hits)
    return float((hits_at_least / at_least).mean())
