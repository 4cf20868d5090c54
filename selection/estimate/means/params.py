"""Parameters of joint estimates: the statistics, the sample, the intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from gleann.index.checks import require_one_of
from gleann.index.errors import InvalidParamsError
from gleann.selection.checks import require_between, require_count, require_names
from gleann.selection.estimate.stratified.strata import STRATA_CUTS

Kind = Literal["mean", "share", "avg"]
Joint = Literal["max_t", "bonferroni"]

PILOT_SHARE = 0.3
"""Share of the budget in the first round, whose labels size the second."""

LEAST_A_STRATUM = 4
"""Labels of each stratum without which its variance is not known: two a round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One number to estimate.

    Attributes:
        name: of the statistic.
        kind: "mean" of a value over all rows; "share" of rows for which something
            holds, whose values are 0 and 1; or "avg" of a value over the rows that have
            one, which are those whose value is not NaN.
    """

    name: str
    kind: Kind = "mean"

    def __post_init__(self) -> None:
        require_one_of("kind", self.kind, get_args(Kind))
        require_names("name", (self.name,))

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeansParams:
    """Parameters of joint estimates.

    Attributes:
        statistics: at least one, of different names.
        budget: labels to spend in all.
        stratify_by: name of the control whose values cut the rows into strata; None
            draws uniformly.
        strata: strata to cut.
        strata_cut: one of `strata.STRATA_CUTS`; "sqrt_mass" for a probability.
        confidence: with which all intervals hold together.
        joint: "max_t", by the largest of correlated t values; or "bonferroni".
        seed: the only source of randomness.

    Raises:
        InvalidParamsError: a value out of range.
    """

    statistics: tuple[Statistic, ...]
    budget: int
    stratify_by: str | None = None
    strata: int = 5
    strata_cut: str = "equal_size"
    confidence: float = 0.95
    joint: Joint = "max_t"
    seed: int = 0

    def __post_init__(self) -> None:
        statistics = as_statistics(self.statistics)
        object.__setattr__(self, "statistics", statistics)
        names = [one.name for one in statistics]
        if not names or len(set(names)) < len(names):
            raise InvalidParamsError(
                f"statistics need different names, at least one; got {names}"
            )
        require_one_of("strata_cut", self.strata_cut, tuple(STRATA_CUTS))
        require_one_of("joint", self.joint, get_args(Joint))
        require_count("strata", self.strata)
        require_count("budget", self.budget)
        require_count("seed", self.seed, at_least=0)
        require_between("confidence", self.confidence, low=0, high=1)
        if not 0 < self.confidence < 1:
            raise InvalidParamsError(
                f"confidence must lie between 0 and 1, got {self.confidence}"
            )
        strata = 1 if self.stratify_by is None else self.strata
        if self.budget < LEAST_A_STRATUM * strata:
            raise InvalidParamsError(
                f"budget is {self.budget}, but {strata} strata need {LEAST_A_STRATUM}"
                " labels each"
            )

    @property
    def first_labels(self) -> int:
        """Labels of the first round."""
        strata = 1 if self.stratify_by is None else self.strata
        return max(round(PILOT_SHARE * self.budget), 2 * strata)


def as_statistics(given: Sequence[object]) -> tuple[Statistic, ...]:
    """Statistics, also where a saved state has them as objects.

    Raises:
        InvalidParamsError: something else.
    """
    found = []
    for one in given:
        made = Statistic(**one) if isinstance(one, dict) else one
        if not isinstance(made, Statistic):
            raise InvalidParamsError(f"not a Statistic: {one!r}")
        found.append(made)
    return tuple(found)
