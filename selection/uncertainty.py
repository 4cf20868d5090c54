"""Class probabilities to scores; higher means pick it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.checks import require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.selection.among import Among, AmongLike, origin_of
from gleann.selection.checks import (
    IdMap,
    as_probabilities,
    require_count,
)
from gleann.selection.provenance import fingerprint, provenance
from gleann.selection.result import Selection

Scores = NDArray[np.float64]
"""Higher means pick it."""


def entropy(probabilities: ArrayLike) -> Scores:
    """Entropy (n,) of each row of `probabilities` (n, c), in nats; 0 log 0 is 0.

    For two classes this is MaxEnt of SEALS (Coleman et al. 2020,
    https://arxiv.org/abs/2007.00077).
    """
    table = as_probabilities(probabilities)
    logs = np.log(table, out=np.zeros_like(table), where=table > 0)
    # Adding 0 turns the -0.0 of a certain row into 0.0.
    scores: Scores = np.maximum(-(table * logs).sum(axis=1), 0.0) + 0.0
    return scores


def least_confidence(probabilities: ArrayLike) -> Scores:
    """One minus the largest probability (n,) of each row of `probabilities` (n, c)."""
    scores: Scores = 1 - as_probabilities(probabilities).max(axis=1)
    return scores


def margin(probabilities: ArrayLike) -> Scores:
    """Minus the gap (n,) between the two likeliest of `probabilities` (n, c)."""
    scores: Scores = -margin_costs(probabilities)
    return scores


def margin_costs(probabilities: ArrayLike) -> Scores:
    """The gap p1 - p2 (n,) of `probabilities` (n, c): small where uncertain.

    These are the costs of `coreset.weighted_k_center`.
    """
    top = np.partition(as_probabilities(probabilities), -2, axis=1)
    gaps: Scores = top[:, -1] - top[:, -2]
    return gaps


def entropy_costs(probabilities: ArrayLike) -> Scores:
    """One minus entropy / log(c) (n,) of `probabilities` (n, c), in 0..1."""
    table = as_probabilities(probabilities)
    costs: Scores = np.clip(1 - entropy(table) / np.log(table.shape[1]), 0.0, 1.0)
    return costs


def most_likely_positive(probabilities: ArrayLike) -> Scores:
    """Probability (n,) of the last class of `probabilities` (n, c), for active search.

    With labels 0 and 1 the last class is 1.
    """
    return as_probabilities(probabilities)[:, -1].copy()


STRATEGIES: dict[str, Callable[[ArrayLike], Scores]] = {
    "entropy": entropy,
    "least_confidence": least_confidence,
    "margin": margin,
    "most_likely_positive": most_likely_positive,
}
"""The scores by name."""


def select_by_score(
    probabilities: ArrayLike,
    *,
    k: int,
    strategy: str = "entropy",
    ids: ArrayLike | None = None,
    among: AmongLike | None = None,
) -> Selection:
    """Pick the `k` rows of highest score, ties by lower row.

    Args:
        probabilities: (n, c), from the caller's own model.
        k: rows to pick, at most n.
        strategy: one of `STRATEGIES`.
        ids: (n,) names of the rows; None numbers them.
        among: the rows to pick from: a mask (n,) of bool, or their ids where `ids` are
            given, else rows; None for all.

    Raises:
        InvalidParamsError: k outside 1..n (or the rows in `among`), or an unknown
            strategy.
        InvalidInputError: probabilities that are not such.
    """
    require_one_of("strategy", strategy, tuple(STRATEGIES))
    table = as_probabilities(probabilities)
    require_count("k", k)
    named = None if ids is None else IdMap(ids, n=len(table))
    within = Among.of(among, n=len(table), names=named)
    if k > (room := len(table if within is None else within)):
        raise InvalidParamsError(f"k is {k}, but there are {room} rows")
    names = named or IdMap(None, n=len(table))
    scores = STRATEGIES[strategy](table)
    open_rows = np.arange(len(table)) if within is None else within.rows
    rows = open_rows[np.argsort(-scores[open_rows], kind="stable")[:k]]
    return Selection(
        rows=rows,
        ids=names.ids_of(rows),
        scores=scores[rows].astype(np.float32),
        weights=np.ones(k, np.float32),
        provenance=provenance(
            strategy, params={"k": k}, seed=None, data_hash=fingerprint(table)
        )
        | origin_of(within),
    )
