import numpy as np
import pytest

from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
)
from gleann.selection import (
    entropy,
    least_confidence,
    margin,
    margin_costs,
    most_likely_positive,
    select_by_score,
    uniform,
)
from gleann.selection.uncertainty import STRATEGIES
from gleann.selection.uniform import uniform_rows


def test_scores_done_by_hand():
    table = [[0.5, 0.5], [0.9, 0.1], [0.0, 1.0]]
    assert entropy(table) == pytest.approx([np.log(2), 0.3250829734, 0.0])
    assert least_confidence(table) == pytest.approx([0.5, 0.1, 0.0])
    assert margin(table) == pytest.approx([0.0, -0.8, -1.0])
    assert margin_costs(table) == pytest.approx([0.0, 0.8, 1.0])
    assert most_likely_positive(table) == pytest.approx([0.5, 0.1, 1.0])


def test_margin_is_between_the_two_likeliest_of_many_classes():
    assert margin_costs([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]) == pytest.approx([0.2, 0.7])


@pytest.mark.parametrize("name", ["entropy", "least_confidence", "margin"])
def test_the_uniform_row_scores_highest(name):
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.ones(4), size=50)
    table[17] = 0.25
    scores = STRATEGIES[name](table)
    assert scores.argmax() == 17
    assert np.isfinite(scores).all()


def test_certain_rows_have_entropy_exactly_zero():
    scores = entropy(np.eye(3))
    assert (scores == 0).all()
    assert not np.signbit(scores).any()


@pytest.mark.parametrize(
    ("table", "error", "words"),
    [
        ([[0.5, 0.6]], InvalidInputError, "sum to 1.1"),
        ([[0.5, np.nan]], NonFiniteError, "1 of 2"),
        ([[-0.5, 1.5]], InvalidInputError, "at least 0, got -0.5"),
        ([0.5, 0.5], InvalidInputError, r"\(2,\)"),
        ([[1.0]], InvalidInputError, r"\(1, 1\)"),
        ([["a", "b"]], InvalidInputError, "numbers"),
    ],
)
def test_what_is_no_probability_is_refused(table, error, words):
    with pytest.raises(error, match=words):
        entropy(table)


def test_selection_by_score_breaks_ties_by_lower_row():
    table = [[0.9, 0.1], [0.5, 0.5], [0.6, 0.4], [0.5, 0.5]]
    picked = select_by_score(table, k=3, ids=["a", "b", "c", "d"])
    assert picked.rows.tolist() == [1, 3, 2]
    assert picked.ids.tolist() == ["b", "d", "c"]
    assert (np.diff(picked.scores) <= 0).all()
    assert picked.provenance["method"] == "entropy"
    assert len(picked.provenance["data_hash"]) == 64


def test_selection_by_score_refuses_what_cannot_be():
    table = [[0.9, 0.1], [0.5, 0.5]]
    with pytest.raises(InvalidParamsError, match="k is 3, but there are 2"):
        select_by_score(table, k=3)
    with pytest.raises(InvalidParamsError, match="at least 1, got 0"):
        select_by_score(table, k=0)
    with pytest.raises(InvalidParamsError, match="strategy must be one of"):
        select_by_score(table, k=1, strategy="guess")
    with pytest.raises(DimensionMismatchError, match="3 entries for 2 rows"):
        select_by_score(table, k=1, ids=[1, 2, 3])


def test_uniform_draws_each_allowed_row_about_equally_often():
    counts = np.zeros(10)
    for seed in range(2000):
        counts[uniform_rows(10, k=3, seed=seed, excluded=[4, 5])] += 1
    assert counts[[4, 5]].sum() == 0
    expected = 2000 * 3 / 8
    deviation = np.sqrt(expected * (1 - 3 / 8))
    assert np.abs(np.delete(counts, [4, 5]) - expected).max() < 4.5 * deviation


def test_uniform_is_repeatable_and_never_repeats_a_row():
    first, again = uniform(100, k=60, seed=3), uniform(100, k=60, seed=3)
    other = uniform(100, k=60, seed=4)
    assert first.rows.tolist() == again.rows.tolist() != other.rows.tolist()
    assert len(set(first.rows.tolist())) == 60


def test_uniform_refuses_more_than_may_be_drawn():
    with pytest.raises(InvalidParamsError, match="k is 9, but 8 rows"):
        uniform(10, k=9, excluded=[1, 2])
    with pytest.raises(InvalidParamsError, match="at least 1, got 0"):
        uniform(10, k=0)
    with pytest.raises(InvalidInputError, match=r"0\.\.9, got 10"):
        uniform(10, k=1, excluded=[10])


def test_of_two_classes_three_rules_are_one():
    """All three fall with the distance of p from a half."""
    # No two are as far from a half, so nothing is left to ties.
    p = np.random.default_rng(0).permutation(np.linspace(0.001, 0.9, 700))
    p = p[np.unique(np.abs(p - 0.5).round(9), return_index=True)[1]]
    table = np.stack([1 - p, p], axis=1)
    orders = [
        np.argsort(-STRATEGIES[name](table)).tolist()
        for name in ("entropy", "margin", "least_confidence")
    ]
    assert len(p) > 500
    assert orders[0] == orders[1] == orders[2]
    assert orders[0] != np.argsort(-most_likely_positive(table)).tolist()
