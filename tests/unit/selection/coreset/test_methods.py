import itertools
import json
import pickle
from functools import partial

import numpy as np
import pytest

from gleann.index import BuildParams, SoarIndex
from gleann.index.errors import (
    CancelledError,
    DimensionMismatchError,
    DuplicateIdError,
    InvalidInputError,
    InvalidParamsError,
    NonFiniteError,
)
from gleann.selection import (
    farthest_first,
    k_center,
    measure,
    metric_vectors,
    weighted_k_center,
)
from gleann.selection.coreset import (
    ccs,
    entropy,
    gist,
    margin,
    parallel_weighted_k_center,
    uniform,
    within_groups,
)
from gleann.selection.coreset.distance.walk import Walk
from gleann.selection.coreset.methods.certificate import Guess, lower_bound, ratio_of
from gleann.selection.provenance import fingerprint

LINE = np.array([[0.0], [1.0], [2.0], [10.0], [11.0]])


def test_farthest_first_by_hand():
    walk = farthest_first(LINE, k=2, covered=[0])
    assert walk.rows.tolist() == [4, 2]
    assert walk.insertion_distances.tolist() == [11.0, 2.0]
    assert walk.nearest.tolist() == [-1, -1, 1, 0, 0]
    assert walk.distances.tolist() == [0.0, 1.0, 0.0, 1.0, 0.0]


def test_farthest_first_without_a_start_draws_one():
    first = farthest_first(LINE, k=2, seed=0)
    assert first.insertion_distances[0] == np.inf
    assert first.rows.tolist() == farthest_first(LINE, k=2, seed=0).rows.tolist()
    starts = {int(farthest_first(LINE, k=1, seed=s).rows[0]) for s in range(40)}
    assert starts == {0, 1, 2, 3, 4}


def test_duplicates_fill_up_when_no_row_is_far():
    points = np.repeat([[0.0], [5.0]], 3, axis=0)
    walk = farthest_first(points, k=4, covered=[1])
    assert walk.rows.tolist() == [3, 0, 2, 4]
    assert walk.insertion_distances.tolist() == [5.0, 0.0, 0.0, 0.0]
    assert walk.distances.max() == 0


def test_weighted_k_center_by_hand():
    # Two groups; the cheapest of each group is in reach of the other rows.
    costs = np.array([3.0, 1.0, 3.0, 2.0, 9.0])
    got = weighted_k_center(LINE, k=2, costs=costs, cost_weight=1.0)
    assert sorted(got.rows.tolist()) == [1, 3]
    assert (got.radius, got.cost, got.objective) == (1.0, 3.0, 4.0)
    assert got.lower_bound <= 4.0
    assert got.ratio == pytest.approx(4.0 / got.lower_bound)
    assert [got.rows[p] for p in got.nearest] == [1, 1, 1, 3, 3]
    assert got.distances.tolist() == [1.0, 0.0, 1.0, 0.0, 1.0]


def test_locked_rows_cover_but_are_not_chosen_and_cost_nothing():
    costs = np.array([0.0, 5.0, 5.0, 5.0, 1.0])
    got = weighted_k_center(LINE, k=1, costs=costs, cost_weight=0.1, locked=[0])
    assert got.rows.tolist() == [4]
    assert got.nearest.tolist() == [-1, -1, -1, 0, 0]
    assert (got.radius, got.cost) == (2.0, 1.0)


@pytest.mark.parametrize(
    "choose",
    [
        k_center,
        lambda points, **shared: measure(points, [2], locked=shared["locked"]),
        lambda points, **shared: parallel_weighted_k_center(
            points, **shared, costs=[1, 1, 0, 1], cost_weight=10.0, shards=2
        ),
    ],
)
def test_of_equally_near_ones_a_locked_row_counts(choose):
    """Row 1 is as far from row 2, which is chosen, as from row 0."""
    got = choose(np.array([[0.0], [5.0], [10.0], [9.0]]), k=1, locked=[0])
    assert got.rows.tolist() == [2]
    assert got.nearest.tolist() == [-1, -1, 0, 0]


