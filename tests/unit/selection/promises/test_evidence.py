from itertools import combinations, product
from math import comb

import numpy as np
import pytest

from gleann.selection.promises.evidence import gain, largest_decline


def expected(draws, growths, gains):
    """Mean of exp(gains of drawn rows - all growths) over (chance, drawn rows)."""
    return sum(
        chance * np.exp(sum(gains[i] for i in drawn) - growths.sum())
        for chance, drawn in draws
    )


def test_rows_drawn_on_their_own_have_a_mean_of_exactly_one():
    chances = np.array([0.2, 0.7, 0.4, 1.0])
    growths = np.array([0.9, -0.3, -0.5, 2.0])
    gains = gain(growths, chances)
    draws = [
        (
            np.prod(np.where(drawn, chances, 1 - chances)),
            np.flatnonzero(drawn),
        )
        for drawn in product((False, True), repeat=4)
    ]
    assert expected(draws, growths, gains) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("growth", [-0.4, -0.1, 0.2, 3.0])
@pytest.mark.parametrize("positives", [1, 2, 4, 6])
def test_a_fixed_number_without_replacement_has_a_mean_of_at_most_one(
    growth, positives
):
    n, m = 6, 3
    gains = np.where(np.arange(n) < positives, gain(growth, m / n), 0)
    growths = np.where(np.arange(n) < positives, growth, 0.0)
    draws = [(1 / comb(n, m), drawn) for drawn in combinations(range(n), m)]
    mean = expected(draws, growths, gains)
    assert mean <= 1 + 1e-12
    assert positives > 1 or mean == pytest.approx(1)


def test_where_nothing_is_found_the_bound_is_the_exact_one():
    chance, alpha = 0.03, 0.05
    most = np.log(1 / alpha) / largest_decline(chance)
    assert most == pytest.approx(np.log(alpha) / np.log(1 - chance), rel=1e-6)


def test_a_row_not_drawn_or_certain_by_hand():
    assert gain(-0.5, 0.0) == 0
    assert gain(-0.5, 1.0) == pytest.approx(-0.5)
    assert gain(-np.log(2), 0.4) == -np.inf
