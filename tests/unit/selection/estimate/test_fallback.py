"""Draws that fall back to uniform sampling where the proxy does not help."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.selection import (
    EstimateParams,
    EstimateSession,
    TastiSession,
    run_estimate,
)
from gleann.selection.estimate import estimate
from gleann.selection.estimate.stratified.allocate import topped_up
from gleann.selection.estimate.stratified.estimators import Design, round_draws, totals
from gleann.selection.estimate.stratified.merging import alike_strata, merged
from gleann.selection.estimate.stratified.rates import (
    drawing_moments,
    probability_alike,
)
from gleann.selection.estimate.stratified.tally import Evidence, Tally

TRIALS = 25


def population(n=12_000, seed=0):
    """A calibrated proxy of a predicate that holds for one row in thirty."""
    rng = np.random.default_rng(seed)
    proxy = np.where(rng.random(n) < 0.05, rng.beta(2, 2, n), rng.beta(0.1, 12, n))
    return proxy, rng.random(n) < proxy


def tally_of(labelled, positives):
    labelled, positives = np.array(labelled, float), np.array(positives, float)
    return Tally(
        labelled=labelled, positives=positives, sums=positives, squares=positives
    )


def textbook_width(held, labels):
    rate, n = held.mean(), len(held)
    return 2 * 1.96 * n * (rate * (1 - rate) * (1 / labels - 1 / n)) ** 0.5


def labels_over_uniform(proxy, held, params):
    """Squared ratio of the mean width to the textbook's: that of the labels."""
    widths = []
    for seed in range(TRIALS):
        one = estimate(proxy, lambda ids: (held[ids], None), replace(params, seed=seed))
        widths.append(one.high - one.low)
    return (np.mean(widths) / textbook_width(held, params.budget)) ** 2


@pytest.mark.slow
def test_a_useless_proxy_costs_a_few_labels_and_an_even_design_costs_many():
    proxy, held = population()
    shuffled = np.random.default_rng(1).permutation(proxy)
    params = EstimateParams(budget=1200)
    for useless in (shuffled, np.full(len(proxy), 0.03), proxy.max() - proxy):
        assert labels_over_uniform(useless, held, params) <= 1.09
    even = replace(params, allocation="even", pilot_share=0.5)
    assert labels_over_uniform(shuffled, held, even) > 1.3


@pytest.mark.slow
def test_a_fair_proxy_saves_labels():
    proxy, held = population()
    noise = np.exp(np.random.default_rng(2).normal(0, 1, len(proxy)))
    params = EstimateParams(budget=1200)
    for fair in (proxy, np.clip(proxy * noise, 0, 1)):
        assert labels_over_uniform(fair, held, params) <= 0.6


def test_strata_of_one_rate_are_told_from_strata_of_their_own():
    assert probability_alike(np.full(5, 60.0), np.array([2.0, 3, 1, 2, 2])) > 0.9
    assert probability_alike(np.full(5, 60.0), np.array([0.0, 0, 1, 5, 30])) < 1e-6
    # Without a positive nothing speaks against one rate.
    assert probability_alike(np.full(5, 60.0), np.zeros(5)) > 0.5
    assert probability_alike(np.zeros(5), np.zeros(5)) == 1.0
    # Negatives count as positives do.
    often = probability_alike(np.full(5, 60.0), np.array([60.0, 60, 59, 55, 30]))
    assert often == pytest.approx(
        probability_alike(np.full(5, 60.0), np.array([0.0, 0, 1, 5, 30])), rel=0.1
    )


def test_rates_for_draws_are_one_rate_or_their_own():
    sizes = np.array([9000.0, 600, 200, 100, 100])
    alike = drawing_moments(
        tally_of([120, 30, 25, 20, 20], [3, 1, 0, 1, 0]), sizes=sizes
    )
    assert alike.rates.max() < 3 * alike.rates.min()
    apart = drawing_moments(
        tally_of([120, 30, 25, 20, 20], [0, 1, 3, 9, 18]), sizes=sizes
    )
    assert apart.rates[4] > 50 * apart.rates[0]