def test_an_outlier_and_an_uncertain_cluster():
    """Margin takes the cluster only, k-center the outlier only; weighted takes both."""
    rng = np.random.default_rng(0)
    crowd = rng.normal(size=(100, 2)) * 0.05
    unsure = rng.normal(size=(20, 2)) * 0.05 + [3, 0]
    points = np.concatenate([crowd, unsure, [[40.0, 0.0]]])
    costs = np.r_[np.full(100, 0.9), np.full(20, 0.01), 1.0]
    got = weighted_k_center(points, k=3, costs=costs, cost_weight=1.0)
    kinds = {0 if r < 100 else 1 if r < 120 else 2 for r in got.rows.tolist()}
    assert kinds >= {1, 2}
    assert got.radius < 4
    assert margin(points, k=3, costs=costs).radius > 30


def test_as_many_centres_as_distinct_rows_leave_no_radius():
    points = np.repeat([[0.0, 0.0], [1.0, 0.0], [0.0, 7.0]], 3, axis=0)
    costs = np.array([3.0, 1, 2, 3, 2, 1, 1, 2, 3])
    got = weighted_k_center(points, k=3, costs=costs, cost_weight=0.01)
    assert sorted(got.rows.tolist()) == [1, 5, 6]
    assert got.radius == 0
    assert got.objective == pytest.approx(0.03)
    assert got.ratio == pytest.approx(1.0, rel=1e-3)
    free = weighted_k_center(points, k=3, costs=np.zeros(9), cost_weight=1.0)
    assert (free.objective, free.ratio) == (0.0, 1.0)


def test_ties_go_to_the_lower_row():
    costs = np.zeros(6)
    points = np.repeat([[0.0], [4.0]], 3, axis=0)
    got = weighted_k_center(points, k=2, costs=costs, cost_weight=1.0)
    assert sorted(got.rows.tolist()) == [0, 3]
    assert margin(points, k=3, costs=costs).rows.tolist() == [0, 1, 2]


def test_the_bound_by_hand():
    guesses = [
        Guess(radius=2.0, low=1.0, rows=np.array([0]), cost=3.0, bound=4.0),
        Guess(radius=1.0, low=0.5, rows=np.array([1]), cost=8.0, bound=2.0),
    ]
    bound = {"cost_weight": 1.0, "cheapest_radius": 9.0, "cheapest_cost": 1.0}
    assert lower_bound(guesses, **bound) == pytest.approx(4.0, rel=1e-4)
    assert lower_bound(guesses[1:], **bound) == pytest.approx(8.5, rel=1e-4)
    assert lower_bound([], **bound) == pytest.approx(10.0, rel=1e-4)
    assert [ratio_of(3, 2), ratio_of(0, 0), ratio_of(1, 0)] == [1.5, 1.0, np.inf]


def test_the_finest_grid_of_guesses_walks_no_farther_than_one_step(monkeypatch):
    walks, begin = [], Walk.__init__

    def keeping(walk, *points, **how):
        walks.append(walk)
        begin(walk, *points, **how)

    monkeypatch.setattr(Walk, "__init__", keeping)
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 3))
    for eps in (1.0, 0.01):
        walks.clear()
        weighted_k_center(points, k=20, costs=rng.random(300), cost_weight=0.1, eps=eps)
        # The traversal and the greedy rival walk k rows each, whatever the grid.
        assert sum(len(walk.picked) for walk in walks) == 40


