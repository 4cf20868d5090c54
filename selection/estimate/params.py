"""Parameters of an estimate."""

from dataclasses import dataclass, field
from sys import float_info
from typing import get_args

from gleann.index.checks import require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import require_between, require_count
from gleann.selection.estimate.labels.answers import LARGEST_VALUE
from gleann.selection.estimate.result import INTERVALS, Estimate, Precision
from gleann.selection.estimate.stratified.allocate import Target
from gleann.selection.estimate.stratified.strata import STRATA_CUTS
from gleann.selection.saved import LATER

RANGED = ("auto", "polya")
"""Intervals that read `EstimateParams.value_range`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateParams:
    """Parameters of an estimate.

    Attributes:
        target: "count" (rows for which the predicate holds), or "avg" or "sum" (of a
            value over those rows).
        budget: labels to spend in all.
        strata: strata to cut the rows into, by proxy.
        strata_cut: one of `strata.STRATA_CUTS`: "sqrt_mass", "equal_size" as ABae, or
            "geometric" for a proxy that ranks but is no probability.
        pilot_share: share of the budget that is spent evenly over the strata first.
        rounds: labelling rounds, the pilot included; 2 is ABae. There are fewer if a
            round would have fewer labels than strata.
        floor: share of each later round that is split evenly over the strata.
        confidence: of the interval.
        interval: one of `result.INTERVALS`: "auto" takes "delta", symmetric around the
            estimate, for a count that few positives do not skew, and else "polya",
            which leans to the side where the unlabelled rows are. "bootstrap" is the
            latter by resamples.
        stop_at_width: stop labelling as soon as a finished round leaves high - low at
            most this, in the target's unit; None spends the budget. Each round ends in
            an interim analysis, and each interval is wide enough for all of them
            together, so give more than two rounds, and a small `pilot_share`.
        stop_at_relative_width: the same, as a share of the estimate.
        value_range: least and greatest value that a positive may have, (low, high).
            With it the interval of an average or a sum holds for any values inside.
            None supposes that none lies outside the range which the estimate's note
            names.
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
    interval: str = "auto"
    stop_at_width: float | None = None
    stop_at_relative_width: float | None = None
    value_range: tuple[float, float] | None = field(
        default=None, metadata={LATER: True}
    )
    seed: int = 0

    def __post_init__(self) -> None:
        require_one_of("target", self.target, get_args(Target))
        require_one_of("strata_cut", self.strata_cut, tuple(STRATA_CUTS))
        require_one_of("interval", self.interval, tuple(INTERVALS))
        require_count("budget", self.budget)
        require_count("strata", self.strata)
        require_count("rounds", self.rounds)
        require_count("seed", self.seed, at_least=0)
        require_between("pilot_share", self.pilot_share, low=0, high=1)
        require_between("floor", self.floor, low=0, high=1)
        require_between("confidence", self.confidence, low=0, high=1)
        if not 0 < self.confidence < 1:
            raise InvalidParamsError(
                f"confidence must lie between 0 and 1, got {self.confidence}"
            )
        if self.budget < self.strata:
            raise InvalidParamsError(
                f"budget is {self.budget}, but {self.strata} strata need one label each"
            )

        self._require_one_width()
        self._require_range()

    def _require_range(self) -> None:
        if self.value_range is None:
            return
        if self.target == "count":
            raise InvalidParamsError(
                f"value_range {self.value_range} needs the target avg or sum, got count"
            )
        if len(self.value_range) != 2:
            raise InvalidParamsError(
                f"value_range must be (low, high), got {len(self.value_range)} numbers"
            )
        low, high = self.value_range
        for end in self.value_range:
            require_between(
                "value_range", end, low=-LARGEST_VALUE, high=LARGEST_VALUE
            )
        if low >= high:
            raise InvalidParamsError(
                f"value_range must rise, got {low:g} to {high:g}"
            )
        if self.interval not in RANGED:
            raise InvalidParamsError(
                f"value_range needs an interval of {', '.join(RANGED)}, got"
                f" {self.interval!r}"
            )

    def _require_one_width(self) -> None:
        absolute, relative = self.stop_at_width, self.stop_at_relative_width
        for name, width in (
            ("stop_at_width", absolute),
            ("stop_at_relative_width", relative),
        ):
            if width is None:
                continue
            require_between(name, width, low=0, high=float_info.max)
            if not width:
                raise InvalidParamsError(
                    f"{name} must be a finite number above 0, got {width}"
                )
        if absolute is not None and relative is not None:
            raise InvalidParamsError(
                f"give stop_at_width ({absolute}) or stop_at_relative_width"
                f" ({relative}), not both"
            )

    @property
    def may_stop(self) -> bool:
        """Whether a narrow interval ends labelling before the budget does."""
        return self.stop_at_width is not None or self.stop_at_relative_width is not None

    def is_narrow(self, made: Estimate) -> bool:
        """Whether the interval of `made` is as narrow as `stop_at_width` requires."""
        if made.value is None or made.low is None or made.high is None:
            return False
        width = made.high - made.low
        if self.stop_at_relative_width is not None:
            return width <= self.stop_at_relative_width * abs(made.value)
        return self.stop_at_width is not None and width <= self.stop_at_width

    def precision(self, rounds: int) -> Precision:
        """Confidence and interim analyses of the interval, with `rounds` rounds."""
        return Precision(
            interval=INTERVALS[self.interval],
            confidence=self.confidence,
            interim_analyses=rounds if self.may_stop else 1,
            seed=self.seed,
        )

    def round_budgets(self, strata: int) -> tuple[int, ...]:
        """Labels of each round, pilot first, with `strata` strata."""
        pilot = min(max(round(self.pilot_share * self.budget), strata), self.budget)
        later = min(self.rounds - 1, (self.budget - pilot) // strata)
        if not later:
            return (self.budget,)
        each, extra = divmod(self.budget - pilot, later)
        return (pilot, *(each + (number < extra) for number in range(later)))
