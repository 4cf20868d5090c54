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
    """Training images to choose from, and test images.

    Attributes:
        vectors: float32 (n, 64), pixels in [0, 1], the images to choose from.
        labels: int64 (n,).
        test_vectors: float32 (m, 64).
        test_labels: int64 (m,).
        labelled: rows labelled at the start.
        costs: float64 (n,), p1 - p2 of a classifier trained on `labelled`: low where
            it is uncertain.
    """

    vectors: Vectors
    labels: NDArray[np.int64]
    test_vectors: Vectors
    test_labels: NDArray[np.int64]
    labelled: Rows
    costs: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subset:
    """One subset and its quality.

    Attributes:
        method: its name.
        seed: for the split and the draw.
        cost_weight: parameter of weighted k-center.
        radius: largest distance of an image to its nearest chosen or labelled image.
        mean_cost: mean p1 - p2 of the chosen images, low where the model was uncertain.
        ratio: the certificate, an upper bound on objective / optimum; or None.
        accuracy: on the test images, trained on labelled and chosen images.
        rows: the chosen images.
        winner: of weighted k-center, the candidate set that had the lowest objective,
            as in `Coreset.winners`; "" for other methods.
    """

    method: str
    seed: int
    cost_weight: float
    radius: float
    mean_cost: float
    ratio: float | None
    accuracy: float
    rows: Rows
    winner: str


def load(*, seed: int) -> Digits:
    """Split the digits at random, label a few, and compute costs from their model."""
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
        winner=next(iter(chosen.winners), ""),
    )


def _some_of_each_class(labels: NDArray[np.int64]) -> Rows:
    """The first few rows of every class; the model needs all classes."""
    each = LABELLED // 10
    return np.sort(
        np.concatenate([np.flatnonzero(labels == digit)[:each] for digit in range(10)])
    )


def _classifier() -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1.0, max_iter=2000)
