"""Counts and means estimated from few labels, compared with uniform sampling."""

from dataclasses import dataclass
from time import perf_counter
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Ids, Mask, Rows, Vectors
from gleann.selection import (
    Estimate,
    EstimateParams,
    abae_estimate,
    propagate_labels,
    uniform_estimate,
)
from gleann.selection.estimate import estimate
from gleann.service.demo.labelling import REGULARISATION

Target = Literal["share", "mean"]
TARGETS: tuple[Target, ...] = ("share", "mean")
"""A share is a count over all rows, which are known."""
NEIGHBOURS = "ABae, neighbours"
CLASSIFIER = "ABae, classifier"
PUBLISHED = "ABae as published"
"""The strongest simple rival: strata of equal size by the classifier's guesses."""
UNIFORM = "uniform"
CUTS = {"share": "geometric", "mean": "sqrt_mass"}
METHODS = (NEIGHBOURS, CLASSIFIER, PUBLISHED, UNIFORM)
PROXY_OF = {CLASSIFIER: CLASSIFIER, PUBLISHED: CLASSIFIER}
RUNS = {PUBLISHED: abae_estimate, UNIFORM: uniform_estimate}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Population:
    """All rows of one estimation task, with ground truth.

    Attributes:
        concept: defines the positives.
        positive: bool (n,), the truth.
        value: float64 (n,), whose mean over the positives is estimated.
        proxies: (n,) each, proxies from the labelled rows, by source.
        proxy_labels: number of these labelled rows.
    """

    concept: str
    positive: Mask
    value: NDArray[np.float64]
    proxies: dict[str, NDArray[np.floating]]
    proxy_labels: int

    def truth(self, target: Target) -> float:
        """The true value of a target."""
        if target == "share":
            return float(self.positive.mean())
        return float(self.value[self.positive].mean())

    def ask(self, rows: Ids) -> tuple[ArrayLike, ArrayLike | None]:
        """The oracle."""
        return self.positive[rows], self.value[rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One estimate.

    Attributes:
        concept: its name.
        target: the estimated quantity.
        method: one of `METHODS`.
        seed: for the draw.
        value: the estimate, None where undefined.
        low: lower end of its interval, or None.
        high: upper end of its interval, or None.
        truth: the true value.
        positives: positives among the labels.
        seconds: duration.
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
        """Whether the interval contains the truth."""
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
    """Compute two proxies for all rows from the labels of some.

    Index: labels of the nearest labelled rows (TASTI). Model: probabilities of a
    classifier trained on the labelled rows.
    """
    return Population(
        concept=concept,
        positive=positive,
        value=value,
        proxies={
            NEIGHBOURS: propagate_labels(
                vectors, rows=labelled, labels=positive[labelled]
            ),
            CLASSIFIER: _probabilities(vectors, labelled, positive[labelled]),
        },
        proxy_labels=len(labelled),
    )


def trials(
    population: Population, *, budget: int, count: int, seed: int
) -> list[Trial]:
    """Estimate both targets by every method `count` times."""
    made = []
    for target in TARGETS:
        for name in METHODS:
            run = RUNS.get(name, estimate)
            proxy = population.proxies[PROXY_OF.get(name, NEIGHBOURS)]
            for number in range(seed, seed + count):
                params = EstimateParams(
                    target="count" if target == "share" else "avg",
                    budget=budget,
                    # These proxies rank words; they are no probabilities. A mean,
                    # unlike a share, needs the few positives at low ranks, so its
                    # strata bounds place more labels there.
                    strata_cut=CUTS[target],
                    seed=number,
                )
                start = perf_counter()
                found = run(proxy, population.ask, params)
                seconds = perf_counter() - start
                made.append(_trial(population, target, name, found, seconds))
    return made


def _probabilities(
    vectors: Vectors, labelled: Rows, positive: Mask
) -> NDArray[np.float64]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=REGULARISATION, class_weight="balanced", max_iter=1000
    ).fit(vectors[labelled], positive)
    probabilities: NDArray[np.float64] = model.predict_proba(vectors)[:, 1]
    return probabilities


def _trial(
    population: Population, target: Target, method: str, found: Estimate, seconds: float
) -> Trial:
    scale = len(population.positive) if target == "share" else 1
    return Trial(
        concept=population.concept,
        target=target,
        method=method,
        seed=found.provenance["seed"],
        value=_over(found.value, scale),
        low=_over(found.low, scale),
        high=_over(found.high, scale),
        truth=population.truth(target),
        positives=found.positives,
        seconds=seconds,
    )


def _over(value: float | None, scale: int) -> float | None:
    return None if value is None else value / scale
