"""What a caller chooses when an estimate is begun."""

from dataclasses import dataclass
from typing import get_args

from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import require_between, require_count, require_one_of
from gleann.selection.estimate.allocate import Target
from gleann.selection.estimate.strata import STRATA_CUTS


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateParams:
    """How an estimate is made.

    Attributes:
        target: "count" (rows for which the predicate holds), or "avg" or "sum" (of a
            value over those rows).
        budget: labels to spend, all of them.
        strata: strata to cut the rows into, by proxy.
        strata_cut: one of `strata.STRATA_CUTS`: "sqrt_mass", "equal_size" as ABae, or
            "geometric" for a proxy that ranks but is no probability.
        pilot_share: share of the budget that is spent evenly over the strata first.
        rounds: labelling rounds, the pilot included; 2 is ABae. Fewer are held where a
            round would have fewer labels than there are strata.
        floor: share of each later round that is split evenly over the strata.
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

    def __post_init__(self) -> None:
        require_one_of("target", self.target, get_args(Target))
        require_one_of("strata_cut", self.strata_cut, tuple(STRATA_CUTS))
        require_count("budget", self.budget)
        require_count("strata", self.strata)
        require_count("rounds", self.rounds)
        require_count("seed", self.seed, at_least=0)
        require_between("pilot_share", self.pilot_share, low=0, high=1)
        require_between("floor", self.floor, low=0, high=1)
        if not 0 < self.confidence < 1:
            raise InvalidParamsError(
                f"confidence must lie between 0 and 1, got {self.confidence}"
            )
        if self.budget < self.strata:
            raise InvalidParamsError(
                f"budget is {self.budget}, but {self.strata} strata need one label each"
            )

    def round_budgets(self, strata: int) -> tuple[int, ...]:
        """Labels of each round, pilot first, when `strata` strata were cut."""
        pilot = min(max(round(self.pilot_share * self.budget), strata), self.budget)
        later = min(self.rounds - 1, (self.budget - pilot) // strata)
        if not later:
            return (self.budget,)
        each, extra = divmod(self.budget - pilot, later)
        return (pilot, *(each + (number < extra) for number in range(later)))
