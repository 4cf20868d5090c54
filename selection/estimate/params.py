"""Parameters of an estimate."""

from collections.abc import Sequence
from dataclasses import dataclass
from sys import float_info
from typing import get_args

import numpy as np

from gleann.index.checks import require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import require_between, require_count
from gleann.selection.estimate.result import INTERVALS, Estimate, Precision
from gleann.selection.estimate.stratified.allocate import (
    Target,
    TargetName,
    statistic_of,
)
from gleann.selection.estimate.stratified.estimators import ALLOCATIONS
from gleann.selection.estimate.stratified.strata import STRATA_CUTS
from gleann.selection.estimate.stratified.tally import LARGEST_VALUE

RANGED = ("auto", "polya")
"""Intervals that read `EstimateParams.value_range`."""

FIRST_LABELS = 50
"""Labels that a first round needs to tell strata apart, up to half the budget."""

FEWEST_TO_STOP = 6
"""Positives that an interval of some width needs to be believed; or none at all."""

BEFORE_1_1 = {"allocation": "even", "anytime": False, "value_range": None}
"""Parameters that older saved sessions lack: they go on as they were begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateParams:
    """Parameters of an estimate.

    Attributes:
        target: "count" (rows for which the predicate holds) or "share" (that count
            over all rows, 0 to 1), or "avg" or "sum" (of a value over those rows).
            "mean" is another name of "avg", which takes its place.
        budget: labels to spend in all.
        strata: strata to cut the rows into, by proxy.
        strata_cut: one of `strata.STRATA_CUTS`: "sqrt_mass", "equal_size" as ABae, or
            "geometric" for a proxy that ranks but is no probability.
        pilot_share: share of the budget that is spent first, half of it evenly over the
            strata and half by their sizes; None is a fifth, but at least 50 labels or
            half the budget. With even pilots, as those of groups and of ABae, None is
            a half.
        rounds: labelling rounds, the pilot included; 2 is ABae. There are fewer if a
            round would have fewer labels than strata.
        floor: share of each later round that is split over the strata by size.
        confidence: of the interval.
        interval: one of `result.INTERVALS`: "auto" takes "delta", symmetric around the
            estimate, for a count that few positives do not skew, and else "polya",
            which leans to the side where the unlabelled rows are. "bootstrap" is the
            latter by resamples.
        stop_at_width: stop labelling as soon as a finished round leaves high - low at
            most this, in the target's unit; None spends the budget. Rounds are then as
            large as the labels so far say is needed, up to the budget, whatever
            `rounds` is. Stopping by the width costs the interval nothing; whoever looks
            at the value and stops by it needs `anytime`.
        stop_at_relative_width: the same, as a share of the estimate.
        value_range: least and greatest value that a positive may have, (low, high).
            With it the interval of an average or a sum holds for any values inside.
            None supposes that none lies outside the range which the estimate's note
            names.
        anytime: make the intervals of all rounds hold together, however labelling is
            stopped: `stratified.looks`. They are 1.2 times as wide or more.
        allocation: "adaptive", which falls back to uniform sampling where the labels do
            not show that the proxy helps; or "even", as ABae: an even pilot, and an
            even floor.
        seed: the only source of randomness.
    """

    target: TargetName = "count"
    budget: int
    strata: int = 5
    strata_cut: str = "sqrt_mass"
    pilot_share: float | None = None
    rounds: int = 2
    floor: float = 0.1
    confidence: float = 0.95
    interval: str = "auto"
    stop_at_width: float | None = None
    stop_at_relative_width: float | None = None
    value_range: tuple[float, float] | None = None
    anytime: bool = False
    allocation: str = "adaptive"
    seed: int = 0

    def __post_init__(self) -> None:
        require_one_of("target", self.target, get_args(TargetName))
        if self.target == "mean":
            object.__setattr__(self, "target", "avg")
        require_one_of("strata_cut", self.strata_cut, tuple(STRATA_CUTS))
        require_one_of("interval", self.interval, tuple(INTERVALS))
        require_one_of("allocation", self.allocation, tuple(ALLOCATIONS))
        require_count("budget", self.budget)
        require_count("strata", self.strata)
        require_count("rounds", self.rounds)
        require_count("seed", self.seed, at_least=0)
        require_between("pilot_share", self.even_pilot_share, low=0, high=1)
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
        if self.statistic == "count":
            raise InvalidParamsError(
                f"value_range {self.value_range} needs the target avg or sum, got"
                f" {self.target}"
            )
        given: object = self.value_range
        if not isinstance(given, tuple) or len(given) != 2:
            raise InvalidParamsError(f"value_range must be (low, high), got {given!r}")
        low, high = self.value_range
        for end in self.value_range:
            require_between("value_range", end, low=-LARGEST_VALUE, high=LARGEST_VALUE)
        if low >= high:
            raise InvalidParamsError(f"value_range must rise, got {low:g} to {high:g}")
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
    def even_pilot_share(self) -> float:
        """Share of the budget in an even pilot."""
        return 0.5 if self.pilot_share is None else self.pilot_share

    @property
    def first_share(self) -> float:
        """Share of the budget in the first round."""
        if self.pilot_share is None and self.allocation != "even":
            return min(0.5, max(0.2, FIRST_LABELS / self.budget))
        return self.even_pilot_share

    @property
    def statistic(self) -> Target:
        """What is estimated from labels: the count, where its share is asked for."""
        return statistic_of(self.target)

    def presented(self, made: Estimate) -> Estimate:
        """An estimate of `statistic` in the unit of `target`."""
        return made.as_share() if self.target == "share" else made

    @property
    def may_stop(self) -> bool:
        """Whether a narrow interval ends labelling before the budget does."""
        return self.stop_at_width is not None or self.stop_at_relative_width is not None

    def width_to_stop_at(self, made: Estimate) -> float:
        """The width at which labelling stops with this estimate; 0 for none.

        That of a count or a sum goes with its value: a sample that found few positives
        has a narrow interval too early. So it must fit at a value that is larger by
        a quarter of a standard error of the positives found. Relative widths do not
        favour small values, nor does the width of an average.
        """
        if self.stop_at_relative_width is not None:
            return self.stop_at_relative_width * abs(made.value or 0.0)
        width = self.stop_at_width or 0.0
        if self.target == "avg" or not made.positives or self.allocation == "even":
            return width
        return width / (1 + 0.25 / made.positives**0.5) ** 0.5

    def is_narrow(self, made: Estimate) -> bool:
        """Whether the interval of `made` is narrow enough to stop labelling."""
        if made.value is None or made.low is None or made.high is None:
            return False
        few = 0 < made.positives < FEWEST_TO_STOP and self.allocation != "even"
        if few and self.stop_at_width is not None:
            return False
        return made.high - made.low <= self.width_to_stop_at(made)

    @property
    def sizes_rounds(self) -> bool:
        """Whether each round is sized by the labels before it."""
        return self.may_stop and self.allocation != "even"

    def precision(self, rounds: int, *, drawn: Sequence[int] = ()) -> Precision:
        """Confidence and kind of the interval.

        Args:
            rounds: of the session.
            drawn: labels of each finished round, for `anytime`.
        """
        looks = np.cumsum(drawn) / self.budget if self.anytime else np.empty(0)
        by_union = self.may_stop and not self.sizes_rounds and not self.anytime
        return Precision(
            interval=INTERVALS[self.interval],
            confidence=self.confidence,
            interim_analyses=rounds if by_union else 1,
            looks=tuple(looks.tolist()),
            seed=self.seed,
        )

    def round_budgets(self, strata: int) -> tuple[int, ...]:
        """Labels of each round, pilot first, with `strata` strata."""
        pilot = min(max(round(self.first_share * self.budget), strata), self.budget)
        later = min(self.rounds - 1, (self.budget - pilot) // strata)
        if not later:
            return (self.budget,)
        each, extra = divmod(self.budget - pilot, later)
        return (pilot, *(each + (number < extra) for number in range(later)))
