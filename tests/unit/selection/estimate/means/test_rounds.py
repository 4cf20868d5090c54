"""The two-round estimate, by all draws of a tiny population."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import multivariate_t
from scipy.stats import t as student

from gleann.selection.estimate.means.joint import joint_quantile
from gleann.selection.estimate.means.rounds import TwoRounds, combine


def every_estimate(values, *, adaptive):
    """Estimates over all draws of two rounds from one stratum, each as likely."""
    n = len(values)
    found = []
    for first in combinations(range(n), 2):
        rest = [row for row in range(n) if row not in first]
        # More rows where the first two are far apart: the draws depend on labels.
        second = 2 if adaptive and abs(values[first[0]] - values[first[1]]) < 3 else 3
        draws = list(combinations(rest, second))
        for later in draws:
            rows = np.array(first + later)
            rounds = TwoRounds(
                sizes=np.array([n]),
                first=np.array([2]),
                second=np.array([second]),
                weights=np.array([0.4]),
            )
            made = combine(
                values[rows][:, None],
                np.zeros(len(rows), int),
                np.arange(len(rows)) < 2,
                rounds,
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


def test_a_census_is_exact_and_has_no_variance():
    values = np.array([[1.0, 0.0], [5.0, 1.0], [9.0, 0.0], [2.0, 1.0]])
    rounds = TwoRounds(
        sizes=np.array([4]),
        first=np.array([3]),
        second=np.array([1]),
        weights=np.array([0.0]),
    )
    made = combine(values, np.zeros(4, int), np.arange(4) < 3, rounds)
    assert made.values == pytest.approx([4.25, 0.5])
    assert made.covariance == pytest.approx(np.zeros((2, 2)))


def test_strata_add_up_by_their_sizes():
    values = np.array([[2.0], [4.0], [10.0], [10.0]])
    rounds = TwoRounds(
        sizes=np.array([30, 10]),
        first=np.array([2, 2]),
        second=np.array([0, 0]),
        weights=np.array([1.0, 1.0]),
    )
    made = combine(values, np.array([0, 0, 1, 1]), np.ones(4, bool), rounds)
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
