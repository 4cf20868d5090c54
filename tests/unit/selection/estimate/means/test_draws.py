"""Draws of two rounds, and weights that labels of their own fold do not move."""

import numpy as np
import pytest

from gleann.selection.estimate.means import (
    MeansParams,
    MeansSession,
    Statistic,
    run_means,
)
from gleann.selection.estimate.means.draws import (
    FirstRound,
    Plan,
    foreseen_variances,
)
from gleann.selection.estimate.stratified.strata import STRATA_CUTS

SHARE = (Statistic(name="held", kind="share"),)
AVERAGE = (Statistic(name="price", kind="avg"),)


def plan_of(statistics=SHARE, sizes=(500, 300, 200), budget=200):
    return Plan(
        sizes=np.array(sizes), statistics=statistics, first_labels=60, budget=budget
    )


def first_round(plan, rng, rates):
    strata = np.repeat(np.arange(len(plan.sizes)), plan.first)
    return FirstRound(
        strata=strata,
        folds=rng.integers(5, size=len(strata)),
        values=(rng.random(len(strata)) < np.array(rates)[strata])[:, None].astype(
            float
        ),
    )


def test_the_first_round_is_mostly_even():
    plan = plan_of(sizes=(9000, 900, 100))
    assert plan.first.sum() == 60
    assert plan.first.tolist() == [29, 16, 15]


def test_the_second_round_goes_where_labels_vary():
    plan, rng = plan_of(), np.random.default_rng(0)
    labels = first_round(plan, rng, [0.0, 0.02, 0.5])
    second = plan.second(labels)
    assert second.sum() == 140
    assert second[2] > second[1] > 0
    assert second[2] / plan.sizes[2] > 3 * second[0] / plan.sizes[0]


def test_an_average_draws_where_its_values_are_and_not_where_they_are_large():
    # Values near the average in one stratum, far from it in another, as many of each.
    plan, rng = plan_of(AVERAGE, sizes=(500, 500)), np.random.default_rng(1)
    strata = np.repeat([0, 1], plan.first)
    noise = rng.normal(size=len(strata)) * np.where(strata == 0, 1.0, 20.0)
    labels = FirstRound(
        strata=strata,
        folds=rng.integers(5, size=len(strata)),
        values=np.where(rng.random(len(strata)) < 0.5, 1000 + noise, np.nan)[:, None],
    )
    second = plan.second(labels)
    assert second[1] > 2 * second[0]


def test_a_rows_weight_does_not_depend_on_labels_of_its_fold():
    plan, rng = plan_of(), np.random.default_rng(2)
    labels = first_round(plan, rng, [0.1, 0.2, 0.5])
    second = plan.second(labels)
    before = plan.rounds(labels, second, folds=5).weights
    assert (before > 0).all()
    assert (before < 1).all()
    for fold in range(5):
        own = labels.folds == fold
        values = np.where(own[:, None], 1 - labels.values, labels.values)
        other = FirstRound(strata=labels.strata, folds=labels.folds, values=values)
        after = plan.rounds(other, second, folds=5).weights
        np.testing.assert_array_equal(after[:, fold], before[:, fold])
        assert (after != before).any()


def test_what_is_labelled_whole_counts_by_rows():
    plan = plan_of(sizes=(500, 300, 40))
    labels = first_round(plan, np.random.default_rng(3), [0.1, 0.2, 0.5])
    second = np.array([80, 60, 40 - plan.first[2]])
    weights = plan.rounds(labels, second, folds=5).weights
    assert not weights[2].any()
    assert weights[:2].all()


def test_strata_are_foreseen_by_a_line_through_the_others():
    variances = np.array([[1.0], [2.0], [4.0], [8.0]])
    found = foreseen_variances(variances)
    assert found[:, 0] == pytest.approx([1.72, 2.12, 3.77, 4.65], rel=0.01)
    assert (np.diff(found[:, 0]) > 0).all()
    moved = variances.copy()
    moved[1] = 100.0
    assert foreseen_variances(moved)[1] == pytest.approx(found[1])
    assert foreseen_variances(variances[:1]).tolist() == [[1.0]]
    assert foreseen_variances(np.zeros((3, 2))).max() == 0
    # Two strata foresee each other, and none is foreseen far beyond the largest.
    assert foreseen_variances(variances[:2])[:, 0].tolist() == pytest.approx([2, 1])
    steep = foreseen_variances(np.array([[1.0], [1e3], [1e6], [1e9]]))
    assert steep.max() <= np.e * 1e9


def test_a_population_of_equal_values_draws_by_size():
    plan = plan_of()
    labels = first_round(plan, np.random.default_rng(4), [0.0, 0.0, 0.0])
    assert plan.second(labels).sum() == 140
    assert np.isfinite(plan.rounds(labels, plan.second(labels), folds=5).weights).all()


@pytest.mark.slow
def test_a_share_is_unbiased_though_draws_follow_its_labels():
    # Pooling both rounds would be off by a fifth of the error: 5 standard errors here.
    rng = np.random.default_rng(5)
    proxy = rng.beta(0.3, 2.0, 1200)
    held = (rng.random(1200) < proxy).astype(float)
    strata = STRATA_CUTS["sqrt_mass"](proxy, strata=5)
    off = []
    for seed in range(600):
        params = MeansParams(
            statistics=SHARE,
            budget=120,
            stratify_by="proxy",
            strata_cut="sqrt_mass",
            seed=seed,
        )
        session = MeansSession.start(params, controls={"proxy": proxy})
        made = run_means(session, lambda ids: held[ids])
        off.append(made["held"].stratified_value - held.mean())
    off = np.array(off)
    assert abs(off.mean()) < 3 * off.std() / np.sqrt(len(off))
    assert len(np.unique(strata)) == 5
