"""Group-by: shares of a budget with one oracle a group, a linear program with one."""

import json
import sys
from itertools import product

import numpy as np
import pytest

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NotReadyError,
)
from gleann.selection import (
    DisjointGroupsSession,
    EstimateParams,
    EstimateSession,
    OverlappingGroupsSession,
    estimate_disjoint_groups,
    estimate_overlapping_groups,
    run_disjoint_groups,
    run_overlapping_groups,
)
from gleann.selection.estimate.stratified.allocate import split_over_cuts
from gleann.selection.estimate.stratified.estimators import labelling_cost
from gleann.selection.estimate.stratified.tally import moments

N = 4000


@pytest.fixture(scope="module")
def apart():
    """Three predicates of their own, with values."""
    rng = np.random.default_rng(0)
    proxies = {
        "common": rng.beta(0.2, 0.5, size=N),
        "rare": rng.beta(0.1, 3, size=N),
        "noisy": rng.beta(0.2, 1, size=N),
    }
    held = {name: rng.random(N) < proxy for name, proxy in proxies.items()}
    return proxies, held, rng.normal(10, 3, size=N)


@pytest.fixture(scope="module")
def disjoint():
    """Rows in one of three groups, or in none (-1)."""
    rng = np.random.default_rng(1)
    chances = rng.dirichlet([0.2, 0.05, 0.1, 0.6], size=N)
    group = (rng.random((N, 1)) > np.cumsum(chances, axis=1)).sum(axis=1)
    group[group == 3] = -1
    proxies = {name: chances[:, k] for k, name in enumerate("abc")}
    return proxies, group, rng.normal(10, 3, size=N)


def oracles_of(held, values, asked=None):
    def oracle(name):
        def answer(ids):
            if asked is not None:
                asked.append((name, ids.tolist()))
            return held[name][ids], values[ids]

        return answer

    return {name: oracle(name) for name in held}


@pytest.fixture
def started(monkeypatch):
    """The sessions of single groups, in the order in which they are started."""
    sessions, start = [], EstimateSession.start

    def keeping(*given, **settings):
        sessions.append(start(*given, **settings))
        return sessions[-1]

    monkeypatch.setattr(EstimateSession, "start", keeping)
    return sessions


def test_what_pilots_leave_is_shared_in_proportion_to_cost(apart, started):
    proxies, held, values = apart
    params = EstimateParams(target="avg", budget=900, seed=1)
    session = OverlappingGroupsSession.start(proxies, params)
    run_overlapping_groups(session, oracles_of(held, values))
    inner = started
    pilots = [one.design.round_budgets[0] for one in inner]
    later = np.array([one.design.round_budgets[1] for one in inner])
    assert sum(pilots) + later.sum() == 900 == session.labels_used
    first = [one.pilot.rounds[0] for one in inner]
    costs = np.array(
        [
            labelling_cost(one.design, seen)
            for one, seen in zip(inner, first, strict=True)
        ]
    )
    # Equal cost a label in all groups makes the worst one as good as it can be.
    assert np.abs(later - later.sum() * costs / costs.sum()).max() <= 1
    assert later.max() > 2 * later.min()


def test_the_cost_of_a_group_by_hand(apart, started):
    proxies, held, _ = apart
    session = OverlappingGroupsSession.start(
        proxies, EstimateParams(target="count", budget=300)
    )
    name, batch = session.next_batch()
    session.submit(name, batch.ids, held[name][batch.ids])
    one = started[session.groups.index(name)]
    seen = moments(one.pilot.total)
    by_hand = (one.design.sizes * np.sqrt(seen.rates * (1 - seen.rates))).sum() ** 2
    assert labelling_cost(one.design, one.pilot.total) == pytest.approx(by_hand)


