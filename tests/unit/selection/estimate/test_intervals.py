"""Bootstrap intervals, labels known before, and stopping at a narrow interval."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from gleann.index.errors import (
    CorruptDataError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    UnknownIdError,
)
from gleann.selection import EstimateParams, EstimateSession, Known, uniform_estimate
from gleann.selection.estimate import estimate, run_estimate
from gleann.selection.estimate.result import conclude
from gleann.selection.estimate.sessions import single as session_module
from gleann.selection.estimate.stratified.tally import tally, trend_of


def world(n=2000, seed=0, scale=0.3):
    rng = np.random.default_rng(seed)
    proxy = rng.beta(0.2, 1.0, size=n) * scale
    held = rng.random(n) < proxy
    return proxy, held, rng.normal(10, 3, size=n)


def oracle_of(held, values):
    return lambda ids: (held[ids], values[ids])


def width(made):
    return made.high - made.low


def test_a_bootstrap_of_one_stratum_is_its_posterior():
    """No rounds to combine: 10 + 9,900 * Beta, give or take resampling."""
    held = np.zeros(10_000, bool)
    session = EstimateSession.start(
        np.ones(10_000),
        EstimateParams(budget=100, strata=1, rounds=1, interval="bootstrap"),
    )
    rows = session.next_batch().rows
    held[rows[:10]] = True
    session.submit(rows, held[rows])
    made = session.estimate()
    assert made.value == pytest.approx(1000)
    ends = 10 + 9_900 * np.array([beta(10, 90.5).ppf(0.025), beta(10.5, 90).ppf(0.975)])
    assert [made.low, made.high] == pytest.approx(ends, rel=0.06)
    # It leans upwards, where the rows are; the delta interval does not.
    assert made.high - made.value > 1.15 * (made.value - made.low)


def test_the_low_end_of_a_bootstrap_does_not_add_to_a_lone_positive():
    """Beta(1, 99.5) ends at 0.00025 below, Jeffreys' Beta(1.5, 99.5) at 0.0011."""
    held = np.zeros(10_000, bool)
    params = EstimateParams(budget=100, strata=1, rounds=1, interval="bootstrap")
    session = EstimateSession.start(np.ones(10_000), params)
    rows = session.next_batch().rows
    held[rows[0]] = True
    session.submit(rows, held[rows])
    made = session.estimate()
    assert 1 <= made.low < 1 + 9_900 * 0.0005
    assert made.high > 1 + 9_900 * beta(1.5, 99).ppf(0.96)


def test_a_stratum_without_a_positive_may_have_none_or_some():
    proxy = np.repeat([0.01, 0.9], [5000, 60])
    held = proxy > 0.5
    made = estimate(
        proxy,
        lambda ids: (held[ids], None),
        EstimateParams(budget=400, strata=2, interval="bootstrap"),
    )
    # The lower stratum is all negative in truth: the lower end must allow for that.
    assert made.low <= 60 <= made.high
    assert made.high > 70


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
def test_a_bootstrap_repeats_and_is_certain_when_all_is_labelled(target):
    proxy, held, values = world(n=150)
    params = EstimateParams(target=target, budget=90, interval="bootstrap", seed=3)
    first = estimate(proxy, oracle_of(held, values), params)
    assert first == estimate(proxy, oracle_of(held, values), params)
    assert first.low < first.value < first.high
    whole = estimate(proxy, oracle_of(held, values), replace(params, budget=150))
    assert width(whole) == pytest.approx(0, abs=1e-9)


def test_a_mean_that_follows_the_proxy_is_told_from_the_line():
    """Positives at 8, 10, 12 in strata 2..4 and none below: 6 and 4 are expected."""
    numbers = np.repeat([0, 1, 2, 3, 4], [50, 50, 40, 40, 40])
    held = numbers >= 2
    values = 4.0 + 2 * numbers
    trend = trend_of(tally(numbers, held, values, strata=5))
    assert trend.line == pytest.approx([4, 6, 8, 10, 12], abs=0.1)
    assert trend.step == pytest.approx(2, abs=0.1)
    flat = trend_of(tally(numbers, held, np.full(220, 7.0), strata=5))
    assert flat.line == pytest.approx(7.0)
    assert flat.step == pytest.approx(0, abs=1e-9)


