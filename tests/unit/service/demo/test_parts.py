"""The demo's measuring parts, where the answer is known."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from gleann.index import BuildParams, SearchParams, SoarIndex, exact_search
from gleann.index.metric import prepare
from gleann.selection import ActiveParams, IndexNeighbours
from gleann.service.demo import (
    digits,
    estimating,
    labelling,
    page_digits,
    run_speed,
    speed,
)
from gleann.service.demo.scale import Scale
from gleann.service.demo.speech import listed, mean_and_spread, signed


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(20, 8))
    rows = centres[rng.integers(20, size=3_100)] + 0.4 * rng.normal(size=(3_100, 8))
    return rows[:3_000].astype("f4"), rows[3_000:].astype("f4")


@pytest.fixture(scope="module")
def index(data):
    return SoarIndex.build(data[0], BuildParams(nlist=40, tune_queries=0))


@pytest.fixture(scope="module")
def exact(data):
    return exact_search(data[1], data[0], metric="cosine", k=speed.K)[1]


def test_best_points_are_pareto_best(index, data, exact):
    grid = speed.tune("SOAR", index, data[1], exact)
    points = speed.best(grid)
    recalls = [point.recall for point in points]
    rates = [point.qps for point in points]
    assert recalls == sorted(recalls)
    assert rates == sorted(rates, reverse=True)
    for other in grid:
        beaten = [p for p in points if p.recall >= other.recall and p.qps >= other.qps]
        assert beaten


def test_settled_settings_reach_their_target_with_no_list_to_spare(index, data, exact):
    grid = speed.tune("SOAR", index, data[1], exact)
    params = speed.settle(index, grid, data[1], exact, target=0.95)
    found = index.search(data[1], params)
    assert speed.recall_at_k(found.distances, exact) >= 0.95
    fewer = SearchParams(k=speed.K, nprobe=params.nprobe - 1, rerank=params.rerank)
    found = index.search(data[1], fewer)
    assert speed.recall_at_k(found.distances, exact) < 0.95
    assert speed.settle(index, grid, data[1], exact, target=1.1) is None


def test_the_race_times_every_contender_every_round(index, data, exact):
    contenders = {
        "few": (index, SearchParams(k=speed.K, nprobe=2, rerank=20)),
        "many": (index, SearchParams(k=speed.K, nprobe=40, rerank=20)),
    }
    few, many = speed.race(contenders, data[1], exact, repeats=3)
    assert len(few.seconds) == len(many.seconds) == 3
    assert few.entries < many.entries
    assert few.recall < many.recall
    assert few.qps_range[0] <= few.qps <= few.qps_range[1]


@pytest.mark.parametrize("has_faiss", [True, False])
def test_faiss_is_timed_where_it_is_installed(has_faiss, index, data, monkeypatch):
    if not has_faiss:
        monkeypatch.setattr(run_speed, "find_spec", lambda name: None)
    points = run_speed.exhaustive_points(index, data[1], repeats=1)
    methods = [point.method for point in points]
    assert methods == ["exact (gleann)", "exact (faiss)"][: 1 + has_faiss]


def test_alternate_takes_turns_after_one_warm_up():
    calls: list[str] = []
    seconds = speed.alternate(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=2
    )
    assert calls == ["a", "b"] * 3
    assert [len(taken) for taken in seconds.values()] == [2, 2]


@pytest.fixture(scope="module")
def task(data, index):
    base, rest = data
    positive = base[:, 0] > np.quantile(base[:, 0], 0.97)
    ambiguous = np.zeros(len(base), np.bool_)
    ambiguous[~positive & (np.arange(len(base)) % 10 == 0)] = True
    return labelling.Task(
        name="far right",
        vectors=index.vectors,
        positive=positive,
        ambiguous=ambiguous,
        test=prepare(rest, "cosine"),
        test_positive=rest[:, 0] > np.quantile(base[:, 0], 0.97),
    )


SCALE = Scale(labels=200, batch=25, evaluate_every=2)


@pytest.mark.parametrize("method", labelling.METHODS)
def test_a_run_asks_for_what_it_may_and_counts_right(method, task, index):
    run = labelling.run_method(task, method, IndexNeighbours(index), SCALE, seed=1)
    assert [c.labels for c in run.checkpoints] == [100, 150, 200]
    assert len(set(run.rows.tolist())) == 200
    assert not task.ambiguous[run.rows].any()
    assert run.checkpoints[-1].positives == task.positive[run.rows].sum()
    looked = [c.looked_at for c in run.checkpoints]
    assert looked == sorted(looked)
    # On 3,000 rows the default is the global pool.
    expected = {"default": 1.0, "global": 1.0, "random": 200 / 3_000}
    if method in expected:
        assert looked[-1] == pytest.approx(expected[method])
    else:
        assert looked[-1] < 1.0
    assert all(0 <= c.ap_pool <= 1 and 0 <= c.ap_test <= 1 for c in run.checkpoints)


def test_the_default_is_what_a_session_does_by_itself():
    ours = ActiveParams()
    default = labelling.active_params("default", Scale(), seed=0)
    published = labelling.active_params("seals", Scale(), seed=0)
    for name in ("pool", "batch", "neighbours", "strategy"):
        assert getattr(default, name) == getattr(ours, name)
    assert (published.pool, published.neighbours) == ("seals", 100)


def test_methods_start_from_the_same_rows(task):
    rows = labelling.seed_rows(task, seed=4)
    assert task.positive[rows].sum() == labelling.SEED_POSITIVES
    assert not task.ambiguous[rows].any()
    assert rows.tolist() == labelling.seed_rows(task, seed=4).tolist()


def test_average_precision_by_hand():
    positive = np.array([True, False, True])
    scores = np.array([3.0, 2.0, 1.0])
    expected = (1 / 1 + 2 / 3) / 2
    assert labelling.average_precision(positive, scores) == pytest.approx(expected)
    assert labelling.average_precision(positive & False, scores) == 0


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    positive = rng.random(300) < 0.1
    scores = np.round(rng.random(300) + 0.3 * positive, 2)  # with ties
    expected = average_precision_score(positive, scores)
    assert labelling.average_precision(positive, scores) == pytest.approx(expected)


def test_estimates_are_compared_at_the_same_budget_and_truth(task, index):
    labelled = labelling.seed_rows(task, seed=0)
    value = np.arange(3_000, dtype=np.float64)
    population = estimating.make_population(
        "far right", task.positive, index.vectors, labelled, value
    )
    trials = estimating.trials(population, budget=400, count=2, seed=5)
    assert len(trials) == 2 * len(estimating.METHODS) * len(estimating.TARGETS)
    assert {trial.seed for trial in trials} == {5, 6}
    for trial in trials:
        wanted = (
            task.positive.mean()
            if trial.target == "share"
            else value[task.positive].mean()
        )
        assert trial.truth == pytest.approx(wanted)
        if trial.low is not None:
            assert trial.low <= trial.value <= trial.high
    shares = [trial for trial in trials if trial.target == "share"]
    assert sum(trial.covers for trial in shares) >= len(shares) - 1


def test_a_trial_without_an_interval_covers_nothing():
    trial = estimating.Trial(
        concept="c", target="share", method="uniform", seed=0, value=None, low=None,
        high=None, truth=0.1, positives=0, seconds=0.0,
    )  # fmt: skip
    assert not trial.covers


def test_digit_subsets_are_judged_alike():
    made = digits.load(seed=0)
    subsets = {s.method: s for s in digits.subsets(made, k=30, seed=0)}
    assert list(subsets) == list(digits.METHODS)
    for subset in subsets.values():
        assert len(set(subset.rows.tolist())) == 30
        assert not set(subset.rows.tolist()) & set(made.labelled.tolist())
        chosen = np.concatenate([made.labelled, subset.rows])
        _, squared = exact_search(made.vectors, made.vectors[chosen], metric="l2", k=1)
        assert subset.radius == pytest.approx(np.sqrt(squared.max()), rel=1e-5)
        assert subset.mean_cost == pytest.approx(made.costs[subset.rows].mean())
    assert subsets["margin"].mean_cost == min(s.mean_cost for s in subsets.values())
    assert subsets["weighted k-center"].ratio >= 1


def test_words_about_numbers():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert mean_and_spread([1.0]) == "1.000"
    assert mean_and_spread([1.0, 3.0], digits=1) == "2.0 \N{PLUS-MINUS SIGN} 1.4"
    assert signed(-0.5, digits=1) == "\N{MINUS SIGN}0.5"


def test_the_page_says_where_a_weight_makes_it_another_method():
    split = digits.load(seed=0)
    chosen = {weight: digits.weigh(split, 40, weight) for weight in (0.0, 0.02, 50.0)}
    assert chosen[50.0].winners == {"margin": 1}
    curve = digits.trade_off(split, k=40, seed=0)
    assert {s.winner for s in curve} <= {
        "weighted_k_center", "margin", "farthest_first", "greedy"
    }  # fmt: skip
    said = page_digits.rival_words(
        [replace(one, cost_weight=weight, winner=winner)
         for one, weight, winner in zip(
             curve[:4],
             (0.0, 0.0, 9.0, 9.0),
             ("farthest_first", "greedy", "margin", "margin"),
             strict=True,
         )]
    )  # fmt: skip
    assert "weight 0.0 makes it farthest-first on 1 of 2 splits" in said
    assert "weight 9.0 makes it margin sampling on 2 of 2 splits" in said
    for subset in digits.subsets(split, k=20, seed=0)[1:]:
        assert subset.winner == ""
