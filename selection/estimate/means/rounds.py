"""Means of a two-round stratified sample, their covariance and skewness."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoRounds:
    """How many rows were drawn, and how the two rounds count.

    With a weight w for each fold of the first round, a stratum's mean is that of

        w * (n1' * m1' + (N - n1') * m) / N + (1 - w) * (n1 * m1 + (N - n1) * m2) / N

    over the folds by their rows, where m is the mean of the fold, m1' that of the n1'
    first rows of other folds, and m1 and m2 are the means of the rounds. Given the rows
    of the other folds, both have the stratum's mean as their expectation. So the sum is
    unbiased for any weights that do not depend on the labels of their own fold,
    although the second round's draws do.

    Attributes:
        sizes: (K,) N.
        first: (K,) n1.
        second: (K,) n2; at least 1 where any row is left.
        counts: (K, F) rows of the first round in each fold.
        weights: (K, F) w; 0 where a stratum was labelled whole, whose mean is then
            exact.
    """

    sizes: Counts
    first: Counts
    second: Counts
    counts: Counts
    weights: Numbers

    @property
    def shares(self) -> Numbers:
        """(K,) of each stratum in all rows."""
        shares: Numbers = self.sizes / self.sizes.sum()
        return shares

    @property
    def whole(self) -> NDArray[np.bool_]:
        """(K,) whether a stratum is labelled whole."""
        whole: NDArray[np.bool_] = self.first + self.second == self.sizes
        return whole

    def coefficients(
        self, strata: Counts, folds: Counts, in_first: NDArray[np.bool_]
    ) -> Numbers:
        """How much each row (m,) counts in its stratum's mean; they add up to 1."""
        own, later = self._counted
        return np.where(in_first, own[strata, folds], later[strata])

    @property
    def variance_factors(self) -> Numbers:
        """(K,) variance of a stratum's mean over that of its rows."""
        left = self.sizes - self.first
        one = self._power(2) * (1 - self.first / self.sizes) / self.first
        two = (self._later**2) * _rest(self.second, left)
        factors: Numbers = one + two
        return factors

    @property
    def third_factors(self) -> Numbers:
        """(K,) third moment of a stratum's mean over that of its rows, roughly.

        As of many rows to draw from, but for a factor 1 - f: f is the share drawn.
        """
        own, later = self._counted
        cubes = (self.counts * own**3).sum(axis=1) + self.second * later**3
        factors: Numbers = cubes * np.maximum(1 - self.drawn, 0.0)
        return factors

    @property
    def drawn(self) -> Numbers:
        """(K,) share of each stratum that is drawn."""
        drawn: Numbers = (self.first + self.second) / self.sizes
        return drawn

    @property
    def _counted(self) -> tuple[Numbers, Numbers]:
        """How much a row of each fold (K, F) and of the second round (K,) counts."""
        left = 1 - self.first / self.sizes
        own = 1 / self.sizes[:, None] + self.weights * (left / self.first)[:, None]
        return own, self._later / np.maximum(self.second, 1)

    @property
    def _later(self) -> Numbers:
        """(K,) share of the second round's mean."""
        share: Numbers = (1 - self._power(1)) * (1 - self.first / self.sizes)
        return share

    def _power(self, power: int) -> Numbers:
        """(K,) mean of a power of the weights of the first round's rows."""
        mean: Numbers = (self.counts * self.weights**power).sum(axis=1) / self.first
        return mean


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Means:
    """Means over all rows.

    Attributes:
        values: (J,).
        covariance: (J, J) of them.
        skewness: (J,) of them; of draws without replacement it turns where half of a
            stratum is drawn.
        leaning: (J,) third central moment of them with their estimated variances, over
            the cube of the standard errors: that of many rows to draw from is the
            skewness, and it goes to 0 as all are drawn.
        freedom: (J,) degrees of freedom of their variances (Satterthwaite).
        by_stratum: (K, J) means of each stratum.
        variances: (K, J) of the rows of each stratum.
    """

    values: Numbers
    covariance: Numbers
    skewness: Numbers
    leaning: Numbers
    freedom: Numbers
    by_stratum: Numbers
    variances: Numbers


def combine(
    values: Numbers,
    strata: Counts,
    folds: Counts,
    in_first: NDArray[np.bool_],
    rounds: TwoRounds,
) -> Means:
    """Means of rows (m, J), with a stratum's covariance shrunk to all by one row.

    Args:
        values: (m, J) of the labelled rows.
        strata: (m,).
        folds: (m,).
        in_first: (m,) whether a row was drawn in the first round.
        rounds: of the sample.
    """
    k, j = len(rounds.sizes), values.shape[1]
    shares = rounds.shares
    by_stratum = np.zeros((k, j))
    counted = rounds.coefficients(strata, folds, in_first)[:, None] * values
    np.add.at(by_stratum, strata, counted)
    covariances, thirds = _moments(values, strata, shares)
    scale = shares**2 * rounds.variance_factors
    covariance = np.einsum("k,kij->ij", scale, covariances)
    variances = np.einsum("kjj->kj", covariances)
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    third = (shares**3 * rounds.third_factors)[:, None] * thirds
    cubes = np.where(spread > 0, spread, np.inf) ** 3
    drawn = rounds.first + rounds.second
    terms = scale[:, None] * variances
    below = (terms**2 / np.maximum(drawn - 1, 1)[:, None]).sum(axis=0)
    freedom = terms.sum(axis=0) ** 2 / np.where(below > 0, below, 1.0)
    return Means(
        values=shares @ by_stratum,
        covariance=covariance,
        skewness=(1 - 2 * rounds.drawn) @ third / cubes,
        leaning=np.maximum(1 - rounds.drawn, 0.0) @ third / cubes,
        freedom=np.maximum(freedom, 1.0),
        by_stratum=by_stratum,
        variances=variances,
    )


def _rest(drawn: Counts, left: Counts) -> Numbers:
    """(K,) variance of the mean of rows drawn from those left; 0 where all are."""
    safe = np.maximum(drawn, 1)
    share = drawn / np.maximum(left, 1)
    return np.where(left > 0, (1 - share) / safe, 0.0)


def _moments(
    values: Numbers, strata: Counts, shares: Numbers
) -> tuple[Numbers, Numbers]:
    """Covariances (K, J, J) and third moments (K, J) of the strata's rows."""
    k, (_, j) = len(shares), values.shape
    covariances, thirds = np.zeros((k, j, j)), np.zeros((k, j))
    counts = np.bincount(strata, minlength=k)
    for stratum in range(k):
        own = values[strata == stratum]
        off = own - own.mean(axis=0) if len(own) else own
        covariances[stratum] = off.T @ off / max(len(own) - 1, 1)
        thirds[stratum] = (off**3).sum(axis=0) / max(len(own), 1)
    pooled = np.einsum("k,kij->ij", shares, covariances)
    own_rows = np.maximum(counts, 1)[:, None, None]
    return ((own_rows - 1) * covariances + pooled) / own_rows, thirds