def test_a_coreset_becomes_a_selection():
    costs = np.array([3.0, 1.0, 3.0, 2.0, 9.0])
    got = weighted_k_center(LINE, k=2, costs=costs, cost_weight=1.0)
    picked = got.to_selection(list("abcde"))
    assert sorted(picked.ids.tolist()) == ["b", "d"]
    assert sorted(picked.why["covers"].tolist()) == [2, 3]
    assert picked.why["reach"].tolist() == [1.0, 1.0]
    assert picked.why["nearest_selected_id"].tolist() == picked.ids[::-1].tolist()
    assert picked.why["nearest_selected_distance"].tolist() == [9.0, 9.0]
    assert picked.scores.tolist() == [2.0, 1.0]
    assert picked.weights.tolist() == [1.0, 1.0]
    assert picked.summary["objective"] == 4.0
    assert picked.summary["lower_bound"] == got.lower_bound
    assert picked.provenance == {
        "method": "weighted_k_center",
        "params": {
            "k": 2,
            "cost_weight": 1.0,
            "locked": 0,
            "eps": 0.1,
            "cost_on": "sum",
        },
        "seed": None,
        "data_hash": fingerprint(LINE.astype(np.float32)),
        "version": picked.provenance["version"],
        "winners": {"margin": 1},
    }
    plain = margin(LINE, k=2, costs=costs).to_selection()
    assert plain.ids.tolist() == [1, 3]
    assert "lower_bound" not in plain.summary
    with pytest.raises(DuplicateIdError):
        got.to_selection(["a", "b", "a", "c", "d"])


def test_every_method_says_where_its_answer_comes_from():
    rng = np.random.default_rng(0)
    points, costs = rng.normal(size=(60, 3)), rng.random(60)
    both = np.stack([costs / 2, 1 - costs / 2], axis=1)
    answers = [
        weighted_k_center(points, k=6, costs=costs, cost_weight=0.1),
        parallel_weighted_k_center(points, k=6, costs=costs, cost_weight=0.1, shards=3),
        k_center(points, k=6, seed=4),
        gist(points, k=6, costs=costs, diversity=1.0),
        margin(points, k=6, costs=costs),
        entropy(points, k=6, probabilities=both),
        ccs(points, k=6, costs=costs, seed=4),
        uniform(points, k=6, seed=4),
        measure(points, [5, 3, 1, 0, 2, 4]),
        within_groups(
            partial(k_center, seed=4),
            points,
            groups=np.arange(60) % 2,
            quotas={0: 2, 1: 4},
        ),
    ]
    methods = [got.provenance["method"] for got in answers]
    assert len(set(methods)) == len(answers)
    seeded = {"farthest_first", "ccs", "uniform", "farthest_first_within_groups"}
    for method, got in zip(methods, answers, strict=True):
        assert got.provenance["params"]["k"] == len(got.rows) == 6
        assert got.provenance["seed"] == (4 if method in seeded else None)
        assert got.provenance["data_hash"] == fingerprint(points.astype(np.float32))
        json.dumps(got.provenance)
        apart = np.linalg.norm(points[got.rows][:, None] - points[got.rows], axis=2)
        np.fill_diagonal(apart, np.inf)
        assert got.apart == pytest.approx(apart.min(axis=1), rel=1e-5)
        assert got.neighbours.tolist() == apart.argmin(axis=1).tolist()


def test_a_lone_row_has_no_neighbour():
    got = k_center(LINE, k=1)
    assert (got.neighbours.tolist(), got.apart.tolist()) == ([0], [np.inf])


def test_weighing_the_mean_is_weighing_the_sum_by_a_kth():
    costs = np.array([3.0, 1.0, 3.0, 2.0, 9.0])
    on_mean = weighted_k_center(LINE, k=2, costs=costs, cost_weight=2.0, cost_on="mean")
    on_sum = weighted_k_center(LINE, k=2, costs=costs, cost_weight=1.0)
    assert on_mean.rows.tolist() == on_sum.rows.tolist()
    assert on_mean.objective == on_sum.objective == 4.0
    again = measure(LINE, on_mean.rows, costs=costs, cost_weight=2.0, cost_on="mean")
    assert again.objective == 4.0


