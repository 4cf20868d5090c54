"""Best ranks of a sample, distilled into a linear probe that scores every row."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index import Progress, SoarIndex, as_vectors
from gleann.index.arrays import RowMatrix, Rows, Vectors
from gleann.index.errors import InvalidInputError
from gleann.index.ids.held import take_ids
from gleann.index.metric import prepare
from gleann.index.parallel.blas import one_blas_thread
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.index.params import Metric
from gleann.selection.among import Among
from gleann.selection.checks import require_between, require_count
from gleann.selection.curation.target.answer import Chosen, selection_of
from gleann.selection.curation.target.best_rank import balanced, ranked, take_by_rank
from gleann.selection.curation.target.pool import NO_LIMITS, Limits, Pool
from gleann.selection.curation.target.targets import CheckedTargets, TargetsLike
from gleann.selection.heads import (
    TARGET_RECALL,
    require_recall,
)
from gleann.selection.progress import ProgressCallback
from gleann.selection.result import Selection
from gleann.selection.seeds import keyed_hashes

SAMPLE_SIZE = 20_000
POSITIVE_FRACTION = 0.1
FOLDS = 5
"""One of so many rows of the sample is kept out to judge the probe."""

FEWEST = 2
"""Rows of a sample: one is positive, one negative."""

PENALTY = 100.0
"""Of the squared weights, on rows of unit variance (`selection/DECISIONS.md`, the probe
of best ranks)."""

ITERATIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DistilRequest:
    """Train a probe to tell the rows of a sample that some target ranks best.

    Attributes:
        targets: as in `BestRankRequest`.
        budget: rows to choose, by the probe's scores.
        limits: which rows may be sampled and chosen, and how many of each group may be
            chosen.
        sample_size: rows of the sample, all where there are fewer.
        positive_fraction: share of the sample that is positive, in (0, 1).
        target_recall: of the searches for neighbours in the sample.
        seed: the only source of randomness.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """

    targets: TargetsLike
    budget: int
    limits: Limits = NO_LIMITS
    sample_size: int = SAMPLE_SIZE
    positive_fraction: float = POSITIVE_FRACTION
    target_recall: float = TARGET_RECALL
    seed: int = 0

    def __post_init__(self) -> None:
        require_count("budget", self.budget)
        require_count("seed", self.seed, at_least=0)
        require_count("sample_size", self.sample_size, at_least=FEWEST)
        low, high = np.nextafter(0, 1), np.nextafter(1, 0)
        require_between("positive_fraction", self.positive_fraction, low=low, high=high)
        require_recall(self.target_recall)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """A logistic probe: the chance to be positive is 1 / (1 + exp(-(w.x + b))).

    Attributes:
        weights: float64 (d,), w, for rows as the index compares them.
        bias: b.
        metric: of the index; under cosine rows have unit length.
    """

    weights: NDArray[np.float64]
    bias: float
    metric: Metric

    def scores_of(self, vectors: ArrayLike) -> NDArray[np.float32]:
        """The score (m,), in 0..1, of vectors (m, d) of any length.

        Raises:
            InvalidInputError: as `SoarIndex.search` for queries.
        """
        given = as_vectors(vectors, dim=len(self.weights))
        return self.scores_of_prepared(prepare(given, self.metric))

    def scores_of_prepared(self, rows: RowMatrix) -> NDArray[np.float32]:
        """The score (m,) of rows (m, d) of the index, each by itself in float64."""
        from scipy.special import expit

        scores = np.empty(len(rows), np.float32)
        for block in block_slices(len(rows), BLOCK_VALUES // len(self.weights)):
            wide = rows[block].astype(np.float64)
            # Not a matrix product, whose rounding depends on the other rows.
            scores[block] = expit(np.einsum("ij,j->i", wide, self.weights) + self.bias)
        return scores


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Distilled:
    """A probe of best ranks, its score of every row, and the rows it chooses.

    Attributes:
        scores: float32 (n,), in 0..1, for each row of the index: a column to stratify
            by, such as the proxy of an estimate.
        probe: scores further vectors.
        chosen: the rows of highest score, ties by id.
        sample: int64 (s,), the rows it learned from.
        positive: bool (s,), which of these were positive.
        held_out_auc: of a probe that did not learn from a fifth of the sample, there:
            the chance that it scores a positive row higher than a negative one. None
            where that fifth has no row of one kind.
    """

    scores: NDArray[np.float32]
    probe: Probe
    chosen: Selection
    sample: Rows
    positive: NDArray[np.bool_] = field(repr=False)
    held_out_auc: float | None = None


def distil(
    index: SoarIndex,
    request: DistilRequest,
    *,
    progress: ProgressCallback | None = None,
) -> Distilled:
    """Distil best ranks into a score of every row (BETR, Mizrahi et al. 2025).

    https://arxiv.org/abs/2507.12466. A uniform sample is ranked by the targets as
    `best_rank` does; a logistic regression, in which both classes weigh alike, learns
    which rows are in the best `positive_fraction`. The paper's scorer is FastText on
    the text; here it is linear in the vectors. Use examples of training sets as targets
    and keep tests out: what resembles a target is chosen.

    Args:
        index: whose rows are scored and chosen.
        request: for what, and how many.
        progress: called as phases "sample", "train" and "score" begin.

    Raises:
        InvalidInputError: no targets, targets or limits that do not fit the index, or
            fewer than two rows to sample.
    """
    targets = CheckedTargets.of(request.targets, index)
    pool = Pool.of(index, request.limits, excluded=targets.excluded)
    steps = _steps(progress)
    next(steps)
    sample, positive = _ranked_sample(index, pool, targets, request)
    next(steps)
    rows = np.ascontiguousarray(index.stored_rows[sample], np.float32)
    auc = _held_out_auc(rows, positive, metric=index.metric)
    probe = _trained(rows, positive, metric=index.metric)
    next(steps)
    scores = probe.scores_of_prepared(index.stored_rows)
    return Distilled(
        scores=scores,
        probe=probe,
        chosen=_best(pool, targets, scores, request, auc=auc, sample=len(sample)),
        sample=sample,
        positive=positive,
        held_out_auc=auc,
    )


def _steps(progress: ProgressCallback | None) -> Iterator[None]:
    for done, phase in enumerate(("sample", "train", "score")):
        if progress is not None:
            progress(Progress(phase=phase, done=done, total=3))
        yield


def _ranked_sample(
    index: SoarIndex, pool: Pool, targets: CheckedTargets, request: DistilRequest
) -> tuple[Rows, NDArray[np.bool_]]:
    """The sample, in a random order, and which rows some target ranks best in it."""
    rows = pool.by_id(pool.open_rows)
    require_sample(len(rows))
    ids = take_ids(index.held_ids, rows)
    bits = keyed_hashes(ids, seed=request.seed, purpose="sample to distil")
    sample = rows[np.argsort(bits, kind="stable")[: request.sample_size]]
    among = Among(rows=np.sort(sample), n=len(index))
    ranking = Pool.among_alone(index, among if len(sample) < len(index) else None)
    heads = ranking.heads(targets.vectors, target_recall=request.target_recall)
    used = balanced(targets, seed=request.seed)
    wanted = round(request.positive_fraction * len(sample))
    best = take_by_rank(
        ranked(heads, used, ranking),
        ranking,
        budget=min(max(1, wanted), len(sample) - 1),
    )
    return sample, np.isin(sample, best.rows)


def require_sample(count: int) -> None:
    """Refuse so few rows that a sample has no positive and negative one.

    Raises:
        InvalidInputError: with both numbers.
    """
    if count < FEWEST:
        raise InvalidInputError(
            f"a sample needs {FEWEST} rows at least, but {count} may be chosen"
        )


def _trained(rows: Vectors, positive: NDArray[np.bool_], *, metric: Metric) -> Probe:
    """A probe of rows (s, d), of which some are positive and some are not."""
    from sklearn.linear_model import LogisticRegression

    wide = rows.astype(np.float64)
    # The penalty must not depend on where the rows are, or on their unit.
    center = wide.mean(axis=0)
    wide -= center
    scale = float(np.sqrt(np.mean(np.square(wide)))) or 1.0
    wide /= scale
    model: Any = LogisticRegression(
        C=1 / PENALTY, class_weight="balanced", max_iter=ITERATIONS
    )
    with one_blas_thread():
        model.fit(wide, positive)
    weights = model.coef_[0] / scale
    bias = float(model.intercept_[0]) - float(weights @ center)
    return Probe(weights=weights, bias=bias, metric=metric)


def _held_out_auc(
    rows: Vectors, positive: NDArray[np.bool_], *, metric: Metric
) -> float | None:
    from sklearn.metrics import roc_auc_score

    held_out = np.arange(len(rows)) % FOLDS == 0
    for part in (positive[held_out], positive[~held_out]):
        if part.all() or not part.any():
            return None
    probe = _trained(rows[~held_out], positive[~held_out], metric=metric)
    scores = probe.scores_of_prepared(rows[held_out])
    return float(roc_auc_score(positive[held_out], scores))


def _best(
    pool: Pool,
    targets: CheckedTargets,
    scores: NDArray[np.float32],
    request: DistilRequest,
    *,
    auc: float | None,
    sample: int,
) -> Selection:
    """The rows of highest score that may be chosen, ties by id."""
    rows = pool.by_id(pool.open_rows)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    chosen = pool.take_in_order(rows, most=request.budget)
    facts = {} if auc is None else {"held_out_auc": auc}
    return selection_of(
        Chosen(rows=chosen, why={"probe_score": scores[chosen]}),
        pool,
        targets,
        method="distilled_best_rank",
        budget=request.budget,
        params={
            "sample_size": sample,
            "positive_fraction": float(request.positive_fraction),
            "target_recall": float(request.target_recall),
        },
        facts={"sample": sample, **facts},
        seed=request.seed,
    )