def test_known_rows_are_counted_exactly_and_never_asked_for():
    proxy, held, values = world()
    # The worst choice there is: every fifth positive, and no negative.
    rows = np.flatnonzero(held)[::5]
    known = Known(ids=rows, positives=held[rows], values=values[rows])
    asked = []

    def oracle(ids):
        asked.extend(ids.tolist())
        return held[ids], values[ids]

    for target, truth in (("count", held.sum()), ("sum", values[held].sum())):
        found = []
        for seed in range(150):
            params = EstimateParams(target=target, budget=200, seed=seed)
            session = EstimateSession.start(proxy, params, known=known)
            found.append(run_estimate(session, oracle).value)
        error = np.array(found) - truth
        assert abs(error.mean()) < 3.5 * error.std() / np.sqrt(len(found))
    assert not set(asked) & set(rows.tolist())
    made = session.estimate()
    assert made.labels_used == 200 + len(rows)
    assert f"{len(rows)} rows were labelled before" in made.note


def test_known_rows_and_all_others_are_the_truth():
    proxy, held, values = world(n=120)
    rows = np.arange(0, 120, 4)
    known = Known(ids=rows, positives=held[rows], values=values[rows])
    truths = {
        "count": held.sum(),
        "avg": values[held].mean(),
        "sum": values[held].sum(),
    }
    for target, truth in truths.items():
        for interval in ("delta", "bootstrap"):
            params = EstimateParams(target=target, budget=90, interval=interval)
            session = EstimateSession.start(proxy, params, known=known)
            made = run_estimate(session, oracle_of(held, values))
            assert made.value == pytest.approx(truth)
            assert width(made) == pytest.approx(0, abs=1e-9)


def test_known_positives_and_none_drawn():
    proxy = np.linspace(0.01, 0.2, 500)
    held = np.zeros(500, bool)
    held[[3, 400]] = True
    known = Known(ids=[3, 400], positives=[True, True])
    session = EstimateSession.start(proxy, EstimateParams(budget=100), known=known)
    made = run_estimate(session, lambda ids: (held[ids], None))
    assert (made.value, made.low, made.positives) == (2.0, 2.0, 2)
    assert 2 < made.high < 40


def test_known_labels_that_do_not_fit_are_refused():
    proxy, held, values = world(n=50)
    params = EstimateParams(target="avg", budget=45)

    def start(**known):
        return EstimateSession.start(proxy, params, known=Known(**known))

    with pytest.raises(UnknownIdError, match="50"):
        start(ids=[50], positives=[True], values=[1.0])
    with pytest.raises(DuplicateIdError):
        start(ids=[1, 1], positives=[True, True], values=[1.0, 1.0])
    with pytest.raises(InvalidInputError, match="needs a value"):
        start(ids=[1], positives=[True])
    with pytest.raises(InvalidParamsError, match="45, but there are 44 rows without"):
        start(ids=range(6), positives=held[:6], values=values[:6])


def test_a_state_keeps_what_was_known_before():
    proxy, held, values = world()
    rows = np.arange(40)
    known = Known(ids=rows, positives=held[rows], values=values[rows])
    params = EstimateParams(target="sum", budget=100)
    session = EstimateSession.start(proxy, params, known=known)
    ids = session.next_batch().ids[:20]
    session.submit(ids, *oracle_of(held, values)(ids))
    state = json.loads(json.dumps(session.state()))
    resumed = EstimateSession.resume(state, proxy)
    oracle = oracle_of(held, values)
    assert run_estimate(resumed, oracle) == run_estimate(session, oracle)
    with pytest.raises(CorruptDataError):
        EstimateSession.resume(state, proxy[:-1])