def test_the_weight_of_the_mean_is_remembered_as_it_was_given():
    costs = np.array([3.0, 1.0, 3.0, 2.0, 9.0])
    shared = {"k": 2, "costs": costs, "cost_weight": 2.0, "cost_on": "mean"}
    for got in (
        weighted_k_center(LINE, **shared),
        parallel_weighted_k_center(LINE, **shared, shards=2),
        measure(LINE, [1, 3], **{name: shared[name] for name in list(shared)[1:]}),
    ):
        params = got.provenance["params"]
        assert (params["cost_weight"], params["cost_on"]) == (2.0, "mean")
        assert got.objective == pytest.approx(got.radius + got.cost)


class Recorded:
    """A runner that keeps what it was given."""

    def __init__(self):
        self.tasks = []
        self.lists = 0

    def __call__(self, function, tasks):
        self.lists += isinstance(tasks, list)
        for task in tasks:
            self.tasks.append(task)
            yield function(task)


def test_shards_are_views_made_one_at_a_time():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(90, 3)).astype(np.float32)
    shared = {"k": 4, "costs": rng.random(90), "cost_weight": 0.1, "shards": 3}
    for locked, views in ((None, 3), ([1], 2)):
        runner = Recorded()
        parallel_weighted_k_center(points, **shared, locked=locked, runner=runner)
        assert runner.lists == 0
        first = runner.tasks[:3]
        assert (
            sum(np.shares_memory(one.source.read(), points) for one in first) == views
        )
        assert len(runner.tasks) == 9


