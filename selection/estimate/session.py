"""An estimation session: which rows to label, and what their labels say of the whole."""
from dataclasses import dataclass, field
from typing import Any, Literal
from numpy.typing import ArrayLike
from gleann.selection.pool import Selection

Target = Literal["count", "avg", "sum"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateParams:
    """How an estimate is made.

    Attributes:
        target: "count" (rows for which the predicate holds), or "avg" or "sum" (of a
            value over them).
        budget: labels to spend.
        strata: strata to cut the rows into, by proxy.
        strata_cut: "sqrt_mass" or "equal_size", see `strata.STRATA_CUTS`.
        pilot_share: share of the budget spent evenly over the strata first.
        rounds: labelling rounds, the pilot included; 2 is ABae.
        floor: share of each later round that is spread over all strata.
        confidence: of the interval.
        seed: the only source of randomness.
    """
    target: Target = "count"
    budget: int
    strata: int = 5
    strata_cut: str = "sqrt_mass"
    pilot_share: float = 0.5
    rounds: int = 2
    floor: float = 0.1
    confidence: float = 0.95
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """What is known of one stratum (0 has the lowest proxies)."""
    size: int
    labelled: int
    positives: int
    rate: float
    mean: float | None
    proxy_low: float
    proxy_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number about all rows, from labels of a few.

    Attributes:
        target: what was estimated.
        value: the estimate; None for an average when no positive was drawn.
        low, high: interval; None where `value` is None.
        confidence: of the interval.
        labels_used: labels behind the estimate.
        positives: of those, rows for which the predicate holds.
        by_stratum: what each stratum told.
        note: what to know before using it; "" when there is nothing.
        provenance: method, params, seed, data_hash, version.
    """
    target: Target
    value: float | None
    low: float | None
    high: float | None
    confidence: float
    labels_used: int
    positives: int
    by_stratum: tuple[Stratum, ...]
    note: str
    provenance: dict[str, Any] = field(default_factory=dict)


class EstimateSession:
    @classmethod
    def start(cls, proxy: ArrayLike, params: EstimateParams, *, ids: ArrayLike | None = None) -> "EstimateSession": ...
    def next_batch(self) -> Selection:
        """Rows still to label in this round; empty when the budget is spent."""
    def submit(self, ids: ArrayLike, positives: ArrayLike, values: ArrayLike | None = None) -> int:
        """Take labels; return how many were new."""
    def estimate(self) -> Estimate:
        """What the finished rounds say. NotReadyError before the first is finished."""
    @property
    def done(self) -> bool: ...
    def state(self) -> dict[str, Any]: ...
    @classmethod
    def resume(cls, state: dict[str, Any], proxy: ArrayLike, *, ids: ArrayLike | None = None) -> "EstimateSession": ...
