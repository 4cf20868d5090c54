"""How many labels a width will take, and rounds that are sized to reach one."""

import json

import numpy as np
import pytest

from gleann.index.errors import InvalidInputError, InvalidParamsError, NotReadyError
from gleann.selection import (
    EstimateParams,
    EstimateSession,
    LabelPlan,
    TastiSession,
    plan_labels,
    run_estimate,
)
from gleann.selection.estimate.planning import (
    FALLBACK,
    first_labels,
    least_labels,
    round_labels,
)


def world(n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    proxy = rng.beta(0.2, 1.0, size=n) * 0.3
    return proxy, rng.random(n) < proxy, rng.normal(10, 3, size=n)


def oracle_of(held, values):
    return lambda ids: (held[ids], values[ids])


def test_a_uniform_sample_needs_what_the_textbook_says():
    proxy = np.full(10_000, 0.04)
    plan = plan_labels(proxy, EstimateParams(budget=5), width=200.0)
    by_hand = 0.04 * 0.96 * (2 * 1.959964 * 10_000 / 200) ** 2
    assert plan.uniform_labels == np.ceil(by_hand / (1 + by_hand / 10_000))
    # A proxy that says nothing saves nothing.
    assert plan.uniform_labels <= plan.labels <= FALLBACK * plan.uniform_labels
    assert plan.more == plan.labels


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
@pytest.mark.slow
def test_labels_as_planned_give_the_width(target):
    """Within a fifth, with a calibrated proxy and values as guessed."""
    proxy, held, values = world()
    relative = 0.06 if target == "avg" else 0.3
    plan = plan_labels(
        proxy,
        EstimateParams(target=target, budget=5),
        relative_width=relative,
        mean=10.0,
        deviation=3.0,
    )
    assert plan.low <= plan.labels <= plan.high
    assert plan.labels < plan.uniform_labels
    widths = []
    for seed in range(12):
        params = EstimateParams(target=target, budget=plan.labels, seed=seed)
        made = run_estimate(
            EstimateSession.start(proxy, params), oracle_of(held, values)
        )
        widths.append((made.high - made.low) / made.value)
    assert np.mean(widths) == pytest.approx(relative, rel=0.2)


def test_a_prevalence_scales_the_proxy_and_a_bad_one_is_refused():
    proxy, _, _ = world()
    params = EstimateParams(budget=5)
    rare, often = (
        plan_labels(proxy, params, relative_width=0.3, prevalence=share)
        for share in (0.01, 0.2)
    )
    assert rare.labels > 2 * often.labels
    assert "0.01 of the rows are positive (a guess)" in rare.assumptions
    for share in (0.0, 1.0):
        with pytest.raises(InvalidParamsError, match="prevalence must lie between"):
            plan_labels(proxy, params, width=9.0, prevalence=share)
    with pytest.raises(InvalidParamsError, match=r"give a prevalence: .*\.\.30"):
        plan_labels(
            proxy - proxy.min() + np.linspace(0, 29.8, len(proxy)), params, width=9.0
        )


@pytest.mark.parametrize("widths", [{}, {"width": 1.0, "relative_width": 0.1}])
def test_one_width_is_needed(widths):
    proxy, _, _ = world(n=100)
    with pytest.raises(InvalidParamsError, match="give width or relative_width"):
        plan_labels(proxy, EstimateParams(budget=5), **widths)


def test_widths_that_are_no_width_and_proxies_that_are_none_are_refused():
    proxy, _, _ = world(n=100)
    for width in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(InvalidParamsError, match="width must be"):
            plan_labels(proxy, EstimateParams(budget=5), width=width)
    with pytest.raises(InvalidInputError):
        plan_labels(["a"], EstimateParams(budget=5), width=1.0)


def test_least_labels_bisects():
    assert least_labels(lambda n: 100 / n, 10, low=1, high=1000) == 10
    assert least_labels(lambda n: 100 / n, 0.01, low=1, high=1000) == 1000
    assert least_labels(lambda n: 100 / n, 200, low=1, high=1000) == 1


def test_a_session_plans_by_its_labels():
    proxy, held, values = world()
    session = EstimateSession.start(proxy, EstimateParams(budget=1000, rounds=3))
    with pytest.raises(NotReadyError):
        session.plan(relative_width=0.3)
    batch = session.next_batch()
    session.submit(batch.ids, held[batch.ids])
    plan = session.plan(relative_width=0.3)
    assert isinstance(plan, LabelPlan)
    assert plan.labels_used == 200
    assert plan.low <= plan.labels <= plan.high
    made = run_estimate(session, oracle_of(held, values))
    now = (made.high - made.low) / made.value
    assert session.plan(relative_width=now).more == 0
    later = session.plan(relative_width=now / 2)
    assert later.labels > 1000
    # Half the width is four times the labels, but for rows that are all labelled.
    assert 2000 < later.labels < 4400
    assert "rates from 1000 labels" in later.assumptions[0]


def test_an_index_session_plans_too():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(2000, 4)).astype(np.float32)
    held = rng.random(2000) < 0.1
    session = TastiSession.start(
        vectors, EstimateParams(budget=400, strata_cut="geometric")
    )
    run_estimate(session, lambda ids: (held[ids], None))
    assert session.plan(relative_width=0.3).labels > 400


def test_without_an_interval_there_is_no_plan():
    proxy, _, values = world(n=300)
    session = EstimateSession.start(proxy, EstimateParams(target="avg", budget=50))
    nothing = np.zeros(300, bool)
    run_estimate(session, oracle_of(nothing, values))
    with pytest.raises(NotReadyError, match="50 labels with 0 positive gave no"):
        session.plan(width=1.0)


