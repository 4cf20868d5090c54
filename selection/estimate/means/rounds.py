"""Means of a two-round stratified sample, their covariance and skewness."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoRounds:
    """How many rows were drawn, and how the two rounds count.

    The mean of a stratum is w * m1 + (1 - w) * (n1 * m1 + (N - n1) * m2) / N, with the
    means m1 and m2 of the rounds. Given the first round, the second term has the
    stratum's mean as its expectation whatever was found, so it is uncorrelated with the
    first, and weights that were fixed before any label leave the sum unbiased, although
    the second round's draws depend on the first.

    Attributes:
        sizes: (K,) N.
        first: (K,) n1.
        second: (K,) n2; at least 1 where any row is left.
        weights: (K,) w, fixed before the first round; 0 where a stratum was labelled
            whole, whose mean is then exact.
    """

    sizes: Counts
    first: Counts
    second: Counts
    weights: Numbers

    @property
    def parts(self) -> tuple[Numbers, Numbers]:
        """(K,) share of each round's mean in the stratum's."""
        open_share = 1 - self.first / self.sizes
        second = (1 - self.weights) * open_share
        return 1 - second, second

    @property
    def variance_factors(self) -> Numbers:
        """(K,) variance of a stratum's mean over that of its rows."""
        left = self.sizes - self.first
        one = self.weights**2 * (1 - self.first / self.sizes) / self.first
        two = (self.parts[1] ** 2) * _rest(self.second, left)
        factors: Numbers = one + two
        return factors

    @property
    def third_factors(self) -> Numbers:
        """(K,) third moment of a stratum's mean over that of its rows, roughly."""
        one, two = self.weights, self.parts[1]
        third = one**3 / self.first**2
        later = np.where(self.second > 0, two**3 / np.maximum(self.second, 1) ** 2, 0.0)
        shrink = 1 - (self.first + self.second) / self.sizes
        factors: Numbers = (third + later) * np.maximum(shrink, 0.0)
        return factors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Means:
    """Means over all rows.

    Attributes:
        values: (J,).
        covariance: (J, J) of them.
        skewness: (J,) of them.
        freedom: (J,) degrees of freedom of their variances (Satterthwaite).
        by_stratum: (K, J) means of each stratum.
        variances: (K, J) of the rows of each stratum.
    """

    values: Numbers
    covariance: Numbers
    skewness: Numbers
    freedom: Numbers
    by_stratum: Numbers
    variances: Numbers


def combine(
    values: Numbers, strata: Counts, in_first: NDArray[np.bool_], rounds: TwoRounds
) -> Means:
    """Means of rows (m, J), with a stratum's covariance shrunk to all by one row.

    Args:
        values: (m, J) of the labelled rows.
        strata: (m,).
        in_first: (m,) whether a row was drawn in the first round.
        rounds: of the sample.
    """
    k, j = len(rounds.sizes), values.shape[1]
    shares = rounds.sizes / rounds.sizes.sum()
    by_stratum = np.zeros((k, j))
    for part, drawn, mine in zip(
        rounds.parts, (rounds.first, rounds.second), (in_first, ~in_first), strict=True
    ):
        sums = np.zeros((k, j))
        np.add.at(sums, strata[mine], values[mine])
        by_stratum += part[:, None] * sums / np.maximum(drawn, 1)[:, None]
    covariances, thirds = _moments(values, strata, shares)
    scale = shares**2 * rounds.variance_factors
    covariance = np.einsum("k,kij->ij", scale, covariances)
    variances = np.einsum("kjj->kj", covariances)
    spread = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    third = (shares**3 * rounds.third_factors) @ thirds
    drawn = rounds.first + rounds.second
    terms = scale[:, None] * variances
    below = (terms**2 / np.maximum(drawn - 1, 1)[:, None]).sum(axis=0)
    freedom = terms.sum(axis=0) ** 2 / np.where(below > 0, below, 1.0)
    return Means(
        values=shares @ by_stratum,
        covariance=covariance,
        skewness=np.where(spread > 0, third / np.where(spread > 0, spread, 1) ** 3, 0),
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
