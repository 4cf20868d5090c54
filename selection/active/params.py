"""Parameters of an active-learning session."""

from dataclasses import dataclass
from sys import float_info
from typing import Any, Literal, get_args

from gleann.index.checks import require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import (
    require_between,
    require_count,
    require_names,
)
from gleann.selection.words import as_words

Strategy = Literal[
    "entropy",
    "least_confidence",
    "margin",
    "most_likely_positive",
    "information_density",
]
UsedPool = Literal["seals", "classifier", "anchors", "global", "random"]
PoolName = Literal["auto", UsedPool]
ModelName = Literal["logistic_regression", "own", "given", "graph"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveParams:
    """How a session picks its batches.

    Attributes:
        strategy: the score: one of `uncertainty.STRATEGIES`, or "information_density",
            which is entropy times the mean similarity to the pool; the pool "random"
            uses none.
        pool: "auto" ("global" where a round over every row costs no more, else
            "classifier", by a cost model; `ActiveSession.pool_choice` has the reason),
            "classifier" (neighbours of what is labelled, the likeliest rows and the
            rows nearest to the classifier's boundary; without a linear classifier the
            neighbours alone), "seals" (the neighbours alone, as published),
            "anchors" (AnchorAL: neighbours of a few labelled rows of each class),
            "global" (every row) or "random" (uniform draws, the baseline).
        batch: rows per batch. Defaults were measured: selection/DECISIONS.md 40.
        neighbours: neighbours of each labelled row (or anchor) that enter the pool.
        model: "logistic_regression", "own" (a classifier passed to `start`), "given"
            (probabilities submitted to the session before each batch) or "graph" (no
            classifier: labels propagate over the graph of the neighbours; with the
            strategy "margin" the rows between two classes are picked, which serve the
            propagation, not a linear classifier). The pool "auto" is every row then.
        C: inverse strength of the logistic regression's penalty.
        class_weight: "balanced" or None, as in scikit-learn.
        max_iter: iterations of lbfgs at most.
        classes: all labels, integers ascending, or words of any kind in their order,
            of which the last is the positive one; None takes those of the seed.
        concepts: names of several yes-or-no questions; empty for one question.
        anchors: number per class, for "anchors".
        subpool: rows in the pool of "anchors" at most.
        density_power: the exponent of the similarity in "information_density".
        seed: the only source of randomness, also of an own classifier without a
            `random_state`.
    """

    strategy: Strategy = "entropy"
    pool: PoolName = "auto"
    batch: int = 25
    neighbours: int = 10
    model: ModelName = "logistic_regression"
    C: float = 1.0
    class_weight: Literal["balanced"] | None = None
    max_iter: int = 1000
    classes: tuple[Any, ...] | None = None
    concepts: tuple[str, ...] = ()
    anchors: int = 10
    subpool: int = 10_000
    density_power: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        require_one_of("strategy", self.strategy, get_args(Strategy))
        require_one_of("pool", self.pool, get_args(PoolName))
        require_one_of("model", self.model, get_args(ModelName))
        for name in ("batch", "neighbours", "max_iter", "anchors", "subpool"):
            require_count(name, getattr(self, name))
        require_count("seed", self.seed, at_least=0)
        self._check_numbers()
        if self.classes is not None:
            self._check_classes(self.classes)
        self._check_concepts()

    def _check_numbers(self) -> None:
        for name in ("C", "density_power"):
            value = getattr(self, name)
            require_between(name, value, low=0, high=float_info.max)
            if not value:
                raise InvalidParamsError(
                    f"{name} must be a finite number > 0, got {value}"
                )
        if self.class_weight not in (None, "balanced"):
            raise InvalidParamsError(
                f"class_weight must be 'balanced' or None, got {self.class_weight!r}"
            )

    def _check_classes(self, classes: object) -> None:
        listed: list[Any] = list(classes) if isinstance(classes, tuple | list) else [0]
        words = as_words(listed, name="classes")
        whole = all(isinstance(label, int) for label in listed)
        known = whole or words is not None
        ordered = words if words is not None else sorted(set(listed)) if whole else []
        if not known or len(set(listed)) < max(2, len(listed)) or listed != ordered:
            raise InvalidParamsError(
                "classes must be two or more distinct integers, ascending, or distinct"
                f" words; got {classes}"
            )

    def _check_concepts(self) -> None:
        # Questions are selected by name, over the wire too: "" would mean none.
        require_names("concepts", self.concepts)
        if len(set(self.concepts)) != len(self.concepts):
            raise InvalidParamsError(
                f"concepts must have distinct names, got {self.concepts}"
            )
        if self.concepts and self.classes not in (None, (0, 1)):
            raise InvalidParamsError(
                f"concepts are answered by 0 or 1, got the classes {self.classes}"
            )
