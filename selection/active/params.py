"""What a caller chooses when an active-learning session is begun."""

from dataclasses import dataclass
from typing import Literal, get_args

from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import require_count, require_one_of

Strategy = Literal["entropy", "least_confidence", "margin", "most_likely_positive"]
PoolName = Literal["seals", "classifier", "global", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveParams:
    """How a session picks.

    Attributes:
        strategy: the score, one of `uncertainty.STRATEGIES`; "random" does not use it.
        pool: "seals" (neighbours of what is labelled), "classifier" (these and the
            rows farthest along the classifier's weights), "global" (every row) or
            "random" (uniform draws, the baseline).
        batch: rows to ask for at a time.
        neighbours: neighbours of each labelled row that enter the SEALS pool, and rows
            along the classifier's weights that enter before each batch.
        C: inverse strength of the logistic regression's penalty.
        class_weight: "balanced" or None, as in scikit-learn.
        max_iter: iterations of lbfgs at most.
        classes: the labels there are, ascending; None takes those of the seed.
        seed: the only source of randomness.
    """

    strategy: Strategy = "entropy"
    pool: PoolName = "seals"
    batch: int = 100
    neighbours: int = 100
    C: float = 1.0
    class_weight: Literal["balanced"] | None = None
    max_iter: int = 1000
    classes: tuple[int, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        require_one_of("strategy", self.strategy, get_args(Strategy))
        require_one_of("pool", self.pool, get_args(PoolName))
        for name in ("batch", "neighbours", "max_iter"):
            require_count(name, getattr(self, name))
        require_count("seed", self.seed, at_least=0)
        if not 0 < self.C < float("inf"):
            raise InvalidParamsError(f"C must be a finite number > 0, got {self.C}")
        if self.class_weight not in (None, "balanced"):
            raise InvalidParamsError(
                f"class_weight must be 'balanced' or None, got {self.class_weight!r}"
            )
        if self.classes is not None:
            self._check_classes(self.classes)

    def _check_classes(self, classes: tuple[int, ...]) -> None:
        if len(classes) < 2 or list(classes) != sorted(set(classes)):
            raise InvalidParamsError(
                f"classes must be two or more distinct labels, ascending; got {classes}"
            )