def test_labelling_stops_at_the_first_narrow_interval():
    proxy, held, _ = world(n=6000)
    params = EstimateParams(
        budget=3000, rounds=10, pilot_share=0.1, stop_at_relative_width=0.6
    )
    session = EstimateSession.start(proxy, params)
    widths = []
    while not session.done:
        batch = session.next_batch()
        session.submit(batch.ids, held[batch.ids])
        made = session.estimate()
        widths.append(width(made) / made.value)
    assert all(one > 0.6 for one in widths[:-1])
    assert widths[-1] <= 0.6
    assert 2 < len(widths) < 10
    assert session.labels_used < 3000
    after = session.next_batch()
    assert len(after) == 0
    assert after.summary["stopped"]
    # A hundred labels, then as many as are needed, or as there are.
    budgets = session.design.round_budgets
    assert budgets[:2] == (100, 100)
    assert sum(budgets) == session.labels_used
    resumed = EstimateSession.resume(json.loads(json.dumps(session.state())), proxy)
    assert resumed.done
    assert resumed.estimate() == made


def test_an_absolute_width_and_one_that_is_never_reached():
    proxy, held, _ = world()
    plan = EstimateParams(budget=500, rounds=5, pilot_share=0.2, stop_at_width=120.0)
    made = estimate(proxy, lambda ids: (held[ids], None), plan)
    assert width(made) <= 120
    assert made.labels_used < 500
    never = replace(plan, stop_at_width=1e-3)
    assert estimate(proxy, lambda ids: (held[ids], None), never).labels_used == 500


def test_looks_cost_width_as_the_union_bound_says():
    """The same labels: z(1 - 0.025 / 5) over z(0.975), where nothing was cut."""
    proxy, held, _ = world(n=20_000, scale=1.0)
    plan = EstimateParams(budget=500, rounds=5, allocation="even", interval="delta")
    plain = estimate(proxy, lambda ids: (held[ids], None), plan)
    careful = estimate(
        proxy, lambda ids: (held[ids], None), replace(plan, stop_at_width=1e-6)
    )
    assert careful.value == plain.value
    assert width(careful) / width(plain) == pytest.approx(2.5758 / 1.9600, rel=1e-4)
    assert careful.confidence == 0.95


def test_intervals_hold_where_labelling_stops():
    proxy, held, _ = world(n=4000, scale=0.6)
    truth = held.sum()
    made = [
        estimate(
            proxy,
            lambda ids: (held[ids], None),
            EstimateParams(
                budget=2000,
                rounds=8,
                pilot_share=0.05,
                stop_at_relative_width=0.7,
                seed=seed,
            ),
        )
        for seed in range(150)
    ]
    assert np.mean([one.labels_used < 2000 for one in made]) > 0.9
    assert np.mean([one.low <= truth <= one.high for one in made]) >= 0.95


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
def test_every_estimate_says_what_uniform_sampling_would_give(target):
    proxy, held, values = world(n=8000, scale=1.0)
    params = EstimateParams(target=target, budget=600)
    oracle = oracle_of(held, values)
    ours = [estimate(proxy, oracle, replace(params, seed=seed)) for seed in range(12)]
    plain = [
        uniform_estimate(proxy, oracle, replace(params, seed=seed))
        for seed in range(12)
    ]
    expected = np.mean([made.uniform_width for made in ours])
    assert expected == pytest.approx(np.mean([width(made) for made in plain]), rel=0.08)
    gain = {"count": 1.15, "avg": 1.1, "sum": 1.15}[target]
    assert expected > gain * np.mean([width(made) for made in ours])
    # Its own sample tells it the same of itself, but for Student's quantile and priors.
    assert plain[0].uniform_width == pytest.approx(width(plain[0]), rel=0.05)


