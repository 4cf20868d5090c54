"""Every way to choose a subset that is compared, as functions of one situation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.selection import coreset, entropy_costs, margin_costs
from gleann.selection.coreset import Coreset


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Situation:
    """The inputs of the methods.

    Attributes:
        vectors: (n, d).
        labels: (n,), for quotas and for the margin of the true label.
        probabilities: (n, c) of a model trained on a random part of the rows.
        columns: class of each column of `probabilities`.
        k: rows to choose.
        seed: of every draw.
    """

    vectors: Vectors
    labels: Rows
    probabilities: NDArray[np.float64]
    columns: Rows
    k: int
    seed: int

    @property
    def margins(self) -> NDArray[np.float64]:
        """p1 - p2, small where uncertain."""
        return margin_costs(self.probabilities)

    @property
    def label_margins(self) -> NDArray[np.float64]:
        """(1 + p of the true label - largest other p) / 2: small where wrong."""
        n = len(self.labels)
        columns = np.searchsorted(self.columns, self.labels)
        columns = np.minimum(columns, len(self.columns) - 1)
        known = self.columns[columns] == self.labels
        others = self.probabilities.copy()
        true = np.where(known, others[np.arange(n), columns], 0.0)
        others[np.flatnonzero(known), columns[known]] = 0.0
        return (1 + true - others.max(axis=1)) / 2


def _by_class(method: Any, at: Situation, *, seed: int | None = None) -> Coreset:
    quotas = coreset.proportional_quotas(at.labels, k=at.k)
    return coreset.within_groups(
        method,
        at.vectors,
        groups=at.labels,
        quotas=quotas,
        costs=at.margins,
        seed=seed,
    )


def _weighted(weight: float, at: Situation) -> Coreset:
    return coreset.weighted_k_center(
        at.vectors, k=at.k, costs=at.margins, cost_weight=weight, cost_on="mean"
    )


def _ccs(costs: str, at: Situation) -> Coreset:
    return coreset.ccs(at.vectors, k=at.k, costs=getattr(at, costs), seed=at.seed)


def _uniform(at: Situation) -> Coreset:
    return coreset.uniform(at.vectors, k=at.k, seed=at.seed)


def _uniform_by_class(at: Situation) -> Coreset:
    return _by_class(coreset.uniform, at, seed=at.seed)


def _margin(at: Situation) -> Coreset:
    return coreset.margin(at.vectors, k=at.k, costs=at.margins)


def _entropy(at: Situation) -> Coreset:
    return coreset.margin(at.vectors, k=at.k, costs=entropy_costs(at.probabilities))


def _k_center(at: Situation) -> Coreset:
    return coreset.k_center(at.vectors, k=at.k, seed=at.seed)


def _k_center_by_class(at: Situation) -> Coreset:
    return _by_class(coreset.k_center, at, seed=at.seed)


def _gist(at: Situation) -> Coreset:
    # Diversity k: the least distance counts as much as the mean utility.
    return coreset.gist(
        at.vectors, k=at.k, costs=at.margins, diversity=float(at.k), eps=0.3
    )


def _weighted_by_class(at: Situation) -> Coreset:
    method = partial(coreset.weighted_k_center, cost_weight=0.1, cost_on="mean")
    return _by_class(method, at)


RIVALS: dict[str, Callable[[Situation], Coreset]] = {
    "random": _uniform,
    "random, by class": _uniform_by_class,
    "margin": _margin,
    "entropy": _entropy,
    "k-center": _k_center,
    "k-center, by class": _k_center_by_class,
    "GIST": _gist,
    "CCS, margin": partial(_ccs, "margins"),
    "CCS, label margin": partial(_ccs, "label_margins"),
    "weighted k-center 0.03": partial(_weighted, 0.03),
    "weighted k-center 0.1": partial(_weighted, 0.1),
    "weighted k-center 0.3": partial(_weighted, 0.3),
    "weighted k-center 0.1, by class": _weighted_by_class,
}
"""By the name that tables use; the number is the weight of the mean margin."""