def design_of(sizes, budgets, allocation="adaptive"):
    return Design(
        sizes=np.array(sizes, float),
        proxy_means=np.full(len(sizes), 0.03),
        round_budgets=budgets,
        target="count",
        floor=0.1,
        allocation=allocation,
    )


def test_draws_of_all_rounds_follow_the_sizes_where_strata_are_alike():
    design = design_of([9000, 600, 200, 100, 100], (200, 800))
    first = round_draws(design, ())
    assert first.sum() == 200
    # Half by size: a small stratum gets its part of the even half, and little more.
    assert first[4] == 21
    seen = tally_of(first, [4, 1, 1, 0, 1])
    second = round_draws(design, (seen,))
    drawn = first + second
    assert drawn.sum() == 1000
    assert drawn[0] > 0.85 * 1000
    assert drawn[3:].max() <= 30


def test_topped_up_draws_even_out_what_was_drawn_before():
    wanted = np.array([60.0, 30, 10])
    draws = topped_up(
        wanted, before=np.array([0.0, 50, 0]), budget=50, room=np.array([500] * 3)
    )
    # The second stratum has more than its part of 100 already.
    assert draws.tolist() == [42, 1, 7]
    full = topped_up(
        wanted, before=np.zeros(3), budget=50, room=np.array([10, 500, 500])
    )
    assert full.sum() == 50
    assert full[0] == 10


def test_strata_merge_only_where_they_are_alike_and_sampled_alike():
    counts = tally_of([100, 100, 100, 100], [2, 3, 2, 40])
    assert alike_strata(counts, np.array([10.0, 10, 10, 10])).tolist() == [0, 0, 0, 1]
    # One of them stands for ten times as many rows a label.
    apart = alike_strata(counts, np.array([100.0, 10, 10, 10]))
    assert apart.tolist() == [0, 1, 1, 2]


def test_merged_strata_keep_totals_labels_and_values():
    design = design_of([1000, 1000, 500], (250,))
    seen = tally_of([100, 100, 50], [2, 3, 45])
    evidence = Evidence(
        rounds=(seen,), values=(np.ones(2), np.ones(3) * 2, np.ones(45) * 3)
    )
    found = totals(design, [seen])
    new, added, told = merged(design, found, evidence)
    assert new.sizes.tolist() == [2000, 500]
    assert added.count == pytest.approx(found.count)
    assert added.spread_factors.sum() == pytest.approx(found.spread_factors.sum())
    assert told.total.labelled.tolist() == [200, 50]
    assert [part.tolist() for part in told.values] == [[1, 1, 2, 2, 2], [3] * 45]


def test_an_index_estimate_begins_with_a_uniform_round_that_counts():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(3000, 8)).astype(np.float32)
    held = rng.random(3000) < 0.05
    session = TastiSession.start(
        vectors, EstimateParams(budget=500, strata_cut="geometric")
    )
    batch = session.next_batch()
    assert len(batch) == 100
    assert batch.weights.tolist() == [30.0] * 100
    assert set(batch.why["stratum"]) == {0}
    made = run_estimate(session, lambda ids: (held[ids], None))
    assert made.labels_used == 500
    assert made.high - made.low <= 1.2 * textbook_width(held, 500)
    resumed = TastiSession.resume(session.state(), vectors)
    assert resumed.estimate() == made


def test_an_even_allocation_is_that_of_before():
    proxy, held = population(n=2000)
    params = EstimateParams(budget=200, allocation="even", pilot_share=0.5)
    session = EstimateSession.start(proxy, params)
    batch = session.next_batch()
    assert np.bincount(batch.why["stratum"]).tolist() == [20] * 5
    assert run_estimate(session, lambda ids: (held[ids], None)).labels_used == 200