def test_the_width_of_uniform_sampling_by_hand():
    """A count of one stratum: 2 * 1.96 * 1,000 * sqrt(0.2 * 0.8 * 0.9 / 100)."""
    session = EstimateSession.start(
        np.ones(1000), EstimateParams(budget=100, strata=1, rounds=1)
    )
    rows = session.next_batch().rows
    session.submit(rows, np.arange(100) < 20)
    by_hand = 2 * 1.95996 * 1000 * np.sqrt(0.2 * 0.8 * 0.9 / 100)
    assert session.estimate().uniform_width == pytest.approx(by_hand, rel=1e-4)
    # 100 rows known before, 20 of them positive: 200 labels, 200 of 1,000 positive.
    known = Known(ids=np.arange(100), positives=np.arange(100) < 20)
    session = EstimateSession.start(
        np.ones(1000), EstimateParams(budget=100, strata=1, rounds=1), known=known
    )
    session.submit(session.next_batch().ids, np.arange(100) < 20)
    by_hand = 2 * 1.95996 * 1000 * np.sqrt(0.2 * 0.8 * 0.8 / 200)
    assert session.estimate().uniform_width == pytest.approx(by_hand, rel=1e-4)


def test_the_baseline_does_not_stop_early():
    proxy, held, _ = world()
    params = EstimateParams(budget=300, rounds=5, stop_at_width=1e6)
    made = uniform_estimate(proxy, lambda ids: (held[ids], None), params)
    assert made.labels_used == 300


@pytest.mark.parametrize(
    ("params", "words"),
    [
        (
            {"interval": "exact"},
            "interval must be one of auto, delta, polya, bootstrap",
        ),
        ({"stop_at_width": 0.0}, "stop_at_width must be a finite number above 0"),
        ({"stop_at_width": float("nan")}, "got nan"),
        ({"stop_at_relative_width": -1.0}, "got -1.0"),
        ({"stop_at_width": 1.0, "stop_at_relative_width": 0.1}, "not both"),
    ],
)
def test_impossible_parameters_are_refused(params, words):
    with pytest.raises(InvalidParamsError, match=words):
        EstimateParams(budget=20, **params)


def test_known_positives_answer_where_none_was_drawn():
    proxy = np.linspace(0.01, 0.2, 500)
    known = Known(ids=[3, 400, 7], positives=[True, True, False], values=[4.0, 8.0, 9])
    for target, value in (("avg", 6.0), ("sum", 12.0)):
        made = estimate(
            proxy,
            lambda ids: (np.zeros(len(ids), bool), np.zeros(len(ids))),
            EstimateParams(target=target, budget=100),
            known=known,
        )
        assert (made.value, made.low, made.high) == (value, None, None)
        assert (made.labels_used, made.positives) == (103, 2)
        assert "the rate is at most" in made.note
        assert f"the {target} is that of the 2 positives known before" in made.note


def test_many_resamples_do_not_take_much_memory():
    held = np.arange(1000) < 500
    session = EstimateSession.start(
        np.ones(1000),
        EstimateParams(
            target="sum",
            budget=400,
            strata=1,
            rounds=1,
            interval="bootstrap",
            confidence=0.998,
        ),
    )
    rows = session.next_batch().rows
    session.submit(rows, held[rows], rows.astype(float))
    tracemalloc.start()
    try:
        made = session.estimate()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made.low < held @ np.arange(1000) < made.high
    # 20,000 resamples of about 200 positives, in float64.
    assert peak < 20_000 * 200 * 8 / 2


def test_an_estimate_is_made_once_a_round(monkeypatch):
    proxy, held, _ = world()
    made = []

    def counted(*parts, **named):
        made.append(conclude(*parts, **named))
        return made[-1]

    monkeypatch.setattr(session_module, "conclude", counted)
    params = EstimateParams(budget=300, rounds=4, stop_at_width=1e-6)
    session = EstimateSession.start(proxy, params)
    result = run_estimate(session, lambda ids: (held[ids], None), chunk=10)
    assert session.done
    assert len(made) == 4
    # The width beside it, of another method, is not a part of concluding.
    assert result == replace(made[-1], abae_width=result.abae_width)
    assert session.estimate() == result
