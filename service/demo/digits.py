"""Weighted k-center on the digits of scikit-learn, against simpler subsets."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows, Vectors
from gleann.selection import Coreset, k_center, margin_costs, weighted_k_center
from gleann.selection.coreset import margin, measure
from gleann.selection.uniform import uniform_rows

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

LABELLED = 100
TRAIN_SHARE = 0.67
COST_WEIGHT = 0.02
"""Half-way between coverage and uncertainty on splits 100 to 104, not shown here."""
WEIGHTS = (0.0, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1)
METHODS = ("weighted k-center", "farthest-first", "margin", "random")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Digits:
    """Images to choose among and images to test on.

    Attributes:
        vectors: float32 (n, 64), pixels from 0 to 1, to choose among.
        labels: int64 (n,).
        test_vectors: float32 (m, 64).
        test_labels: int64 (m,).
        labelled: rows that are labelled at the start.
        costs: float64 (n,), p1 - p2 of a classifier trained on `labelled`: small where
            it is unsure.
    """

    vectors: Vectors
    labels: NDArray[np.int64]
    test_vectors: Vectors
    test_labels: NDArray[np.int64]
    labelled: Rows
    costs: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subset:
    """One subset and what it is worth.

    Attributes:
        method: that chose it.
        seed: of the split and of the draw.
        cost_weight: that weighted k-center was given.
        radius: farthest any image is from a chosen or labelled one.
        mean_cost: mean p1 - p2 of the chosen, small where the model was unsure.
        ratio: the certificate, at most this far from the best objective; or None.
        accuracy: on the test images, of a classifier trained on labelled and chosen.
        rows: chosen.
    """

    method: str
    seed: int
    cost_weight: float
    radius: float
    mean_cost: float
    ratio: float | None
    accuracy: float
    rows: Rows


def load(*, seed: int) -> Digits:
    """Split the digits at random, label a few, and say where their model is unsure."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng([seed, 5]).permutation(len(labels))
    cut = round(TRAIN_SHARE * len(labels))
    vectors = (pixels[order] / 16).astype(np.float32)
    names = labels[order].astype(np.int64)
    labelled = _some_of_each_class(names[:cut])
    model = _classifier().fit(vectors[labelled], names[labelled])
    return Digits(
        vectors=vectors[:cut],
        labels=names[:cut],
        test_vectors=vectors[cut:],
        test_labels=names[cut:],
        labelled=labelled,
        costs=margin_costs(model.predict_proba(vectors[:cut])),
    )


def subsets(digits: Digits, *, k: int, seed: int) -> list[Subset]:
    """Choose `k` images by each method."""
    return [
        _judge(digits, name, _choose(digits, name, k=k, seed=seed), COST_WEIGHT, seed)
        for name in METHODS
    ]


def trade_off(digits: Digits, *, k: int, seed: int) -> list[Subset]:
    """Weighted k-center over a range of weights."""
    return [
        _judge(digits, "weighted k-center", weigh(digits, k, weight), weight, seed)
        for weight in WEIGHTS
    ]


def weigh(digits: Digits, k: int, weight: float) -> Coreset:
    """Weighted k-center with one weight."""
    return weighted_k_center(
        digits.vectors,
        k=k,
        costs=digits.costs,
        cost_weight=weight,
        locked=digits.labelled,
    )


def _choose(digits: Digits, name: str, *, k: int, seed: int) -> Coreset:
    vectors, locked = digits.vectors, digits.labelled
    choosers: dict[str, Callable[[], Coreset]] = {
        "weighted k-center": lambda: weigh(digits, k, COST_WEIGHT),
        "farthest-first": lambda: k_center(vectors, k=k, locked=locked, seed=seed),
        "margin": lambda: margin(vectors, k=k, costs=digits.costs, locked=locked),
        "random": lambda: measure(
            vectors,
            uniform_rows(len(vectors), k=k, seed=seed, excluded=locked),
            locked=locked,
        ),
    }
    return choosers[name]()


def _judge(
    digits: Digits, name: str, chosen: Coreset, weight: float, seed: int
) -> Subset:
    rows = np.concatenate([digits.labelled, chosen.rows])
    model = _classifier().fit(digits.vectors[rows], digits.labels[rows])
    return Subset(
        method=name,
        seed=seed,
        cost_weight=weight,
        radius=chosen.radius,
        mean_cost=float(digits.costs[chosen.rows].mean()),
        ratio=chosen.ratio,
        accuracy=float(model.score(digits.test_vectors, digits.test_labels)),
        rows=chosen.rows,
    )


def _some_of_each_class(labels: NDArray[np.int64]) -> Rows:
    """The first few rows of every class: the model must know all classes."""
    each = LABELLED // 10
    return np.sort(
        np.concatenate([np.flatnonzero(labels == digit)[:each] for digit in range(10)])
    )


def _classifier() -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1.0, max_iter=2000)
