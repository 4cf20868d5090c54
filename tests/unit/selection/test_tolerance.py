"""What rounding leaves is mended; what is no probability is refused with its row."""

import numpy as np
import pytest

from gleann.index.errors import InvalidInputError, NonFiniteError
from gleann.selection import (
    entropy,
    entropy_costs,
    least_confidence,
    margin,
    margin_costs,
    most_likely_positive,
    select_by_score,
)
from gleann.selection.checks import as_probabilities

EXACT = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
SCORES = (
    entropy,
    entropy_costs,
    least_confidence,
    margin,
    margin_costs,
    most_likely_positive,
)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("off", [1e-6, -1e-6, 9e-4])
def test_a_sum_that_is_off_by_rounding_is_made_one(score, off):
    assert np.allclose(score(EXACT * (1 + off)), score(EXACT), atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_a_hair_below_zero_is_zero(score):
    given = np.array([[0.25, 0.75], [0.5, 0.5], [1 + 1e-9, -1e-9]])
    assert np.allclose(score(given), score(EXACT), atol=1e-8)
    assert np.isfinite(score(given)).all()


def test_mended_rows_sum_to_one_and_good_rows_keep_their_bits():
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(7), 500)
    assert as_probabilities(table).tobytes() == table.tobytes()
    half = table.astype(np.float16)
    mended = as_probabilities(half)
    assert np.abs(mended.sum(axis=1) - 1).max() < 1e-14
    assert as_probabilities(mended).tobytes() == mended.tobytes()
    assert half.tobytes() == table.astype(np.float16).tobytes()


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        ([0.4, 0.5], InvalidInputError, r"row 2 sum to 0\.9, not to 1"),
        ([0.4989, 0.5], InvalidInputError, "row 2 sum to 0.9989"),
        ([1.01, -0.01], InvalidInputError, r"at least 0, got -0\.01 in row 2"),
        ([np.nan, 0.5], NonFiniteError, "probabilities row 2 has NaN or infinity"),
        ([np.inf, 0.5], NonFiniteError, "probabilities row 2 has NaN or infinity"),
    ],
)
def test_what_is_no_probability_is_refused_with_its_row(bad, error, words):
    table = np.array([[0.5, 0.5], [0.1, 0.9], bad, [0.3, 0.7]])
    with pytest.raises(error, match=words):
        select_by_score(table, k=2)