def test_tasks_can_be_sent_to_another_process():
    """And what comes back: everything goes through bytes here."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(90, 3)).astype(np.float32)
    shared = {"k": 4, "costs": rng.random(90), "cost_weight": 0.1, "shards": 3}

    def sent(function, tasks):
        for task in tasks:
            work, there = pickle.loads(pickle.dumps((function, task)))
            yield pickle.loads(pickle.dumps(work(there)))

    for locked in (None, [1, 50]):
        here = parallel_weighted_k_center(points, **shared, locked=locked)
        there = parallel_weighted_k_center(points, **shared, locked=locked, runner=sent)
        assert there.rows.tolist() == here.rows.tolist()
        assert there.nearest.tolist() == here.nearest.tolist()
        assert there.lower_bound == here.lower_bound


def test_huge_coordinates_and_weights_are_worked_with_or_refused():
    got = weighted_k_center(
        LINE * 1e19, k=2, costs=np.ones(5), cost_weight=1e19, locked=[0]
    )
    assert got.radius == pytest.approx(1e19, rel=1e-6)
    assert np.isfinite(got.ratio)
    says = r"within 1e\+37 of 0 .* got row 2 at 2e\+37"
    with pytest.raises(InvalidInputError, match=says):
        k_center(LINE * 1e37, k=2)
    # Each number is small enough; the rows are 4.5e38 apart.
    with pytest.raises(InvalidInputError, match=r"got row 0 at 2.25e\+38"):
        k_center(np.full((3, 2025), 5e36, np.float32) * [[1], [-1], [0.1]], k=2)
    with pytest.raises(
        InvalidParamsError, match="1e\\+308 times 5 costs of up to 1 is"
    ):
        weighted_k_center(LINE, k=2, costs=np.ones(5), cost_weight=1e308)
    with pytest.raises(InvalidParamsError, match="5 costs of up to 1e\\+308 is"):
        margin(LINE, k=2, costs=np.full(5, 1e308))


def test_progress_is_told_and_may_cancel():
    rng = np.random.default_rng(0)
    points, costs = rng.normal(size=(400, 2)), rng.random(400)
    told = []
    k_center(points, k=130, progress=told.append)
    assert told[0].done == 1
    assert len(told) > 1
    assert all(a.done < b.done for a, b in itertools.pairwise(told))
    assert {p.total for p in told} == {130}
    told.clear()
    shared = {"k": 9, "costs": costs, "cost_weight": 0.1}
    parallel_weighted_k_center(points, **shared, shards=2, progress=told.append)
    assert [p.done for p in told] == [0, 1, 2, 3]

    def cancel(progress):
        raise CancelledError("enough")

    for work in (
        lambda: farthest_first(points, k=10, progress=cancel),
        lambda: weighted_k_center(points, **shared, progress=cancel),
        lambda: parallel_weighted_k_center(points, **shared, progress=cancel),
    ):
        with pytest.raises(CancelledError):
            work()


def test_only_true_metrics_are_served():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 4))
    chord = metric_vectors(
        SoarIndex.build(vectors, BuildParams(nlist=2, tune_queries=0))
    )
    assert np.linalg.norm(chord, axis=1) == pytest.approx(1, rel=1e-5)
    with pytest.raises(InvalidParamsError, match=r"true metric: .* got ip"):
        metric_vectors(
            SoarIndex.build(vectors, BuildParams(metric="ip", nlist=2, tune_queries=0))
        )


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"k": 6}, InvalidParamsError, r"k must be in 1\.\.5 .*got 6"),
        ({"k": 0}, InvalidParamsError, r"k must be in 1\.\.5 .*got 0"),
        ({"k": 4, "locked": [0, 1]}, InvalidParamsError, r"1\.\.3 .*2 locked.* got 4"),
        ({"k": 2.5}, InvalidParamsError, "k must be an integer, got 2.5"),
        ({"eps": 0}, InvalidParamsError, "eps must be in"),
        ({"cost_weight": "1"}, InvalidParamsError, "cost_weight must be a number"),
        ({"cost_weight": None}, InvalidParamsError, "cost_weight must be a number"),
        ({"cost_on": "median"}, InvalidParamsError, "cost_on must be one of sum, mean"),
        ({"costs": [1, 1, np.inf, 1, 1]}, NonFiniteError, "costs row 2 has NaN"),
        ({"costs": ["a"] * 5}, InvalidInputError, "costs must be numbers"),
        ({"cost_weight": -1}, InvalidParamsError, "cost_weight must be in"),
        ({"cost_weight": float("nan")}, InvalidParamsError, "cost_weight must be in"),
        ({"cost_weight": float("inf")}, InvalidParamsError, "cost_weight must be in"),
        ({"costs": [1, 1, 1, 1]}, DimensionMismatchError, "4 entries for 5 rows"),
        ({"costs": [1, 1, np.nan, 1, 1]}, NonFiniteError, "costs row 2 has NaN"),
        ({"costs": [1, 1, -2, 1, 1]}, InvalidInputError, "at least 0, got -2"),
        ({"locked": [1, 1]}, DuplicateIdError, "2 entries, of which 1"),
        ({"locked": [5]}, InvalidInputError, r"0\.\.4, got 5"),
        ({"locked": [0.5]}, InvalidInputError, "integers"),
    ],
)
def test_input_that_does_not_fit_is_refused(change, error, words):
    good = {"k": 2, "costs": np.ones(5), "cost_weight": 1.0}
    for method in (weighted_k_center, partial(parallel_weighted_k_center, shards=2)):
        with pytest.raises(error, match=words):
            method(LINE, **{**good, **change})


def test_measuring_refuses_locked_and_repeated_rows():
    with pytest.raises(InvalidInputError, match="1 of 2 rows are locked"):
        measure(LINE, [0, 1], locked=[1])
    with pytest.raises(DuplicateIdError):
        measure(LINE, [1, 1])
    with pytest.raises(NonFiniteError):
        k_center([[0.0], [np.inf]], k=1)


@pytest.mark.parametrize(
    "choose",
    [
        lambda seed: k_center(LINE, k=2, seed=seed),
        lambda seed: farthest_first(LINE, k=2, seed=seed),
        lambda seed: uniform(LINE, k=2, seed=seed),
        lambda seed: ccs(LINE, k=2, costs=np.zeros(5), seed=seed),
    ],
)
@pytest.mark.parametrize("seed", [-1, 0.5, "7", None])
def test_seeds_that_are_none_are_refused(choose, seed):
    with pytest.raises(InvalidParamsError, match="seed must be"):
        choose(seed)
