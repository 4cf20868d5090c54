"""Intervals of averages and sums that hold, or that say they may not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import beta

from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.selection import EstimateParams, EstimateSession, run_estimate
from gleann.selection.estimate.stratified.estimators import Design, totals
from gleann.selection.estimate.stratified.polya import polya_interval
from gleann.selection.estimate.stratified.tally import gather
from gleann.service.wire.estimate_messages import (
    estimate_of,
    estimate_params_of,
    estimate_params_to_wire,
    estimate_to_wire,
)

N = 8000


def world():
    """A calibrated proxy whose positives lie mostly high, and their log odds."""
    rng = np.random.default_rng(1)
    odds = rng.normal(-4.5, 2.5, size=N)
    proxy = 1 / (1 + np.exp(-odds))
    return proxy, rng.random(N) < proxy, odds, rng


def made_by(proxy, held, values, *, seeds, **changes):
    made = []
    for seed in seeds:
        params = EstimateParams(**{"budget": 500, "seed": seed, **changes})
        session = EstimateSession.start(proxy, params)
        made.append(run_estimate(session, lambda ids: (held[ids], values[ids])))
    return made


def covered(made, truth):
    return np.array([one.low <= truth <= one.high for one in made])


@pytest.mark.slow
@pytest.mark.parametrize("target", ["avg", "sum"])
def test_values_that_fall_with_the_proxy_are_covered(target):
    proxy, held, odds, _ = world()
    values = 10 - odds
    truth = values[held].mean() if target == "avg" else values[held].sum()
    made = made_by(proxy, held, values, seeds=range(120), target=target)
    # 120 trials know a share of 0.95 to 0.02.
    assert covered(made, truth).mean() >= 0.91
    assert np.mean([one.interval_valid for one in made]) >= 0.9


@pytest.mark.slow
def test_misses_of_a_heavy_tail_are_flagged_and_plain_values_are_not():
    proxy, held, _, rng = world()
    flat = np.full(N, 0.5)
    heavy = np.exp(2 * rng.standard_normal(N))
    made = made_by(flat, held, heavy, seeds=range(80), target="avg")
    made = [one for one in made if one.low is not None]
    missed = ~covered(made, heavy[held].mean())
    flagged = np.array([not one.interval_valid for one in made])
    assert missed.sum() >= 8
    assert flagged[missed].mean() >= 0.95
    assert all("heavy tail" in one.note for one in made if not one.interval_valid)
    told = [one.note for one in made if not one.interval_valid]
    assert all("would do" in note or "have to be labelled" in note for note in told)
    plain = 10 + 3 * rng.standard_normal(N)
    made = made_by(proxy, held, plain, seeds=range(40), target="avg")
    assert np.mean([one.interval_valid for one in made]) >= 0.9
    assert covered(made, plain[held].mean()).mean() >= 0.85


def test_few_positives_promise_nothing_and_say_what_would_do():
    proxy, held, _, _ = world()
    (made,) = made_by(
        np.full(N, 0.5), held, np.ones(N), seeds=[3], target="avg", budget=100
    )
    assert 1 < made.positives < 20
    assert not made.interval_valid
    enough = int(np.ceil(100 * 20 / made.positives))
    assert (
        f"{made.positives} positives were drawn, it needs 20; about {enough} labels"
        " would do" in made.note
    )
    # A count of as few has an interval that holds.
    (count,) = made_by(proxy, held, np.ones(N), seeds=[3], target="count", budget=100)
    assert count.interval_valid


@pytest.mark.slow
def test_a_coded_missing_value_is_covered_with_a_range():
    proxy, held, _, rng = world()
    values = 2000 + rng.standard_normal(N)
    values[np.flatnonzero(held)[proxy[held].argmin()]] = 0.0
    truth = values[held].mean()
    plain = made_by(proxy, held, values, seeds=range(40), target="avg")
    assert covered(plain, truth).mean() < 0.7
    assert all("no positive has a value outside" in one.note for one in plain)
    ranged = made_by(
        proxy, held, values, seeds=range(40), target="avg", value_range=(0, 2100)
    )
    assert covered(ranged, truth).mean() >= 0.95
    assert all(one.interval_valid and not one.note.count("outside") for one in ranged)
    assert all(one.low >= 0 and one.high <= 2100 for one in ranged)


def test_a_value_outside_the_range_is_refused_by_name():
    session = EstimateSession.start(
        np.full(50, 0.5),
        EstimateParams(budget=20, target="avg", value_range=(0, 9)),
        ids=np.arange(50) + 1000,
    )
    batch = session.next_batch()
    values = np.zeros(len(batch.ids))
    values[2] = 9.5
    with pytest.raises(
        InvalidInputError,
        match=f"value_range 0 to 9, such as 9.5 of id {batch.ids[2]}",
    ):
        session.submit(batch.ids, np.ones(len(values), bool), values)
    assert session.labels_used == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"value_range": (1, 1)}, "must rise"),
        ({"value_range": (1, 2, 3)}, r"must be \(low, high\)"),
        ({"value_range": (0, 1e200)}, "value_range must be in"),
        ({"value_range": (0, 1), "target": "count"}, "avg or sum, got count"),
        ({"value_range": (0, 1), "interval": "delta"}, "auto, polya, got 'delta'"),
    ],
)
def test_ranges_that_cannot_be_are_refused(changes, words):
    with pytest.raises(InvalidParamsError, match=words):
        EstimateParams(**{"budget": 50, "target": "avg", **changes})


def test_an_explicit_delta_interval_is_flagged_where_few_positives_skew_it():
    proxy, held, _, _ = world()
    for interval, valid in (("delta", False), ("auto", True)):
        (made,) = made_by(
            proxy, held, np.ones(N), seeds=[0], budget=100, interval=interval
        )
        assert made.interval_valid == valid
        assert ("symmetric" in made.note) != valid


def evidence_of(positives, labelled, values):
    held = np.arange(labelled) < positives
    full = np.zeros(labelled)
    full[:positives] = values
    return gather([(np.zeros(labelled, np.int64), held, full)], strata=1)


def ends(design, evidence, confidence=0.95):
    rng = np.random.default_rng(0)
    found = totals(design, evidence.rounds)
    made = polya_interval(design, found, evidence, confidence, rng)
    return np.array([made.low, made.high])


def test_a_count_of_one_stratum_has_the_ends_of_jeffreys():
    """x + 1/2 against each end; of so many rows that the labels are hardly any."""
    design = Design(
        sizes=np.array([1e7]),
        proxy_means=np.array([0.5]),
        round_budgets=(400,),
        target="count",
        floor=0.0,
    )
    for positives in (1, 3, 12):
        by_hand = beta(
            [positives, positives + 0.5], [400.5 - positives, 400 - positives]
        )
        wanted = 1e7 * np.array([by_hand.ppf(0.025)[0], by_hand.ppf(0.975)[1]])
        found = ends(design, evidence_of(positives, 400, 0.0))
        # A gamma distribution for a beta one: off by a hundredth of its spread.
        assert found == pytest.approx(wanted, rel=0.02, abs=1e5 * positives**0.5 / 400)


def test_zeros_and_ones_in_a_range_have_the_ends_of_clopper_and_pearson():
    design = Design(
        sizes=np.array([1e7]),
        proxy_means=np.array([0.5]),
        round_budgets=(200,),
        target="avg",
        floor=0.0,
        value_range=(0.0, 1.0),
    )
    values = (np.arange(200) < 8).astype(float)
    # All rows are positive, so the average is the share of ones.
    found = ends(design, evidence_of(200, 200, values))
    wanted = [beta.ppf(0.025, 8, 193), beta.ppf(0.975, 9, 192)]
    assert found == pytest.approx(wanted, rel=0.02)


def test_huge_values_leave_the_ends_finite_and_in_proportion():
    proxy, held, _, rng = world()
    values = rng.normal(10, 3, size=N)
    (plain,) = made_by(proxy, held, values, seeds=[1], target="avg")
    (huge,) = made_by(proxy, held, values * 1e130, seeds=[1], target="avg")
    assert huge.low / 1e130 == pytest.approx(plain.low, rel=1e-6)
    assert huge.high / 1e130 == pytest.approx(plain.high, rel=1e-6)


def test_the_range_and_the_flag_travel():
    params = EstimateParams(budget=50, target="avg", value_range=(0.0, 9.0))
    assert estimate_params_of(estimate_params_to_wire(params)) == params
    proxy, held, _, _ = world()
    (made,) = made_by(proxy, held, np.ones(N), seeds=[0], target="avg", budget=40)
    for valid in (True, False):
        one = replace(made, interval_valid=valid)
        assert estimate_of(estimate_to_wire(one)).interval_valid == valid
    message = estimate_to_wire(made)
    message.ClearField("interval_valid")
    assert estimate_of(message).interval_valid


def test_a_state_keeps_the_range_and_refuses_values_outside():
    params = EstimateParams(budget=40, target="avg", value_range=(0.0, 9.0))
    session = EstimateSession.start(np.full(60, 0.5), params)
    ids = session.next_batch().ids
    session.submit(ids, np.ones(len(ids), bool), np.full(len(ids), 3.0))
    state = session.state()
    resumed = EstimateSession.resume(state, np.full(60, 0.5))
    assert resumed.params.value_range == (0.0, 9.0)
    older = {name: part for name, part in state.items() if name != "checksums"}
    older["params"] = {
        name: part for name, part in state["params"].items() if name != "value_range"
    }
    assert EstimateSession.resume(older, np.full(60, 0.5)).params.value_range is None
