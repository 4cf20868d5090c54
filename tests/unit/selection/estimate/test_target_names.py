"""Other names of targets: "share" is a count over all rows, "mean" is "avg"."""

from dataclasses import replace

import numpy as np
import pytest

from gleann.index.errors import InvalidParamsError
from gleann.selection import (
    EstimateParams,
    EstimateSession,
    Known,
    TastiSession,
    abae_estimate,
    estimate_choosing,
    estimate_disjoint_groups,
    estimate_overlapping_groups,
    run_estimate,
    uniform_estimate,
)
from gleann.selection.estimate import estimate
from gleann.selection.estimate.planning import plan_labels

N = 1500
RNG = np.random.default_rng(2)
PROXY = RNG.random(N) * 0.4
HELD = RNG.random(N) < PROXY
VALUES = RNG.normal(9, 2, N)
ROWS = np.column_stack([PROXY, RNG.random(N)]).astype(np.float32)
GROUPS = np.where(HELD, 0, 1)
COUNT = EstimateParams(budget=200, seed=3)
SCALED = ("value", "low", "high", "uniform_width", "abae_width")


def ask(ids):
    return HELD[ids], VALUES[ids]


def ask_group(ids):
    return GROUPS[ids], VALUES[ids]


def tasti(params):
    return run_estimate(TastiSession.start(ROWS, params, first=40), ask)


KINDS = {
    "one proxy": lambda params: estimate(PROXY, ask, params),
    "uniform": lambda params: uniform_estimate(PROXY, ask, params),
    "known rows": lambda params: estimate(
        PROXY,
        ask,
        params,
        known=Known(ids=range(90), positives=HELD[:90], values=VALUES[:90]),
    ),
    "several proxies": lambda params: estimate_choosing(
        {"good": PROXY, "bad": PROXY[::-1]}, ask, params
    ),
    "refreshed proxy": tasti,
    "abae as written": lambda params: abae_estimate(PROXY, ask, params),
    "disjoint groups": lambda params: estimate_disjoint_groups(
        {"yes": PROXY, "no": 1 - PROXY}, ask_group, params
    )["yes"],
    "overlapping groups": lambda params: estimate_overlapping_groups(
        {"a": PROXY, "b": PROXY}, {"a": ask, "b": ask}, params
    )["b"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_is_the_count_over_all_rows(kind):
    count = KINDS[kind](COUNT)
    share = KINDS[kind](replace(COUNT, target="share"))
    assert count.rows == share.rows == N
    assert share.target == "share"
    assert share.share == count.share == share.value == count.value / N
    for name in SCALED:
        of_count, of_share = getattr(count, name), getattr(share, name)
        assert of_share == (None if of_count is None else of_count / N), name
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert (share.labels_used, share.note) == (count.labels_used, count.note)
    assert share.as_share() is share


@pytest.mark.parametrize("kind", KINDS)
def test_a_mean_is_the_average(kind):
    mean = KINDS[kind](replace(COUNT, target="mean"))
    assert mean == KINDS[kind](replace(COUNT, target="avg"))
    assert mean.target == "avg"


def test_a_mean_is_saved_as_an_average():
    params = EstimateParams(budget=200, target="mean")
    assert params == EstimateParams(budget=200, target="avg")
    assert EstimateSession.start(PROXY, params).state()["params"]["target"] == "avg"


def test_a_share_is_resumed_as_a_share():
    session = EstimateSession.start(PROXY, replace(COUNT, target="share"))
    batch = session.next_batch()
    session.submit(batch.ids, HELD[batch.ids])
    again = EstimateSession.resume(session.state(), PROXY)
    assert run_estimate(again, ask) == run_estimate(session, ask)
    assert again.estimate().target == "share"


def test_labelling_stops_at_a_width_in_the_unit_of_the_target():
    plan = replace(COUNT, budget=1200, rounds=12, pilot_share=0.1)
    wide = estimate(PROXY, ask, replace(plan, stop_at_width=0.06 * N))
    share = estimate(PROXY, ask, replace(plan, target="share", stop_at_width=0.06))
    assert share.labels_used == wide.labels_used < 1200
    assert share.high - share.low <= 0.06


def test_only_a_count_has_a_share():
    average = estimate(PROXY, ask, replace(COUNT, target="avg"))
    with pytest.raises(InvalidParamsError, match="this is the avg over 1500 rows"):
        _ = average.share
    unknown = replace(estimate(PROXY, ask, COUNT), rows=None)
    with pytest.raises(InvalidParamsError, match="unknown rows"):
        unknown.as_share()


def test_an_unknown_target_is_refused_with_those_there_are():
    with pytest.raises(
        InvalidParamsError, match="count, avg, sum, share, mean; got 'median'"
    ):
        EstimateParams(budget=10, target="median")


def test_a_plan_for_a_share_is_that_for_the_count_of_as_many_rows():
    count = plan_labels(PROXY, COUNT, width=0.05 * N)
    share = plan_labels(PROXY, replace(COUNT, target="share"), width=0.05)
    assert share.width == pytest.approx(0.05)
    assert (share.labels, share.uniform_labels) == (count.labels, count.uniform_labels)
    relative = plan_labels(PROXY, replace(COUNT, target="share"), relative_width=0.2)
    of_count = plan_labels(PROXY, COUNT, relative_width=0.2)
    assert relative.labels == of_count.labels
    assert relative.width == pytest.approx(of_count.width / N)
    assert plan_labels(PROXY, replace(COUNT, target="mean"), width=1.0).labels > 0
    assert share.to_dict()["labels"] == count.labels
