"""Choosing among proxies from a pilot, and ABae as written."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gleann.index.errors import (
    CorruptDataError,
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
    NotReadyError,
)
from gleann.selection import (
    ChoosingSession,
    EstimateParams,
    abae_estimate,
    estimate_choosing,
    run_estimate,
    uniform_estimate,
)
from gleann.selection.estimate import estimate
from gleann.selection.estimate.baselines.abae import pooled
from gleann.selection.estimate.baselines.abae_allocation import (
    abae_design,
    second_draws,
)
from gleann.selection.estimate.proxies.choice import (
    MIXTURE,
    draw_pilot,
    mixture_of,
    pilot_chances,
)
from gleann.selection.estimate.stratified.strata import STRATA_CUTS, equal_size
from gleann.selection.estimate.stratified.tally import gather, tally
from gleann.selection.estimate.stratified.weighted import (
    ChancedLabels,
    weighted_moments,
)


def world(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    proxy = rng.beta(0.15, 0.9, size=n)
    held = rng.random(n) < proxy
    shuffled = rng.permutation(proxy)
    return {"shuffled": shuffled, "good": proxy}, held, rng.normal(10, 3, size=n)


def oracle_of(held, values):
    return lambda ids: (held[ids], values[ids])


def test_the_pilot_is_even_over_the_strata_of_every_proxy():
    proxies, _, _ = world()
    params = EstimateParams(budget=500)
    chances = pilot_chances(proxies, params, pilot=100)
    assert chances.sum() == pytest.approx(100)
    assert chances.max() <= 1
    for proxy in proxies.values():
        numbers = STRATA_CUTS["sqrt_mass"](proxy, strata=5)
        expected = np.bincount(numbers, weights=chances)
        # A fifth each for its own half of the pilot, and its part of the other's.
        assert expected.min() > 0.9 * 100 / 2 / 5


def test_each_row_is_drawn_with_its_chance():
    rng = np.random.default_rng(0)
    chances = np.append(rng.random(29), 1.0)
    chances[:29] *= 7 / chances[:29].sum()
    draws = [draw_pilot(chances, rng=rng) for _ in range(4000)]
    assert {len(rows) for rows in draws} == {8}
    assert all(len(set(rows.tolist())) == 8 for rows in draws)
    shares = np.bincount(np.concatenate(draws), minlength=30) / 4000
    assert np.abs(shares - chances).max() < 4.5 * 0.5 / np.sqrt(4000)


def test_the_better_proxy_is_chosen_and_the_reason_told():
    proxies, held, values = world()
    asked = []

    def oracle(ids):
        asked.extend(ids.tolist())
        return held[ids], values[ids]

    for target in ("count", "avg"):
        names = []
        for seed in range(20):
            asked.clear()
            params = EstimateParams(target=target, budget=400, seed=seed)
            made = estimate_choosing(proxies, oracle, params)
            assert len(asked) == len(set(asked)) == made.labels_used == 400
            choice = made.provenance["choice"]
            names.append(choice["name"])
            assert choice["pilot_labels"] == 80
            assert choice["errors"][choice["name"]] == min(choice["errors"].values())
            assert f"proxy {choice['name']!r} was chosen from 80 pilot" in made.note
        assert names.count("good") >= 18


def test_choosing_does_not_bias_the_estimate():
    proxies, held, values = world(n=2000)
    truth = held.sum()
    found = [
        estimate_choosing(
            proxies, oracle_of(held, values), EstimateParams(budget=200, seed=seed)
        )
        for seed in range(150)
    ]
    error = np.array([made.value for made in found]) - truth
    assert abs(error.mean()) < 3.5 * error.std() / np.sqrt(150)
    assert np.mean([made.low <= truth <= made.high for made in found]) >= 0.9


@pytest.mark.parametrize(
    ("allocation", "taken"), [("adaptive", MIXTURE), ("even", "shuffled")]
)
def test_without_a_positive_a_mixture_is_taken_and_said_so(allocation, taken):
    proxies, _, _ = world()
    made = estimate_choosing(
        proxies,
        lambda ids: (np.zeros(len(ids), bool), None),
        EstimateParams(budget=200, allocation=allocation),
    )
    assert made.provenance["choice"]["name"] == taken
    assert "no positive among 40 pilot labels" in made.note


def test_a_mixture_orders_rows_by_their_mean_rank():
    first, second = np.array([0.1, 0.2, 0.3, 0.9]), np.array([0.5, 0.1, 0.6, 0.7])
    mixed = mixture_of({"a": first, "b": second})
    # Mean ranks 0.5, 0.5, 2, 3; quantiles 0.1, 0.35, 0.45, 0.8.
    assert mixed == pytest.approx([0.1, 0.35, 0.45, 0.8])


@pytest.mark.parametrize(("seed", "name"), [(0, MIXTURE), (1, MIXTURE), (2, "b")])
def test_a_mixture_is_taken_where_the_pilot_does_not_tell(seed, name):
    """Two proxies of one quality, each with its own noise."""
    rng = np.random.default_rng(0)
    proxy = rng.beta(0.15, 2, 6000)
    held = rng.random(6000) < proxy
    proxies = {
        one: np.clip(proxy * np.exp(rng.normal(0, 1.5, 6000)), 0, 1) for one in "ab"
    }
    session = ChoosingSession.start(proxies, EstimateParams(budget=800, seed=seed))
    made = run_estimate(session, lambda ids: (held[ids], None))
    assert session.choice.name == name
    assert repr(name) in made.note
    # The reason is the least error, where the mixture has it.
    errors = session.choice.errors
    unsure = name == MIXTURE and errors[MIXTURE] > min(errors["a"], errors["b"])
    assert ("does not tell them apart" in made.note) == unsure
    resumed = ChoosingSession.resume(json.loads(json.dumps(session.state())), proxies)
    assert resumed.choice == session.choice
    assert resumed.estimate() == made


@pytest.mark.parametrize("after", [0, 13, 60, 61, 200])
def test_kill_and_resume_gives_the_same_sequence(after):
    proxies, held, values = world()
    params = EstimateParams(target="sum", budget=300, seed=5)
    asked = []

    def oracle(ids):
        asked.extend(ids.tolist())
        return held[ids], values[ids]

    session = ChoosingSession.start(proxies, params, pilot=60)
    expected = run_estimate(session, oracle)
    sequence, asked[:] = asked.copy(), []
    session = ChoosingSession.start(proxies, params, pilot=60)
    while len(asked) < after:
        ids = session.next_batch().ids[: after - len(asked)]
        session.submit(ids, *oracle(ids))
    assert (session.choice is None) == (after < 60)
    state = json.loads(json.dumps(session.state()))
    resumed = ChoosingSession.resume(state, proxies)
    assert resumed.labels_used == after
    assert run_estimate(resumed, oracle) == expected
    assert asked == sequence


def test_choosing_refuses_what_it_cannot_use():
    proxies, _, _ = world(n=100)
    params = EstimateParams(budget=50)
    start = ChoosingSession.start
    with pytest.raises(InvalidInputError, match="at least 2 proxies, got 1"):
        start({"good": proxies["good"]}, params)
    with pytest.raises(DimensionMismatchError, match="'b': 99"):
        start({"a": proxies["good"], "b": proxies["good"][:99]}, params)
    with pytest.raises(NonFiniteError, match="proxy 'b' row 0 has NaN"):
        start({"a": proxies["good"], "b": np.full(100, np.nan)}, params)
    with pytest.raises(InvalidParamsError, match="leaves 2 of 50"):
        start(proxies, params, pilot=48)
    with pytest.raises(InvalidParamsError, match="budget is 101, but there are 100"):
        start(proxies, EstimateParams(budget=101))
    session = start(proxies, params)
    with pytest.raises(NotReadyError, match="pilot needs 10 labels, 0 are there"):
        session.estimate()
    state = session.state()
    other = {"shuffled": proxies["good"], "good": proxies["shuffled"]}
    with pytest.raises(CorruptDataError, match="state is of proxies"):
        ChoosingSession.resume(state, other)
    with pytest.raises(CorruptDataError, match="state is of ids"):
        ChoosingSession.resume(state, proxies, ids=np.arange(100)[::-1])
    with pytest.raises(CorruptDataError, match="got None"):
        ChoosingSession.resume({}, proxies)


def test_equal_proxies_are_no_reason_to_fail():
    _, held, values = world(n=1000)
    flat = {"a": np.full(1000, 0.2), "b": np.full(1000, 0.2)}
    made = estimate_choosing(flat, oracle_of(held, values), EstimateParams(budget=300))
    assert made.low <= held.sum() <= made.high
    assert made.provenance["choice"]["name"] == "a"


def test_abae_allocates_by_sqrt_p_times_sigma():
    # Pilot of 8 a stratum: 2 positives of 1 and 5, then 8 positives of 4 and 6.
    numbers = np.repeat([0, 1], 8)
    held = np.array([True, True, *[False] * 6, *[True] * 8])
    values = np.array([1, 5, *[0] * 6, *[4, 6] * 4], dtype=float)
    params = EstimateParams(target="avg", budget=56, strata=2, pilot_share=16 / 56)
    proxy = np.linspace(0, 1, 200)
    design = abae_design(proxy, equal_size(proxy, strata=2), params)
    assert design.round_budgets == (16, 40)
    seen = tally(numbers, held, values, strata=2)
    weights = np.sqrt([1 / 4, 1]) * np.array([np.sqrt(8), np.sqrt(8 / 7)])
    share = weights / weights.sum()
    assert second_draws(design, seen).tolist() == np.rint(40 * share).tolist()
    found = pooled(design, gather([(numbers, held, values)], strata=2))
    assert found.counts.tolist() == [25, 100]
    assert found.sum / found.count == pytest.approx((25 * 3 + 100 * 5) / 125)


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
def test_abae_spends_its_budget_and_beats_uniform(target):
    proxies, held, values = world(n=6000)
    truth = {
        "count": held.sum(),
        "avg": values[held].mean(),
        "sum": values[held].sum(),
    }[target]
    asked = []

    def oracle(ids):
        asked.extend(ids.tolist())
        return held[ids], values[ids]

    errors = {}
    for run in (abae_estimate, uniform_estimate):
        found = []
        for seed in range(30):
            asked.clear()
            params = EstimateParams(target=target, budget=503, seed=seed)
            found.append(run(proxies["good"], oracle, params))
            assert len(asked) == len(set(asked)) == found[-1].labels_used == 503
        errors[run] = np.mean([(made.value - truth) ** 2 for made in found])
    assert errors[abae_estimate] < errors[uniform_estimate]


def test_abae_spends_where_every_weight_is_zero():
    proxies, held, _ = world()
    made = abae_estimate(
        proxies["good"],
        lambda ids: (held[ids], np.full(len(ids), 7.0)),
        EstimateParams(target="avg", budget=300),
    )
    assert made.labels_used == 300
    assert (made.value, made.low, made.high) == pytest.approx((7, 7, 7))
    with pytest.raises(InvalidParamsError, match="takes all 300"):
        abae_estimate(
            proxies["good"],
            lambda ids: (held[ids], None),
            EstimateParams(budget=300, pilot_share=1.0),
        )


def test_pilot_labels_may_be_given_again_after_the_pilot():
    proxies, held, values = world()
    params = EstimateParams(target="avg", budget=300)
    session = ChoosingSession.start(proxies, params)
    pilot = session.next_batch().ids
    assert session.submit(pilot, held[pilot], values[pilot]) == 60
    assert session.choice is not None
    assert session.submit(pilot, held[pilot], values[pilot]) == 0
    later = session.next_batch().ids[:10]
    both = np.append(pilot[:5], later)
    before = session.state()
    with pytest.raises(InvalidInputError, match="1 of 5 labels differ"):
        session.submit(both, np.append(~held[both][:1], held[both][1:]), values[both])
    stranger = np.setdiff1d(np.arange(3000), np.append(pilot, session.next_batch().ids))
    rows = np.append(both, stranger[:1])
    with pytest.raises(InvalidInputError, match="not asked for"):
        session.submit(rows, held[rows], values[rows])
    assert session.state() == before
    assert session.submit(both, held[both], values[both]) == 10
    assert session.submit(both, held[both], values[both]) == 0
    assert session.labels_used == 70


def test_a_predicate_that_holds_everywhere_has_a_rate_of_one():
    proxies, _, values = world(n=500)
    for seed in range(10):
        for target in ("count", "avg"):
            made = estimate_choosing(
                proxies,
                lambda ids: (np.ones(len(ids), bool), values[ids]),
                EstimateParams(target=target, budget=200, seed=seed),
            )
            assert np.isfinite(list(made.provenance["choice"]["errors"].values())).all()
            assert made.low <= made.value <= made.high
    # Ten rows with a chance of a tenth: they stand for 100 rows, maybe of only 50.
    labels = ChancedLabels(
        rows=np.arange(10),
        positives=np.ones(10, bool),
        values=np.ones(10),
        chances=np.full(10, 0.1),
    )
    seen = weighted_moments(np.zeros(10, np.int64), labels, strata=2, rate=100 / 50)
    assert seen.rates.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("target", ["count", "avg", "sum"])
def test_the_width_of_abae_is_told_from_labels_that_it_did_not_draw(target):
    """Against the error that ABae as written really has on the same rows."""
    rng = np.random.default_rng(3)
    proxy = rng.beta(0.2, 1, size=6000)
    held, values = rng.random(6000) < proxy, rng.normal(10, 3, size=6000)

    def oracle(ids):
        return held[ids], values[ids]

    params = EstimateParams(target=target, budget=600)
    told = [
        estimate(proxy, oracle, replace(params, seed=seed)).abae_width
        for seed in range(15)
    ]
    really = [
        abae_estimate(proxy, oracle, replace(params, seed=seed)).value
        for seed in range(120)
    ]
    assert np.mean(told) == pytest.approx(2 * 1.96 * np.std(really), rel=0.3)
    # Fewer labels, a wider interval; and nothing to tell without a positive.
    few = estimate(proxy, oracle, replace(params, budget=150)).abae_width
    assert few > 1.5 * np.mean(told)
    nothing = estimate(proxy, lambda ids: (ids < 0, values[ids]), params)
    assert nothing.abae_width is None
