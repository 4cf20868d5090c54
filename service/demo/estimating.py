"""How many, and what mean: estimates from few labels against uniform sampling."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Ids, Mask, Rows, Vectors
from gleann.selection import (
    Estimate,
    EstimateParams,
    propagate_labels,
    uniform_estimate,
)
from gleann.selection.estimate import estimate

Target = Literal["count", "avg"]
TARGETS: tuple[Target, ...] = ("count", "avg")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """What is asked of all rows, and the truth that a demo knows.

    Attributes:
        concept: what counts as positive.
        positive: bool (n,), the truth.
        value: float64 (n,), whose mean over the positives is asked for.
        proxy: (n,), guesses that the index made from labelled rows.
        proxy_labels: how many labelled rows those were.
    """

    concept: str
    positive: Mask
    value: NDArray[np.float64]
    proxy: NDArray[np.float32]
    proxy_labels: int

    def truth(self, target: Target) -> float:
        """The number that the estimates are after."""
        if target == "count":
            return float(self.positive.sum())
        return float(self.value[self.positive].mean())

    def ask(self, rows: Ids) -> tuple[ArrayLike, ArrayLike | None]:
        """The oracle."""
        return self.positive[rows], self.value[rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One estimate.

    Attributes:
        concept: of which concept.
        target: of what.
        method: "ABae" or "uniform".
        seed: of the draw.
        value: the estimate, None where undefined.
        low: lower end of its interval, if there is one.
        high: upper end of its interval, if there is one.
        truth: what it should be.
        positives: positives among the labels.
        seconds: that it took.
    """

    concept: str
    target: Target
    method: str
    seed: int
    value: float | None
    low: float | None
    high: float | None
    truth: float
    positives: int
    seconds: float

    @property
    def covers(self) -> bool:
        """Whether the interval holds the truth."""
        if self.low is None or self.high is None:
            return False
        return self.low <= self.truth <= self.high


def make_population(
    concept: str,
    positive: Mask,
    vectors: Vectors,
    labelled: Rows,
    value: NDArray[np.float64],
) -> Population:
    """Spread the labels of `labelled` rows to all by the index's vectors (TASTI)."""
    return Population(
        concept=concept,
        positive=positive,
        value=value,
        proxy=propagate_labels(vectors, rows=labelled, labels=positive[labelled]),
        proxy_labels=len(labelled),
    )


def trials(
    population: Population, *, budget: int, count: int, seed: int
) -> list[Trial]:
    """Estimate both targets by both methods `count` times."""
    methods: dict[str, Callable[..., Estimate]] = {
        "ABae": estimate,
        "uniform": uniform_estimate,
    }
    made = []
    for target in TARGETS:
        for name, run in methods.items():
            for number in range(seed, seed + count):
                params = EstimateParams(target=target, budget=budget, seed=number)
                start = perf_counter()
                found = run(population.proxy, population.ask, params)
                seconds = perf_counter() - start
                made.append(_trial(population, target, name, found, seconds))
    return made


def _trial(
    population: Population, target: Target, method: str, found: Estimate, seconds: float
) -> Trial:
    return Trial(
        concept=population.concept,
        target=target,
        method=method,
        seed=found.provenance["seed"],
        value=found.value,
        low=found.low,
        high=found.high,
        truth=population.truth(target),
        positives=found.positives,
        seconds=seconds,
    )
