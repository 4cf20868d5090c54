"""The two-round estimate, by all draws of a tiny population."""

from itertools import combinations, permutations

import numpy as np
import pytest
from scipy.stats import multivariate_t
from scipy.stats import t as student

from gleann.selection.estimate.means.joint import joint_quantile
from gleann.selection.estimate.means.rounds import TwoRounds, combine


def rounds_of(sizes, first, second, weights):
    """Rounds of one fold, or of as many as `weights` (K, F) has, even ones."""
    weights = np.array(weights, float)
    counts = np.zeros(weights.shape, int)
    for stratum, rows in enumerate(first):
        counts[stratum] = np.bincount(
            np.arange(rows) % weights.shape[1], minlength=weights.shape[1]
        )
    return TwoRounds(
        sizes=np.array(sizes),
        first=np.array(first),
        second=np.array(second),
        counts=counts,
        weights=weights,
    )


def combined(values, strata, in_first, rounds, folds=None):
    folds = np.zeros(len(strata), int) if folds is None else folds
    return combine(values, np.array(strata), folds, np.array(in_first), rounds)


def every_estimate(values, *, adaptive):
    """Estimates over all draws of two rounds from one stratum, each as likely."""
    n = len(values)
    found = []
    for first in permutations(range(n), 2):
        rest = [row for row in range(n) if row not in first]
        # More rows where the first two are far apart: the draws depend on labels. Each
        # row's weight depends on the label of the other.
        second = 2 if adaptive and abs(values[first[0]] - values[first[1]]) < 3 else 3
        weights = [0.4, 0.4]
        if adaptive:
            weights = [0.2 if values[row] > 5 else 0.7 for row in first[::-1]]
        draws = list(combinations(rest, second))
        for later in draws:
            rows = np.array(first + later)
            rounds = rounds_of([n], [2], [second], [weights])
            made = combined(
                values[rows][:, None],
                np.zeros(len(rows), int),
                np.arange(len(rows)) < 2,
                rounds,
                folds=np.arange(len(rows)) % 2,
            )
            found.append((made.values[0], 1 / len(draws), rounds))
    return found


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_mean_over_all_draws_is_the_truth(adaptive):
    values = np.array([1.0, 4.0, 9.0, 2.0, 30.0, 7.0])
    found = every_estimate(values, adaptive=adaptive)
    means, weights = np.array([f[0] for f in found]), np.array([f[1] for f in found])
    assert np.average(means, weights=weights) == pytest.approx(values.mean())


def test_the_variance_over_all_draws_is_the_factor():
    values = np.array([1.0, 4.0, 9.0, 2.0, 30.0, 7.0])
    found = every_estimate(values, adaptive=False)
    means, rounds = np.array([f[0] for f in found]), found[0][2]
    factor = rounds.variance_factors[0]
    assert means.var() == pytest.approx(values.var(ddof=1) * factor)


def test_weights_of_rows_differ_and_add_up():
    rounds = rounds_of([9, 30], [4, 4], [2, 6], [[0.1, 0.9], [0.5, 0.5]])
    strata = np.array([0] * 6 + [1] * 10)
    in_first = np.array([True] * 4 + [False] * 2 + [True] * 4 + [False] * 6)
    counted = rounds.coefficients(strata, np.arange(16) % 2, in_first)
    assert np.bincount(strata, weights=counted) == pytest.approx([1, 1])
    assert counted[1] > counted[0] > 0
    # A heavier spread of weights is paid for.
    even = rounds_of([9, 30], [4, 4], [2, 6], [[0.5, 0.5], [0.5, 0.5]])
    assert rounds.variance_factors[0] > even.variance_factors[0]
    assert rounds.variance_factors[1] == pytest.approx(even.variance_factors[1])


def test_a_census_is_exact_and_has_no_variance():
    values = np.array([[1.0, 0.0], [5.0, 1.0], [9.0, 0.0], [2.0, 1.0]])
    rounds = rounds_of([4], [3], [1], [[0.0]])
    made = combined(values, np.zeros(4, int), np.arange(4) < 3, rounds)
    assert made.values == pytest.approx([4.25, 0.5])
    assert made.covariance == pytest.approx(np.zeros((2, 2)))


def test_strata_add_up_by_their_sizes():
    values = np.array([[2.0], [4.0], [10.0], [10.0]])
    rounds = rounds_of([30, 10], [2, 2], [0, 0], [[1.0], [1.0]])
    made = combined(values, [0, 0, 1, 1], np.ones(4, bool), rounds)
    assert made.values == pytest.approx([0.75 * 3 + 0.25 * 10])
    # Two rows of one stratum, shrunk by one row of all: (1 * 2 + 1.5) / 2.
    assert made.variances[0, 0] == pytest.approx(1.75)


def test_the_joint_quantile_against_the_exact_one():
    correlation = np.array([[1, 0.7, 0.2], [0.7, 1, 0.0], [0.2, 0.0, 1]])
    scale = np.array([3.0, 0.1, 20.0])
    found = joint_quantile(
        correlation * np.outer(scale, scale),
        np.array([30.0, 40.0, 50.0]),
        confidence=0.95,
        joint="max_t",
        seed=0,
    )
    box = multivariate_t(shape=correlation, df=30)
    inside = box.cdf(np.full(3, found), lower_limit=np.full(3, -found), random_state=0)
    assert inside == pytest.approx(0.95, abs=0.004)


def test_bonferroni_by_hand_and_never_smaller():
    one = np.eye(4)
    freedom = np.full(4, 25.0)
    wide = joint_quantile(one, freedom, confidence=0.9, joint="bonferroni", seed=0)
    assert wide == pytest.approx(student.ppf(1 - 0.1 / 8, 25))
    assert joint_quantile(one, freedom, confidence=0.9, joint="max_t", seed=0) <= wide
    same = np.ones((4, 4))
    least = joint_quantile(same, freedom, confidence=0.9, joint="max_t", seed=0)
    assert least == pytest.approx(student.ppf(0.95, 25), rel=0.02)


def test_moments_of_a_studentised_mean_of_most_rows():
    """Sugden and Smith 1997: its mean is -leaning / 2, its skewness as below."""
    rng = np.random.default_rng(4)
    values = rng.gamma(3.0, size=60)
    # Of 60 rows 36 are drawn, each as likely: so all count alike.
    rounds = rounds_of([60], [16], [20], [[1 - 20 / 36 / (1 - 16 / 60)]])
    assert rounds.third_factors == pytest.approx([0.4 / 36**2])
    found, told = [], []
    for _ in range(4000):
        some = values[rng.permutation(60)[:36]][:, None]
        made = combined(some, np.zeros(36, int), np.arange(36) < 16, rounds)
        error = np.sqrt(made.covariance[0, 0])
        found.append((made.values[0] - values.mean()) / error)
        told.append((made.leaning[0], made.skewness[0]))
    found, (leaning, skewness) = np.array(found), np.mean(told, axis=0)
    assert made.values[0] == pytest.approx(some.mean())
    assert skewness < 0 < leaning
    assert found.mean() == pytest.approx(-leaning / 2, abs=0.03)
    third = ((found - found.mean()) ** 3).mean() / found.std() ** 3
    assert third == pytest.approx(skewness - 3 * leaning, abs=0.15)
