"""Strata, their moments, what each is allocated, and bounds: by hand."""

import numpy as np
import pytest

from gleann.selection.estimate.stratified.allocate import capped, shares, spreads
from gleann.selection.estimate.stratified.intervals import (
    Interval,
    most_positives_unseen,
    within_possible,
)
from gleann.selection.estimate.stratified.strata import (
    drawing_order,
    equal_size,
    geometric,
    sqrt_mass,
)
from gleann.selection.estimate.stratified.tally import Moments, moments, tally


def test_equal_size_strata_by_hand():
    proxy = np.array([0.5, 0.1, 0.9, 0.2, 0.3, 0.1, 0.7])
    assert equal_size(proxy, strata=3).tolist() == [1, 0, 2, 0, 1, 0, 2]
    assert equal_size(np.zeros(4), strata=9).tolist() == [0, 1, 2, 3]


def test_sqrt_mass_strata_by_hand():
    # Square roots 1, 1, 1, 1, 2, 6: half of the mass of 12 lies in the last row.
    proxy = np.array([1, 36, 1, 4, 1, 1.0])
    assert sqrt_mass(proxy, strata=2).tolist() == [0, 1, 0, 0, 0, 0]
    assert sqrt_mass(proxy, strata=3).tolist() == [0, 2, 0, 1, 0, 0]


def test_strata_ascend_by_proxy_and_leave_no_number_out():
    rng = np.random.default_rng(0)
    for cut in (equal_size, sqrt_mass, geometric):
        proxy = rng.beta(0.1, 1, size=500) ** 4
        numbers = cut(proxy, strata=8)
        assert set(numbers) == set(range(numbers.max() + 1))
        assert (np.diff(numbers[np.argsort(proxy, kind="stable")]) >= 0).all()


def test_equal_or_zero_proxies_make_equal_strata():
    for proxy in (np.full(100, 0.3), np.zeros(100)):
        assert np.bincount(sqrt_mass(proxy, strata=5)).tolist() == [20] * 5


def test_the_drawing_order_holds_each_row_once_and_by_stratum():
    numbers = np.random.default_rng(0).integers(0, 4, size=300)
    order = drawing_order(numbers, seed=7)
    assert sorted(order) == list(range(300))
    assert (np.diff(numbers[order]) >= 0).all()
    assert order.tolist() == drawing_order(numbers, seed=7).tolist()
    assert order.tolist() != drawing_order(numbers, seed=8).tolist()


def test_moments_by_hand():
    seen = tally(
        np.array([0, 0, 0, 1, 1, 1]),
        np.array([True, True, True, False, False, True]),
        np.array([1.0, 2.0, 3.0, 99.0, 99.0, 6.0]),
        strata=3,
    )
    assert seen.labelled.tolist() == [3, 3, 0]
    assert seen.positives.tolist() == [3, 1, 0]
    assert seen.sums.tolist() == [6, 6, 0]
    got = moments(seen)
    assert got.rates == pytest.approx([3.5 / 4, 1.5 / 4, 0.5])
    # The mean of all is 3; the line rises by 3 / 1.75 a stratum and passes 3 at 1 / 4.
    line = 3 + 3 / 1.75 * np.array([-0.25, 0.75, 1.75])
    assert got.means == pytest.approx((np.array([6, 6, 0]) + line) / [4, 2, 1])
    # The pooled variance is 2 / 2 = 1, the largest step from 15 / 7 to 36 / 7.
    assert got.mean_variances == pytest.approx(10 / np.array([4, 2, 1]))
    assert got.variances == pytest.approx([(2 + 1) / 3, 1, 1])


def test_strata_are_allocated_by_what_sampling_has_to_average_out():
    seen = Moments(
        rates=np.array([0.01, 0.25]),
        means=np.array([1.0, 2.0]),
        mean_variances=np.array([0.5, 0.0]),
        variances=np.array([4.0, 9.0]),
    )
    sizes = np.array([30.0, 10.0])
    assert spreads(seen, target="count", sizes=sizes) == pytest.approx(
        [np.sqrt(0.01 * 0.99), np.sqrt(0.25 * 0.75)]
    )
    assert spreads(seen, target="sum", sizes=sizes) == pytest.approx(
        [np.sqrt(0.04 + 0.0099 * 1.5), np.sqrt(2.25 + 0.1875 * 4)]
    )
    average = (30 * 0.01 * 1 + 10 * 0.25 * 2) / (30 * 0.01 + 10 * 0.25)
    assert spreads(seen, target="avg", sizes=sizes) == pytest.approx(
        [
            np.sqrt(0.04 + 0.0099 * ((1 - average) ** 2 + 0.5)),
            np.sqrt(2.25 + 0.1875 * (2 - average) ** 2),
        ]
    )


