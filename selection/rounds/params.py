"""Parameters of a rounds session."""

from dataclasses import dataclass
from sys import float_info
from typing import Literal, get_args

from gleann.index.checks import require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import require_between, require_count

PickerName = Literal[
    "random",
    "margin",
    "farthest_first",
    "weighted_k_center",
    "gist",
    "badge",
    "cluster_margin",
    "graph_margin",
]

WEIGHTS = (0.0, 0.1, 0.3, 1.0, 3.0)
"""Weights that weighted k-center chooses among, in mean distances of two rows."""

SMALLEST_EPS = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsParams:
    """How a session picks its batches, and the model that it trains.

    Attributes:
        picker: "random", "margin" (the most uncertain rows), "farthest_first"
            (k-center, the labelled rows being centres already), "weighted_k_center"
            (radius + weight * mean margin), "gist" (margins and least distance),
            "badge" (k-means++ on gradients), "cluster_margin" (uncertain rows of many
            clusters) or "graph_margin" (the most uncertain rows by labels that are
            propagated over the neighbour graph, without the model).
        batch: rows per round.
        weights: of the mean margin in "weighted_k_center", ascending, in units of the
            mean distance of two rows. Of several, each round chooses one on the
            labelled rows (`weighting.choose_weight`).
        splits: random splits of the labelled rows by which a weight is chosen.
        diversity: of "gist", the weight of the least distance between two rows of the
            batch against their mean utility.
        eps: relative step between the radius guesses of "weighted_k_center" and between
            the distance thresholds of "gist".
        oversampling: of "cluster_margin", rows that are considered per row of the batch
            (k_m / k_t of the paper).
        cluster_rows: of "cluster_margin", mean number of rows in a cluster.
        C: inverse strength of the logistic regression's penalty.
        class_weight: "balanced" or None, as in scikit-learn.
        max_iter: iterations of lbfgs at most.
        seed: the only source of randomness.
    """

    picker: PickerName = "margin"
    batch: int = 100
    weights: tuple[float, ...] = WEIGHTS
    splits: int = 3
    diversity: float = 1.0
    eps: float = 0.1
    oversampling: float = 1.25
    cluster_rows: int = 10
    C: float = 10.0
    class_weight: Literal["balanced"] | None = None
    max_iter: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        require_one_of("picker", self.picker, get_args(PickerName))
        for name in ("batch", "splits", "cluster_rows", "max_iter"):
            require_count(name, getattr(self, name))
        require_count("seed", self.seed, at_least=0)
        largest = float_info.max
        require_between("C", self.C, low=float_info.min, high=largest)
        require_between("diversity", self.diversity, low=0, high=largest)
        require_between("eps", self.eps, low=SMALLEST_EPS, high=1)
        require_between("oversampling", self.oversampling, low=1, high=largest)
        if self.class_weight not in (None, "balanced"):
            raise InvalidParamsError(
                f"class_weight must be 'balanced' or None, got {self.class_weight!r}"
            )
        self._check_weights()

    def _check_weights(self) -> None:
        given: object = self.weights
        listed = list(given) if isinstance(given, tuple | list) else []
        if not listed:
            raise InvalidParamsError(
                f"weights must be one or more numbers, got {self.weights!r}"
            )
        for weight in listed:
            require_between("weights", weight, low=0, high=1e6)
        if listed != sorted(set(listed)):
            raise InvalidParamsError(
                f"weights must be distinct and ascending, got {listed}"
            )