def test_rounds_grow_to_what_is_needed():
    assert round_labels(None, used=100, left=900, strata=5) == 100
    assert round_labels(5000, used=100, left=900, strata=5) == 100
    assert round_labels(60, used=100, left=900, strata=5) == 60
    # At least a twentieth of the labels so far, and a label a stratum.
    assert round_labels(1, used=400, left=900, strata=5) == 20
    assert round_labels(1, used=40, left=900, strata=5) == 5
    # What is left is not left for a round too small to be one.
    assert round_labels(60, used=100, left=50, strata=5) == 50
    assert round_labels(60, used=100, left=62, strata=5) == 62


@pytest.mark.parametrize("budget", range(5, 70))
def test_a_first_round_leaves_a_label_a_stratum_or_none(budget):
    """A stratum without a draw in the last round would count as empty."""
    params = EstimateParams(budget=budget, stop_at_width=1e-9)
    left = budget - first_labels(params, 5)
    assert left == 0 or left >= 5


@pytest.mark.parametrize("budget", [7, 9])
def test_totals_of_few_labels_that_may_stop_are_unbiased(budget):
    rng = np.random.default_rng(5)
    proxy = rng.beta(0.3, 1.0, size=300)
    held = rng.random(300) < 0.7 * proxy
    made = [
        run_estimate(
            EstimateSession.start(
                proxy, EstimateParams(budget=budget, stop_at_width=1e-9, seed=seed)
            ),
            lambda ids: (held[ids], None),
        ).value
        for seed in range(400)
    ]
    error = np.std(made) / len(made) ** 0.5
    assert abs(np.mean(made) - held.sum()) <= 3 * error


@pytest.mark.parametrize(
    ("first", "budget", "stop"),
    [(8, 20, {"stop_at_width": 1e-9}), (0, 150, {"stop_at_relative_width": 0.62})],
)
def test_rounds_of_an_index_session_have_a_label_a_stratum(first, budget, stop):
    """After a uniform round, of one stratum, and with representatives too."""
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(200, 3)).astype(np.float32)
    held = rng.random(200) < 1 / (1 + np.exp(2 - 3 * vectors[:, 0]))
    for seed in range(40):
        session = TastiSession.start(
            vectors,
            EstimateParams(budget=budget, seed=seed, strata_cut="equal_size", **stop),
            first=first,
        )
        while len(batch := session.next_batch()):
            assert len(batch) >= 5
            session.submit(batch.ids, held[batch.ids])


@pytest.mark.parametrize("width", [1e-6, 0.1, 1e6])
def test_a_plan_of_fewer_strata_than_were_asked_for(width):
    """A constant proxy makes one stratum, and a budget has a label for each of five."""
    for proxy in (np.full(100, 0.3), np.full(3, 0.3)):
        plan = plan_labels(proxy, EstimateParams(budget=5), relative_width=width)
        assert min(5, len(proxy)) <= plan.low <= plan.labels <= plan.high
        assert plan.high <= len(proxy)


def test_a_plan_of_intervals_that_hold_together_is_of_their_width():
    """The boundary at the last of four rounds is 1.2 to 1.3 times as far off."""
    proxy, _, _ = world()
    once, looked_at = (
        plan_labels(
            proxy,
            EstimateParams(budget=5, rounds=4, anytime=anytime),
            relative_width=0.2,
        )
        for anytime in (False, True)
    )
    assert 1.2**2 * 0.9 < looked_at.labels / once.labels < 1.3**2
    assert looked_at.uniform_labels == once.uniform_labels
    assert looked_at.high > 1.2 * once.high


@pytest.mark.parametrize(
    "stop", [{"stop_at_relative_width": 0.4}, {"stop_at_width": 300.0}]
)
def test_labelling_stops_near_what_a_fixed_budget_needs_and_resumes(stop):
    proxy, held, values = world()
    params = EstimateParams(budget=10_000, **stop)
    session = EstimateSession.start(proxy, params)
    oracle = oracle_of(held, values)
    asked = []
    while not session.done:
        batch = session.next_batch()
        # As after a restart, at every round.
        session.submit(batch.ids[:30], *oracle(batch.ids[:30]))
        state = json.loads(json.dumps(session.state()))
        session = EstimateSession.resume(state, proxy)
        rest = session.next_batch()
        asked.append(len(batch))
        if len(rest):
            session.submit(rest.ids, *oracle(rest.ids))
    made = session.estimate()
    aim = stop.get("stop_at_width", 0.4 * made.value)
    assert made.high - made.low <= aim
    fixed = run_estimate(
        EstimateSession.start(proxy, EstimateParams(budget=made.labels_used)), oracle
    )
    assert fixed.high - fixed.low == pytest.approx(aim, rel=0.25)


def test_an_absolute_width_is_not_believed_from_a_few_positives():
    """A count that found two positives has a narrow interval by chance."""
    params = EstimateParams(budget=1000, stop_at_width=100.0)
    proxy, held, values = world(n=2000)
    made = run_estimate(EstimateSession.start(proxy, params), oracle_of(held, values))
    for positives, narrow in ((0, True), (2, False), (5, False), (9, True)):
        told = type(made)(
            target="count",
            value=50.0,
            low=10.0,
            high=90.0,
            confidence=0.95,
            labels_used=200,
            positives=positives,
            by_stratum=(),
            note="",
        )
        assert params.is_narrow(told) is narrow
