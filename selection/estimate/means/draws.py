"""How many rows each round draws from each stratum, and how the first one counts.

The second round follows the labels of the first, so weights that follow them too would
bias: a stratum whose first labels vary much draws many more, which dilute them. A row
is therefore weighted by the second round that the labels of other folds foresee; that
of its own fold play no part in its weight.
"""

from dataclasses import dataclass

import numpy as np

from gleann.selection.estimate.means.controls import Counts, Numbers
from gleann.selection.estimate.means.linear import linear
from gleann.selection.estimate.means.params import Statistic
from gleann.selection.estimate.means.rounds import TwoRounds
from gleann.selection.estimate.stratified.allocate import capped

EVEN_SHARE = 0.75
"""Share of the first round that is split evenly over strata; the rest is by size."""

FLOOR = 0.1
"""Share of the second round that goes by size, against an unlucky first one."""

OWN_ROWS = 4.0
"""Labels of a stratum that count as much as what the other strata say of it."""

_LEAST_RATIO = 1e-3
"""Of variances of strata, below which their logarithms are not told apart."""
_MOST_RATIO = np.e
"""Of a foreseen variance and the largest one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FirstRound:
    """The labels of the first round.

    Attributes:
        strata: (m,) of the rows.
        folds: (m,) of the rows.
        values: (m, J); NaN where an "avg" has no value.
    """

    strata: Counts
    folds: Counts
    values: Numbers

    def without(self, fold: int) -> "FirstRound":
        """The labels of the other folds."""
        kept = self.folds != fold
        return FirstRound(
            strata=self.strata[kept], folds=self.folds[kept], values=self.values[kept]
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What is fixed before any label.

    Attributes:
        sizes: (K,) rows of each stratum.
        statistics: J of them.
        first_labels: of the first round.
        budget: of both.
    """

    sizes: Counts
    statistics: tuple[Statistic, ...]
    first_labels: int
    budget: int

    @property
    def first(self) -> Counts:
        """Draws (K,) of the first round, mostly even: at least two of each stratum."""
        by_size = self.sizes / self.sizes.sum()
        wanted = EVEN_SHARE / len(self.sizes) + (1 - EVEN_SHARE) * by_size
        return capped(wanted, budget=self.first_labels, room=self.sizes, at_least=2)

    def second(self, labels: FirstRound) -> Counts:
        """Draws (K,) that make the sum of the relative variances small.

        Neyman's allocation by the spread of all statistics together, each over its own
        variance, mixed with one by size.
        """
        sizes, first = self.sizes, self.first
        shares = sizes / sizes.sum()
        variances = _variances(self.statistics, labels, shares)
        total = (shares**2 * (1 - first / sizes) / first) @ variances
        some = total > 0
        spread = np.sqrt((variances[:, some] / total[some]).sum(axis=1))
        wanted = sizes * spread
        share = wanted / wanted.sum() if wanted.sum() > 0 else shares
        return capped(
            (1 - FLOOR) * share + FLOOR * shares,
            budget=self.budget - self.first_labels,
            room=sizes - first,
            at_least=2,
        )

    def rounds(self, labels: FirstRound, second: Counts, *, folds: int) -> TwoRounds:
        """Both rounds, with the weights of the first.

        A weight makes all rows count alike if the second round is as foreseen, so that
        the first does not count twice where most rows are labelled. A stratum that is
        labelled whole is known exactly.
        """
        sizes, first = self.sizes, self.first
        counts = np.zeros((len(sizes), folds), np.int64)
        np.add.at(counts, (labels.strata, labels.folds), 1)
        foreseen = np.column_stack(
            [self.second(labels.without(fold)) for fold in range(folds)]
        )
        left = np.maximum(sizes - first, 1)[:, None] / sizes[:, None]
        later = foreseen / (first[:, None] + foreseen)
        weights = np.clip(1 - later / left, 0.0, 1.0)
        whole = first + second == sizes
        return TwoRounds(
            sizes=sizes,
            first=first,
            second=second,
            counts=counts,
            weights=np.where(whole[:, None], 0.0, weights),
        )


def _variances(
    statistics: tuple[Statistic, ...], labels: FirstRound, shares: Numbers
) -> Numbers:
    """Variances (K, J) of the terms in each stratum, smoothed over the strata."""
    k = len(shares)
    counts = np.bincount(labels.strata, minlength=k)
    inside = np.maximum(counts, 1)[:, None]

    def means(values: Numbers) -> Numbers:
        return _sums(values, labels.strata, k) / inside

    terms = linear(
        labels.values, statistics, lambda values: shares @ means(values)
    ).terms
    off = terms - means(terms)[labels.strata]
    sums = _sums(off**2, labels.strata, k)
    pooled = shares @ (sums / np.maximum(inside - 1, 1))
    # A row of the pooled variance: two equal values do not make a stratum certain.
    own = (sums + pooled) / inside
    weights = counts[:, None] / (counts[:, None] + OWN_ROWS)
    smooth: Numbers = weights * own + (1 - weights) * foreseen_variances(own)
    return smooth


def foreseen_variances(variances: Numbers) -> Numbers:
    """Variances (K, J) of each stratum as the other strata foresee them.

    By a line through their logarithms over the numbers of the strata, near strata
    counting more, its slope shrunk by one stratum at a distance of 1. A single stratum
    keeps its own, and a statistic that varies nowhere is foreseen so.
    """
    k = len(variances)
    if k == 1:
        return variances
    largest = variances.max(axis=0)
    relative = variances / np.where(largest > 0, largest, 1.0)
    logs = np.log(np.maximum(relative, _LEAST_RATIO))
    numbers = np.arange(k)
    found = np.empty_like(logs)
    for own in range(k):
        others = numbers != own
        apart = (numbers - own)[others].astype(np.float64)
        near = 1 / np.abs(apart)
        middle = np.average(apart, weights=near)
        level = np.average(logs[others], axis=0, weights=near)
        spread = (near * (apart - middle) ** 2).sum() + 1.0
        slope = (near * (apart - middle)) @ (logs[others] - level) / spread
        found[own] = level - slope * middle
    return largest * np.minimum(np.exp(found), _MOST_RATIO)


def _sums(values: Numbers, strata: Counts, k: int) -> Numbers:
    sums = np.zeros((k, values.shape[1]))
    np.add.at(sums, strata, values)
    return sums