def test_groups_are_unbiased_and_covered(apart):
    proxies, held, values = apart
    made = [
        estimate_overlapping_groups(
            proxies,
            oracles_of(held, values),
            EstimateParams(target="sum", budget=600, seed=seed),
        )
        for seed in range(60)
    ]
    for name in proxies:
        truth = values[held[name]].sum()
        error = np.array([one[name].value for one in made]) - truth
        assert abs(error.mean()) < 3.5 * error.std() / np.sqrt(60)
        assert (
            np.mean([one[name].low <= truth <= one[name].high for one in made]) > 0.86
        )


@pytest.mark.parametrize("after", [0, 2, 4, 6])
def test_an_oracle_that_raises_half_way_and_a_restart(apart, after):
    proxies, held, values = apart
    params = EstimateParams(target="avg", budget=600, seed=2)
    asked = []
    expected = estimate_overlapping_groups(
        proxies, oracles_of(held, values, asked), params
    )
    sequence, asked[:] = asked.copy(), []
    session = OverlappingGroupsSession.start(proxies, params)
    oracles = oracles_of(held, values, asked)

    def failing(name):
        def answer(ids):
            if len(asked) == after:
                raise TimeoutError("the labelling service is down")
            return oracles[name](ids)

        return answer

    with pytest.raises(TimeoutError):
        run_overlapping_groups(session, {name: failing(name) for name in proxies})
    state = json.loads(json.dumps(session.state()))
    resumed = OverlappingGroupsSession.resume(state, proxies)
    assert run_overlapping_groups(resumed, oracles) == expected
    assert asked == sequence


def test_groups_refuse_what_they_cannot_use(apart):
    proxies, held, values = apart
    start = OverlappingGroupsSession.start
    with pytest.raises(InvalidInputError, match="at least 1 group, got 0"):
        start({}, EstimateParams(budget=100))
    with pytest.raises(InvalidParamsError, match="need 30 labels"):
        start(proxies, EstimateParams(budget=29))
    with pytest.raises(InvalidParamsError, match="got 3 rounds"):
        start(proxies, EstimateParams(budget=100, rounds=3))
    with pytest.raises(InvalidParamsError, match="width to stop at"):
        start(proxies, EstimateParams(budget=100, stop_at_width=1.0))
    oracles = oracles_of(held, values)
    del oracles["rare"]
    with pytest.raises(InvalidInputError, match=r"1 of 3 groups .*\['rare'\]"):
        estimate_overlapping_groups(proxies, oracles, EstimateParams(budget=100))
    session = start(proxies, EstimateParams(budget=100))
    with pytest.raises(InvalidInputError, match="no group 'odd', but common"):
        session.submit("odd", [1], [True])
    with pytest.raises(NotReadyError):
        session.estimates()
    with pytest.raises(CorruptDataError, match="of groups"):
        OverlappingGroupsSession.resume(session.state(), {"common": proxies["common"]})
    with pytest.raises(CorruptDataError, match="state is of ids"):
        OverlappingGroupsSession.resume(
            session.state(), proxies, ids=np.arange(N)[::-1]
        )
    with pytest.raises(CorruptDataError, match="got None"):
        OverlappingGroupsSession.resume({}, proxies)


def test_the_linear_program_against_all_splits_of_a_grid():
    rng = np.random.default_rng(0)
    steps = np.arange(0, 51) / 50
    for groups in (2, 3):
        grid = [
            np.array([*part, 1 - sum(part)])
            for part in product(steps, repeat=groups - 1)
            if sum(part) <= 1 + 1e-12
        ]
        for _ in range(20):
            costs = rng.lognormal(sigma=1.5, size=(groups, groups)) * 1e4
            split = split_over_cuts(costs)
            assert split.sum() == pytest.approx(1)
            assert split.min() >= 0
            best = max(((part / costs.T).sum(axis=1)).min() for part in grid)
            mine = (split / costs.T).sum(axis=1).min()
            assert mine >= best * (1 - 1e-6)


