"""Parameters of a promised set."""

from dataclasses import dataclass
from math import log
from typing import Literal, get_args

from gleann.index.checks import require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import require_between, require_count

Promise = Literal["recall", "precision"]

PILOT_SHARE = 0.4
"""Share of the budget that is drawn before the threshold is planned."""

FEWEST_LABELS = 10
"""Budget below which neither round could say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseParams:
    """Parameters of a promised set.

    Attributes:
        promise: "recall" (the set holds `target` of all positives; it is made small) or
            "precision" (`target` of the set are positives; it is made large).
        target: the share promised, above 0 and below 1.
        budget: labels to spend in all.
        confidence: of the promise, over the draws of the labels.
        seed: the only source of randomness.

    Raises:
        InvalidParamsError: a value out of range.
    """

    promise: Promise = "recall"
    target: float = 0.9
    budget: int
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        require_one_of("promise", self.promise, get_args(Promise))
        for name in ("target", "confidence"):
            value = getattr(self, name)
            require_between(name, value, low=0, high=1)
            if not 0 < value < 1:
                raise InvalidParamsError(f"{name} must lie between 0 and 1: {value}")
        require_count("budget", self.budget, at_least=FEWEST_LABELS)
        require_count("seed", self.seed, at_least=0)

    @property
    def first_labels(self) -> int:
        """Labels of the first round."""
        return round(PILOT_SHARE * self.budget)

    @property
    def log_evidence_needed(self) -> float:
        """Logarithm of the evidence against a threshold's failure that is enough."""
        return -log(1 - self.confidence)