def test_shares_are_neymans_with_a_floor():
    sizes = np.array([30.0, 10.0])
    assert shares(sizes, np.array([0.2, 1.5]), floor=0.0) == pytest.approx(
        [6 / 21, 15 / 21]
    )
    assert shares(sizes, np.array([0.2, 1.5]), floor=0.1) == pytest.approx(
        [0.9 * 6 / 21 + 0.05, 0.9 * 15 / 21 + 0.05]
    )


def test_a_constant_statistic_spends_its_budget_by_size():
    assert shares(np.array([30.0, 10.0]), np.zeros(2), floor=0.0).tolist() == [
        0.75,
        0.25,
    ]


def test_capped_allocation_by_hand():
    room = np.array([10, 2, 100])
    assert capped(np.array([1.0, 1, 2]), budget=12, room=room).tolist() == [3, 2, 7]
    assert capped(np.array([1.0, 8, 1]), budget=12, room=room).tolist() == [5, 2, 5]
    assert capped(np.zeros(3), budget=6, room=room).tolist() == [2, 2, 2]
    assert capped(np.array([0.0, 0, 1]), budget=6, room=room, at_least=1).tolist() == [
        1,
        1,
        4,
    ]
    assert capped(np.array([1.0, 0, 0]), budget=112, room=room).tolist() == [10, 2, 100]


def test_capped_allocation_spends_exactly_and_is_the_best_there_is():
    """Optimal for sum(w^2 / n) among real allocations: what is open gets one rate."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        k = int(rng.integers(1, 9))
        room = rng.integers(0, 40, size=k)
        budget = int(rng.integers(0, room.sum() + 1))
        wanted = rng.random(k) ** 3 * (rng.random(k) < 0.9)
        draws = capped(wanted, budget=budget, room=room)
        assert draws.sum() == budget
        assert (draws >= 0).all()
        assert (draws <= room).all()
        open_ = (draws < room) & (wanted > 0)
        if open_.sum() > 1 and (wanted > 0).all():
            rates = draws[open_] / wanted[open_]
            slack = 1 / wanted[open_]
            assert rates.max() - rates.min() <= 2 * slack.max()


def test_the_bound_on_unseen_positives_by_hand():
    # One stratum, no positive in n: the largest p with (1 - p)^n = 0.05.
    bound = most_positives_unseen(np.array([1e9]), np.array([100.0]), confidence=0.95)
    assert bound / 1e9 == pytest.approx(1 - 0.05 ** (1 / 100))
    # All rows of the second stratum are known, so it can hide nothing.
    both = most_positives_unseen(
        np.array([1e9, 50]), np.array([100.0, 50]), confidence=0.95
    )
    assert both == pytest.approx(bound)
    # Few rows left: the bound is what is left.
    few = most_positives_unseen(np.array([10.0]), np.array([2.0]), confidence=0.95)
    assert few == pytest.approx(10 * (1 - 0.05**0.5))
    most = most_positives_unseen(np.array([10.0]), np.array([9.0]), confidence=0.999)
    assert most <= 1 + 1e-9


def test_the_bound_over_two_strata_is_the_worst_split():
    sizes, labelled = np.array([3000.0, 500.0]), np.array([60.0, 40.0])
    worst = 0.0
    for p in np.linspace(0, 1 - 0.05 ** (1 / 60), 4001):
        other = 1 - (0.05 / (1 - p) ** 60) ** (1 / 40)
        worst = max(worst, sizes[0] * p + sizes[1] * max(other, 0.0))
    got = most_positives_unseen(sizes, labelled, confidence=0.95)
    assert got == pytest.approx(worst, rel=1e-4)


def test_the_upper_end_of_a_count_is_not_below_what_was_seen():
    # The unbiased value may lie below the positives found; the interval may not.
    made = Interval(value=5.0, low=3.0, high=7.0)
    cut = within_possible(made, positives=9.0, unlabelled=91.0)
    assert (cut.low, cut.high) == (5.0, 9.0)


def test_geometric_strata_by_hand():
    proxy = np.arange(400.0)
    # The best 50, then up to 141.4 and 400 rows: a factor of sqrt(8) each.
    numbers = geometric(proxy, strata=3)
    assert np.bincount(numbers).tolist() == [258, 92, 50]
    assert (np.diff(numbers) >= 0).all()
    assert geometric(proxy[:3], strata=9).tolist() == [0, 1, 2]
    assert geometric(proxy, strata=1).tolist() == [0] * 400