def test_a_proxy_that_serves_every_group_gets_everything():
    costs = np.array([[1.0, 2.0], [5.0, 9.0]])
    assert split_over_cuts(costs) == pytest.approx([1, 0])
    # A group of which nothing is known has no say; all unknown split evenly.
    costs = np.array([[1.0, 2.0, 0.0], [5.0, 9.0, 0.0], [7.0, 9.0, 0.0]])
    assert split_over_cuts(costs) == pytest.approx([1, 0, 0])
    assert split_over_cuts(np.zeros((2, 2))) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("target", ["count", "avg"])
def test_classes_are_unbiased_covered_and_asked_once(disjoint, target):
    proxies, group, values = disjoint
    asked = []

    def oracle(ids):
        asked.extend(ids.tolist())
        return group[ids], values[ids]

    spent = []
    made = []
    for seed in range(50):
        asked.clear()
        params = EstimateParams(target=target, budget=800, seed=seed)
        made.append(estimate_disjoint_groups(proxies, oracle, params))
        assert len(asked) == len(set(asked)) <= 800
        spent.append(len(asked))
    # What the second round saves by shared rows is all that is left.
    assert np.mean(spent) > 0.95 * 800
    for number, name in enumerate(proxies):
        held = group == number
        truth = held.sum() if target == "count" else values[held].mean()
        error = np.array([one[name].value for one in made]) - truth
        assert abs(error.mean()) < 3.5 * error.std() / np.sqrt(50)
        assert (
            np.mean([one[name].low <= truth <= one[name].high for one in made]) > 0.85
        )


@pytest.mark.parametrize("after", [0, 1, 4])
def test_classes_go_on_after_an_exception_and_a_restart(disjoint, after):
    proxies, group, values = disjoint
    params = EstimateParams(target="sum", budget=500, seed=2)
    expected = estimate_disjoint_groups(
        proxies, lambda ids: (group[ids], values[ids]), params
    )
    session = DisjointGroupsSession.start(proxies, params)
    calls = []

    def failing(ids):
        calls.append(len(ids))
        if len(calls) == after + 1:
            raise TimeoutError("the labelling service is down")
        return group[ids], values[ids]

    with pytest.raises(TimeoutError):
        run_disjoint_groups(session, failing)
    assert session.labels_used == sum(calls[:-1])
    state = json.loads(json.dumps(session.state()))
    resumed = DisjointGroupsSession.resume(state, proxies)
    assert run_disjoint_groups(resumed, failing) == expected
    # Rows that two pilots share leave their labels to the second round.
    pilot = len(DisjointGroupsSession.start(proxies, params).next_batch())
    assert pilot < 3 * 83
    assert sum(resumed.split.values()) == 500 - pilot


def test_a_group_that_nobody_saw_is_undefined_not_zero(disjoint):
    proxies, group, values = disjoint
    nobody = np.where(group == 1, -1, group)
    for target, value in (("count", 0.0), ("avg", None)):
        made = estimate_disjoint_groups(
            proxies,
            lambda ids: (nobody[ids], values[ids]),
            EstimateParams(target=target, budget=300),
        )["b"]
        assert made.value == value
        assert "no positive" in made.note
        assert "at most" in made.note


def test_classes_refuse_what_they_cannot_use(disjoint):
    proxies, _, _ = disjoint
    with pytest.raises(InvalidInputError, match="at least 2 proxies"):
        DisjointGroupsSession.start({"a": proxies["a"]}, EstimateParams(budget=100))
    with pytest.raises(InvalidParamsError, match="need 30 labels"):
        DisjointGroupsSession.start(proxies, EstimateParams(budget=29))
    with pytest.raises(InvalidParamsError, match=f"there are {N} rows"):
        DisjointGroupsSession.start(proxies, EstimateParams(budget=N + 1))
    session = DisjointGroupsSession.start(proxies, EstimateParams(budget=100))
    rows = session.next_batch().rows
    before = session.state()
    with pytest.raises(InvalidInputError, match=r"1 of 2 groups .* -1\.\.2: 3"):
        session.submit(rows[:2], [0, 3])
    with pytest.raises(InvalidInputError, match=r"-1\.\.2: -2"):
        session.submit(rows[:1], [-2])
    with pytest.raises(InvalidInputError, match="integers"):
        session.submit(rows[:1], [0.5])
    with pytest.raises(DimensionMismatchError, match=r"\(1,\) for 2 ids"):
        session.submit(rows[:2], [1])
    assert session.state() == before
    with pytest.raises(NotReadyError, match="pilot needs"):
        session.estimates()
    session.submit(rows[:1], [-1])
    with pytest.raises(InvalidInputError, match="differ"):
        session.submit(rows[:1], [2])


def test_classes_resume_over_the_same_data_only(disjoint):
    proxies, _, _ = disjoint
    state = DisjointGroupsSession.start(proxies, EstimateParams(budget=100)).state()
    with pytest.raises(CorruptDataError, match="state is of proxies"):
        DisjointGroupsSession.resume(state, {**proxies, "a": proxies["b"]})
    with pytest.raises(CorruptDataError, match="state is of ids"):
        DisjointGroupsSession.resume(state, proxies, ids=np.arange(N)[::-1])
    with pytest.raises(CorruptDataError, match="got None"):
        DisjointGroupsSession.resume({}, proxies)


@pytest.mark.parametrize("share", [0.95, 1.0])
def test_a_pilot_leaves_every_group_a_second_round(apart, share):
    proxies, held, values = apart
    two = {name: proxies[name] for name in ("common", "rare")}
    params = EstimateParams(budget=101, pilot_share=share)
    made = estimate_overlapping_groups(two, oracles_of(held, values), params)
    assert sum(one.labels_used for one in made.values()) == 101
    for one in made.values():
        # What was granted, not the even share, is what the labels tell.
        assert sum(one.provenance["round_budgets"]) == one.labels_used


@pytest.mark.parametrize("target", ["count", "avg"])
def test_a_row_in_two_samples_is_counted_once(disjoint, target):
    proxies, group, values = disjoint
    asked = []

    def oracle(ids):
        asked.extend(ids.tolist())
        return group[ids], values[ids]

    for seed in range(5):
        asked.clear()
        params = EstimateParams(target=target, budget=600, seed=seed)
        made = estimate_disjoint_groups(proxies, oracle, params)
        for number, name in enumerate(proxies):
            one = made[name]
            found = int((group[asked] == number).sum())
            assert (one.labels_used, one.positives) == (len(asked), found)
            if target == "count":
                assert one.low >= min(found, one.value)
                assert one.high <= max(found + N - len(asked), one.value)


def test_merged_estimates_name_strata_with_few_labels(disjoint):
    proxies, group, values = disjoint
    made = estimate_disjoint_groups(
        proxies, lambda ids: (group[ids], values[ids]), EstimateParams(budget=200)
    )
    for one in made.values():
        assert "merged from the samples of 3 proxies; strata [" in one.note
        assert "fewer than 30 labels" in one.note


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
def test_a_group_of_all_rows_has_a_rate_of_one_at_most(disjoint, target):
    proxies, _, values = disjoint
    truth = {"count": N, "avg": values.mean(), "sum": values.sum()}[target]
    for seed in range(10):
        params = EstimateParams(target=target, budget=150, seed=seed)
        made = estimate_disjoint_groups(
            proxies, lambda ids: (np.zeros(len(ids), int), values[ids]), params
        )["a"]
        assert made.low <= made.value <= made.high
        if target == "count":
            assert made.low < truth
            assert made.high == pytest.approx(N)
        else:
            assert abs(made.value - truth) < 0.1 * truth


def test_one_cut_is_split_without_a_solver(monkeypatch):
    """Importing the solver takes a third of a second; an estimate has one cut."""
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    assert split_over_cuts(np.ones((1, 3))).tolist() == [1.0]
    with pytest.raises(ImportError):
        split_over_cuts(np.ones((2, 3)))
